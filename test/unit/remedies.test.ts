import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Remedy } from '../../lib/core/evaluation.ts';
import { workload } from '../../lib/core/fingerprint.ts';
import type { Finding } from '../../lib/core/report.ts';
import { evaluate, type Findings } from '../support/evaluate.ts';

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
    expect([evaluation.verdict, evaluation.wayToGreen]).toEqual(['fail', undefined]);
  });
});
