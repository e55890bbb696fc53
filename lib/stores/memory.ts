import type { StateStore } from '../app/state.ts';
import { byKey, type RecordText, recordText, storedRecord } from './record.ts';

interface Kept extends RecordText {
  readonly version: number;
}

/** Lives as long as the process: for tests, demos and dry runs. Closing it forgets nothing. */
export function createMemoryStore(): StateStore {
  const groups = new Map<string, Map<string, Kept>>();

  function liveVersion(kept: Kept | undefined, nowMs: number): number {
    return kept === undefined || isOver(kept, nowMs) ? 0 : kept.version;
  }

  return {
    async load(group, prefix, nowMs) {
      return [...(groups.get(group)?.values() ?? [])]
        .filter((kept) => kept.key.startsWith(prefix) && !isOver(kept, nowMs))
        .map((kept) => storedRecord(group, kept, kept.version))
        .sort(byKey);
    },

    async put(group, record, over, nowMs) {
      const text = recordText(group, record);
      const records = groups.get(group) ?? new Map<string, Kept>();
      groups.set(group, records);
      if (liveVersion(records.get(record.key), nowMs) !== over) return undefined;
      records.set(record.key, { ...text, version: over + 1 });
      return over + 1;
    },

    async remove(group, key, over) {
      const records = groups.get(group);
      return records?.get(key)?.version === over && records.delete(key);
    },

    async close() {},
  };
}

function isOver({ expiresAtMs }: RecordText, nowMs: number): boolean {
  return expiresAtMs !== undefined && expiresAtMs <= nowMs;
}
