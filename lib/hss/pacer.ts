import { hash } from 'node:crypto';
import type { Clock, PaceBook, Paced } from '../app/ports.ts';
import { sleep } from './clock.ts';

/** The calls that are limited apart from one another. */
export type Api = 'list' | 'report' | 'iam';

/** At most so many calls in any stretch of so many milliseconds. */
export interface RateLimit {
  readonly calls: number;
  readonly windowMs: number;
}

/**
 * Of one user, and of one source address, for each API.
 * @see HSS API reference, "Constraints"
 */
export const documentedLimit: RateLimit = { calls: 5, windowMs: 60_000 };

/**
 * From a call to the one that may take its place: the window, and a thirtieth of it, since a call is counted here when it
 * goes out and by the server when it arrives, and the first may have been longer under way than the other.
 */
export function spacingMs({ windowMs }: RateLimit): number {
  return windowMs + Math.ceil(windowMs / 30);
}

/** Keeps the calls of one credential within the limit of each API, so that 429 is the exception. */
export interface Pacer {
  /**
   * Wait until a call may go out, first come, first served, and count it.
   * @param maxWaitMs how long to wait at the most once it is its turn
   * @returns 0 once it was counted; or, without having waited for it, the milliseconds that are more than `maxWaitMs`
   * @throws the reason of the signal, at once
   */
  take(api: Api, maxWaitMs: number, signal?: AbortSignal): Promise<number>;
  /** The limit that a server told: holds from now on. */
  learn(api: Api, limit: RateLimit): void;
  /** No call before this time: the server had enough, whatever was counted here. */
  hold(api: Api, untilMs: number): void;
  limit(api: Api): RateLimit;
}

/** One pacer for each access key, shared by all sources that use it. */
export interface Pacers {
  of(ak: string): Pacer;
}

export interface PacerOptions {
  /** Default: as documented. */
  readonly limit?: RateLimit | undefined;
  /** One pace for all keys: they share a source address. Default: one for each. */
  readonly isShared?: boolean | undefined;
  /** Kept to by other processes too; absent: this one is alone. */
  readonly book?: PaceBook | undefined;
}

export function createPacers(clock: Clock, options: PacerOptions = {}): Pacers {
  const pacers = new Map<string, Pacer>();
  return {
    of(ak) {
      // Not the key itself: the book may be read by others.
      const name = options.isShared === true ? 'all' : hash('sha256', `pace ${ak}`, 'hex').slice(0, 16);
      let pacer = pacers.get(name);
      if (pacer === undefined) {
        pacer = createPacer(clock, name, options);
        pacers.set(name, pacer);
      }
      return pacer;
    },
  };
}

interface Lane {
  limit: RateLimit;
  /** When the latest calls went out, oldest first; at most as many as the limit allows. */
  sentAtMs: number[];
  heldUntilMs: number;
  /** Ends when the last one in the queue has had its turn. */
  queue: Promise<void>;
}

function createPacer(clock: Clock, name: string, { limit = documentedLimit, book }: PacerOptions): Pacer {
  const lanes = new Map<Api, Lane>();

  function laneOf(api: Api): Lane {
    let lane = lanes.get(api);
    if (lane === undefined) {
      lane = { limit, sentAtMs: [], heldUntilMs: 0, queue: Promise.resolve() };
      lanes.set(api, lane);
    }
    return lane;
  }

  async function takePlace(api: Api, lane: Lane, maxWaitMs: number, signal?: AbortSignal): Promise<number> {
    const patientUntilMs = clock.nowMs() + maxWaitMs;
    const key = `${name}/${api}`;
    for (;;) {
      signal?.throwIfAborted();
      const page = await book?.read(key);
      if (page !== undefined) learnFrom(lane, page.paced);
      const nowMs = clock.nowMs();
      const freeAtMs = freeAt(lane);
      if (freeAtMs <= nowMs) {
        const sentAtMs = [...lane.sentAtMs, nowMs].slice(-lane.limit.calls);
        const paced = { sentAtMs, heldUntilMs: lane.heldUntilMs };
        if (page !== undefined && !(await book?.write(key, paced, page.version))) continue;
        lane.sentAtMs = sentAtMs;
        return 0;
      }
      if (freeAtMs > patientUntilMs) return freeAtMs - nowMs;
      // The limit may be another by then, or the server may have had enough: look again.
      await sleep(clock, freeAtMs - nowMs, signal);
    }
  }

  return {
    async take(api, maxWaitMs, signal) {
      const lane = laneOf(api);
      const before = lane.queue;
      let done = () => {};
      // One that gave up its place holds nobody up, and lets nobody past those before it.
      lane.queue = Promise.all([
        before,
        new Promise<void>((resolve) => {
          done = resolve;
        }),
      ]).then(() => {});
      try {
        await orAborted(before, signal);
        return await takePlace(api, lane, maxWaitMs, signal);
      } finally {
        done();
      }
    },
    learn(api, limit) {
      laneOf(api).limit = limit;
    },
    hold(api, untilMs) {
      const lane = laneOf(api);
      lane.heldUntilMs = Math.max(lane.heldUntilMs, untilMs);
    },
    limit: (api) => laneOf(api).limit,
  };
}

/** Calls of this process and of others, each once. */
function learnFrom(lane: Lane, { sentAtMs, heldUntilMs }: Paced): void {
  // Those of this process are in the book, unless it could not be written then.
  const unwritten = [...lane.sentAtMs];
  for (const atMs of sentAtMs) {
    const at = unwritten.indexOf(atMs);
    if (at >= 0) unwritten.splice(at, 1);
  }
  lane.sentAtMs = [...sentAtMs, ...unwritten].sort((a, b) => a - b).slice(-lane.limit.calls);
  lane.heldUntilMs = Math.max(lane.heldUntilMs, heldUntilMs);
}

/** Waits, or throws the reason of the signal as soon as that aborts. */
async function orAborted(wait: Promise<void>, signal: AbortSignal | undefined): Promise<void> {
  if (signal === undefined) return wait;
  signal.throwIfAborted();
  await new Promise<void>((resolve, reject) => {
    const abort = () => reject(signal.reason);
    signal.addEventListener('abort', abort, { once: true });
    wait.finally(() => signal.removeEventListener('abort', abort)).then(resolve, reject);
  });
}

function freeAt({ limit, sentAtMs, heldUntilMs }: Lane): number {
  const first = sentAtMs.at(-limit.calls);
  return Math.max(heldUntilMs, first === undefined ? 0 : first + spacingMs(limit));
}
