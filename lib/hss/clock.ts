import { setTimeout } from 'node:timers/promises';
import type { Clock } from '../app/ports.ts';

export const systemClock: Clock = {
  nowMs: Date.now,
  async sleep(ms, signal) {
    await setTimeout(ms, undefined, { signal });
  },
};

/** A wait that ends at once, with the reason of the signal, when that aborts. */
export async function sleep(clock: Clock, ms: number, signal?: AbortSignal): Promise<void> {
  try {
    await clock.sleep(ms, signal);
  } catch (error) {
    signal?.throwIfAborted();
    throw error;
  }
}
