import type { Reason } from '../core/evaluation.ts';
import { clusterGroup } from './cluster-state.ts';
import { type FollowEdges, followEvaluation } from './follow.ts';
import { undetermined } from './judge.ts';
import { type Outbox, ourselves } from './outbox.ts';
import type { StateStore } from './state.ts';
import type { WatchedSource } from './watched.ts';

export interface OwnNewsEdges {
  readonly store: StateStore;
  /** At least one. */
  readonly sources: readonly WatchedSource[];
  readonly options: FollowEdges['options'];
}

/**
 * Follow something about ourselves like a cluster that cannot be judged: told once, and its end too.
 * @param reasons what is wrong; none: nothing any more; undefined: nothing is known that is new
 */
export async function tellOfOurselves(
  edges: OwnNewsEdges,
  outbox: Outbox,
  name: string,
  reasons: readonly Reason[] | undefined,
  nowMs: number,
): Promise<void> {
  const [first] = edges.sources;
  if (first === undefined) return;
  const judge = { policy: first.policy, nowMs };
  const evaluation = reasons && { ...undetermined({ id: name, name }, reasons, judge), reasons, rules: [] };
  const row = { clusterId: name, clusterName: name, scannedAtMs: undefined };
  const followed = await followEvaluation(clusterGroup(ourselves, name), row, evaluation, judge, edges);
  outbox.tell(ourselves, followed, first.policy);
}

const toldGroup = 'own-news';

/** How long it is followed whether the end of it was delivered. */
const followedForMs = 30 * 86_400_000;

/**
 * Tell of several things of one kind, and of those that were told before and are not there any more that they are over.
 * @param reasons what is wrong, by name
 * @param isWhole whether that is all: else of others nothing is known
 */
export async function tellEach(
  edges: OwnNewsEdges,
  outbox: Outbox,
  kind: string,
  reasons: ReadonlyMap<string, readonly Reason[]>,
  nowMs: number,
  isWhole = true,
): Promise<void> {
  for (const name of await follow(edges.store, kind, reasons, nowMs, isWhole))
    await tellOfOurselves(edges, outbox, name, reasons.get(name) ?? (isWhole ? [] : undefined), nowMs);
}

/**
 * Which things of a kind are told of, or were not long ago: written down before anybody is told, so that whoever hears of one
 * hears of its end.
 */
async function follow(
  store: StateStore,
  kind: string,
  reasons: ReadonlyMap<string, readonly Reason[]>,
  nowMs: number,
  isWhole: boolean,
): Promise<readonly string[]> {
  for (;;) {
    const record = (await store.load(toldGroup, kind, nowMs)).find(({ key }) => key === kind);
    const told = (record?.value ?? {}) as Readonly<Record<string, number>>;
    const now: Record<string, number> = {};
    for (const name of new Set([...Object.keys(told), ...reasons.keys()])) {
      const lastMs = reasons.has(name) || !isWhole ? nowMs : (told[name] ?? 0);
      if (nowMs - lastMs <= followedForMs) now[name] = lastMs;
    }
    if (JSON.stringify(now) === JSON.stringify(told)) return Object.keys(now);
    const written = await store.put(toldGroup, { key: kind, value: now }, record?.version ?? 0, nowMs);
    if (written !== undefined) return Object.keys(now);
  }
}
