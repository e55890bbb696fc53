import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { baselineOf } from '../../lib/core/baseline.ts';
import type { Remedy } from '../../lib/core/evaluation.ts';
import { workload } from '../../lib/core/fingerprint.ts';
import type { Finding } from '../../lib/core/report.ts';
import { evaluate, type Findings, policyOf as parsed } from '../support/evaluate.ts';

const image = fc.constantFrom('registry/app', 'registry/api', 'db');
const version = fc.constantFrom('1.0', '2.0');
const severity = fc.constantFrom('High', 'Medium', 'Low');
const vulnerability = fc.record({
  severity,
  image,
  image_version: version,
  vulnerability: fc.integer({ min: 1, max: 40 }).map((n) => `CVE-${n}`),
  package: fc.constantFrom('openssl', 'zlib', 'glibc', 'curl'),
  package_version: fc.constantFrom('1', '2'),
  solution: fc.constantFrom('', 'Upgrade to 3', 'Upgrade to 4'),
});
const privileged = fc.record({
  container: fc.constantFrom('kube-proxy', 'agent'),
  status: fc.constantFrom('running', 'exited'),
  pod: fc.constantFrom('kube-proxy-x2k8p', 'kube-proxy-b4c5d', 'agent-7d9c6b5f4d-x2k8p'),
  host: fc.constantFrom('node-1', 'node-2'),
});
const report = fc.record({
  vulnerabilities: fc.array(vulnerability, { maxLength: 60 }),
  privileged_containers: fc.array(privileged, { maxLength: 8 }),
});
const threshold = fc.integer({ min: 0, max: 12 });

const policyOf = ([a, b, c, d]: readonly number[]) => `rules:
  - {id: all, on: vulnerabilities, max: ${a}}
  - {id: high, on: vulnerabilities, min_severity: High, max: ${b}}
  - {id: each-image, on: vulnerabilities, max: ${c}, per: [image]}
  - {id: privileged, on: privileged_containers, where: 'status == "running"', max: ${d}}
`;

function isCleared({ on, subject }: Remedy, kind: string, finding: Finding): boolean {
  if (on !== kind) return false;
  return Object.entries(subject).every(([field, value]) =>
    field === 'workload' ? workload(finding.pod) === value : finding[field] === value,
  );
}

function without(findings: Findings, steps: readonly Remedy[]): Findings {
  const entries = Object.entries(findings).map(([kind, rows]) => [
    kind,
    rows.filter((row) => !steps.some((step) => isCleared(step, kind, row))),
  ]);
  return Object.fromEntries(entries);
}

