import type { ClusterRow } from '../core/report.ts';
import { clusterGroup, isUnheard, untoldForMs } from './cluster-state.ts';
import { type Packed, packed, unpacked } from './packed.ts';
import { type StateStore, StoreError } from './state.ts';

/** A cluster that was in the list of reports once. Times in epoch milliseconds. */
export interface KnownCluster extends Pick<ClusterRow, 'clusterId' | 'clusterName'> {
  /** When it was in the list first; absent: before that was written down. */
  readonly sinceMs?: number;
  /** When it was in the list no more; absent: it is. */
  readonly goneMs?: number;
  /** Since when nothing is asked for of it: the config leaves it out, or too many are gone. */
  readonly outMs?: number;
}

/** Of clusters that are gone so many are followed, those that were there last: all are one record. */
const mostGone = 1000;

const key = 'clusters';

/** So long the list may show an old one and its successor beside each other; those that are there for longer are two. */
const overlapMs = 2 * 86_400_000;

/** The clusters of a source that are remembered. */
export async function knownClusters(
  store: StateStore,
  source: string,
  nowMs: number,
): Promise<readonly KnownCluster[]> {
  return (await load(store, source, nowMs)).known;
}

async function load(store: StateStore, source: string, nowMs: number) {
  const [record] = await store.load(`source/${source}`, key, nowMs);
  const known = record === undefined ? [] : unpacked(record.value as readonly KnownCluster[] | Packed);
  return { known, version: record?.version ?? 0 };
}

/**
 * Remember the clusters of a source.
 * @param before what was remembered before the list was asked for: what another run has added since is not gone
 * @param isWatched whether the config asks for it
 * @param settledMs so long at least after it got a successor, or was left out, one that is gone is remembered, and as long as
 *   somebody has yet to hear of it
 * @returns those that were there before and are in the list no more: that are absent, and of which nothing is asked any more
 */
export async function rememberClusters(
  store: StateStore,
  source: string,
  listed: readonly ClusterRow[],
  before: readonly KnownCluster[],
  isWatched: (cluster: KnownCluster) => boolean,
  settledMs: number,
  nowMs: number,
): Promise<{ readonly absent: readonly KnownCluster[]; readonly leftOut: readonly KnownCluster[] }> {
  const ids = new Set(listed.map(({ clusterId }) => clusterId));
  const wasThere = new Set(before.map(({ clusterId }) => clusterId));
  for (let tries = 0; tries < 10; tries++) {
    const { known, version } = await load(store, source, nowMs);
    const firstMs = new Map(known.map(({ clusterId, sinceMs }) => [clusterId, sinceMs]));
    const there = listed.map(({ clusterId, clusterName }) => {
      const sinceMs = firstMs.has(clusterId) ? firstMs.get(clusterId) : nowMs;
      return { clusterId, clusterName, ...(sinceMs !== undefined && { sinceMs }) };
    });
    const unlisted = known
      .filter(({ clusterId }) => !ids.has(clusterId))
      .map((one): KnownCluster & { readonly goneMs: number } => ({ goneMs: nowMs, ...one }))
      .sort((a, b) => b.goneMs - a.goneMs)
      .map(({ outMs = nowMs, ...one }, n) => ({ ...one, ...((n >= mostGone || !isWatched(one)) && { outMs }) }));
    const heirOf = successors([...there, ...unlisted]);
    const gone: KnownCluster[] = [];
    for (const one of unlisted) {
      const overMs = nowMs - Math.min(one.outMs ?? nowMs, heirOf(one)?.sinceMs ?? nowMs);
      const mayForget = overMs > settledMs && !(await isUnheard(store, clusterGroup(source, one.clusterId), nowMs));
      if (!mayForget && overMs <= untoldForMs) gone.push(one);
    }
    const value = [...there, ...gone].sort((a, b) => (a.clusterId < b.clusterId ? -1 : 1));
    const isSame = JSON.stringify(value) === JSON.stringify(known);
    if (!isSame && (await store.put(`source/${source}`, { key, value: packed(value) }, version, nowMs)) === undefined)
      continue;
    const told = gone.filter(({ clusterId }) => wasThere.has(clusterId));
    const isLeftOut = (one: KnownCluster) => one.outMs !== undefined || heirOf(one) !== undefined;
    return { absent: told.filter((one) => !isLeftOut(one)), leftOut: told.filter(isLeftOut) };
  }
  throw new StoreError(`source ${source}: other runs kept writing its clusters`);
}

/** One that was made anew has another id: the next younger one of the same name, whether that is there itself or gone. */
function successors(all: readonly KnownCluster[]): (gone: KnownCluster) => KnownCluster | undefined {
  const byName = new Map<string, KnownCluster[]>();
  for (const one of all.toSorted((a, b) => (a.sinceMs ?? 0) - (b.sinceMs ?? 0)))
    byName.set(one.clusterName, [...(byName.get(one.clusterName) ?? []), one]);
  return ({ clusterName, sinceMs: bornMs = 0, goneMs = 0 }) =>
    byName.get(clusterName)?.find((one) => (one.sinceMs ?? 0) > Math.max(bornMs, goneMs - overlapMs));
}
