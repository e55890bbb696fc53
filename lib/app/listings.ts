import { clockSkewMs } from '../core/evaluate.ts';
import type { ClusterListing } from '../core/report.ts';
import type { Shared } from './shared.ts';
import type { WatchedSource } from './watched.ts';

export function listingKey(source: string): string {
  return `listing/${source}`;
}

/** What HSS lists now, held against what it listed last. */
export async function newestListing(
  { name, reports }: Pick<WatchedSource, 'name' | 'reports'>,
  shared: Shared,
  nowMs: number,
  signal?: AbortSignal,
): Promise<ClusterListing> {
  const now = await reports.list(signal);
  const before = await shared.recall<ClusterListing>(listingKey(name));
  return before === undefined ? now : withNewer(now, before.value, nowMs);
}

/** What was listed once is not undone by a list that shows an older report. A time that has not come yet proves nothing. */
function withNewer(now: ClusterListing, before: ClusterListing, nowMs: number): ClusterListing {
  const newest = new Map(
    before.clusters.map(({ clusterId, scannedAtMs = 0, newerAtMs = 0 }) => [
      clusterId,
      Math.max(scannedAtMs, newerAtMs),
    ]),
  );
  const clusters = now.clusters.map((row) => {
    const newerAtMs = newest.get(row.clusterId) ?? 0;
    const isOutdone = newerAtMs > (row.scannedAtMs ?? 0) && newerAtMs <= nowMs + clockSkewMs;
    return isOutdone ? { ...row, newerAtMs } : row;
  });
  return { ...now, clusters };
}
