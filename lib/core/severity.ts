/** How bad HSS calls a finding. `Unknown` is a value this version has not seen: it counts as above any threshold. */
export type FindingSeverity = 'Critical' | 'High' | 'Medium' | 'Low' | 'Unknown';

/** How bad the author of a policy calls a violation of a rule. */
export type RuleSeverity = 'critical' | 'high' | 'medium' | 'low';

/** Worst first; also the order of ranks, 0 the worst. */
export const findingSeverities: readonly FindingSeverity[] = ['Unknown', 'Critical', 'High', 'Medium', 'Low'];

/** Worst first. */
export const ruleSeverities: readonly RuleSeverity[] = ['critical', 'high', 'medium', 'low'];

const byLowerCase = new Map<string, FindingSeverity>(findingSeverities.map((s) => [s.toLowerCase(), s]));

/** Case-blind; anything else, absence included, is `Unknown`. */
export function findingSeverity(text: string | undefined): FindingSeverity {
  return byLowerCase.get((text ?? '').trim().toLowerCase()) ?? 'Unknown';
}

const ranks: Readonly<Record<FindingSeverity, number>> = { Unknown: 0, Critical: 1, High: 2, Medium: 3, Low: 4 };

/** 0 is the worst. */
export function severityRank(severity: FindingSeverity): number {
  return ranks[severity];
}

/** The worst severity among rules; of none, that of a rule that does not say. */
export function worstSeverity(rules: readonly { readonly severity: RuleSeverity }[]): RuleSeverity {
  return ruleSeverities.find((severity) => rules.some((rule) => rule.severity === severity)) ?? 'high';
}
