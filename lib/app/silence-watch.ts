import { formatDuration } from '../core/duration.ts';
import type { Reason } from '../core/evaluation.ts';
import type { Outbox } from './outbox.ts';
import { type OwnNewsEdges, tellOfOurselves } from './own-news.ts';
import type { Silence } from './silences.ts';

/** How long before its end a silence that mutes something is announced: a day, and what a run may be late. */
const aheadMs = 25 * 3_600_000;

/** How many alerts will be told when each silence is over, by its id. */
export interface Muted {
  readonly counts: ReadonlyMap<string, number>;
  /** There are no others. */
  readonly isAll: boolean;
}

/**
 * Tell ahead that a silence is about to end, and that it has: what it mutes speaks at once when it is over.
 */
export async function watchSilences(
  edges: OwnNewsEdges,
  outbox: Outbox,
  silences: readonly Silence[],
  { counts, isAll }: Muted,
  nowMs: number,
): Promise<void> {
  for (const { id, where, author, comment, untilMs } of silences) {
    const leftMs = untilMs - nowMs;
    const count = counts.get(id) ?? 0;
    const isEnding = leftMs > 0 && leftMs <= aheadMs && count > 0;
    const isOver = leftMs <= 0;
    if (!isEnding && !isOver) continue;
    const message = `silence ${id} by ${author} (${comment}) ends in ${formatDuration(leftMs)}: ${isAll ? '' : 'at least '}${count} ${count === 1 ? 'alert' : 'alerts'} where ${where} will speak`;
    const reasons: Reason[] = isEnding ? [{ kind: 'silence-ending', message }] : [];
    await tellOfOurselves(edges, outbox, `silence ${id}`, reasons, nowMs);
  }
}
