import type { StateStore } from '../../lib/app/state.ts';

/** Add 1 to a number that others add to as well: read, write over what was read, begin anew when somebody was faster. */
export async function increment(store: StateStore, group: string, key: string): Promise<void> {
  for (;;) {
    const [record] = await store.load(group, key, 0);
    const value = ((record?.value as number | undefined) ?? 0) + 1;
    if ((await store.put(group, { key, value }, record?.version ?? 0, 0)) !== undefined) return;
  }
}
