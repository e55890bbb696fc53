import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import type { StateStore } from '../../lib/app/state.ts';

/** A folder that goes with the test. */
export async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'portcullis-stores-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** Closed after the test. */
export function closing<S extends StateStore>(store: S): S {
  onTestFinished(() => store.close());
  return store;
}

/** The keys that are there, as they are sorted. */
export async function keysOf(store: StateStore, group: string, prefix = '', nowMs = 0): Promise<string[]> {
  return (await store.load(group, prefix, nowMs)).map(({ key }) => key);
}

/** The only record with this prefix. */
export async function only(store: StateStore, group: string, prefix: string, nowMs = 0) {
  const [record, ...more] = await store.load(group, prefix, nowMs);
  if (record === undefined || more.length > 0) throw new Error(`${more.length + (record ? 1 : 0)} records, not one`);
  return record;
}

/** Write a record that is not there yet. @returns its version */
export async function putNew(store: StateStore, group: string, key: string, value: unknown = key): Promise<number> {
  const version = await store.put(group, { key, value }, 0, 0);
  if (version === undefined) throw new Error('it was there already');
  return version;
}

/** What an action fails with. */
export async function failureOf(action: Promise<unknown>): Promise<Error> {
  return action.then(
    () => {
      throw new Error('it did not fail');
    },
    (error: Error) => error,
  );
}
