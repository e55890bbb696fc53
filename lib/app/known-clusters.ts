import type { ClusterRow } from '../core/report.ts';
import { type StateStore, StoreError } from './state.ts';

/** A cluster that was in the list of reports once. */
export interface KnownCluster extends Pick<ClusterRow, 'clusterId' | 'clusterName'> {
  /** When it was in the list first; epoch milliseconds. Absent: before that was written down. */
  readonly sinceMs?: number;
}

const key = 'clusters';

/** One that was made anew has another id: the younger one of the same name. */
export function successorOf(gone: KnownCluster, listed: readonly KnownCluster[]): KnownCluster | undefined {
  return listed.find(
    ({ clusterName, sinceMs = 0 }) => clusterName === gone.clusterName && sinceMs > (gone.sinceMs ?? 0),
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
 * @returns those in the list, and those that were there before and are in it no more
 */
export async function rememberClusters(
  store: StateStore,
  source: string,
  listed: readonly ClusterRow[],
  before: readonly KnownCluster[],
  nowMs: number,
): Promise<{ readonly there: readonly KnownCluster[]; readonly gone: readonly KnownCluster[] }> {
  const group = `source/${source}`;
  const ids = new Set(listed.map(({ clusterId }) => clusterId));
  const isUnlisted = (known: KnownCluster) => !ids.has(known.clusterId);
  for (let tries = 0; tries < 10; tries++) {
    const record = (await store.load(group, key, nowMs))[0];
    const known = (record?.value as readonly KnownCluster[] | undefined) ?? [];
    const firstMs = new Map(known.map(({ clusterId, sinceMs }) => [clusterId, sinceMs]));
    const there = listed.map(({ clusterId, clusterName }) => {
      const sinceMs = firstMs.has(clusterId) ? firstMs.get(clusterId) : nowMs;
      return { clusterId, clusterName, ...(sinceMs !== undefined && { sinceMs }) };
    });
    const value = [...there, ...known.filter(isUnlisted)].sort((a, b) => (a.clusterId < b.clusterId ? -1 : 1));
    const isSame = JSON.stringify(value) === JSON.stringify(record?.value);
    if (isSame || (await store.put(group, { key, value }, record?.version ?? 0, nowMs)) !== undefined) {
      return { there, gone: before.filter(isUnlisted) };
    }
  }
  throw new StoreError(`source ${source}: other runs kept writing its clusters`);
}
