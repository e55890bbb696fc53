import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { Webhook } from 'standardwebhooks';
import { expect, test } from 'vitest';
import { alertnames } from '../../lib/core/render/alertmanager-parts.ts';
import { renderWebhook } from '../../lib/core/render/webhook.ts';
import { worse } from '../fixtures/render/news-samples.ts';

const root = resolve(import.meta.dirname, '../..');
const text = readFileSync(join(root, 'docs/webhooks.md'), 'utf8');
const examples = [...text.matchAll(/^<!-- show: (.+?) -->\n```json\n([\s\S]*?)\n```\n<!-- end -->$/gm)].map(
  ([, file = '', example = '']) => ({ file, example }),
);

test('there is an example of every document and format', () => {
  const types = [...text.matchAll(/^ {2}"type": "(portcullis\.\w+)"/gm)].map(([, type]) => type);

  expect(types).toEqual(expect.arrayContaining(['portcullis.alerts', 'portcullis.digest']));
  expect(examples).toHaveLength(4);
});

test.each(examples)('the example is what is sent: $file', ({ file, example }) => {
  expect(example).toBe(readFileSync(join(root, file), 'utf8').trimEnd());
});

test('every cause and kind that the schema knows is explained', () => {
  const schema = JSON.parse(readFileSync(join(root, 'docs/schemas/notice.schema.json'), 'utf8'));
  const { cause, kind } = schema.$defs.alert.properties;

  expect(cause.enum.length).toBeGreaterThan(5);
  for (const word of [...cause.enum, ...kind.enum]) expect(text).toContain(`\`${word}\``);
});

test('every alertname of the alertmanager format is listed, and no other', () => {
  const [sentence = ''] = /^- `alertname` is [^.]*\./m.exec(text) ?? [];
  const listed = [...sentence.matchAll(/`(Portcullis\w+)`/g)].map(([, name]) => name);

  expect(listed).toEqual(Object.values(alertnames));
});

test('the code that verifies a signature takes what we sign, once, and nothing else', () => {
  const code = /^```js\n([\s\S]*?)\n```$/m.exec(text)?.[1]?.replace(/^import .*$/m, '') ?? '';
  const secret = `whsec_${Buffer.from('a secret of the documentation').toString('base64')}`;
  const make = new Function('Webhook', 'process', `${code}\nreturn receive;`);
  const receive = make(Webhook, { env: { SIGNING_SECRET: secret } });

  const body = JSON.stringify(renderWebhook(worse));
  const now = new Date();
  const headers = {
    'webhook-id': worse.id,
    'webhook-timestamp': String(Math.floor(now.getTime() / 1000)),
    'webhook-signature': new Webhook(secret).sign(worse.id, now, body),
  };
  expect(receive(headers, body)).toBe('portcullis.alerts');
  expect(receive(headers, body)).toBe('known');
  expect(() => receive(headers, body.replace('prod-us', 'prod-xx'))).toThrow();
});
