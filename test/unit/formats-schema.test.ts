import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import * as z from 'zod/mini';
import { renderWebhook } from '../../lib/core/render/webhook.ts';
import { noticeJsonSchema, WebhookDocument } from '../../lib/core/render/webhook-schema.ts';
import { hostileAlerts, hostileDigest } from '../fixtures/render/hostile.ts';
import { newsNotices } from '../fixtures/render/news-samples.ts';

test('the schema that is published is the one that documents are checked by', async () => {
  await expect(`${JSON.stringify(noticeJsonSchema(), null, 2)}\n`).toMatchFileSnapshot(
    '../../docs/schemas/notice.schema.json',
  );
});

test('it asks for every key that a document has, and lets others pass', () => {
  const schema = JSON.stringify(noticeJsonSchema());

  expect(schema).not.toContain('"additionalProperties":false');
  expect(Object.keys((noticeJsonSchema() as { $defs: object }).$defs)).toEqual(
    expect.arrayContaining(['alert', 'cluster', 'finding', 'reason']),
  );
});

/** Strict: a key that the schema does not know is a problem. */
function problems(document: unknown): unknown {
  return z.safeParse(WebhookDocument, document).error?.issues ?? [];
}

test.each(Object.keys(newsNotices))('the document is as the schema says: %s', (name) => {
  const path = new URL(`../fixtures/render/${name}.webhook.json`, import.meta.url);

  expect(problems(JSON.parse(readFileSync(path, 'utf8')))).toEqual([]);
});

test('every document is as the schema says, whatever the texts', () => {
  fc.assert(
    fc.property(fc.oneof(hostileAlerts, hostileDigest), (told) => {
      expect(problems(JSON.parse(JSON.stringify(renderWebhook(told))))).toEqual([]);
    }),
    { numRuns: 80, endOnFailure: true },
  );
});

test.each([
  { why: 'a key too many', change: { extra: 1 } },
  { why: 'a key too few', change: { standing: undefined } },
  { why: 'an id that is none', change: { id: 'a b' } },
  { why: 'another version', change: { version: 2 } },
  { why: 'no time', change: { at: 'today' } },
])('the schema finds $why', ({ change }) => {
  const document = renderWebhook(newsNotices.changes as (typeof newsNotices)[string]);

  expect(problems(document)).toEqual([]);
  expect(problems({ ...document, ...change })).not.toEqual([]);
});
