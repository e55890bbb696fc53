import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { AlertNews, Notice } from '../../lib/core/notice.ts';
import { type PostableAlert, renderAlertmanager } from '../../lib/core/render/alertmanager.ts';
import { hostileAlerts, hostileDigest } from '../fixtures/render/hostile.ts';
import {
  alerts,
  blind,
  changes,
  dayMs,
  failingReceiver,
  first,
  judgedAgain,
  news,
  reminder,
  worse,
} from '../fixtures/render/news-samples.ts';
import { atMs, vulnerability } from '../fixtures/render/samples.ts';
import { unsafe } from '../fixtures/render/slack-limits.ts';

const untilMs = atMs + 7 * dayMs;
const until = new Date(untilMs).toISOString();

test.each(Object.entries({ changes, worse, blind } as Record<string, Notice>))(
  'the whole list: %s',
  async (name, told) => {
    const text = `${JSON.stringify(renderAlertmanager(told, untilMs), null, 2)}\n`;

    await expect(text).toMatchFileSnapshot(`../fixtures/render/${name}.alertmanager.json`);
  },
);

function only(item: AlertNews): PostableAlert {
  const [alert] = renderAlertmanager(alerts({ news: [item] }), untilMs);
  if (alert === undefined) throw new Error('none');
  return alert;
}

test('what fires ends when it is no longer known to, what is over ended then', () => {
  const ends = renderAlertmanager(changes, untilMs).map(({ annotations, endsAt }) => `${annotations.cause} ${endsAt}`);

  const over = new Date(atMs).toISOString();
  expect(ends).toEqual([
    `new ${until}`,
    `waiver-expired ${until}`,
    `worse ${until}`,
    `worse ${until}`,
    `reopened ${until}`,
    `reminder ${until}`,
    `policy-changed ${over}`,
    `waived ${over}`,
    `resolved ${over}`,
  ]);
});

test('an alert has the same labels for as long as it is the same: by them its end is told', () => {
  const group = { image: 'registry/shop/checkout', image_version: '1.40.0' };
  const labels = (['new', 'worse', 'reopened', 'reminder', 'resolved', 'waived'] as const).map(
    (cause) => only(news({ cause, group, count: cause.length, sinceMs: atMs - dayMs, overMs: atMs })).labels,
  );

  expect(new Set(labels.map((one) => JSON.stringify(one))).size).toBe(1);
  expect(labels[0]).toEqual({
    alertname: 'PortcullisViolation',
    source: 'prod',
    cluster: 'prod-us',
    cluster_id: '8d1cf1a2-6332-11ef-a02c-0255ac101958',
    rule: 'a-rule',
    on: 'vulnerabilities',
    group_image: 'registry/shop/checkout',
    group_image_version: '1.40.0',
    severity: 'high',
    fingerprint: news({ group }).fingerprint,
  });
});

test('that a cluster cannot be judged is an alert of its own name, and ends by the same', () => {
  const [[begins], [ends]] = [renderAlertmanager(blind, untilMs), renderAlertmanager(judgedAgain, untilMs)];

  expect(begins?.labels).toMatchObject({ alertname: 'PortcullisUndetermined', severity: 'critical' });
  expect(begins?.labels).not.toHaveProperty('rule');
  expect(begins?.annotations.description).toMatch(/^• report-stale: .*\n• count-mismatch: /);
  expect(ends?.labels).toEqual(begins?.labels);
  expect(ends?.endsAt).toBe(new Date(atMs).toISOString());
  expect(renderAlertmanager(failingReceiver, untilMs)[0]?.labels.alertname).toBe('PortcullisReceiverFailing');
});

test('what fires under another severity than it was told ends under that one', () => {
  const item = news({ cause: 'reminder', severity: 'low', severitiesBefore: ['critical'], sinceMs: atMs - dayMs });
  const [now, before] = renderAlertmanager(alerts({ news: [item] }), untilMs);

  expect(now).toMatchObject({ labels: { severity: 'low' }, annotations: { cause: 'reminder' }, endsAt: until });
  expect(before).toEqual({
    ...now,
    labels: { ...now?.labels, severity: 'critical' },
    annotations: {
      ...now?.annotations,
      summary: 'prod-us: a-rule goes on as low, no longer critical',
      cause: 'severity-changed',
      description: undefined,
    },
    endsAt: new Date(atMs).toISOString(),
  });

  const over = { ...item, cause: 'resolved' as const, overMs: atMs - 1 };
  const ends = renderAlertmanager(alerts({ news: [over] }), untilMs);
  expect(ends.map(({ labels, annotations }) => [labels.severity, annotations.cause])).toEqual([
    ['low', 'resolved'],
    ['critical', 'resolved'],
  ]);
  expect(new Set(ends.map(({ endsAt }) => endsAt)).size).toBe(1);
});

