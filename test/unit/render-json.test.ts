import fc from 'fast-check';
import { expect, test } from 'vitest';
import { jsonText } from '../../lib/core/render/escape.ts';
import { largestResult, renderJson, resultOf } from '../../lib/core/render/json.ts';
import { bytesWithin } from '../../lib/core/render/json-room.ts';
import { fields } from '../../lib/core/report.ts';
import { parseResult } from '../../lib/core/result.ts';
import { hostileEvaluation } from '../fixtures/render/hostile.ts';
import { evaluation, failing, kept, rule, undetermined, vulnerability } from '../fixtures/render/samples.ts';
import { workflowCommands } from '../support/workflow-commands.ts';

test.each([
  { name: 'failing', told: failing },
  { name: 'undetermined', told: undetermined },
])('the whole result: $name', async ({ name, told }) => {
  await expect(renderJson(told)).toMatchFileSnapshot(`../fixtures/render/${name}.json`);
});

test('the keys stand in the order of the contract', () => {
  const result = resultOf(failing);

  expect(Object.keys(result)).toEqual([
    'version',
    'verdict',
    'cluster',
    'report',
    'policy',
    'evaluated_at',
    'rules',
    'reasons',
    'waivers',
    'counts',
    'notes',
  ]);
  expect(Object.keys(result.rules[0] ?? {})).toEqual([
    'id',
    'on',
    'severity',
    'enforce',
    'status',
    'count',
    'max',
    'waived',
    'findings',
    'omitted',
    'evidence',
    'line',
    'per',
    'groups',
    'omitted_groups',
  ]);
});

test('what is unknown is null, also a time that is none', () => {
  const told = evaluation({
    report: { id: '', scannedAtMs: undefined, ageSeconds: undefined, digest: '' },
    evaluatedAtMs: Number.NaN,
    counts: { ...failing.counts, ports: { reported: undefined, listed: 3 } },
    rules: [rule('processes', { findings: [kept(1, { command: 'sh', started_at: 9e15 })] })],
  });
  const result = resultOf(told);

  expect(result.report).toEqual({ id: '', scanned_at: null, age_seconds: null, digest: '' });
  expect(result.evaluated_at).toBeNull();
  expect(result.counts.ports).toEqual({ reported: null, listed: 3 });
  expect(result.rules[0]?.findings[0]).toMatchObject({ command: 'sh', started_at: null, user: null });
});

test('times of findings and groups are ISO 8601, and only the fields of the catalogue are told', () => {
  const time = Date.UTC(2026, 0, 2, 3, 4, 5, 6);
  const told = rule('processes', {
    findings: [kept(1, { started_at: time, command: 'sh', internal: 'x' })],
    per: ['started_at'],
    groups: [{ key: { started_at: time }, count: 1, waived: 0 }],
  });
  const [entry] = resultOf(evaluation({ rules: [told] })).rules;

  expect(Object.keys(entry?.findings[0] ?? {}).slice(0, 3)).toEqual(['fingerprint', 'command', 'user']);
  expect(entry?.findings[0]).toMatchObject({ started_at: '2026-01-02T03:04:05.006Z' });
  expect(entry?.findings[0]).not.toHaveProperty('internal');
  expect(entry?.groups).toEqual([{ key: { started_at: '2026-01-02T03:04:05.006Z' }, count: 1, waived: 0 }]);
});

test('whatever the texts: valid, faithful, and the same each time', () => {
  fc.assert(
    fc.property(hostileEvaluation, (told) => {
      const text = renderJson(told);

      const whole = resultOf(told);
      // Texts of 100,000 control characters may have no room: what is left out is counted then.
      if (bytesWithin(jsonText(whole, 2)) <= largestResult)
        expect(JSON.stringify(JSON.parse(text))).toBe(JSON.stringify(whole));
      const total = ({ rules }: Pick<typeof whole, 'rules'>) =>
        rules.map(({ id, findings, omitted }) => [id, findings.length + omitted]);
      expect(total(JSON.parse(text))).toEqual(total(whole));
      expect(text).toBe(renderJson(structuredClone(told)));
      expect(text.endsWith('}\n')).toBe(true);
      expect(workflowCommands(text)).toEqual([]);
      expect(/[\x7f-\x9f\u202a-\u202e\u2066-\u2069\u200b]/.test(text)).toBe(false);
    }),
    { numRuns: 30 },
  );
});

/** All that is kept of so many rules, every text as long as it may be. */
function crowded(rules: number, text: string) {
  const texts = Object.fromEntries(Object.keys(fields.vulnerabilities).map((field) => [field, text]));
  const findings = Array.from({ length: 100 }, (_, i) => kept(i, { ...texts, image_size_bytes: 1 }));
  const waivedFindings = findings.map((finding) => ({ ...finding, waiver: 'W' }));
  const groups = Array.from({ length: 50 }, () => ({ key: { image: text, package: text }, count: 9, waived: 9 }));
  const full = {
    findings,
    count: 5_000,
    waived: 900,
    waivedFindings,
    per: ['image', 'package'],
    groups,
    omittedGroups: 7,
  };
  const few = rule('vulnerabilities', { id: 'few', findings: [vulnerability(1), vulnerability(2)] });
  return evaluation({
    rules: [...Array.from({ length: rules }, (_, i) => rule('vulnerabilities', { ...full, id: `r-${i}` })), few],
  });
}

test.each([
  { why: 'one rule', rules: 1, text: '\x01'.repeat(2_000) },
  { why: 'long descriptions', rules: 3, text: 'x'.repeat(2_000) },
  { why: 'three bytes a letter', rules: 10, text: '漏'.repeat(2_000) },
  { why: 'quotes', rules: 10, text: '"\\'.repeat(1_000) },
  { why: 'dozens of rules', rules: 40, text: '\u200b'.repeat(2_000) },
])(
  'what Lambda does not answer with is counted and not shown: $why',
  ({ rules, text }) => {
    const told = crowded(rules, text);
    const body = renderJson(told);
    const size = bytesWithin(body);
    expect(size).toBeLessThanOrEqual(largestResult);
    expect(size).toBeGreaterThan(largestResult * 0.95);
    expect(Buffer.byteLength(JSON.stringify({ statusCode: 409, headers: {}, body }))).toBeLessThan(6_291_556 - 1_000);

    const whole = resultOf({ ...told, rules: told.rules.slice(-2) }).rules;
    const shown = (JSON.parse(body) as ReturnType<typeof resultOf>).rules;
    expect(shown.at(-1)).toEqual(whole.at(-1));
    for (const one of shown.slice(0, -1)) {
      expect(one.findings).toEqual(whole[0]?.findings.slice(0, one.findings.length));
      expect([one.findings.length + one.omitted, (one.groups?.length ?? 0) + (one.omitted_groups ?? 0)]).toEqual([
        5_000, 57,
      ]);
    }
    expect(shown.filter(({ findings }) => findings.length > 0).length).toBe(shown.length);
  },
  30_000,
);

test('a result that is read back is the same', () => {
  for (const told of [failing, undetermined]) {
    const text = renderJson(told);
    const again = parseResult(text);
    expect(again === undefined ? '' : renderJson(again)).toBe(text);
  }
  fc.assert(
    fc.property(hostileEvaluation, (told) => {
      const text = renderJson(told);
      const again = parseResult(text);
      expect(again === undefined ? '' : renderJson(again)).toBe(text);
    }),
    { numRuns: 50 },
  );
});

test.each(['', '{}', '[]', '{"version":2}', '"pass"', '{"version":1,"verdict":"pass"}'])('%s is no result', (text) => {
  expect(parseResult(text)).toBeUndefined();
});
