import { matchesGlob } from '../core/glob.ts';
import type { Policy } from '../core/policy/parse.ts';
import type { ClusterRow } from '../core/report.ts';
import type { ReportSource } from './ports.ts';

/** A source with what the config says of it. */
export interface WatchedSource {
  readonly name: string;
  readonly reports: ReportSource;
  readonly policy: Policy;
  /** Patterns of cluster names; absent: all. */
  readonly include?: readonly string[] | undefined;
  readonly exclude?: readonly string[] | undefined;
  /** Names of clusters that must be there. */
  readonly expect: readonly string[];
}

/** Whether the config wants a cluster looked at. */
export function isWanted(
  row: Pick<ClusterRow, 'clusterName'>,
  { include, exclude }: Pick<WatchedSource, 'include' | 'exclude'>,
): boolean {
  const matches = (pattern: string) => matchesGlob(pattern, row.clusterName);
  return (include === undefined || include.some(matches)) && !(exclude ?? []).some(matches);
}
