import { UndeterminedError } from '../core/errors.ts';
import type { ReasonKind } from '../core/evaluation.ts';
import { fromGzip, toGzip } from './packed.ts';
import { type InParts, largestPart, loadParts, putParts } from './parts.ts';
import type { Clock, Log } from './ports.ts';
import { type StateStore, StoreError } from './state.ts';

/** What work brought, and for how long others may take it in place of doing the work. */
export interface Shareable<T> {
  readonly value: T;
  readonly freshMs: number;
}

/** What work brought at some time. */
export interface Remembered<T> {
  readonly value: T;
  readonly atMs: number;
  /** It is as good as doing the work again. */
  readonly isFresh: boolean;
}

interface SharedRecord {
  /** Someone is at it. */
  readonly lease?: { readonly untilMs: number };
  readonly result?: Result;
  /** That it failed, for those who ask a moment later. */
  readonly failure?: Failure & Aged;
}

type Result = Aged & ({ readonly gzip: string } | InParts);

interface Aged {
  readonly atMs: number;
  readonly freshUntilMs: number;
}

interface Failure {
  readonly kind: ReasonKind;
  readonly message: string;
  readonly retryAfterMs?: number | undefined;
}

export interface SharedOptions {
  readonly store: StateStore;
  readonly clock: Clock;
  readonly log: Log;
  /** How long what failed is not tried again by others. */
  readonly failureFreshMs: number;
}

const group = 'shared';
/** Longer than the work takes: beyond it whoever was at it is taken for dead. */
export const leaseMs = 120_000;
/** How often who waits looks. */
export const pollMs = 250;
/** How long results are kept. */
const keptMs = 7 * 86_400_000;

/**
 * Work that many ask for at once is done once: within a process by waiting for the same promise, between processes by a
 * lease in the store, whose holder leaves what it found there. A store that fails costs calls, and no answer.
 */
export class Shared {
  readonly #options: SharedOptions;
  readonly #flights = new Map<string, Promise<Remembered<unknown>>>();
  #toldOfLarge = false;

  constructor(options: SharedOptions) {
    this.#options = options;
  }

  /** @throws what the work throws; an UndeterminedError also where it was thrown elsewhere, a moment ago */
  async once<T>(key: string, work: () => Promise<Shareable<T>>, signal?: AbortSignal): Promise<Remembered<T>> {
    const flight = this.#flights.get(key) as Promise<Remembered<T>> | undefined;
    if (flight !== undefined) return untilAborted(flight, signal);
    const own = this.#between(key, work, signal).finally(() => this.#flights.delete(key));
    this.#flights.set(key, own);
    return own;
  }

  /** What the work brought last, however long ago; undefined: nothing is known of it. */
  async recall<T>(key: string): Promise<Remembered<T> | undefined> {
    const nowMs = this.#options.clock.nowMs();
    try {
      const [record] = await this.#options.store.load(group, key, nowMs);
      const { result } = (record?.value ?? {}) as SharedRecord;
      return record?.key === key && result !== undefined ? await this.#unpacked<T>(result, nowMs) : undefined;
    } catch (error) {
      this.#withoutStore(error);
      return undefined;
    }
  }

