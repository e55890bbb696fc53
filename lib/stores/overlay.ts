import type { StateStore, StoredRecord } from '../app/state.ts';
import { createMemoryStore } from './memory.ts';

/** A store over another one that is only read: what is written is kept aside, and is gone at the end. */
export function createOverlayStore(below: StateStore): StateStore {
  const above = createMemoryStore();
  const loaded = new Map<string, Promise<void>>();

  /** Brings a group up the first time that it is asked for. */
  async function bring(group: string, nowMs: number): Promise<void> {
    for (const { key, value, expiresAtMs } of await below.load(group, '', nowMs)) {
      await above.put(group, { key, value, expiresAtMs }, 0, nowMs);
    }
  }

  async function raised(group: string, nowMs: number): Promise<StateStore> {
    const raising = loaded.get(group) ?? bring(group, nowMs);
    loaded.set(group, raising);
    await raising;
    return above;
  }

  return {
    async load(group, prefix, nowMs): Promise<readonly StoredRecord[]> {
      return (await raised(group, nowMs)).load(group, prefix, nowMs);
    },
    async put(group, record, over, nowMs) {
      return (await raised(group, nowMs)).put(group, record, over, nowMs);
    },
    async remove(group, key, over) {
      return above.remove(group, key, over);
    },
    async close() {},
  };
}
