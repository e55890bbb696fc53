import type { Reason } from '../core/evaluation.ts';
import { loadDeadLetters } from './dead-letter-store.ts';
import type { Outbox } from './outbox.ts';
import { givenUpName } from './own-names.ts';
import { type OwnNewsEdges, tellEach } from './own-news.ts';

/** Of one receiver so many letters, the last ones, are told apart: others came before. */
const mostApart = 500;

/** Tell the receivers of messages that were given up, when there are more, as long as there are any, and when there are none. */
export async function tellDeadLetters(edges: OwnNewsEdges, outbox: Outbox, nowMs: number): Promise<void> {
  const letters = new Map<string, string[]>();
  const newestFirst = (await loadDeadLetters(edges.store, nowMs)).toSorted((a, b) => b.atMs - a.atMs);
  for (const { receiver, notice } of newestFirst) letters.set(receiver, [...(letters.get(receiver) ?? []), notice.id]);
  const reasons = new Map<string, readonly Reason[]>();
  for (const [receiver, ids] of letters) {
    const messages = ids.length === 1 ? 'a message' : `${ids.length} messages`;
    const message = `receiver ${receiver} did not take ${messages} for so long that ${ids.length === 1 ? 'it was' : 'they were'} given up: look at portcullis deliveries list, then replay or discard`;
    reasons.set(givenUpName(receiver), [{ kind: 'message-given-up', message, of: ids.slice(0, mostApart) }]);
  }
  await tellEach(edges, outbox, 'given-up', reasons, nowMs);
}
