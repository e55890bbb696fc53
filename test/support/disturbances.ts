import { setImmediate as quiet } from 'node:timers/promises';
import { StoreError } from '../../lib/app/state.ts';
import { DeliveryError } from '../../lib/core/errors.ts';
import type { Operate } from './scripted.ts';

/** What a run asked of the world, in order. */
export type Operations = string[];

/** Note what is asked. */
export function noting(operations: Operations): Operate {
  return (name, effect) => {
    operations.push(name);
    return effect();
  };
}

export type Moment = 'before' | 'after';

/**
 * The process dies at its n-th operation, before or after that took effect. Nothing of the run happens from there on, not
 * even what catches errors: what it waits for never comes.
 * @returns resolves when it died; what stands around the run's operations
 */
export function crashing(n: number, moment: Moment): { readonly died: Promise<void>; readonly operate: Operate } {
  const { promise: died, resolve: die } = Promise.withResolvers<void>();
  const never = new Promise<never>(() => {});
  let count = 0;
  return {
    died,
    async operate(_name, effect) {
      count++;
      if (count > n || (count === n && moment === 'before')) {
        die();
        return never;
      }
      const result = await effect();
      if (count < n) return result;
      die();
      return never;
    },
  };
}

/** Operations of the store. */
export const storeOperations: readonly string[] = ['load', 'put', 'remove', 'shared load', 'shared put'];

/** The store fails at the n-th operation, which has to be one of its own, before or after that took effect. */
export function failing(n: number, moment: Moment): Operate {
  let count = 0;
  return async (_name, effect) => {
    count++;
    if (count !== n) return effect();
    if (moment === 'after') await effect();
    throw new StoreError('failed by the script');
  };
}

/**
 * How a delivery fails: `refuse` by a 503, `time-out` without an answer, and the message not taken, `lost` without an
 * answer, though it was taken, `break` by an error of ours.
 */
export type Failure = 'refuse' | 'time-out' | 'lost' | 'break';

export const failures: readonly Failure[] = ['refuse', 'time-out', 'lost', 'break'];

/** A delivery fails: the n-th, or all. */
export function notDelivering(n: number | 'all', failure: Failure): Operate {
  let count = 0;
  return async (name, effect) => {
    if (name !== 'deliver' || (++count !== n && n !== 'all')) return effect();
    if (failure === 'lost') await effect();
    if (failure === 'break') throw new TypeError('broken by the script');
    throw new DeliveryError('scripted', failure, true, failure === 'refuse' ? 503 : undefined);
  };
}

/** An operation that waits for its turn. */
export interface Waiting {
  readonly run: number;
  go(): void;
}

/**
 * Let several runs go on at once, one operation at a time.
 * @param choose which of those that wait is next
 */
export async function interleaved(
  runs: readonly ((operate: Operate) => Promise<unknown>)[],
  choose: (waiting: readonly Waiting[]) => Waiting,
): Promise<PromiseSettledResult<unknown>[]> {
  const waiting: Waiting[] = [];
  let done = false;
  const results = Promise.allSettled(
    runs.map((run, number) =>
      run(
        (_name, effect) =>
          new Promise((resolve, reject) => {
            waiting.push({ run: number, go: () => void effect().then(resolve, reject) });
          }),
      ),
    ),
  ).finally(() => {
    done = true;
  });
  while (!done) {
    await quiet();
    if (waiting.length === 0) continue;
    const next = choose(waiting);
    waiting.splice(waiting.indexOf(next), 1);
    next.go();
  }
  return results;
}

/** The first run does so many operations, then the second so many, then the first goes on to its end. */
export function handover(first: number, second: number): (waiting: readonly Waiting[]) => Waiting {
  const left = [first, second];
  return (waiting) => {
    const ofFirst = waiting.find(({ run }) => run === 0);
    const ofSecond = waiting.find(({ run }) => run === 1);
    const turn = left[0] !== 0 ? 0 : left[1] !== 0 ? 1 : 0;
    const next = (turn === 0 ? ofFirst : ofSecond) ?? waiting[0];
    if (next?.run === turn && left[turn] !== 0) left[turn] = (left[turn] ?? 0) - 1;
    return next as Waiting;
  };
}

/** Numbers from 0 up to below a bound, the same for the same seed. */
export function dice(seed: number): (sides: number) => number {
  let state = Math.imul(seed + 1, 0x9e3779b1) >>> 0;
  return (sides) => {
    // xorshift32
    state ^= state << 13;
    state = (state ^ (state >>> 17)) >>> 0;
    state = (state ^ (state << 5)) >>> 0;
    return state % sides;
  };
}

/** Any of those that wait. */
export function anyOf(roll: (sides: number) => number): (waiting: readonly Waiting[]) => Waiting {
  return (waiting) => waiting[roll(waiting.length)] as Waiting;
}
