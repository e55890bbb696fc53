import { formatDuration } from '../core/duration.ts';
import type { Reason } from '../core/evaluation.ts';
import { clusterGroup } from './cluster-state.ts';
import { followEvaluation } from './follow.ts';
import { undetermined } from './judge.ts';
import { type Outbox, ourselves } from './outbox.ts';
import type { HealthEdges } from './receiver-health.ts';
import type { Silence } from './silences.ts';

/** How long before its end a silence that mutes something is announced. */
const aheadMs = 86_400_000;

/**
 * Tell ahead that a silence is about to end, and that it has: what it mutes speaks at once when it is over.
 * @param muted how many firing alerts each silence mutes now
 */
export async function watchSilences(
  edges: HealthEdges,
  outbox: Outbox,
  silences: readonly Silence[],
  muted: ReadonlyMap<string, number>,
  nowMs: number,
): Promise<void> {
  const [first] = edges.sources;
  if (first === undefined) return;
  for (const { id, where, author, comment, untilMs } of silences) {
    const leftMs = untilMs - nowMs;
    const count = muted.get(id) ?? 0;
    const isEnding = leftMs > 0 && leftMs <= aheadMs && count > 0;
    const isOver = leftMs <= 0;
    if (!isEnding && !isOver) continue;
    const message = `silence ${id} by ${author} (${comment}) ends in ${formatDuration(leftMs)}: ${count} alerts where ${where} will speak`;
    const reasons: Reason[] = isEnding ? [{ kind: 'silence-ending', message }] : [];
    const name = `silence ${id}`;
    const row = { clusterId: name, clusterName: name, scannedAtMs: undefined };
    const evaluation = {
      ...undetermined({ id: name, name }, reasons, { policy: first.policy, nowMs }),
      reasons,
      rules: [],
    };
    const followed = await followEvaluation(
      clusterGroup(ourselves, name),
      row,
      evaluation,
      { policy: first.policy, nowMs },
      edges,
    );
    outbox.tell(ourselves, followed, first.policy);
  }
}
