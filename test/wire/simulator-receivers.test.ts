import { expect, test } from 'vitest';
import { startReceiver } from '../../lib/simulator/receivers.ts';

function post(url: string, body: unknown): Promise<Response> {
  const headers = { 'content-type': 'application/json' };
  return fetch(url, { method: 'POST', headers, body: typeof body === 'string' ? body : JSON.stringify(body) });
}

test('a webhook takes and records all that is posted', async () => {
  await using receiver = await startReceiver();

  const response = await post(`${receiver.url}/hook?team=a`, { hello: 'wörld' });

  expect(response.status).toBe(200);
  expect(receiver.received).toMatchObject([
    {
      method: 'POST',
      path: '/hook?team=a',
      headers: { 'content-type': 'application/json' },
      text: '{"hello":"wörld"}',
      json: { hello: 'wörld' },
      problems: [],
      status: 200,
    },
  ]);
});

test('Slack answers ok', async () => {
  await using receiver = await startReceiver({ kind: 'slack' });

  const response = await post(receiver.url, { text: 'all is well' });

  expect([response.status, await response.text()]).toEqual([200, 'ok']);
});

test.each([
  { body: '{', says: 'invalid_payload' },
  { body: '"text"', says: 'invalid_payload' },
  { body: {}, says: 'no_text' },
  { body: { blocks: [{ type: 'divider' }] }, says: 'no_text' },
  { body: { text: 'a', blocks: [{ type: 'section' }] }, says: 'invalid_blocks' },
  { body: { text: 'a', attachments: {} }, says: 'invalid_attachments' },
])('Slack refuses $body: $says', async ({ body, says }) => {
  await using receiver = await startReceiver({ kind: 'slack', script: [{ status: 200, body: 'ok' }] });

  const response = await post(receiver.url, body);

  expect([response.status, await response.text()]).toEqual([400, says]);
  expect(receiver.received[0]?.problems).not.toEqual([]);
  expect(receiver.script).toHaveLength(1);
});

test('the script is followed call by call, then messages are taken', async () => {
  await using receiver = await startReceiver({
    kind: 'slack',
    script: [{ status: 429, headers: { 'retry-after': '7' } }, { status: 500, body: 'rollup_error' }, { body: 'no' }],
  });
  const answers: unknown[] = [];

  for (let i = 0; i < 4; i++) {
    const response = await post(receiver.url, { text: 'a' });
    answers.push([response.status, response.headers.get('retry-after'), await response.text()]);
  }

  expect(answers).toEqual([
    [429, '7', ''],
    [500, null, 'rollup_error'],
    [200, null, 'no'],
    [200, null, 'ok'],
  ]);
});

test('an answer can be held back until the test lets it go', async () => {
  const gate = Promise.withResolvers<void>();
  await using receiver = await startReceiver({ script: [{ after: gate.promise }] });

  const held = post(receiver.url, 'first');
  await expect.poll(() => receiver.received.length).toBe(1);
  await post(receiver.url, 'second');
  const statuses = receiver.received.map((r) => r.status);
  gate.resolve();

  expect((await held).status).toBe(200);
  expect(statuses).toEqual([undefined, 200]);
});

test('a connection is reset before an answer', async () => {
  await using receiver = await startReceiver({ script: ['reset'] });

  await expect(post(receiver.url, 'a')).rejects.toThrow(/fetch failed/);
  expect(receiver.received).toMatchObject([{ text: 'a', status: undefined }]);
});

test('a call that hangs ends when the receiver closes', async () => {
  const receiver = await startReceiver({ script: ['hang'] });

  const hung = post(receiver.url, 'a').catch((error: unknown) => error);
  await expect.poll(() => receiver.received.length).toBe(1);
  await receiver.close();

  expect(await hung).toBeInstanceOf(Error);
  expect(receiver.received[0]?.status).toBeUndefined();
});
