import type { ClusterRow } from '../core/report.ts';
import { type Packed, packed, unpacked } from './packed.ts';
import type { StateStore, StoredRecord } from './state.ts';

/** When each cluster of a source was looked at last, by id, and under `whole` all of it; epoch milliseconds. */
export type Looks = Readonly<Record<string, number>>;

/** No cluster has this id: when the schedule asked for the last scan that had looked at all clusters of the source. */
export const whole = '';

const key = 'looks';

export async function loadLooks(store: StateStore, source: string, nowMs: number): Promise<Looks> {
  return looksOf(await recordOf(store, source, nowMs));
}

async function recordOf(store: StateStore, source: string, nowMs: number): Promise<StoredRecord | undefined> {
  return (await store.load(`source/${source}`, key, nowMs)).find((one) => one.key === key);
}

function looksOf(record: StoredRecord | undefined): Looks {
  return record === undefined ? {} : unpacked(record.value as Looks | Packed);
}

/** Write down looks. What another run wrote meanwhile stays; of clusters that are not in the list any more nothing does. */
export async function saveLooks(
  store: StateStore,
  source: string,
  looks: Looks,
  listed: ReadonlySet<string>,
  nowMs: number,
): Promise<void> {
  if (Object.keys(looks).length === 0) return;
  for (let tries = 0; tries < 10; tries++) {
    const record = await recordOf(store, source, nowMs);
    const all = [...Object.entries(looksOf(record)), ...Object.entries(looks)].filter(
      ([id]) => id === whole || listed.has(id),
    );
    const value: Record<string, number> = {};
    for (const [id, atMs] of all) value[id] = Math.max(value[id] ?? 0, atMs);
    if ((await store.put(`source/${source}`, { key, value: packed(value) }, record?.version ?? 0, nowMs)) !== undefined)
      return;
  }
}

/** Never looked at first, then what was not looked at for the longest time. */
export function byLook(looks: Looks): (a: ClusterRow, b: ClusterRow) => number {
  return (a, b) => (looks[a.clusterId] ?? 0) - (looks[b.clusterId] ?? 0);
}
