import { DeliveryError, InputError } from '../core/errors.ts';
import type { Notice } from '../core/notice.ts';
import { hint } from '../core/suggest.ts';
import { deadLetters } from './outbox.ts';
import type { Notifier } from './ports.ts';
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
}

export async function loadDeadLetters(store: StateStore, nowMs: number): Promise<readonly DeadLetter[]> {
  return (await store.load(deadLetters, '', nowMs)).map(({ value }) => value as DeadLetter);
}

/**
 * Send dead letters once more, with the ids they had; those that are taken are gone.
 * @param ids of messages; none: all
 * @returns what could not be delivered again, in sentences
 * @throws {InputError} there is no letter of an id
 */
export async function replayDeadLetters(
  store: StateStore,
  notifiers: ReadonlyMap<string, Notifier>,
  ids: readonly string[],
  nowMs: number,
): Promise<{ readonly delivered: number; readonly failures: readonly string[] }> {
  const records = await store.load(deadLetters, '', nowMs);
  const letters = records.map(({ key, version, value }) => ({ key, version, letter: value as DeadLetter }));
  const known = letters.map(({ letter }) => letter.notice.id);
  for (const id of ids)
    if (!known.includes(id)) throw new InputError(`there is no dead letter ${id}${hint(id, known)}`);
  const failures: string[] = [];
  let delivered = 0;
  for (const { key, version, letter } of letters) {
    if (ids.length > 0 && !ids.includes(letter.notice.id)) continue;
    const notifier = notifiers.get(letter.receiver);
    try {
      if (notifier === undefined)
        throw new InputError(`there is no receiver ${letter.receiver} in the config any more`);
      await notifier.deliver(letter.notice, nowMs);
    } catch (error) {
      if (!(error instanceof DeliveryError) && !(error instanceof InputError)) throw error;
      failures.push(`${letter.notice.id}: ${error.message}`);
      continue;
    }
    delivered++;
    await store.remove(deadLetters, key, version);
  }
  return { delivered, failures };
}
