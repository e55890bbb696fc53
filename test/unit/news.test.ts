import { describe, expect, test } from 'vitest';
import { type Alert, type AlertOptions, advance } from '../../lib/core/alerts.ts';
import { owe } from '../../lib/core/deliveries.ts';
import { newsOf } from '../../lib/core/news.ts';
import type { AlertNews } from '../../lib/core/notice.ts';
import { ageOf } from '../../lib/core/render/news-words.ts';
import type { Finding } from '../../lib/core/report.ts';
import type { DeliveryLog } from '../../lib/core/told.ts';
import { evaluate, nowMs } from '../support/evaluate.ts';

const dayMs = 86_400_000;

/** A cluster that is looked at once a day, and a receiver that takes everything. */
function daily(policy: string) {
  let alerts: readonly Alert[] = [];
  let log: Partial<DeliveryLog> = { told: {} };
  let last: AlertOptions['last'];
  let day = 0;
  return (vulnerabilities: readonly Finding[], changed = policy, laterMs = 0) => {
    day++;
    const facts = { scannedAtMs: nowMs - dayMs + day };
    const given = { findings: { vulnerabilities }, facts, options: { track: true } };
    const evaluation = evaluate(changed, given, nowMs + laterMs);
    const atMs = nowMs + day * dayMs + laterMs;
    alerts = advance(alerts, evaluation, undefined, atMs, { reopenWithinMs: 7 * dayMs, last });
    last = { policyDigest: evaluation.policy.digest, images: evaluation.seen?.images };
    const owed = owe(
      'c-1',
      'chat',
      alerts,
      log,
      {
        announce: 'all',
        remindMs: { critical: dayMs, high: 30 * dayMs, medium: 30 * dayMs, low: 30 * dayMs },
        wants: () => true,
        silencedUntilMs: () => undefined,
      },
      atMs,
    );
    log = owed?.log ?? log;
    return newsOf(owed?.items ?? [], {
      cluster: evaluation.cluster,
      policy: 'test',
      reportId: 'r',
      scannedAtMs: facts.scannedAtMs,
      alerts,
      messages: new Map(),
    }).news;
  };
}

const vulnerability = (name: string, image = 'app'): Finding => ({
  severity: 'High',
  image,
  image_version: '1',
  vulnerability: name,
  package: 'p',
  package_version: '1',
});

const names = (findings: readonly { readonly fields: Finding }[]) => findings.map(({ fields }) => fields.vulnerability);

const none = 'rules:\n  - {id: r, on: vulnerabilities, max: 0}\n';
const two = 'rules:\n  - {id: r, on: vulnerabilities, max: 2}\n';

describe('what comes back', () => {
  test('is named though it was known before, and what went then does not go again', () => {
    const look = daily(none);
    look([vulnerability('A'), vulnerability('B')]);
    expect(look([])[0]).toMatchObject({ cause: 'resolved', gone: 2 });

    const [back] = look([vulnerability('A')]);

    expect(back).toMatchObject({ cause: 'reopened', before: 2, count: 1, omitted: 0, gone: 0, goneFindings: [] });
    expect(names(back?.findings ?? [])).toEqual(['A']);
  });

  test('has fired since it came back', () => {
    const look = daily(none);
    look([vulnerability('A')]);
    look([]);
    const [back] = look([vulnerability('A')]);
    const [over] = look([]);

    expect(ageOf(back as AlertNews, nowMs + 3 * dayMs)).toBe(', first seen 2d ago');
    expect(ageOf({ ...(back as AlertNews), cause: 'reminder' }, nowMs + 6 * dayMs)).toBe(', firing again for 3d');
    expect(ageOf(over as AlertNews, nowMs + 4 * dayMs)).toBe(' after 24h');
  });

  test('is another matter when it has no finding that it had', () => {
    const look = daily(none);
    look([vulnerability('A')]);
    look([]);

    expect(look([vulnerability('B')])[0]).toMatchObject({ cause: 'new', sinceMs: nowMs + 3 * dayMs });
    look([]);
    expect(look([vulnerability('B'), vulnerability('C')])[0]).toMatchObject({ cause: 'reopened' });
  });
});

test('what is back since waivers expired names them, and no other', () => {
  const waived = (...ids: readonly string[]) =>
    `max_report_age: 30d\n${none}waivers:\n${ids.map((id) => `  - {id: ${id}, rule: r, where: 'vulnerability == "A"', reason: x, owner: x, expires: 2026-11-10}\n`).join('')}`;
  const ids = Array.from({ length: 12 }, (_, i) => `W-${i + 1}`);
  const other = `  - {id: V-1, rule: r, where: 'vulnerability == "B"', reason: x, owner: x, expires: 2026-11-10}\n`;
  const atMs = Date.UTC(2026, 10, 11) - nowMs;
  const look = daily(none);
  look([vulnerability('A')]);
  expect(look([vulnerability('A')], waived(...ids) + other)[0]).toMatchObject({ cause: 'waived' });

  const [back] = look([vulnerability('A')], waived(...ids) + other, atMs);

  expect(back).toMatchObject({
    cause: 'waiver-expired',
    expired: { waivers: ids.slice(0, 10), omitted: 2 },
  });
  expect(look([vulnerability('A'), vulnerability('B')], waived(...ids) + other, atMs)[0]?.expired).toBeUndefined();
});

