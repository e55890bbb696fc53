import type { Reason } from '../core/evaluation.ts';
import { loadDeadLetters } from './dead-letter-store.ts';
import type { Outbox } from './outbox.ts';
import { type OwnNewsEdges, tellEach } from './own-news.ts';

/** Tell the receivers of messages that were given up, as long as there are any, and when there are none any more. */
export async function tellDeadLetters(edges: OwnNewsEdges, outbox: Outbox, nowMs: number): Promise<void> {
  const counts = new Map<string, number>();
  for (const { receiver } of await loadDeadLetters(edges.store, nowMs))
    counts.set(receiver, (counts.get(receiver) ?? 0) + 1);
  const reasons = new Map<string, readonly Reason[]>();
  for (const [receiver, count] of counts) {
    const messages = count === 1 ? 'a message' : `${count} messages`;
    const message = `receiver ${receiver} did not take ${messages} for so long that ${count === 1 ? 'it was' : 'they were'} given up: look at portcullis deliveries list, then replay or discard`;
    reasons.set(`messages given up of ${receiver}`, [{ kind: 'message-given-up', message }]);
  }
  await tellEach(edges, outbox, 'given-up', reasons, nowMs);
}
