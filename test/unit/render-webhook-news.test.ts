import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { AlertNews, ClusterNews } from '../../lib/core/notice.ts';
import { documentBytes, renderWebhook, type WebhookDocument } from '../../lib/core/render/webhook.ts';
import type { ClusterEntry } from '../../lib/core/render/webhook-schema.ts';
import { hostileAlerts, hostileDigest } from '../fixtures/render/hostile.ts';
import {
  type AlertsNotice,
  alerts,
  blind,
  changes,
  clusterNews,
  type DigestNotice,
  digest,
  failingReceiver,
  news,
  newsNotices,
} from '../fixtures/render/news-samples.ts';
import { vulnerability } from '../fixtures/render/samples.ts';

test.each(Object.entries(newsNotices))('the whole document: %s', async (name, told) => {
  const text = `${JSON.stringify(renderWebhook(told), null, 2)}\n`;

  await expect(text).toMatchFileSnapshot(`../fixtures/render/${name}.webhook.json`);
});

function alertsDocument(told: AlertsNotice) {
  const document = renderWebhook(told);
  if (document.type !== 'portcullis.alerts') throw new Error(document.type);
  return document;
}

function digestDocument(told: DigestNotice) {
  const document = renderWebhook(told);
  if (document.type !== 'portcullis.digest') throw new Error(document.type);
  return document;
}

function bytesOf(document: WebhookDocument): number {
  return Buffer.byteLength(JSON.stringify(document));
}

function foundIn(items: readonly AlertNews[]): number {
  return items.reduce((sum, { rule, count }) => sum + (rule === '' ? 0 : count), 0);
}

/** Every alert is there or counted, and of every alert that is there all findings and reasons are. */
function expectAllListedOrCounted(entry: ClusterEntry, { news: items, standing }: ClusterNews): void {
  const { alerts: listed, left_out: leftOut } = entry;
  expect(listed.length + leftOut.alerts).toBe(items.length);
  const counts = listed.filter(({ kind }) => kind === 'violation').reduce((sum, { count }) => sum + count, 0);
  expect(counts + leftOut.findings).toBe(foundIn(items));
  expect(Object.values(entry.counts).reduce((a, b) => a + b)).toBe(items.length);
  expect(entry.standing).toBe(standing);
  for (const alert of listed) {
    const item = items.find(({ fingerprint }) => fingerprint === alert.fingerprint);
    expect(alert.findings.length + alert.omitted).toBe((item?.findings.length ?? 0) + (item?.omitted ?? 0));
    expect(alert.gone_findings.length + alert.gone_omitted).toBe(item?.gone);
    expect(alert.reasons.length + alert.reasons_omitted).toBe(item?.reasons.length);
  }
}

test('an alert says what it is, why it is told and what came', () => {
  const { alerts: listed, counts, standing } = alertsDocument(changes);

  expect({ counts, standing }).toEqual({ counts: { critical: 2, high: 2, medium: 2, low: 3 }, standing: 4 });
  expect(listed.find(({ rule }) => rule === 'no-high-vulnerabilities')).toMatchObject({
    kind: 'violation',
    cause: 'worse',
    state: 'firing',
    before: 12,
    count: 15,
    since: '2026-11-12T02:33:10.000Z',
    over_at: null,
    findings: [
      { vulnerability: 'CVE-2026-1021', origin: 'disclosed' },
      { vulnerability: 'CVE-2026-1022', origin: 'new-image' },
    ],
    omitted: 3,
    gone_findings: [{ vulnerability: 'CVE-2026-1011' }],
    gone_omitted: 1,
  });
  expect(listed.map(({ cause, state }) => `${cause} ${state}`)).toEqual([
    'new firing',
    'waiver-expired firing',
    'worse firing',
    'worse firing',
    'reopened firing',
    'reminder firing',
    'policy-changed over',
    'waived over',
    'resolved over',
  ]);
});

test('a cluster that cannot be judged has no rule but reasons; a receiver is no cluster', () => {
  expect(alertsDocument(blind).alerts).toMatchObject([
    { kind: 'undetermined', rule: null, reasons: [{ kind: 'report-stale' }, { kind: 'count-mismatch' }] },
  ]);
  expect(alertsDocument(failingReceiver).alerts).toMatchObject([{ kind: 'receiver-failing', rule: null }]);
});

