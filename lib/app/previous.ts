import { gunzipSync, gzipSync } from 'node:zlib';
import { type Baseline, parseBaseline, renderBaseline } from '../core/baseline.ts';
import { textNumber } from '../core/fingerprint.ts';
import { largestPart } from './parts.ts';
import { type StateStore, StoreError } from './state.ts';

/** What a cluster was like when a gate that compares with it (`baseline: previous`) last passed, or when it was accepted. */
export interface Previous {
  readonly baseline: Baseline | undefined;
  /** Of the record; 0: there is none. */
  readonly version: number;
  readonly key: string;
}

const group = 'baselines';
const mostTries = 5;

/** A result that was lenient is not what a strict one is compared with. */
export function previousKey(
  source: string,
  clusterId: string,
  policyName: string,
  images: readonly string[],
  strict: boolean,
): string {
  const question = textNumber(JSON.stringify([[...images].sort(), strict])).toString(16);
  return `${source}/${clusterId}/${policyName}/${question}`;
}

export async function loadPrevious(store: StateStore, key: string, nowMs: number): Promise<Previous> {
  const record = (await store.load(group, key, nowMs)).find((one) => one.key === key);
  if (record === undefined) return { baseline: undefined, version: 0, key };
  const text = gunzipSync(Buffer.from(record.value as string, 'base64')).toString();
  return { baseline: parseBaseline(text, 'previous'), version: record.version, key };
}

/**
 * @param insist it is kept whatever others keep meanwhile
 * @returns false where it has too many findings to be kept, or somebody was faster
 */
export async function keepPrevious(
  store: StateStore,
  { key, version }: Previous,
  baseline: Baseline,
  insist: boolean,
  nowMs: number,
): Promise<boolean> {
  const value = gzipSync(renderBaseline(baseline)).toString('base64');
  if (value.length > largestPart) return false;
  // Whoever was faster has seen the same report, or a newer one.
  for (let over = version, tries = 0; tries < mostTries; tries++) {
    const isWritten = (await store.put(group, { key, value }, over, nowMs)) !== undefined;
    if (isWritten || !insist) return isWritten;
    over = (await store.load(group, key, nowMs)).find((one) => one.key === key)?.version ?? 0;
  }
  throw new StoreError('the previous result: others kept writing it');
}
