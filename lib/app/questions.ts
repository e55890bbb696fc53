import type { Baseline } from '../core/baseline.ts';
import { parseImagePattern } from '../core/images.ts';
import type { Policy } from '../core/policy/parse.ts';
import { anyAge } from '../core/retime.ts';
import type { Question } from './judge.ts';
import { type Packed, packed, unpacked } from './packed.ts';
import { leaseMs } from './shared.ts';
import type { StateStore, StoredRecord } from './state.ts';

/** A question that waits for whoever reads the report next. */
export interface Asked {
  /** Where its answer is looked for. */
  readonly key: string;
  readonly record: StoredRecord;
  /** Reads that took it along. */
  readonly tries: number;
}

interface Value {
  readonly key: string;
  readonly atMs: number;
  readonly tries: number;
  readonly question: Written | Packed;
}

interface Written {
  readonly policy: string;
  readonly nowMs: number;
  readonly images?: readonly string[];
  readonly strict?: boolean;
  readonly baseline?: Baseline;
  readonly track?: 'baseline';
}

const group = 'questions';
/** In characters; what is larger has to be read for by who asks it. */
const largestQuestion = 100_000;
/** So long somebody waits, at most: who reads may die, and the next one has to find it. */
const askedForMs = 2.5 * leaseMs;

/** @param of the report @param question of any age, since that is judged when it is answered @throws {StoreError} */
export async function ask(
  store: StateStore,
  of: string,
  key: string,
  { policy, nowMs, options: { images, strict, baseline, track } = {} }: Question,
  atMs: number,
): Promise<void> {
  const written: Written = {
    policy: policy.digest,
    nowMs,
    ...(images && { images: images.map(({ text }) => text) }),
    ...(strict === true && { strict }),
    ...(baseline && { baseline }),
    ...(track === 'baseline' && { track }),
  };
  const value: Value = { key, atMs, tries: 0, question: packed(written) };
  if (JSON.stringify(value).length > largestQuestion) return;
  await store.put(group, { key: `${of}/${key}`, value, expiresAtMs: atMs + askedForMs }, 0, atMs);
}

/** Those that wait, who came first first. @throws {StoreError} */
export async function asked(store: StateStore, of: string, nowMs: number): Promise<readonly Asked[]> {
  const records = await store.load(group, `${of}/`, nowMs);
  return records
    .map((record) => ({ ...(record.value as Value), record }))
    .sort((a, b) => a.atMs - b.atMs)
    .map(({ key, tries, record }) => ({ key, tries, record }));
}

/** @returns undefined: its policy is not at hand, or it cannot be read */
export function questionOf({ record }: Asked, policies: readonly Policy[]): Question | undefined {
  try {
    const { policy: digest, nowMs, images, ...rest } = unpacked((record.value as Value).question);
    const policy = policies.find((one) => one.digest === digest);
    if (policy === undefined) return undefined;
    const options = { ...rest, maxReportAgeMs: anyAge, ...(images && { images: images.map(parseImagePattern) }) };
    return { policy, nowMs, options };
  } catch {
    return undefined;
  }
}

/** @returns undefined: somebody else has it @throws {StoreError} */
export async function take(store: StateStore, one: Asked, nowMs: number): Promise<Asked | undefined> {
  const { record } = one;
  const tries = one.tries + 1;
  const value = { ...(record.value as Value), tries };
  const version = await store.put(group, { ...record, value }, record.version, nowMs);
  return version === undefined ? undefined : { ...one, tries, record: { ...record, value, version } };
}

/** It is answered: over from now on, which needs no permission to remove anything. @throws {StoreError} */
export async function strike(store: StateStore, { key, tries, record }: Asked, nowMs: number): Promise<void> {
  const { atMs } = record.value as Value;
  await store.put(group, { key: record.key, value: { key, atMs, tries }, expiresAtMs: nowMs }, record.version, nowMs);
}