test('when there is no room, the most urgent alerts are there, then the first findings of each', () => {
  const many = alerts({
    news: Array.from({ length: 2_000 }, (_, i) =>
      news({
        rule: `rule-${i}`,
        fingerprint: String(i).padStart(32, '0'),
        findings: Array.from({ length: 10 }, (_, n) => vulnerability(n)),
      }),
    ),
  });
  const few = { ...many, news: many.news.slice(0, 20) };

  const document = alertsDocument(many);
  expect(bytesOf(document)).toBeLessThanOrEqual(documentBytes);
  expect(bytesOf(document)).toBeGreaterThan(documentBytes * 0.95);
  expect(document.alerts.length).toBeGreaterThan(50);
  expect(document.alerts.map(({ rule }) => rule)).toEqual(document.alerts.map((_, i) => `rule-${i}`));
  expectAllListedOrCounted(document, many);

  const counts = alertsDocument(few).alerts.map(({ findings }) => findings.length);
  expect(Math.min(...counts)).toBeGreaterThan(0);
  expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(1);
  expectAllListedOrCounted(alertsDocument(few), few);
});

test('a finding or a reason of absurd size hides only itself, and is counted', () => {
  const huge = 'x'.repeat(100_000);
  const findings = [vulnerability(1, { description: huge }), vulnerability(2)];
  const reasons = [huge, 'short'].map((message) => ({ kind: 'report-stale' as const, message }));
  const document = alertsDocument(alerts({ news: [news({ findings }), news({ rule: '', reasons })] }));

  expect(document.alerts).toMatchObject([
    { count: 2, omitted: 1, findings: [{ vulnerability: 'CVE-2026-1002' }] },
    { reasons: [{ message: 'short' }], reasons_omitted: 1 },
  ]);
});

test('of a thousand clusters the worst are there, and what is left out is counted', () => {
  const wide = digest(
    'first',
    Array.from({ length: 1_000 }, (_, i) =>
      clusterNews({
        cluster: { id: `id-${i}`, name: `cluster-${i}` },
        news: [news({ cause: 'standing', count: i, severity: i === 700 ? 'critical' : 'low' })],
      }),
    ),
  );
  const document = digestDocument(wide);

  expect(bytesOf(document)).toBeLessThanOrEqual(documentBytes);
  expect(document.clusters[0]?.cluster.id).toBe('id-700');
  expect(document.clusters[0]?.alerts).toHaveLength(1);
  expect(document.clusters.length + document.left_out.clusters).toBe(1_000);
  const counted = document.clusters.reduce((sum, { counts }) => sum + counts.critical + counts.low, 0);
  expect(counted + document.left_out.alerts).toBe(1_000);
});

describe('whatever the texts', () => {
  test('news of a cluster: below 64 KiB, and all is listed or counted', () => {
    fc.assert(
      fc.property(hostileAlerts, (told) => {
        const document = alertsDocument(told);

        expect(bytesOf(document)).toBeLessThanOrEqual(documentBytes);
        expectAllListedOrCounted(document, told);
      }),
      { numRuns: 80, endOnFailure: true },
    );
  });

  test('digests: below 64 KiB, and all is listed or counted', () => {
    fc.assert(
      fc.property(hostileDigest, (told) => {
        const document = digestDocument(told);

        expect(bytesOf(document)).toBeLessThanOrEqual(documentBytes);
        const { clusters, left_out: leftOut } = document;
        expect(clusters.length + leftOut.clusters).toBe(told.clusters.length);
        const all = told.clusters.flatMap((cluster) => cluster.news);
        const alertsIn = (entry: ClusterEntry) => entry.alerts.length + entry.left_out.alerts;
        expect(clusters.reduce((sum, entry) => sum + alertsIn(entry), 0) + leftOut.alerts).toBe(all.length);
        const listed = clusters.flatMap((entry) => entry.alerts).filter(({ kind }) => kind === 'violation');
        const findings = clusters.reduce((sum, entry) => sum + entry.left_out.findings, leftOut.findings);
        expect(listed.reduce((sum, { count }) => sum + count, findings)).toBe(foundIn(all));
      }),
      { numRuns: 80, endOnFailure: true },
    );
  });

  test('a group or a sentence of any length does not hide its alert', () => {
    const long = '\u0007'.repeat(100_000);
    const told = alerts({
      cluster: { id: long, name: long },
      policy: long,
      news: [news({ rule: long, group: { image: long, image_version: long }, message: long, held: long, count: 1 })],
    });

    expect(alertsDocument(told)).toMatchObject({ alerts: [{ count: 1 }], left_out: { alerts: 0 } });
    expect(bytesOf(alertsDocument(told))).toBeLessThanOrEqual(documentBytes);
  });
});
