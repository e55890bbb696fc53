import type { Evaluation, Reason } from '../core/evaluation.ts';
import { clusterGroup, isUnheard, untoldForMs } from './cluster-state.ts';
import { type Followed, type FollowOptions, followEvaluation } from './follow.ts';
import { undetermined } from './judge.ts';
import { knownClusters } from './known-clusters.ts';
import type { Outbox } from './outbox.ts';
import type { StateStore } from './state.ts';
import type { WatchedSource } from './watched.ts';

export interface LeftOutEdges {
  readonly store: StateStore;
  readonly options: FollowOptions & { readonly owedForMs: number };
  /** All sources of the config, and the clusters that each expects. */
  readonly configured: ReadonlyMap<string, readonly string[]>;
}

/** Why nothing is said of a cluster that has no report. */
export const nothing: readonly Reason[] = [{ kind: 'report-missing', message: 'there is none to be had' }];

/** How the group of a cluster is named that is expected, and that no list names. */
export const expectedId = (name: string) => `expected ${name}`;

/**
 * Of something that the config leaves out nothing is asked for any more: whoever has heard of its alerts hears that, and never
 * that they are resolved.
 */
export async function leaveOut(
  edges: Omit<LeftOutEdges, 'configured'>,
  outbox: Outbox,
  source: Pick<WatchedSource, 'name' | 'policy'>,
  row: Followed['row'],
  nowMs: number,
): Promise<void> {
  const judge = { policy: source.policy, nowMs };
  const none = undetermined({ id: row.clusterId, name: row.clusterName }, nothing, judge);
  const policy = { ...none.policy, digest: 'left out' };
  const evaluation: Evaluation = { ...none, policy, reasons: [], rules: [] };
  const options = { ...edges.options, isDropped: true };
  const group = clusterGroup(source.name, row.clusterId);
  const followed = await followEvaluation(group, row, evaluation, judge, { ...edges, options });
  outbox.tell(source.name, followed, source.policy);
}

/** What an earlier config watched, by source: what it expected, and since when it is in no config any more. */
type Watched = Readonly<Record<string, WatchedBefore>>;
interface WatchedBefore {
  readonly expect: Readonly<Record<string, null | number>>;
  readonly goneMs: null | number;
}

const group = 'config';
const key = 'watched';

/**
 * Leave out the sources, and the clusters that are expected by name only, that are in the config no more. It is gone on with
 * as long as a receiver has yet to hear of it.
 * @param policy of any source, to tell it by
 */
export async function leaveOutRemoved(
  edges: LeftOutEdges,
  outbox: Outbox,
  policy: WatchedSource['policy'],
  nowMs: number,
): Promise<void> {
  const { store, configured, options } = edges;
  const record = (await store.load(group, key, nowMs)).find((one) => one.key === key);
  const before = (record?.value ?? {}) as Watched;
  const isOver = async (goneMs: number, groups: readonly string[]) => {
    if (nowMs - goneMs <= options.owedForMs + 86_400_000) return false;
    for (const one of nowMs - goneMs > untoldForMs ? [] : groups) if (await isUnheard(store, one, nowMs)) return false;
    return true;
  };
  const now: Record<string, WatchedBefore> = {};
  for (const name of new Set([...Object.keys(before), ...configured.keys()])) {
    const expected = configured.get(name);
    const known = before[name] ?? { expect: {}, goneMs: null };
    const goneMs = expected === undefined ? (known.goneMs ?? nowMs) : null;
    const ids = goneMs === null ? [] : (await knownClusters(store, name, nowMs)).map(({ clusterId }) => clusterId);
    const groups = ['', ...ids, ...Object.keys(known.expect).map(expectedId)].map((id) => clusterGroup(name, id));
    if (goneMs !== null && (await isOver(goneMs, groups))) continue;
    const expect: Record<string, null | number> = {};
    for (const cluster of new Set([...Object.keys(known.expect), ...(expected ?? [])])) {
      const since = expected?.includes(cluster) ? null : (known.expect[cluster] ?? nowMs);
      if (since === null || !(await isOver(since, [clusterGroup(name, expectedId(cluster))]))) expect[cluster] = since;
    }
    now[name] = { expect, goneMs };
  }
  for (const [name, { expect, goneMs }] of Object.entries(now)) {
    const source = { name, policy };
    const rows = Object.entries(expect)
      .filter(([, since]) => since !== null)
      .map(([cluster]) => ({ clusterId: expectedId(cluster), clusterName: cluster }));
    if (goneMs !== null)
      rows.push({ clusterId: '', clusterName: `source ${name}` }, ...(await knownClusters(store, name, nowMs)));
    for (const row of rows) await leaveOut(edges, outbox, source, { ...row, scannedAtMs: undefined }, nowMs);
  }
  if (JSON.stringify(now) !== JSON.stringify(before))
    await store.put(group, { key, value: now }, record?.version ?? 0, nowMs);
}
