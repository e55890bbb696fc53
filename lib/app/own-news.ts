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
