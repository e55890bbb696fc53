import { syncBuiltinESMExports } from 'node:module';
import process from 'node:process';
import timers from 'node:timers/promises';
import zlib from 'node:zlib';

/**
 * Loaded into the process of a Lambda instance before anything else: its clock is that of the test, and the waits of
 * `node:timers/promises`, which are those of the product, end when that clock has got there. Time-outs of what goes over
 * a connection stay real: while an answer is under way, the clock stands.
 */

/** What the test sends, with a call or between two. */
export interface TimeIs {
  /** Counts up: what comes back says which of these it has seen. */
  readonly turn: number;
  readonly nowMs: number;
}

/** What the test gets: there is nothing to do before the clock goes on. */
export interface Waits {
  readonly turn: number;
  readonly wakesAtMs: number;
}

interface Sleeper {
  readonly untilMs: number;
  wake(): void;
}

let nowMs = 0;
let turn = 0;
const sleepers = new Set<Sleeper>();

const RealDate = Date;
globalThis.Date = class extends RealDate {
  constructor(...given: []) {
    // `new Date()` alone is about now.
    super(...((given.length === 0 ? [nowMs] : given) as []));
  }
  static override now = () => nowMs;
} as DateConstructor;

timers.setTimeout = (<T>(ms = 1, value?: T, { signal }: { signal?: AbortSignal } = {}): Promise<T | undefined> =>
  new Promise((resolve, reject) => {
    const over = () => {
      sleepers.delete(sleeper);
      signal?.removeEventListener('abort', abort);
    };
    const sleeper = {
      untilMs: nowMs + Math.max(1, ms),
      wake() {
        over();
        resolve(value);
      },
    };
    const abort = () => {
      over();
      reject(new DOMException('The operation was aborted', { name: 'AbortError', cause: signal?.reason }));
    };
    if (signal?.aborted) return abort();
    signal?.addEventListener('abort', abort);
    sleepers.add(sleeper);
    lookAround();
  })) as typeof timers.setTimeout;

// What a thread unpacks does not show among the resources of the process.
let unpacking = 0;
const { createGunzip } = zlib;
Object.defineProperty(zlib, 'createGunzip', {
  value(options?: zlib.ZlibOptions) {
    unpacking++;
    return createGunzip(options).once('close', () => unpacking--);
  },
});
syncBuiltinESMExports();

process.on('message', (message: Partial<TimeIs>) => {
  if (message.nowMs === undefined || message.turn === undefined) return;
  ({ nowMs, turn } = message as TimeIs);
  for (const sleeper of sleepers) if (sleeper.untilMs <= nowMs) sleeper.wake();
  lookAround();
});

let isLooking = false;
let quietLooks = 0;

/** Tell the test as soon as there are waits and nothing else: no connection, no file, no address that is looked up. */
function lookAround(): void {
  quietLooks = 0;
  if (isLooking) return;
  isLooking = true;
  setTimeout(look, 1);
}

function look(): void {
  const isQuiet = unpacking === 0 && process.getActiveResourcesInfo().every((one) => idle.has(one));
  quietLooks = isQuiet ? quietLooks + 1 : 0;
  isLooking = sleepers.size > 0 && quietLooks < 2;
  // Twice: between two steps of one piece of work there may be nothing to be seen.
  if (isLooking) {
    setTimeout(look, 1);
    return;
  }
  if (sleepers.size === 0) return;
  const wakesAtMs = Math.min(...[...sleepers].map(({ untilMs }) => untilMs));
  process.send?.({ turn, wakesAtMs } satisfies Waits);
}

/** What a process holds that waits: timers, and the pipes to the test. */
const idle: ReadonlySet<string> = new Set(['Timeout', 'Immediate', 'PipeWrap', 'Pipe', 'TTYWrap']);
