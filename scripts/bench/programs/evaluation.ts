import { Engine } from 'json-rules-engine';
import { type EvaluateOptions, EvaluationFold } from '../../../lib/core/evaluate.ts';
import { fingerprint } from '../../../lib/core/fingerprint.ts';
import type { Policy } from '../../../lib/core/policy/parse.ts';
import type { Finding } from '../../../lib/core/report.ts';
import { answer, args } from './answer.ts';
import { sampleFindings } from './sample-findings.ts';
import { factsOf, nowMs, policyOf } from './sample-policy.ts';
import { type ExactWaiver, exactWaivers, matches, openWaivers } from './sample-waivers.ts';
import { threadMs } from './thread-time.ts';

/** Judge findings that stand in memory: how many are violations, and in what time. */
type Variant = (findings: readonly Finding[], exact: readonly ExactWaiver[]) => () => number | Promise<number>;

const bySeverity = '  - {id: high, on: vulnerabilities, min_severity: High, max: 0}';
const byExpression = `  - {id: high, on: vulnerabilities, where: 'severity in ["High", "Critical", "Unknown"]', max: 0}`;

const variants: Readonly<Record<string, Variant>> = {
  loop: (findings, exact) => () => loop(findings, exact),
  exact: (findings, exact) => fold(policyOf(bySeverity, exact), findings),
  all: (findings, exact) => fold(policyOf(bySeverity, [...exact, ...openWaivers]), findings),
  expression: (findings, exact) => fold(policyOf(byExpression, [...exact, ...openWaivers]), findings),
  tracked: (findings, exact) => fold(policyOf(bySeverity, [...exact, ...openWaivers]), findings, { track: true }),
  fingerprints: (findings, exact) => {
    const judge = fold(policyOf(bySeverity, [...exact, ...openWaivers]), findings);
    return () => {
      const found = judge();
      fingerprintAll(findings);
      return found;
    };
  },
  'json-rules-engine': (findings, exact) => () => rulesEngine(findings, exact),
};

const [name, count] = args();
const variant = variants[name];
if (variant === undefined) throw new Error(`evaluation: no variant ${name}`);
const findings = sampleFindings(Number(count));
const exact = exactWaivers(findings, 200);
// Compiled code, before the clock starts.
await variant(findings.slice(0, 20_000), exact)();
const judge = variant(findings, exact);
const { ms, value: found } = await threadMs(judge);
answer({ ms, found, findings: findings.length });

/** What nobody can be faster than: no policy, no counts of waivers, no findings kept. */
function loop(findings: readonly Finding[], exact: readonly ExactWaiver[]): number {
  const waived = new Map<Finding[string], Set<Finding[string]>>();
  for (const { image, vulnerability } of exact) {
    waived.set(vulnerability, (waived.get(vulnerability) ?? new Set()).add(image));
  }
  let found = 0;
  for (const finding of findings) {
    if (finding.severity === 'Medium' || finding.severity === 'Low') continue;
    if (waived.get(finding.vulnerability)?.has(finding.image)) continue;
    if (!openWaivers.some((waiver) => matches(waiver, finding))) found++;
  }
  return found;
}

function fold(policy: Policy, findings: readonly Finding[], options?: EvaluateOptions): () => number {
  return () => {
    const fold = new EvaluationFold(policy, nowMs, options);
    for (const finding of findings) fold.push('vulnerabilities', finding);
    const { rules } = fold.finish({ cluster: {}, facts: factsOf(findings.length) });
    return rules[0]?.count ?? 0;
  };
}

/** The identity of every finding that a rule is about, waived or not. */
function fingerprintAll(findings: readonly Finding[]): void {
  for (const finding of findings) {
    if (finding.severity === 'Medium' || finding.severity === 'Low') continue;
    fingerprint('c-1', 'high', 'vulnerabilities', finding);
  }
}

async function rulesEngine(findings: readonly Finding[], exact: readonly ExactWaiver[]): Promise<number> {
  const engine = new Engine();
  for (const test of ['startsWith', 'endsWith', 'contains'] as const) {
    engine.addOperator<string, string>(`not ${test}`, (value, text) => {
      return !matches({ field: 'image', test, text }, { image: value });
    });
  }
  engine.addRule({
    conditions: {
      all: [
        { fact: 'severity', operator: 'notIn', value: ['Medium', 'Low'] },
        {
          fact: 'pair',
          operator: 'notIn',
          value: exact.map(({ image, vulnerability }) => `${image} ${vulnerability}`),
        },
        ...openWaivers.map(({ field, test, text }) => ({ fact: field, operator: `not ${test}`, value: text })),
      ],
    },
    event: { type: 'violation' },
  });
  let found = 0;
  for (const finding of findings) {
    const { events } = await engine.run({ ...finding, pair: `${finding.image} ${finding.vulnerability}` });
    found += events.length;
  }
  return found;
}
