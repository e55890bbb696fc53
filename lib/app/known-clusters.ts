import type { ClusterRow } from '../core/report.ts';
import { type StateStore, StoreError } from './state.ts';

/** A cluster that was in the list of reports once. Times in epoch milliseconds. */
export interface KnownCluster extends Pick<ClusterRow, 'clusterId' | 'clusterName'> {
  /** When it was in the list first; absent: before that was written down. */
  readonly sinceMs?: number;
  /** When it was in the list no more; absent: it is. */
  readonly goneMs?: number;
}

const key = 'clusters';

/** So long the list may show an old one and its successor beside each other; those that are there for longer are two. */
const overlapMs = 2 * 86_400_000;

/** One that was made anew has another id: the younger one of the same name, whether that is there itself or gone. */
export function successorOf(gone: KnownCluster, known: readonly KnownCluster[]): KnownCluster | undefined {
  const { clusterName, sinceMs: bornMs = 0, goneMs = 0 } = gone;
  return known.find(
    (one) => one.clusterName === clusterName && (one.sinceMs ?? 0) > Math.max(bornMs, goneMs - overlapMs),
  );
}

/** The clusters of a source that are remembered. */
export async function knownClusters(
  store: StateStore,
  source: string,
  nowMs: number,
): Promise<readonly KnownCluster[]> {
  const [record] = await store.load(`source/${source}`, key, nowMs);
  return (record?.value as readonly KnownCluster[] | undefined) ?? [];
}

/**
 * Remember the clusters of a source.
 * @param before what was remembered before the list was asked for: what another run has added since is not gone
 * @param settledMs so long after it got a successor one that is gone is remembered
 * @returns all that are remembered, and of them those that were there before and are in the list no more
 */
export async function rememberClusters(
  store: StateStore,
  source: string,
  listed: readonly ClusterRow[],
  before: readonly KnownCluster[],
  settledMs: number,
  nowMs: number,
): Promise<{ readonly all: readonly KnownCluster[]; readonly gone: readonly KnownCluster[] }> {
  const group = `source/${source}`;
  const ids = new Set(listed.map(({ clusterId }) => clusterId));
  const wasThere = new Set(before.map(({ clusterId }) => clusterId));
  for (let tries = 0; tries < 10; tries++) {
    const record = (await store.load(group, key, nowMs))[0];
    const known = (record?.value as readonly KnownCluster[] | undefined) ?? [];
    const firstMs = new Map(known.map(({ clusterId, sinceMs }) => [clusterId, sinceMs]));
    const there = listed.map(({ clusterId, clusterName }) => {
      const sinceMs = firstMs.has(clusterId) ? firstMs.get(clusterId) : nowMs;
      return { clusterId, clusterName, ...(sinceMs !== undefined && { sinceMs }) };
    });
    const unlisted = known.filter(({ clusterId }) => !ids.has(clusterId)).map((one) => ({ goneMs: nowMs, ...one }));
    const all = [...there, ...unlisted];
    const isSettled = (one: KnownCluster) => nowMs - (successorOf(one, all)?.sinceMs ?? nowMs) > settledMs;
    const gone = unlisted.filter((one) => !isSettled(one));
    const value = [...there, ...gone].sort((a, b) => (a.clusterId < b.clusterId ? -1 : 1));
    const isSame = JSON.stringify(value) === JSON.stringify(record?.value);
    if (isSame || (await store.put(group, { key, value }, record?.version ?? 0, nowMs)) !== undefined)
      return { all, gone: gone.filter(({ clusterId }) => wasThere.has(clusterId)) };
  }
  throw new StoreError(`source ${source}: other runs kept writing its clusters`);
}
