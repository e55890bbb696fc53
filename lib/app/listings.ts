import { clockSkewMs } from '../core/duration.ts';
import type { ClusterListing } from '../core/report.ts';
import type { Remembered } from './shared.ts';
import type { WatchedSource } from './watched.ts';

export function listingKey(source: string): string {
  return `listing/${source}`;
}

/** What HSS lists now, held against what it listed last. @param before undefined: nothing is known of it */
export async function newestListing(
  { reports }: Pick<WatchedSource, 'reports'>,
  before: Omit<Remembered<ClusterListing>, 'isFresh'> | undefined,
  nowMs: number,
  signal?: AbortSignal,
): Promise<ClusterListing> {
  const now = await reports.list(signal);
  return before === undefined ? now : withNewer(now, before.value, nowMs);
}

/** What was listed once is not undone by a list that shows an older report, or none. A time that has not come yet proves nothing. */
function withNewer(now: ClusterListing, before: ClusterListing, nowMs: number): ClusterListing {
  const isUsable = (atMs: number) => atMs <= nowMs + clockSkewMs && atMs > nowMs - rememberedMs;
  const newest = new Map(Object.entries(before.earlier ?? {}));
  for (const { clusterId, scannedAtMs = 0, vagueAtMs = 0, newerAtMs = 0 } of before.clusters) {
    const times = [scannedAtMs, vagueAtMs, newerAtMs].filter(isUsable);
    newest.set(clusterId, Math.max(0, ...times));
  }
  const clusters = now.clusters.map((row) => {
    const newerAtMs = newest.get(row.clusterId) ?? 0;
    newest.delete(row.clusterId);
    // One that does not say which report is the newest proves nothing of one that is older.
    return newerAtMs > (row.scannedAtMs ?? 0) ? { ...row, newerAtMs } : row;
  });
  const earlier = Object.fromEntries([...newest].filter(([, atMs]) => isUsable(atMs)));
  return { ...now, clusters, ...(Object.keys(earlier).length > 0 && { earlier }) };
}

/** No policy takes a report that is older. */
const rememberedMs = 400 * 86_400_000;
