import type { Evaluation, RuleResult } from './evaluation.ts';
import type { Expression } from './expression.ts';
import { findingKinds } from './report.ts';
import { type RuleSeverity, ruleSeverities, worstSeverity } from './severity.ts';

/** Routes in order; the first whose condition holds takes it. The last one has none. */
export type RouteTable = readonly {
  readonly when: Expression | undefined;
  readonly receivers: readonly string[];
}[];

/** What a route may ask of what is to be told. `rule` is empty for what concerns no single rule. */
export const routeFields = {
  severity: ruleSeverities,
  cluster: 'string',
  source: 'string',
  rule: 'string',
  on: findingKinds,
} as const;

/** Receivers of the news that a source could not be looked at, which may hide a violation of any of its rules. */
export function sourceReceivers(
  routes: RouteTable,
  source: string,
  rules: readonly { readonly severity: RuleSeverity }[],
): readonly string[] {
  return receiversOf(routes, { severity: worstSeverity(rules), cluster: '', source, rule: '', on: 'cluster' });
}

/**
 * What each receiver is to hear of an evaluation: the broken rules that are routed to it, and why it is undetermined. A
 * pass, and what is only observed, goes to nobody.
 */
export function routed(routes: RouteTable, source: string, evaluation: Evaluation): ReadonlyMap<string, Evaluation> {
  const rulesOf = new Map<string, Set<string>>();
  const cluster = evaluation.cluster.name;
  const add = (receivers: readonly string[], ...rules: readonly string[]) => {
    for (const receiver of receivers) rulesOf.set(receiver, new Set([...(rulesOf.get(receiver) ?? []), ...rules]));
  };
  for (const { id, severity, on } of evaluation.rules.filter(isViolated)) {
    add(receiversOf(routes, { severity, cluster, source, rule: id, on }), id);
  }
  if (evaluation.verdict === 'undetermined') {
    const severity = worstSeverity(evaluation.rules.filter((rule) => rule.status === 'undetermined'));
    add(receiversOf(routes, { severity, cluster, source, rule: '', on: 'cluster' }));
  }
  const part = (told: ReadonlySet<string>): Evaluation => ({
    ...evaluation,
    rules: evaluation.rules.filter((rule) => !isViolated(rule) || told.has(rule.id)),
  });
  return new Map([...rulesOf].map(([receiver, rules]) => [receiver, part(rules)]));
}

function receiversOf(routes: RouteTable, alert: Readonly<Record<keyof typeof routeFields, string>>): readonly string[] {
  return routes.find(({ when }) => when === undefined || when.test(alert))?.receivers ?? [];
}

function isViolated({ status }: RuleResult): boolean {
  return status === 'fail' || status === 'warn';
}
