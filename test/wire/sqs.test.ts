import { hash } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, test, vi } from 'vitest';
import { openQueue, type Queue } from '../../lib/queue/sqs.ts';

const closing: (() => void)[] = [];
afterEach(() => {
  for (const close of closing.splice(0)) close();
  vi.unstubAllEnvs();
});

/** A queue whose service answers each action by a script; `undefined`: not at all; a number: that status. */
async function scripted(answer: (action: string, nth: number) => object | number | undefined): Promise<Queue> {
  const counts = new Map<string, number>();
  const server = createServer((request, response) => {
    const action = String(request.headers['x-amz-target']).split('.')[1] ?? '';
    const nth = (counts.get(action) ?? 0) + 1;
    counts.set(action, nth);
    const answered = answer(action, nth);
    request.resume();
    if (answered === undefined) return;
    response.writeHead(typeof answered === 'number' ? answered : 200, { 'content-type': 'application/x-amz-json-1.0' });
    response.end(typeof answered === 'number' ? '{}' : JSON.stringify(answered));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  for (const [name, value] of Object.entries({
    AWS_ENDPOINT_URL_SQS: origin,
    AWS_REGION: 'eu-west-1',
    AWS_ACCESS_KEY_ID: 'a',
    AWS_SECRET_ACCESS_KEY: 's',
  }))
    vi.stubEnv(name, value);
  const queue = openQueue(`${origin}/123456789012/dead`, { timeoutMs: 30 });
  closing.push(() => {
    queue.close();
    server.closeAllConnections();
    server.close();
  });
  return queue;
}

const attributes = { Attributes: { ApproximateNumberOfMessages: '3', ApproximateNumberOfMessagesNotVisible: '0' } };
const Body = '{"source":"prod"}';
const MD5OfBody = hash('md5', Body, 'hex');
const message = { Messages: [{ MessageId: 'm', ReceiptHandle: 'r', Body, MD5OfBody }] };

test('a look that fails in the middle, or cannot be taken back, gives what was seen', async () => {
  const queue = await scripted((action, nth) =>
    action === 'GetQueueAttributes' ? attributes : action === 'ReceiveMessage' && nth === 1 ? message : 500,
  );
  expect(await queue.look()).toEqual({ count: 3, bodies: [Body] });
});

test('a look that shows nothing at all because it fails is a failure', async () => {
  const queue = await scripted((action) => (action === 'GetQueueAttributes' ? attributes : 500));
  await expect(queue.look()).rejects.toThrow();
});

test('a service that does not answer ends in an error, not with the invocation', async () => {
  const queue = await scripted(() => undefined);
  await expect(queue.send({})).rejects.toThrow(/timed? ?out|timeout/i);
});
