import type { Clock } from '../app/ports.ts';
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

/** Keeps the calls of one credential within the limit of each API, so that 429 is the exception. */
export interface Pacer {
  /**
   * Wait until a call may go out, and count it.
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

export function createPacers(clock: Clock): Pacers {
  const pacers = new Map<string, Pacer>();
  return {
    of(ak) {
      let pacer = pacers.get(ak);
      if (pacer === undefined) {
        pacer = createPacer(clock);
        pacers.set(ak, pacer);
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
}

function createPacer(clock: Clock): Pacer {
  const lanes = new Map<Api, Lane>();

  function laneOf(api: Api): Lane {
    let lane = lanes.get(api);
    if (lane === undefined) {
      lane = { limit: documentedLimit, sentAtMs: [], heldUntilMs: 0 };
      lanes.set(api, lane);
    }
    return lane;
  }

  return {
    async take(api, maxWaitMs, signal) {
      const lane = laneOf(api);
      const patientUntilMs = clock.nowMs() + maxWaitMs;
      for (;;) {
        signal?.throwIfAborted();
        const nowMs = clock.nowMs();
        const freeAtMs = freeAt(lane);
        if (freeAtMs <= nowMs) {
          lane.sentAtMs = [...lane.sentAtMs, nowMs].slice(-lane.limit.calls);
          return 0;
        }
        if (freeAtMs > patientUntilMs) return freeAtMs - nowMs;
        // Others may have taken the place meanwhile, or the limit may be another: look again.
        await sleep(clock, freeAtMs - nowMs, signal);
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

function freeAt({ limit, sentAtMs, heldUntilMs }: Lane): number {
  const first = sentAtMs.at(-limit.calls);
  return Math.max(heldUntilMs, first === undefined ? 0 : first + limit.windowMs);
}
