import fc from 'fast-check';
import { expect, test } from 'vitest';
import { clockSkewMs } from '../../lib/core/duration.ts';
import { EvaluationFold } from '../../lib/core/evaluate.ts';
import { renderJson } from '../../lib/core/render/json.ts';
import { anyAge, retime } from '../../lib/core/retime.ts';
import { factsOf, nowMs, policyOf } from '../support/evaluate.ts';

const hourMs = 3_600_000;
const digest = `sha256:${'ab'.repeat(32)}`;
const vul = (n: number) => ({ severity: 'High', image: 'app', vulnerability: `CVE-${n}`, package: 'p' });

const policy = policyOf(`max_report_age: 10h
rules:
  - {id: r, on: vulnerabilities, max: 1}
  - {id: ports, on: ports, max: 0, enforce: warn}
waivers:
  - {id: A, rule: r, reason: x, owner: y, expires: 2026-11-02T15:00:00Z, where: 'vulnerability == "CVE-1"'}
  - {id: B, rule: r, reason: x, owner: y, granted: 2026-11-02T16:00:00Z, expires: 2026-11-02T20:00:00Z, where: 'vulnerability == "CVE-2"'}
  - {id: C, rule: r, reason: x, owner: y, expires: 2026-11-16T18:00:00Z, where: 'vulnerability == "CVE-3"', max_findings: 1}
`);

test('an evaluation that was kept gives at any time what judging anew would, or says that it cannot', () => {
  let kept = 0;
  const given = fc.record({
    numbers: fc.array(fc.integer({ min: 1, max: 4 }), { maxLength: 5 }),
    ports: fc.boolean(),
    reported: fc.option(fc.integer({ min: 0, max: 6 }), { nil: undefined }),
    afterMs: fc.integer({ min: -1, max: 16 }).map((hours) => hours * hourMs),
    maxAgeHours: fc.option(fc.integer({ min: 1, max: 20 }), { nil: undefined }),
    strict: fc.boolean(),
  });
  fc.assert(
    fc.property(given, ({ numbers, ports, reported, afterMs, maxAgeHours, strict }) => {
      const findings = { vulnerabilities: numbers.map(vul), ports: ports ? [{ port: 1 }] : [] };
      const facts = factsOf(findings, reported === undefined ? {} : { vulnerabilities: { reported } });
      const judge = (atMs: number, maxReportAgeMs: number | undefined) => {
        const fold = new EvaluationFold(policy, atMs, { maxReportAgeMs, strict });
        for (const row of findings.vulnerabilities) fold.push('vulnerabilities', row);
        for (const row of findings.ports) fold.push('ports', row);
        return fold.finish({ cluster: {}, facts, digest });
      };
      const maxReportAgeMs = maxAgeHours === undefined ? undefined : maxAgeHours * hourMs;
      const atMs = nowMs + afterMs;
      const again = retime(JSON.parse(JSON.stringify(judge(nowMs, anyAge))), policy, atMs, { maxReportAgeMs, strict });
      if (again === undefined) return;
      kept++;
      expect(renderJson(again)).toBe(renderJson(judge(atMs, maxReportAgeMs)));
    }),
    { numRuns: 1000 },
  );
  expect(kept).toBeGreaterThan(400);
});

test('nothing is said of an earlier time, nor across the turn of a waiver that counts', () => {
  const fold = new EvaluationFold(policy, nowMs, { maxReportAgeMs: anyAge });
  fold.push('vulnerabilities', vul(1));
  const facts = factsOf({ vulnerabilities: [vul(1)] });
  const evaluation = fold.finish({ cluster: {}, facts, digest });
  // Of a clock that is behind, or of whoever waited for it: it is of when it was made.
  for (const askedMs of [nowMs - 1, nowMs - clockSkewMs])
    expect(retime(evaluation, policy, askedMs, {})?.evaluatedAtMs).toBe(nowMs);
  expect(retime(evaluation, policy, nowMs - clockSkewMs - 1, {})).toBeUndefined();
  expect(retime(evaluation, policy, nowMs + 2 * hourMs, {})).toBeDefined();
  expect(retime(evaluation, policy, nowMs + 3 * hourMs, {})).toBeUndefined();
});
