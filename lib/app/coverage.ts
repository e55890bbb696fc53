import { type Coverage, type CoverageOptions, compareCoverage } from '../core/coverage.ts';
import type { Evaluation, Note, Reason } from '../core/evaluation.ts';
import { isoTime } from '../core/render/words.ts';
import type { ClusterRow } from '../core/report.ts';
import { clusterGroup, type Head, headKey } from './cluster-state.ts';
import { type StateStore, StoreError } from './state.ts';

/** What a report of a time is compared with: judged again, it is as doubtful as it was. */
export function coverageBefore(head: Head | undefined, scannedAtMs: number): Coverage | undefined {
  const { coverage } = head ?? {};
  if (head === undefined || scannedAtMs > head.scannedAtMs) return coverage;
  return coverage && { ...coverage, drops: Math.max(0, coverage.drops - 1) };
}

/**
 * Whether a report is as new as the last one that a scan followed, and looked about as far: by one that is not, nothing passes.
 * @returns a note where it cannot be known; undefined: it did, or no scan has followed the cluster yet
 */
export async function coverageDoubt(
  store: StateStore,
  source: string,
  { clusterId }: ClusterRow,
  { report: { scannedAtMs }, looked }: Evaluation,
  options: CoverageOptions,
  nowMs: number,
): Promise<{ readonly reason: Reason } | { readonly note: Note } | undefined> {
  if (scannedAtMs === undefined || looked === undefined) return undefined;
  try {
    const records = await store.load(clusterGroup(source, clusterId), headKey, nowMs);
    const head = records.find(({ key }) => key === headKey)?.value as Head | undefined;
    if (head === undefined) return undefined;
    if (scannedAtMs < head.scannedAtMs) {
      const message = `a scan has seen a newer report of the cluster, of ${isoTime(head.scannedAtMs)}, which HSS does not list now`;
      return { reason: { kind: 'report-stale', message } };
    }
    const { doubt } = compareCoverage(coverageBefore(head, scannedAtMs), looked, options);
    return doubt && { reason: doubt };
  } catch (error) {
    if (!(error instanceof StoreError)) throw error;
    return { note: coverageUnknown(error.message) };
  }
}

/** @param why the state cannot be read */
export function coverageUnknown(why: string): Note {
  return { message: `whether the report looked as far as the one before is not known: ${why}` };
}
