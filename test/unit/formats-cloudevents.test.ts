import fc from 'fast-check';
import { expect, test } from 'vitest';
import { renderCloudEvent } from '../../lib/core/render/cloudevents.ts';
import { documentBytes, renderWebhook } from '../../lib/core/render/webhook.ts';
import { hostileAlerts, hostileDigest } from '../fixtures/render/hostile.ts';
import { alerts, blind, changes, first, news } from '../fixtures/render/news-samples.ts';
import { vulnerability } from '../fixtures/render/samples.ts';

test('the whole event', async () => {
  const text = `${JSON.stringify(renderCloudEvent(blind), null, 2)}\n`;

  await expect(text).toMatchFileSnapshot('../fixtures/render/blind.cloudevent.json');
});

test.each([
  { told: changes, type: 'portcullis.alerts', subject: 'prod-us' },
  { told: { ...changes, cluster: { id: 'c-1', name: '' } }, type: 'portcullis.alerts', subject: 'c-1' },
  { told: { ...changes, cluster: { id: '', name: '' } }, type: 'portcullis.alerts', subject: undefined },
  { told: first, type: 'portcullis.digest', subject: undefined },
])('$type about $subject', ({ told, type, subject }) => {
  const event = renderCloudEvent(told);

  expect(event).toEqual({
    specversion: '1.0',
    id: told.id,
    source: '/portcullis/prod',
    type,
    time: '2026-11-24T05:33:10.000Z',
    ...(subject !== undefined && { subject }),
    datacontenttype: 'application/json',
    data: renderWebhook(told),
  });
});

test('the document makes room for the envelope', () => {
  const many = alerts({
    news: Array.from({ length: 500 }, (_, i) => news({ rule: `rule-${i}`, findings: [vulnerability(i)] })),
  });
  const bytes = Buffer.byteLength(JSON.stringify(renderCloudEvent(many)));

  expect(bytes).toBeLessThanOrEqual(documentBytes);
  expect(bytes).toBeGreaterThan(documentBytes * 0.95);
});

test('whatever the texts: at most 64 KiB, and attributes as the specification asks', () => {
  fc.assert(
    fc.property(fc.oneof(hostileAlerts, hostileDigest), (told) => {
      const { data, ...attributes } = renderCloudEvent(told);

      expect(Buffer.byteLength(JSON.stringify({ ...attributes, data }))).toBeLessThanOrEqual(documentBytes);
      for (const [name, value] of Object.entries(attributes)) {
        expect(name).toMatch(/^[a-z0-9]+$/);
        expect(value).not.toMatch(/^$|[\p{Cc}\p{Cs}\p{NChar}]/u);
      }
      expect(attributes.source).toMatch(/^\/portcullis\/[\w.!~*'()%-]*$/);
      expect(attributes.type).toBe(data.type);
      expect(attributes.id).toBe(data.id);
    }),
    { numRuns: 80, endOnFailure: true },
  );
});
