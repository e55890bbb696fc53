import type { Bytes, Clock } from '../app/ports.ts';
import { UndeterminedError } from '../core/errors.ts';
import type { ReasonKind } from '../core/evaluation.ts';
import type { Credentials } from '../core/secret.ts';
import { backoffMs, type Http, HttpError, readText, type Timeouts } from '../http/request.ts';
import { sleep } from './clock.ts';
import { HssError, isWebPage } from './errors.ts';
import type { Api, Pacers } from './pacer.ts';
import { sign } from './sign.ts';

export interface CallerOptions {
  /** Of the source; stands in messages. */
  readonly name: string;
  /** Asked before every call, may come from a cache; with `refresh`, after a 401 or 403, from where they are kept. */
  readonly credentials: (refresh: boolean) => Promise<Credentials>;
  readonly http: Http;
  readonly clock: Clock;
  /** 0 to 1, as Math.random. */
  readonly random: () => number;
  readonly pacers: Pacers;
  readonly timeouts?: Timeouts | undefined;
  /** How often a call is tried again; default 3. */
  readonly retries?: number | undefined;
  /** The longest single wait; a call that would need a longer one gives up. Default 2 minutes. */
  readonly maxWaitMs?: number | undefined;
}

export function describe(name: string, api: Api): string {
  return `source ${name}: ${purposes[api]}`;
}

const purposes: Readonly<Record<Api, string>> = {
  list: 'list of reports',
  report: 'report',
  iam: 'look-up of the project',
};

const answerBytes = 8 * 2 ** 20;

export function readAnswer(body: Bytes): Promise<string> {
  return readText(body, answerBytes);
}

export function isStatus(error: unknown, ...statuses: readonly number[]): boolean {
  return error instanceof HssError && statuses.includes(error.status);
}

const defaultTimeouts: Timeouts = { connectMs: 5_000, headersMs: 30_000, bodyMs: 30_000, totalMs: 300_000 };

export interface Call<T> {
  readonly api: Api;
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  /** Called anew for every answer 200. */
  readonly consume: (body: Bytes) => Promise<T>;
  readonly signal: AbortSignal | undefined;
}

type Failure = HssError | HttpError;
type Outcome<T> = { readonly value: T } | { readonly failure: Failure };

/**
 * Paces, signs, sends, and tries again. What `consume` throws is passed on as it is, unless the body broke off.
 * @throws {UndeterminedError} with the HssError or HttpError as its cause
 */
export function createCaller(options: CallerOptions): <T>(call: Call<T>) => Promise<T> {
  const { name, http, clock, random, pacers, timeouts = defaultTimeouts, retries = 3, maxWaitMs = 120_000 } = options;

  return async (call) => {
    const { api, signal } = call;
    const what = describe(name, api);
    let credentials = await options.credentials(false);
    let refreshed = false;
    let throttled: HssError | undefined;
    for (let failures = 0; ; ) {
      const pacer = pacers.of(credentials.ak);
      const neededMs = await pacer.take(api, maxWaitMs, signal);
      if (neededMs > 0) throw tooMany(what, throttled, neededMs);

      const outcome = await attempt(call, credentials);
      if ('value' in outcome) return outcome.value;
      signal?.throwIfAborted();
      const { failure } = outcome;

      if (!refreshed && isStatus(failure, 401, 403)) {
        refreshed = true;
        const others = await options.credentials(true).catch(() => credentials);
        if (!isSame(credentials, others)) {
          credentials = others;
          continue;
        }
      }

      failures += 1;
      if (failure instanceof HssError && failure.throttled) {
        throttled = failure;
        if (failure.limit !== undefined) pacer.learn(api, failure.limit);
        const { calls, windowMs } = pacer.limit(api);
        const retryAfterMs = failure.retryAfterMs ?? windowMs / calls;
        const waitMs = backoffMs(failures, { baseMs: (2 * windowMs) / calls, capMs: windowMs, random, retryAfterMs });
        pacer.hold(api, clock.nowMs() + waitMs);
        if (failures > retries) throw tooMany(what, throttled, waitMs);
        continue;
      }
      const retryAfterMs = failure instanceof HssError ? failure.retryAfterMs : undefined;
      const waitMs = backoffMs(failures, { baseMs: 500, capMs: 20_000, random, retryAfterMs });
      if (!failure.retryable || failures > retries || waitMs > maxWaitMs) {
        const times = failures > 1 ? ` (${failures} times)` : '';
        throw new UndeterminedError(kindOf(api, failure), `${what}: ${failure.message}${times}`, { cause: failure });
      }
      await sleep(clock, waitMs, signal);
    }
  };

  async function attempt<T>(call: Call<T>, credentials: Credentials): Promise<Outcome<T>> {
    const { api, url, signal } = call;
    const nowMs = clock.nowMs();
    const headers = { 'content-type': 'application/json', ...call.headers };
    // Lets go of the connection, however much of the body was read.
    const over = new AbortController();
    try {
      const response = await http
        .send({
          method: 'GET',
          url,
          headers: sign({ method: 'GET', url, headers, nowMs, credentials }),
          timeouts,
          signal: signal === undefined ? over.signal : AbortSignal.any([signal, over.signal]),
        })
        .catch(httpError);
      if (response instanceof HttpError) return { failure: response };
      if (response.status === 200 && !isWebPage({ headers: response.headers, text: '' })) {
        return await consumeBody(response.body, call.consume);
      }
      const service = api === 'iam' ? 'IAM' : 'HSS';
      const text = await readText(response.body, 64 * 1024).catch(() => '');
      const answer = { service, status: response.status, headers: response.headers, text } as const;
      return { failure: new HssError(answer, { nowMs, ak: credentials.ak }) };
    } finally {
      over.abort();
    }
  }
}

function httpError(error: unknown): HttpError {
  if (error instanceof HttpError) return error;
  throw error;
}

/** A body that broke off is a failure whatever `consume` made of it, a value included. */
async function consumeBody<T>(body: Bytes, consume: (body: Bytes) => Promise<T>): Promise<Outcome<T>> {
  const broken: HttpError[] = [];
  async function* watched(): Bytes {
    try {
      yield* body;
    } catch (error) {
      if (error instanceof HttpError) broken.push(error);
      throw error;
    }
  }
  try {
    const value = await consume(watched());
    const [failure] = broken;
    return failure === undefined ? { value } : { failure };
  } catch (error) {
    const [failure] = broken;
    if (failure === undefined) throw error;
    return { failure };
  }
}

function isSame(a: Credentials, b: Credentials): boolean {
  return a.ak === b.ak && a.sk.reveal() === b.sk.reveal() && a.securityToken?.reveal() === b.securityToken?.reveal();
}

function kindOf(api: Api, failure: Failure): ReasonKind {
  if (api !== 'report') return 'source-unreachable';
  if (failure instanceof HssError) return failure.missing ? 'report-missing' : 'source-unreachable';
  return failure.phase === 'body' ? 'report-truncated' : 'source-unreachable';
}

/** @param answer the last 429; absent where the calls counted here are enough to know */
function tooMany(what: string, answer: HssError | undefined, retryAfterMs: number): UndeterminedError {
  const why = answer?.message ?? 'the calls that HSS allows are used up';
  const message = `${what}: ${why}; try again in ${Math.ceil(retryAfterMs / 1000)} s`;
  return new UndeterminedError('source-throttled', message, { cause: answer, retryAfterMs });
}
