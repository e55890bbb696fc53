import { DeliveryError, InputError } from '../core/errors.ts';
import { hint } from '../core/suggest.ts';
import { type LogRecord, putLog } from './cluster-state.ts';
import { type DeadLetter, deadLetters } from './dead-letter-store.ts';
import { type LogToWrite, letterNow } from './letter-now.ts';
import { type Packed, packed, unpacked } from './packed.ts';
import type { Notifier } from './ports.ts';
import type { StateStore, StoredRecord } from './state.ts';

/** What became of dead letters that were to be sent once more. */
export interface Replayed {
  readonly delivered: number;
  /** Messages of which nothing is so any more, or all was heard since: they are gone, and were not sent. */
  readonly outdated: number;
  /** What could not be delivered, in sentences. */
  readonly failures: readonly string[];
}

/** How long whoever sends a letter keeps others, and runs, from what it tells; beyond that it is taken for dead. */
const claimMs = 5 * 60_000;

const elsewhere = 'somebody else is sending it';

/**
 * Send dead letters once more, with the ids they had; those that are taken are gone. Alerts are told as they are now, to somebody
 * who has heard of them what the log says: what is not owed by that is left out. What was taken is written down.
 * @param ids of messages; none: all
 * @throws {InputError} there is no letter of an id
 */
export async function replayDeadLetters(
  store: StateStore,
  notifiers: ReadonlyMap<string, Notifier>,
  ids: readonly string[],
  nowMs: number,
): Promise<Replayed> {
  const failures: string[] = [];
  let [delivered, outdated] = [0, 0];
  for (const { key, version, letter } of await chosen(store, ids, nowMs)) {
    const { claimedUntilMs = 0 } = letter;
    const claim = { key, value: packed({ ...letter, claimedUntilMs: nowMs + claimMs }) };
    const claimed = isAhead(claimedUntilMs, nowMs) ? undefined : await store.put(deadLetters, claim, version, nowMs);
    if (claimed === undefined) {
      failures.push(`${letter.notice.id}: ${elsewhere}`);
      continue;
    }
    let isDone = false;
    try {
      const result = await send(store, notifiers, letter, nowMs);
      isDone = result === 'delivered' || result === 'outdated';
      if (result === 'delivered') delivered++;
      else if (result === 'outdated') outdated++;
      else failures.push(`${letter.notice.id}: ${result}`);
    } finally {
      if (isDone) await store.remove(deadLetters, key, claimed);
      else await store.put(deadLetters, { key, value: packed(letter) }, claimed, nowMs);
    }
  }
  return { delivered, outdated, failures };
}

/** @returns what became of it; a sentence: why it was not delivered */
async function send(
  store: StateStore,
  notifiers: ReadonlyMap<string, Notifier>,
  letter: DeadLetter,
  nowMs: number,
): Promise<string> {
  const { receiver } = letter;
  const now = await letterNow(store, letter, nowMs);
  if (now === undefined) return 'outdated';
  const { notice, logs } = now;
  const notifier = notifiers.get(receiver);
  if (notifier === undefined) return `there is no receiver ${receiver} in the config any more`;
  const held: { readonly log: LogToWrite; readonly version: number }[] = [];
  const write = async (recordOf: (log: LogToWrite) => LogRecord) => {
    for (const { log, version } of held) await putLog(store, log.group, receiver, recordOf(log), version, nowMs);
  };
  for (const log of logs) {
    const { id, tried } = log.owed;
    const claim = { id, message: notice.id, untilMs: nowMs + claimMs };
    const version = isAhead(log.record.claim?.untilMs ?? 0, nowMs)
      ? undefined
      : await putLog(store, log.group, receiver, { ...log.record, tried, claim }, log.version, nowMs);
    if (version === undefined) {
      await write(({ record }) => record);
      return elsewhere;
    }
    held.push({ log, version });
  }
  try {
    await notifier.deliver(notice, nowMs);
  } catch (error) {
    const mayBeTaken = error instanceof DeliveryError && error.mayBeTaken;
    await write(({ record, owed: { tried } }) => (mayBeTaken ? { ...record, tried } : record));
    if (!(error instanceof DeliveryError) && !(error instanceof InputError)) throw error;
    return error.message;
  }
  // What else was refused stays owed.
  await write(({ record: { owed }, owed: { log } }) => ({ ...log, ...(owed !== undefined && { owed }) }));
  return 'delivered';
}

function isAhead(untilMs: number, nowMs: number): boolean {
  return untilMs > nowMs && untilMs <= nowMs + 2 * claimMs;
}

/** Throw dead letters away. @param ids of messages @returns how many @throws {InputError} there is no letter of an id */
export async function discardDeadLetters(store: StateStore, ids: readonly string[], nowMs: number): Promise<number> {
  let gone = 0;
  for (const { key, version } of await chosen(store, ids, nowMs))
    if (await store.remove(deadLetters, key, version)) gone++;
  return gone;
}

interface Chosen extends Pick<StoredRecord, 'key' | 'version'> {
  readonly letter: DeadLetter;
}

async function chosen(store: StateStore, ids: readonly string[], nowMs: number): Promise<readonly Chosen[]> {
  const records = await store.load(deadLetters, '', nowMs);
  const letters = records.map(({ key, version, value }) => ({
    key,
    version,
    letter: unpacked(value as DeadLetter | Packed),
  }));
  const known = letters.map(({ letter }) => letter.notice.id);
  for (const id of ids)
    if (!known.includes(id)) throw new InputError(`there is no dead letter ${id}${hint(id, known)}`);
  return letters.filter(({ letter }) => ids.length === 0 || ids.includes(letter.notice.id));
}
