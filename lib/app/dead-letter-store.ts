import type { Notice } from '../core/notice.ts';
import { type Packed, packed, unpacked } from './packed.ts';
import { largestPart } from './parts.ts';
import type { StateStore } from './state.ts';

/** The group of records that hold what a receiver did not take in time. */
export const deadLetters = 'dead-letters';

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

/** @throws {StoreError} */
export async function loadDeadLetters(store: StateStore, nowMs: number): Promise<readonly DeadLetter[]> {
  return (await store.load(deadLetters, '', nowMs)).map(({ value }) => unpacked(value as DeadLetter | Packed));
}

/**
 * Keep a message, as several where it is too long for a record. One that is kept already stays as it is.
 * @throws {StoreError}
 */
export async function keepDeadLetter(store: StateStore, letter: DeadLetter, nowMs: number): Promise<void> {
  const { id } = letter.notice;
  for (const [i, notice] of fitting(letter).entries()) {
    const part: DeadLetter = { ...letter, notice: i === 0 ? notice : { ...notice, id: `${id}-${i + 1}` } };
    const record = { key: `${letter.receiver}/${part.notice.id}`, value: packed(part) };
    await store.put(deadLetters, record, 0, nowMs);
  }
}

/** The message, in parts of which each has room in a record. */
function fitting(letter: DeadLetter): readonly Notice[] {
  const parts = JSON.stringify(packed(letter)).length <= largestPart ? [letter.notice] : halves(letter.notice);
  return parts.length === 1 ? parts : parts.flatMap((notice) => fitting({ ...letter, notice }));
}

/** @returns the message itself, when there is nothing to part */
function halves(notice: Notice): readonly Notice[] {
  if (notice.about === 'alerts') return parted(notice.news).map((news) => ({ ...notice, news }));
  const [only] = notice.clusters;
  if (notice.clusters.length !== 1 || only === undefined)
    return parted(notice.clusters).map((clusters) => ({ ...notice, clusters }));
  return parted(only.news).map((news) => ({ ...notice, clusters: [{ ...only, news }] }));
}

function parted<T>(items: readonly T[]): readonly (readonly T[])[] {
  const half = Math.ceil(items.length / 2);
  return items.length < 2 ? [items] : [items.slice(0, half), items.slice(half)];
}
