import type { StateStore } from '../../lib/app/state.ts';
import { createMemoryStore } from '../../lib/stores/memory.ts';

/** A store in memory that can be copied as it is. */
export interface ClonedStore extends StateStore {
  clone(): Promise<ClonedStore>;
  /** Names of the groups that were written. */
  readonly groups: Iterable<string>;
}

export function clonedStore(store: StateStore = createMemoryStore(), known: Iterable<string> = []): ClonedStore {
  const groups = new Set(known);
  return {
    groups,
    load: (group, prefix, nowMs) => store.load(group, prefix, nowMs),
    put(group, record, over, nowMs) {
      groups.add(group);
      return store.put(group, record, over, nowMs);
    },
    remove: (group, key, over) => store.remove(group, key, over),
    close: () => store.close(),
    async clone() {
      const copy = createMemoryStore();
      for (const group of groups) {
        for (const { key, value, expiresAtMs } of await store.load(group, '', 0)) {
          await copy.put(group, { key, value, expiresAtMs }, 0, 0);
        }
      }
      return clonedStore(copy, groups);
    },
  };
}
