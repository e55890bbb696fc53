import { type EvaluateOptions, EvaluationFold, type Subject } from '../../lib/core/evaluate.ts';
import type { Evaluation } from '../../lib/core/evaluation.ts';
import { type Policy, parsePolicy } from '../../lib/core/policy/parse.ts';
import {
  type Finding,
  type FindingKind,
  type ListFacts,
  type ListName,
  listNames,
  type ReportFacts,
} from '../../lib/core/report.ts';
import { formatIssue } from '../../lib/core/yaml.ts';

export const nowMs = Date.UTC(2026, 10, 2, 12);
const hourMs = 3_600_000;

/** Parse the rules, and what stands beside them, of a policy that is otherwise valid. */
export function policyOf(body: string): Policy {
  const { policy, issues } = parsePolicy(`version: 1\nname: test\n${body}`, 'test.yaml');
  if (policy === undefined) throw new Error(issues.map(formatIssue).join('\n'));
  return policy;
}

export type Findings = Partial<Record<Exclude<FindingKind, 'cluster'>, readonly Finding[]>>;

/** The facts of a report an hour old whose counts agree with its lists. */
export function factsOf(findings: Findings, changes: Partial<Record<ListName, Partial<ListFacts>>> = {}): ReportFacts {
  const list = (name: ListName): ListFacts => {
    const listed = findings[name]?.length ?? 0;
    return {
      reported: listed,
      listed,
      shape: 'array',
      ...(name === 'baseline_checks' && { items: 0, failed: 0, shortRows: 0 }),
      ...changes[name],
    };
  };
  return {
    clusterId: 'c-1',
    clusterName: 'prod-eu',
    category: 'CCE',
    scannedAtMs: nowMs - hourMs,
    lists: Object.fromEntries(listNames.map((name) => [name, list(name)])) as unknown as ReportFacts['lists'],
    pods: 3,
    hosts: 2,
    containers: 5,
    unknownKeys: [],
  };
}

export interface Given {
  readonly findings?: Findings;
  readonly lists?: Partial<Record<ListName, Partial<ListFacts>>>;
  readonly facts?: Partial<ReportFacts>;
  readonly subject?: Partial<Subject>;
  readonly options?: EvaluateOptions;
}

export function evaluate(
  policy: Policy | string,
  { findings = {}, lists, facts, subject, options }: Given = {},
  atMs = nowMs,
): Evaluation {
  const fold = new EvaluationFold(typeof policy === 'string' ? policyOf(policy) : policy, atMs, options);
  for (const [kind, rows] of Object.entries(findings)) for (const row of rows) fold.push(kind as FindingKind, row);
  return fold.finish({ cluster: {}, facts: { ...factsOf(findings, lists), ...facts }, ...subject });
}
