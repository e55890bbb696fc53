import { hash } from 'node:crypto';
import type { StateStore } from './state.ts';

/** A text in records of its own, since it is too long for one. */
export interface InParts {
  readonly parts: number;
  /** SHA-256 of the whole, hex: whatever is there, it is this text or none. */
  readonly digest: string;
}

const group = 'parts';
/** What a record may hold, less what stands beside it. */
export const largestPart = 340 * 1024;
/** DynamoDB writes so much of a group in a few seconds. */
export const mostParts = 16;

/**
 * @returns undefined: it has too many parts
 * @throws {StoreError}
 */
export async function putParts(
  store: StateStore,
  text: string,
  expiresAtMs: number,
  nowMs: number,
): Promise<InParts | undefined> {
  const parts = Math.ceil(text.length / largestPart);
  if (parts > mostParts) return undefined;
  const digest = hash('sha256', text, 'hex');
  for (let n = 0; n < parts; n++) {
    const key = keyOf(digest, n);
    const record = { key, value: text.slice(n * largestPart, (n + 1) * largestPart), expiresAtMs };
    if ((await store.put(group, record, 0, nowMs)) !== undefined) continue;
    // The same part, most likely: from now on it lasts as long as this one, and is what it has to be.
    const there = (await store.load(group, key, nowMs)).find((one) => one.key === key);
    await store.put(group, record, there?.version ?? 0, nowMs);
  }
  return { parts, digest };
}

/**
 * @returns undefined: some of it is not there, or is something else
 * @throws {StoreError}
 */
export async function loadParts(
  store: StateStore,
  { parts, digest }: InParts,
  nowMs: number,
): Promise<string | undefined> {
  const records = await store.load(group, `${digest}/`, nowMs);
  if (records.length !== parts) return undefined;
  const text = records.map(({ value }) => value).join('');
  return hash('sha256', text, 'hex') === digest ? text : undefined;
}

function keyOf(digest: string, n: number): string {
  return `${digest}/${String(n).padStart(3, '0')}`;
}