  /**
   * Leave what was found by other means.
   * @param isNew nothing was left there before, most likely: no need to look first
   */
  async leave<T>(key: string, { value, freshMs }: Shareable<T>, isNew = false): Promise<void> {
    const nowMs = this.#options.clock.nowMs();
    try {
      if (isNew && (await this.#put(key, { result: resultOf(value, nowMs, freshMs) }, 0, nowMs)) !== undefined) return;
      const [record] = await this.#options.store.load(group, key, nowMs);
      const isThere = record?.key === key;
      const { result } = isThere ? (record.value as SharedRecord) : {};
      // What is good for ever is not given up for what is in doubt.
      if (result?.freshUntilMs === forEver && freshMs < forEver) return;
      await this.#put(key, { result: resultOf(value, nowMs, freshMs) }, isThere ? record.version : 0, nowMs);
    } catch (error) {
      this.#withoutStore(error);
    }
  }

  async #between<T>(key: string, work: () => Promise<Shareable<T>>, signal?: AbortSignal): Promise<Remembered<T>> {
    const { store, clock } = this.#options;
    let first: SharedRecord | undefined;
    for (;;) {
      const nowMs = clock.nowMs();
      let version: number | undefined;
      let before: SharedRecord = {};
      try {
        const [record] = await store.load(group, key, nowMs);
        const isThere = record?.key === key;
        before = isThere ? (record.value as SharedRecord) : {};
        first ??= before;
        const { lease, result, failure } = before;
        const isUsable = result !== undefined && (isFresh(result, nowMs) || isNews(result, first.result));
        const known = isUsable ? await this.#unpacked<T>(result, nowMs) : undefined;
        if (known !== undefined) return known;
        if (failure !== undefined && (isFresh(failure, nowMs) || isNews(failure, first.failure)))
          throw new UndeterminedError(failure.kind, failure.message, failure);
        if (lease === undefined || lease.untilMs <= nowMs) {
          const value = { ...before, lease: { untilMs: nowMs + leaseMs } };
          version = await this.#put(key, value, isThere ? record.version : 0, nowMs);
        }
      } catch (error) {
        this.#withoutStore(error);
        return alone(work, nowMs);
      }
      if (version !== undefined) return this.#do(key, work, before, version);
      await clock.sleep(pollMs, signal);
    }
  }

  async #do<T>(
    key: string,
    work: () => Promise<Shareable<T>>,
    before: SharedRecord,
    version: number,
  ): Promise<Remembered<T>> {
    const { clock } = this.#options;
    const leave = async (record: SharedRecord) => {
      try {
        await this.#put(key, record, version, clock.nowMs());
      } catch (error) {
        this.#withoutStore(error);
      }
    };
    try {
      const { value, freshMs } = await work();
      const atMs = clock.nowMs();
      await leave({ result: resultOf(value, atMs, freshMs) });
      return { value, atMs, isFresh: true };
    } catch (error) {
      const { lease: _lease, failure: _failure, ...kept } = before;
      const isShared = error instanceof UndeterminedError;
      const atMs = clock.nowMs();
      const failure = isShared && { ...error.reason, atMs, freshUntilMs: atMs + this.#options.failureFreshMs };
      await leave({ ...kept, ...(failure && { failure }) });
      throw error;
    }
  }

  /** @returns undefined: somebody else was faster */
  async #put(key: string, value: SharedRecord, over: number, nowMs: number): Promise<number | undefined> {
    const { result, ...rest } = value;
    const kept = result && (await this.#keepable(result, nowMs));
    const record = { key, value: { ...rest, ...(kept && { result: kept }) }, expiresAtMs: nowMs + keptMs };
    return this.#options.store.put(group, record, over, nowMs);
  }

  /** @returns undefined: it is too large to be kept */
  async #keepable(result: Result, nowMs: number): Promise<Result | undefined> {
    if (!('gzip' in result) || result.gzip.length <= largestPart) return result;
    const { gzip, ...aged } = result;
    // What is new every few seconds would pile up.
    if (aged.freshUntilMs - aged.atMs < keptMs) return undefined;
    const { store, log } = this.#options;
    try {
      const inParts = await putParts(store, gzip, nowMs + keptMs, nowMs);
      if (inParts !== undefined) return { ...aged, ...inParts };
    } catch (error) {
      // Others need not wait for it.
      this.#withoutStore(error);
      return undefined;
    }
    if (!this.#toldOfLarge)
      log('warn', 'a result is too large to be shared: whoever asks the same asks HSS', { bytes: gzip.length });
    this.#toldOfLarge = true;
    return undefined;
  }

  /** @returns undefined: some of it is not there any more, or it is no more what it was */
  async #unpacked<T>(result: Result, nowMs: number): Promise<Remembered<T> | undefined> {
    const gzip = 'gzip' in result ? result.gzip : await loadParts(this.#options.store, result, nowMs);
    if (gzip === undefined) return undefined;
    try {
      return { value: fromGzip<T>(gzip), atMs: result.atMs, isFresh: isFresh(result, nowMs) };
    } catch {
      this.#options.log('warn', 'what is shared cannot be read: asking anew', {});
      return undefined;
    }
  }

  #withoutStore(error: unknown): void {
    if (!(error instanceof StoreError)) throw error;
    this.#options.log('warn', 'the state could not be used: asking anew', { reason: error.message });
  }
}

/** As long as its maker said; what is fresh for no time is so for nobody, however clocks differ. */
function isFresh({ atMs, freshUntilMs }: Aged, nowMs: number): boolean {
  return freshUntilMs > atMs && freshUntilMs >= nowMs;
}

/** What was finished while one waited for it is as good as one's own. @param before as it was when one came */
export function isNews({ atMs }: { readonly atMs: number }, before: { readonly atMs: number } | undefined): boolean {
  return atMs !== before?.atMs;
}

const forEver = Number.MAX_SAFE_INTEGER;

function resultOf<T>(value: T, atMs: number, freshMs: number): Result {
  return { gzip: toGzip(value), atMs, freshUntilMs: Math.min(atMs + freshMs, forEver) };
}

async function alone<T>(work: () => Promise<Shareable<T>>, atMs: number): Promise<Remembered<T>> {
  const { value } = await work();
  return { value, atMs, isFresh: true };
}

/** Who waits for the work of another one need not wait to its end. */
async function untilAborted<T>(flight: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return flight;
  signal.throwIfAborted();
  const { promise, reject } = deferred<T>();
  const abort = () => reject(signal.reason);
  signal.addEventListener('abort', abort, { once: true });
  try {
    return await Promise.race([flight, promise]);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}

function deferred<T>(): { promise: Promise<T>; reject: (reason: unknown) => void } {
  let reject: (reason: unknown) => void = () => {};
  const promise = new Promise<T>((_, no) => {
    reject = no;
  });
  promise.catch(() => {});
  return { promise, reject };
}
