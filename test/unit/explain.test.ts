import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Explanation } from '../../lib/core/explain.ts';
import { fingerprint } from '../../lib/core/fingerprint.ts';
import { renderFinding, renderRules } from '../../lib/core/render/explain.ts';
import type { Finding } from '../../lib/core/report.ts';
import { evaluate, policyOf } from '../support/evaluate.ts';

const policy = `rules:
  - {id: high, on: vulnerabilities, min_severity: High, where: 'image == "app" && solution != ""', max: 0}
  - {id: privileged, on: privileged_containers, where: 'status == "running"', max: 0}
waivers:
  - {id: W-other, rule: high, reason: x, owner: y, expires: 2027-01-01, where: 'vulnerability == "CVE-9"'}
  - {id: W-old, rule: high, reason: x, owner: y, expires: 2026-01-01, where: 'vulnerability == "CVE-1"'}
  - {id: W-soon, rule: high, reason: x, owner: y, granted: 2026-12-01, expires: 2027-01-01}
  - {id: W-fix, rule: high, reason: x, owner: y, expires: 2027-01-01, until_fix_available: true}
  - {id: W-few, rule: high, reason: x, owner: y, expires: 2027-01-01, max_findings: 1}
  - {id: W-two, rule: high, reason: x, owner: y, expires: 2027-01-01, where: 'vulnerability == "CVE-2"'}
`;

const vul = (n: number, given: Finding = {}): Finding => ({
  severity: 'High',
  image: 'app',
  image_version: '1',
  vulnerability: `CVE-${n}`,
  package: 'openssl',
  package_version: '1',
  solution: 'Upgrade to 3',
  ...given,
});

const rows: readonly Finding[] = [
  vul(1),
  vul(1),
  vul(2),
  vul(3, { severity: 'Low' }),
  vul(4, { image: 'api' }),
  { severity: 'High', image: 'app', vulnerability: 'CVE-5', package: 'p' },
];

function explain(target?: Finding | string) {
  const evaluation = evaluate(policy, { findings: { vulnerabilities: rows } });
  const of = typeof target === 'object' ? fingerprint('c-1', 'high', 'vulnerabilities', target) : target;
  const explanation = new Explanation(policyOf(policy), evaluation, of);
  for (const row of rows) explanation.push('vulnerabilities', row);
  return { explanation, evaluation };
}

describe('a finding', () => {
  test.each([
    ['counts', vul(1)],
    ['waived', vul(2)],
    ['not-severe', vul(3)],
    ['no-match', vul(4, { image: 'api' })],
    ['untold', rows[5] as Finding],
  ])('%s', (outcome, finding) => {
    expect(explain(finding).explanation.finding()?.outcome).toBe(outcome);
  });

  test('is told with every value that met a threshold, and every waiver that was looked at', () => {
    const { explanation, evaluation } = explain(vul(1));
    const found = explanation.finding();
    expect(found?.waivers.map(({ waiver, outcome }) => [waiver.id, outcome])).toEqual([
      ['W-other', 'other'],
      ['W-old', 'expired'],
      ['W-soon', 'pending'],
      ['W-fix', 'fix-available'],
      ['W-few', 'over-broad'],
      ['W-two', 'other'],
    ]);
    expect(found && renderFinding(found, evaluation, 120)).toBe(`High CVE-1 in openssl 1, image app:1
The report states it 2 times.

Rule high (line 4): the finding counts
  ✓ min_severity: High; the finding is High
  ✓ image == "app"; image is "app"
  ✓ solution != ""; solution is "Upgrade to 3"
  status fail: 2 found, 0 allowed, 1 waived

Waivers for this rule:
  ✗ W-other is for others (line 7)
    ✗ vulnerability == "CVE-9"; vulnerability is "CVE-1"
  ✗ W-old would cover it, but expired at 2026-01-02 00:00 UTC (line 8)
    ✓ vulnerability == "CVE-1"; vulnerability is "CVE-1"
  ✗ W-soon will cover it, but only from 2026-12-01 00:00 UTC (line 9)
  ✗ W-fix would cover it, but only until a fix is available, and the report names one (line 10)
  ✗ W-few would cover it, but covers 3 findings and was granted for 1, so it waives nothing (line 11)
  ✗ W-two is for others (line 12)
    ✗ vulnerability == "CVE-2"; vulnerability is "CVE-1"
`);
  });

  test('that is not there is not explained', () => {
    expect(explain(vul(99)).explanation.finding()).toBeUndefined();
  });

  test('counts if, and only if, the evaluation counts it', () => {
    const severity = fc.constantFrom('High', 'Medium', 'Unknown');
    const finding = fc.record({
      n: fc.integer({ min: 1, max: 3 }),
      severity,
      image: fc.constantFrom('app', 'api'),
      solution: fc.constantFrom('', 'Upgrade'),
    });
    fc.assert(
      fc.property(finding, ({ n, ...given }) => {
        const row = vul(n, given);
        const evaluation = evaluate(policy, { findings: { vulnerabilities: [row] } });
        const of = fingerprint('c-1', 'high', 'vulnerabilities', row);
        const explanation = new Explanation(policyOf(policy), evaluation, of);
        explanation.push('vulnerabilities', row);
        const outcome = explanation.finding()?.outcome;
        expect([outcome === 'counts', outcome === 'waived']).toEqual([
          evaluation.rules[0]?.count === 1,
          evaluation.rules[0]?.waived === 1,
        ]);
      }),
    );
  });
});

test('rules are told with how many findings fell out where', () => {
  const { explanation, evaluation } = explain();
  expect(renderRules(explanation.rules(), evaluation, 100, 'high')).toBe(`FAIL prod-eu at 2026-11-02T12:00:00.000Z

Rule high (line 4), high, enforce block: status fail: 2 found, 0 allowed, 1 waived
  6 findings on vulnerabilities
  1 below min_severity: High
  1 of which this is false: image == "app" && solution != ""
  1 of which that cannot be told
  waiver W-other is unused, and is for 0 findings
  waiver W-old is expired, and is for 2 findings
  waiver W-soon is pending, and is for 3 findings
  waiver W-fix is unused, and is for 0 findings
  waiver W-few is over-broad, and is for 3 findings
  waiver W-two is used, and is for 1 finding
  ${evaluation.rules[0]?.findings[0]?.fingerprint}  High CVE-1 in openssl 1
  ${evaluation.rules[0]?.findings[1]?.fingerprint}  High CVE-1 in openssl 1

The shortest way to green:
  rule high: waiver W-few covers 3 findings and was granted for 1: it has to cover less, or be
    granted for more
`);
});
