import type { ClusterRow } from '../core/report.ts';
import { type StateStore, StoreError } from './state.ts';

/** A cluster that was in the list of reports once. */
export type KnownCluster = Pick<ClusterRow, 'clusterId' | 'clusterName'>;

const key = 'clusters';

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
 * @returns those that were there before and are in the list no more
 */
export async function rememberClusters(
  store: StateStore,
  source: string,
  listed: readonly KnownCluster[],
  before: readonly KnownCluster[],
  nowMs: number,
): Promise<readonly KnownCluster[]> {
  const group = `source/${source}`;
  const ids = new Set(listed.map(({ clusterId }) => clusterId));
  const isUnlisted = (known: KnownCluster) => !ids.has(known.clusterId);
  for (let tries = 0; tries < 10; tries++) {
    const record = (await store.load(group, key, nowMs))[0];
    const known = (record?.value as readonly KnownCluster[] | undefined) ?? [];
    const rows = listed.map(({ clusterId, clusterName }) => ({ clusterId, clusterName }));
    const value = [...rows, ...known.filter(isUnlisted)].sort((a, b) => (a.clusterId < b.clusterId ? -1 : 1));
    const isSame = JSON.stringify(value) === JSON.stringify(record?.value);
    if (isSame || (await store.put(group, { key, value }, record?.version ?? 0, nowMs)) !== undefined) {
      return before.filter(isUnlisted);
    }
  }
  throw new StoreError(`source ${source}: other runs kept writing its clusters`);
}
