import type { StateStore } from './state.ts';

/** What a receiver knows of a source as a whole: that there is somebody who tells of it. */
interface Introduced {
  readonly receiver: string;
  readonly source: string;
}

const key = ({ receiver }: Introduced) => `told/${receiver}`;
const group = ({ source }: Introduced) => `source/${source}`;

/** Whether a receiver has taken a first look at a source. */
export async function isIntroduced(store: StateStore, of: Introduced, nowMs: number): Promise<boolean> {
  return (await store.load(group(of), key(of), nowMs)).some((record) => record.key === key(of));
}

/** Where it is written down already nothing is written. */
export async function introduce(store: StateStore, of: Introduced, nowMs: number): Promise<void> {
  await store.put(group(of), { key: key(of), value: { atMs: nowMs } }, 0, nowMs);
}
