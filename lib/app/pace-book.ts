import type { PaceBook, Paced } from './ports.ts';
import { type StateStore, StoreError } from './state.ts';

const group = 'pacing';
/** Longer than any limit's window. */
const keptMs = 3_600_000;
const nothing: Paced = { sentAtMs: [], heldUntilMs: 0 };

/** A book in the state. Where that cannot be used, each process keeps to the limit by itself. */
export function createPaceBook(open: () => Promise<StateStore>, nowMs: () => number): PaceBook {
  const safely = async <T>(use: (store: StateStore) => Promise<T>): Promise<T | undefined> => {
    try {
      return await use(await open());
    } catch (error) {
      // Said where the state itself is needed.
      if (error instanceof StoreError || (error as Error).name === 'InputError') return undefined;
      throw error;
    }
  };
  return {
    read: (key) =>
      safely(async (store) => {
        const record = (await store.load(group, key, nowMs())).find((one) => one.key === key);
        return { paced: (record?.value as Paced | undefined) ?? nothing, version: record?.version ?? 0 };
      }),
    async write(key, value, version) {
      const now = nowMs();
      const put = await safely((store) =>
        store.put(group, { key, value, expiresAtMs: now + keptMs }, version, now).then((done) => done !== undefined),
      );
      return put ?? true;
    },
  };
}