test('a digest is all of its alerts', () => {
  expect(renderAlertmanager(first, untilMs)).toHaveLength(13);
  expect(renderAlertmanager(reminder, untilMs).map(({ startsAt, endsAt }) => [startsAt, endsAt])).toEqual([
    ['2026-10-14T05:33:10.000Z', until],
    ['2026-11-21T05:33:10.000Z', until],
  ]);
});

test('times that no calendar of four digits has, ends before beginnings, and ends to come are made to fit', () => {
  const over = (sinceMs: number, overMs: number) => {
    const { startsAt, endsAt } = only(news({ cause: 'resolved', sinceMs, overMs }));
    return [Date.parse(startsAt) - atMs, Date.parse(endsAt) - atMs];
  };
  expect(over(atMs - dayMs, atMs - 1)).toEqual([-dayMs, -1]);
  expect(over(atMs, atMs - dayMs)).toEqual([-dayMs, -dayMs]);
  // In the future it would fire until then.
  expect(over(atMs + dayMs, atMs + 2 * dayMs)).toEqual([0, 0]);
  expect(only(news({ sinceMs: -1 })).startsAt).toBe('1970-01-01T00:00:00.000Z');
  expect(only(news({ sinceMs: 8e15 }))).toMatchObject({
    startsAt: '9999-12-31T23:59:59.999Z',
    endsAt: '9999-12-31T23:59:59.999Z',
  });
});

test('however many alerts: each is there, and its numbers are', () => {
  const many = alerts({
    news: Array.from({ length: 5_000 }, (_, i) =>
      news({ rule: `rule-${i}`, findings: Array.from({ length: 20 }, (_, n) => vulnerability(n)), omitted: 80 }),
    ),
  });
  const told = renderAlertmanager(many, untilMs);

  expect(told).toHaveLength(5_000);
  for (const { annotations } of told) {
    expect(annotations.count).toBe('100');
    expect(annotations.description?.length).toBeLessThanOrEqual(300);
    expect(annotations.description).toMatch(/\nand 9\d more$/);
  }
});

/** The sum of the numbers that a pattern finds in the lines of a text. */
function sum(text: string, pattern: RegExp): number {
  return text.split('\n').reduce((total, line) => total + Number(pattern.exec(line)?.[1]?.replaceAll(',', '') ?? 0), 0);
}

function expectWellFormed({ labels, annotations, startsAt, endsAt, generatorURL }: PostableAlert): void {
  for (const [name, value] of Object.entries({ ...labels, ...annotations })) {
    expect(name).toMatch(/^[a-zA-Z_][a-zA-Z0-9_]*$/);
    expect(value).not.toBe('');
    expect(unsafe(value), value).toEqual([]);
  }
  for (const value of Object.values(labels)) expect(value).not.toMatch(/\n/);
  expect(Date.parse(endsAt)).toBeGreaterThanOrEqual(Date.parse(startsAt));
  expect(generatorURL).toMatch(/^urn:portcullis:alert:[0-9a-f]{32}$/);
  expect(annotations.description?.length ?? 0).toBeLessThanOrEqual(2_000);
  expect(annotations.summary?.length).toBeLessThanOrEqual(500);
}

describe('whatever the texts', () => {
  test('news: well-formed, harmless, each finding named or counted', () => {
    fc.assert(
      fc.property(hostileAlerts, (told) => {
        const list = renderAlertmanager(told, untilMs);

        expect(list).toHaveLength(told.news.length);
        expect(new Set(list.map(({ labels }) => JSON.stringify(labels))).size).toBe(list.length);
        for (const [i, alert] of list.entries()) {
          expectWellFormed(alert);
          const item = told.news[i];
          const text = alert.annotations.description ?? '';
          const shown = text.split('\n').filter((line) => line.startsWith('• ')).length;
          const counted = sum(text, /^and ([\d,]+) more(?: reasons?)?$/) + sum(text, /^([\d,]+) not shown here$/);
          expect(shown + counted).toBe(
            item?.rule === '' ? item.reasons.length : (item?.findings.length ?? 0) + (item?.omitted ?? 0),
          );
          const gone = /^([\d,]+) (?:gone or waived|gone|waived or gone|not asked for any more)(?::|$)/;
          if (item?.rule !== '') expect(sum(text, gone)).toBe(item?.gone);
        }
      }),
      { numRuns: 80, endOnFailure: true },
    );
  });

  test('digests: well-formed and harmless', () => {
    fc.assert(
      fc.property(hostileDigest, (told) => {
        for (const alert of renderAlertmanager(told, untilMs)) expectWellFormed(alert);
      }),
      { numRuns: 80, endOnFailure: true },
    );
  });
});

test('a label keeps a name as it is, so that routes and silences match it', () => {
  const image = 'registry.example:5000/shop/check_out@sha256:0123';

  expect(only(news({ group: { image } })).labels.group_image).toBe(image);
  expect(only(news({ group: { image: 'fe80:1:2::3' } })).labels.group_image).toBe('fe80:1:2::3');
  expect(only(news({ group: { image: '<!channel> @here' } })).labels.group_image).toBe('‹!channel› @\u2060here');
});
