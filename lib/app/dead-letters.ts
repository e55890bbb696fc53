import type { Reason } from '../core/evaluation.ts';
import type { Notice } from '../core/notice.ts';
import { deadLetters, type Outbox } from './outbox.ts';
import { type OwnNewsEdges, tellEach } from './own-news.ts';
import { type Packed, unpacked } from './packed.ts';
import type { StateStore } from './state.ts';

/** A message that its receiver did not take in time. */
export interface DeadLetter {
  readonly receiver: string;
  readonly notice: Notice;
  /** Since when it was owed, and when it was given up; epoch milliseconds. */
  readonly sinceMs: number;
  readonly atMs: number;
  readonly attempts: number;
  /** Why the receiver did not take it at last. */
  readonly reason: string;
  /** Someone is sending it; nobody else does before this. */
  readonly claimedUntilMs?: number;
}

export async function loadDeadLetters(store: StateStore, nowMs: number): Promise<readonly DeadLetter[]> {
  return (await store.load(deadLetters, '', nowMs)).map(({ value }) => unpacked(value as DeadLetter | Packed));
}

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
