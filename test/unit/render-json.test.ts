import fc from 'fast-check';
import { expect, test } from 'vitest';
import { renderJson, resultOf } from '../../lib/core/render/json.ts';
import { parseResult } from '../../lib/core/result.ts';
import { hostileEvaluation } from '../fixtures/render/hostile.ts';
import { evaluation, failing, kept, rule, undetermined } from '../fixtures/render/samples.ts';

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

      expect(JSON.stringify(JSON.parse(text))).toBe(JSON.stringify(resultOf(told)));
      expect(text).toBe(renderJson(structuredClone(told)));
      expect(text.endsWith('}\n')).toBe(true);
      expect(/[\x7f-\x9f\u202a-\u202e\u2066-\u2069\u200b]/.test(text)).toBe(false);
    }),
    { numRuns: 30 },
  );
});

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