describe('the way to green', () => {
  test('leads there, and each step of it clears exactly what it promises', () => {
    let walked = 0;
    fc.assert(
      fc.property(report, fc.tuple(threshold, threshold, threshold, threshold), (findings, maxima) => {
        const policy = policyOf(maxima);
        const before = evaluate(policy, { findings });
        const way = before.wayToGreen;
        expect(way !== undefined).toBe(before.verdict === 'fail');
        if (way === undefined) return;
        expect(way.omitted).toBe(0);
        const countOf = (evaluation: typeof before, rule: string) =>
          evaluation.rules.find(({ id }) => id === rule)?.count ?? 0;
        for (let k = 1; k <= way.steps.length; k++) {
          const after = evaluate(policy, { findings: without(findings, way.steps.slice(0, k)) });
          for (const rule of ['all', 'high', 'privileged']) {
            if (before.rules.find(({ id }) => id === rule)?.status !== 'fail') continue;
            const promised = way.steps.slice(0, k).reduce((sum, { rules }) => sum + (rules[rule] ?? 0), 0);
            expect(countOf(before, rule) - countOf(after, rule)).toBe(promised);
          }
          // Not before the last step: none of them is for nothing.
          expect(after.verdict).toBe(k === way.steps.length ? 'pass' : 'fail');
          walked++;
        }
      }),
      { numRuns: 300 },
    );
    expect(walked).toBeGreaterThan(300);
  });

  test('has no step for a rule about numbers of the cluster, and says so', () => {
    const evaluation = evaluate("rules:\n  - {id: few, on: cluster, where: 'vulnerabilities > 1', max: 0}\n", {
      findings: { vulnerabilities: [{}, {}] },
    });
    expect(evaluation).toMatchObject({
      verdict: 'fail',
      wayToGreen: { steps: [], left: [expect.stringContaining('rule few: it is about numbers of the cluster')] },
    });
  });

  test('promises nothing that waivers, missing rows or a baseline keep from being so, and says what else is needed', () => {
    const waived = fc.record({
      rule: fc.constantFrom('all', 'high', 'each-image'),
      where: fc.constantFrom('', `, where: 'package == "zlib"'`, `, where: 'image == "db"'`),
      most: fc.option(fc.integer({ min: 1, max: 6 }), { nil: undefined }),
    });
    const given = fc.record({
      findings: report,
      old: report,
      maxima: fc.tuple(threshold, threshold, threshold, threshold),
      waivers: fc.array(waived, { maxLength: 3 }),
      unlisted: fc.constantFrom(0, 0, 0, 20),
      compares: fc.boolean(),
    });
    const seen = { green: 0, left: 0 };
    fc.assert(
      fc.property(given, ({ findings, old, maxima, waivers, unlisted, compares }) => {
        const lines = waivers.map(
          ({ rule, where, most }, i) =>
            `  - {id: W${i}, rule: ${rule}, reason: x, owner: y, expires: 2027-01-01${where}${most ? `, max_findings: ${most}` : ''}}`,
        );
        const rules = policyOf(maxima);
        const policy = lines.length > 0 ? `${rules}waivers:\n${lines.join('\n')}\n` : rules;
        const accepted = evaluate(policy, {
          findings: old,
          subject: { digest: `sha256:${'ab'.repeat(32)}` },
          options: { track: 'baseline' },
        });
        const baseline = compares ? baselineOf(accepted, parsed(policy).rules) : undefined;
        const judge = (rows: Findings) =>
          evaluate(policy, {
            findings: rows,
            lists: { vulnerabilities: { reported: (rows.vulnerabilities?.length ?? 0) + unlisted } },
            options: { baseline },
          });
        const before = judge(findings);
        const way = before.wayToGreen;
        expect(way !== undefined).toBe(before.verdict === 'fail');
        if (way === undefined) return;
        for (let k = 1; k <= way.steps.length; k++) {
          const after = judge(without(findings, way.steps.slice(0, k)));
          // Against a baseline a rule may be within its max before all that is new is gone.
          if (k < way.steps.length && baseline === undefined) expect(after.verdict).toBe('fail');
          for (const { id, count, max, status, since } of before.rules) {
            const promised = way.steps.slice(0, k).reduce((sum, { rules }) => sum + (rules[id] ?? 0), 0);
            if (promised === 0 || status !== 'fail' || id === 'each-image') continue;
            const now = after.rules.find((rule) => rule.id === id);
            // Less than is counted and not listed: that it is not cleared is said.
            if (now?.evidence === 'reported') expect(way.left).toBeDefined();
            else if (since === undefined || count - max < since.new) expect(count - (now?.count ?? 0)).toBe(promised);
            else if (now?.since !== undefined && now.status === 'fail')
              expect(since.new - now.since.new).toBe(promised);
          }
        }
        const { verdict } = judge(without(findings, way.steps));
        if (way.left === undefined) expect(verdict).toBe(before.reasons.length > 0 ? 'undetermined' : 'pass');
        seen[way.left === undefined ? 'green' : 'left']++;
      }),
      { numRuns: 1500 },
    );
    expect(Math.min(seen.green, seen.left)).toBeGreaterThan(100);
  });

  test('says which waiver covers how many, and what it was granted for', () => {
    const policy = `rules:
  - {id: a, on: vulnerabilities, max: 10}
waivers:
  - {id: W, rule: a, reason: x, owner: y, expires: 2027-01-01, max_findings: 2}
`;
    const vulnerabilities = [1, 2, 3].map((n) => ({ severity: 'High', image: 'app', package: `p-${n}` }));
    expect(evaluate(policy, { findings: { vulnerabilities } }).wayToGreen).toEqual({
      steps: [],
      omitted: 0,
      of: 0,
      left: ['rule a: waiver W covers 3 findings and was granted for 2: it has to cover less, or be granted for more'],
    });
  });

  test('has no step that the others make unnecessary', () => {
    const many = (name: string, severity: string, n: number) =>
      Array.from({ length: n }, () => ({ severity, image: 'app', package: name }));
    const vulnerabilities = [
      ...many('x', 'High', 3),
      ...many('y', 'Medium', 3),
      ...many('z', 'High', 2),
      ...many('z', 'Medium', 2),
    ];
    const policy = `rules:
  - {id: high, on: vulnerabilities, where: 'severity == "High"', max: 2}
  - {id: medium, on: vulnerabilities, where: 'severity == "Medium"', max: 2}
`;
    const steps = evaluate(policy, { findings: { vulnerabilities } }).wayToGreen?.steps ?? [];
    expect(steps.map(({ subject }) => subject.package)).toEqual(['x', 'y']);
  });

  test('is the shortest where rules share no change', () => {
    const one = fc.record({ vulnerabilities: fc.array(vulnerability, { minLength: 1, maxLength: 12 }) });
    fc.assert(
      fc.property(one, threshold, (findings, max) => {
        const policy = `rules:\n  - {id: all, on: vulnerabilities, max: ${max}}\n`;
        const steps = evaluate(policy, { findings }).wayToGreen?.steps ?? [];
        const sizes = [
          ...Map.groupBy(findings.vulnerabilities, (f) => `${f.image} ${f.image_version} ${f.package}`).values(),
        ]
          .map((rows) => rows.length)
          .sort((a, b) => b - a);
        let left = findings.vulnerabilities.length;
        let fewest = 0;
        while (left > max) left -= sizes[fewest++] ?? left;
        expect(steps).toHaveLength(fewest);
      }),
    );
  });

  test('is the same whatever the order of rows, and says what the report advises', () => {
    fc.assert(
      fc.property(report, (findings) => {
        const turned = Object.fromEntries(Object.entries(findings).map(([kind, rows]) => [kind, [...rows].reverse()]));
        const policy = policyOf([0, 0, 0, 0]);
        const way = evaluate(policy, { findings }).wayToGreen;
        expect(evaluate(policy, { findings: turned }).wayToGreen).toEqual(way);
        for (const { on, advice, subject } of way?.steps ?? []) {
          const rows = on === 'vulnerabilities' ? findings.vulnerabilities : [];
          const advised = rows.filter(
            (row) => isCleared({ on, subject, clears: 0, rules: {} }, on, row) && row.solution,
          );
          // All findings are among the worst here, so that there is advice if any of them has some.
          const solutions = advised.map(({ solution }) => solution);
          if (solutions.length === 0) expect(advice).toBeUndefined();
          else expect(solutions).toContain(advice);
        }
      }),
      { numRuns: 100 },
    );
  });

  test('counts the steps that it does not name', () => {
    const vulnerabilities = Array.from({ length: 60 }, (_, i) => ({
      severity: 'High',
      image: `app-${i}`,
      package: 'p',
    }));
    const way = evaluate('rules:\n  - {id: all, on: vulnerabilities, max: 0}\n', { findings: { vulnerabilities } });
    expect(way.wayToGreen).toMatchObject({ omitted: 10, of: 60 });
    expect(way.wayToGreen?.steps).toHaveLength(50);
  });

  test('is not known where the report counts what it does not list', () => {
    const evaluation = evaluate('rules:\n  - {id: all, on: vulnerabilities, max: 0}\n', {
      lists: { vulnerabilities: { reported: 3 } },
    });
    expect(evaluation).toMatchObject({ verdict: 'fail', wayToGreen: { steps: [], of: 0 } });
    expect(evaluation.wayToGreen?.left).toEqual([
      'rule all: the report counts 3 findings that it does not list, so no change is known',
    ]);
  });
});
