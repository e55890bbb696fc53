import type { InputError, UndeterminedError } from '../core/errors.ts';
import { matchesGlob } from '../core/glob.ts';
import type { Policy } from '../core/policy/parse.ts';
import type { ClusterRow } from '../core/report.ts';
import type { ReportSource } from './ports.ts';

/** A source with what the config says of it. */
export interface WatchedSource {
  readonly name: string;
  readonly reports: ReportSource;
  /** As it is at the beginning of a run or a request; it stays the same to the end of it. */
  readonly policy: Policy;
  /** Why there is none: then `policy` is `noPolicy`, and nothing of the source is judged. */
  readonly policyProblem?: InputError | UndeterminedError | undefined;
  /** That the policy is an older copy; for people. */
  readonly policyNote?: string | undefined;
  /** Patterns of names and ids of clusters; absent: all. */
  readonly include?: readonly string[] | undefined;
  readonly exclude?: readonly string[] | undefined;
  /** Names of clusters that must be there. */
  readonly expect: readonly string[];
}

/** Stands in for a policy that could not be had. Its rule passes never, and hides the worst. */
export const noPolicy: Policy = {
  name: 'unknown',
  digest: 'unknown',
  maxReportAgeMs: 0,
  reconcile: 'strict',
  rules: [{ id: 'unknown', on: 'cluster', where: undefined, max: 0, severity: 'critical', enforce: 'block', line: 1 }],
  waivers: [],
};

/** Whether the config wants a cluster looked at. */
export function isWanted(
  { clusterId, clusterName }: Pick<ClusterRow, 'clusterId' | 'clusterName'>,
  { include, exclude }: Pick<WatchedSource, 'include' | 'exclude'>,
): boolean {
  const matches = (pattern: string) => matchesGlob(pattern, clusterName) || matchesGlob(pattern, clusterId);
  return (include === undefined || include.some(matches)) && !(exclude ?? []).some(matches);
}