describe('a reminder', () => {
  test.each([
    { why: 'a run a little sooner than the one before', earlyMs: 500, says: ['reminder'] },
    { why: 'half an hour sooner', earlyMs: 30 * 60_000, says: ['reminder'] },
    { why: 'more than that', earlyMs: 31 * 60_000, says: [] },
  ])('comes with $why: $says', ({ earlyMs, says }) => {
    const look = daily('rules:\n  - {id: r, on: vulnerabilities, max: 0, severity: critical}\n');
    look([vulnerability('A')]);
    expect(look([vulnerability('A')], undefined, -earlyMs).map(({ cause }) => cause)).toEqual(says);
  });
});

describe('what is over', () => {
  test('names what went, where none is allowed', () => {
    const look = daily(none);
    look([vulnerability('A'), vulnerability('B')]);

    const [over] = look([]);

    expect(over).toMatchObject({ cause: 'resolved', count: 2, gone: 2 });
    expect(names(over?.goneFindings ?? [])).toEqual(['A', 'B']);
  });

  test('calls nothing gone where some are allowed, since some may be left', () => {
    const look = daily(two);
    look(['A', 'B', 'C'].map((name) => vulnerability(name)));

    expect(look([vulnerability('A')])[0]).toMatchObject({ cause: 'resolved', count: 3, gone: 0, goneFindings: [] });
  });
});

describe('a finding that is new', () => {
  const origins = (item: AlertNews | undefined) =>
    Object.fromEntries(item?.findings.map(({ fields, origin }) => [fields.vulnerability, origin]) ?? []);

  test('came with an image version that is new to the report, or was disclosed in one that is not', () => {
    const look = daily(none);
    look([vulnerability('A')]);

    const [worse] = look([vulnerability('A'), vulnerability('B'), vulnerability('C', 'other')]);

    expect(origins(worse)).toEqual({ B: 'disclosed', C: 'new-image' });
  });

  test('is not one that the version before had, nor is that gone', () => {
    const next = (...names: readonly string[]) =>
      names.map((name) => ({ ...vulnerability(name), image_version: '2', package_version: '2' }));
    const look = daily(none);
    look([vulnerability('A'), vulnerability('B'), vulnerability('C')]);
    expect(look(next('A', 'B', 'C'))).toEqual([]);
    expect(look(next('A', 'B'))).toEqual([]);

    const [worse] = look([...next('A', 'B', 'D', 'E')]);

    expect(worse).toMatchObject({ cause: 'worse', before: 3, count: 4, gone: 1 });
    expect(origins(worse)).toEqual({ D: 'disclosed', E: 'disclosed' });
    expect(worse?.goneFindings.map(({ fields }) => fields.image_version)).toEqual(['2']);
    const third = [...next('A', 'B', 'D', 'E'), vulnerability('F')].map((of) => ({ ...of, image_version: '3' }));
    expect(origins(look(third)[0])).toEqual({ F: 'new-image' });
  });

  test('is not called disclosed at the first look, nor where it may have been there', () => {
    expect(origins(daily(none)([vulnerability('A')])[0])).toEqual({ A: undefined });

    const some = daily(two);
    some([vulnerability('A')]);
    const few = some([vulnerability('A'), vulnerability('B'), vulnerability('C', 'other')]);
    expect(origins(few[0])).toEqual({ A: undefined, B: undefined, C: 'new-image' });

    const stricter = daily(two);
    stricter([vulnerability('A')]);
    expect(origins(stricter([vulnerability('A')], none)[0])).toEqual({ A: undefined });

    const flapping = daily(none);
    flapping([vulnerability('A')]);
    flapping([]);
    expect(origins(flapping([vulnerability('A')])[0])).toEqual({ A: undefined });
  });
});

test('with more image versions than are kept none is said to be new', () => {
  const images = (count: number) => Array.from({ length: count }, (_, i) => vulnerability('A', `app-${i}`));
  const isNewImage = (count: number) => {
    const look = daily(none);
    look(images(count));
    // Worse than all others, so that it is named.
    const [news] = look([...images(count), { ...vulnerability('B', 'another'), severity: 'Critical' }]);
    expect(names(news?.findings ?? [])).toContain('B');
    return news?.findings.some(({ origin }) => origin === 'new-image');
  };
  expect(isNewImage(1999)).toBe(true);
  expect(isNewImage(2001)).toBe(false);
});
