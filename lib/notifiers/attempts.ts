import { hash } from 'node:crypto';
import type { Clock } from '../app/ports.ts';
import { DeliveryError, InputError, NotTriedError, UndeterminedError } from '../core/errors.ts';
import type { Secret } from '../core/secret.ts';
import { backoffMs, type Http, HttpError, parseRetryAfter, type Timeouts } from '../http/request.ts';

/** What every notifier is made of, besides its receiver. */
export interface Edges {
  readonly http: Http;
  readonly clock: Clock;
  /** 0 to 1, as Math.random. */
  readonly random: () => number;
  readonly timeouts?: Timeouts;
  readonly attempts?: Attempts;
}

/** How long one delivery goes on trying; the next run goes on from there. */
export interface Attempts {
  readonly count: number;
  readonly baseMs: number;
  readonly capMs: number;
  /** All pauses of one delivery together, where there is a deadline. A receiver that asks for more is left to the next run. */
  readonly maxWaitMs: number;
  /** The same where there is none, and the next run may be that of tomorrow. With all attempts less than a claim lasts. */
  readonly maxWaitAtLeisureMs: number;
}

export const defaultAttempts: Attempts = {
  count: 4,
  baseMs: 1_000,
  capMs: 15_000,
  maxWaitMs: 45_000,
  maxWaitAtLeisureMs: 180_000,
};

/** For those who come again by themselves. */
export const oneAttempt: Attempts = { ...defaultAttempts, count: 1 };

export const defaultTimeouts: Timeouts = { connectMs: 5_000, headersMs: 10_000, bodyMs: 10_000, totalMs: 15_000 };

/** Why a receiver did not take a message. */
export interface Refusal {
  /** For people; no URL, header or body. */
  readonly reason: string;
  readonly retryable: boolean;
  readonly status?: number;
  readonly retryAfterMs?: number | undefined;
  /** It was not asked: nothing of it is known. */
  readonly isUnsent?: true;
}

/**
 * Try until the receiver takes the message, refuses it for good or there is no time left.
 *
 * @param attempt one exchange; undefined when the message was taken
 * @param signal aborts at the deadline; absent: there is none
 * @throws {DeliveryError} the last refusal; a NotTriedError where the time was over before anything was sent
 */
export async function deliver(
  receiver: string,
  { clock, random, attempts = defaultAttempts }: Edges,
  attempt: () => Promise<Refusal | undefined>,
  signal?: AbortSignal,
): Promise<void> {
  const maxWaitMs = signal === undefined ? attempts.maxWaitAtLeisureMs : attempts.maxWaitMs;
  let waitedMs = 0;
  let mayBeTaken = false;
  for (let n = 1; ; n++) {
    const refusal = signal?.aborted ? noTime : await attempt();
    if (refusal === undefined) return;

    const { reason, retryable, status, retryAfterMs, isUnsent = false } = refusal;
    if (isUnsent && n === 1) throw new NotTriedError(receiver, reason);
    mayBeTaken ||= !isUnsent && mayHaveArrived(refusal);
    const fail = (suffix = '') => new DeliveryError(receiver, reason + suffix, retryable, status, mayBeTaken);
    if (!retryable || signal?.aborted) throw fail();
    if (n >= attempts.count) throw fail(n > 1 ? `, ${n} times` : '');

    const waitMs = backoffMs(n, { ...attempts, random, retryAfterMs });
    if (waitedMs + waitMs > maxWaitMs) {
      throw fail(
        retryAfterMs === undefined ? `, ${n} times` : `, and asks to wait ${Math.ceil(retryAfterMs / 1000)} s`,
      );
    }
    waitedMs += waitMs;
    try {
      await clock.sleep(waitMs, signal);
    } catch {
      throw fail(', and there was no time to try again');
    }
  }
}

/** Whether it may be there all the same: of a success that does not look like one nobody knows. */
function mayHaveArrived({ status, retryable }: Refusal): boolean {
  return status === undefined ? retryable : status >= 500 || status < 300;
}

/** Whether the same request may be taken a moment later. */
export function isRetryable(status: number): boolean {
  return status === 429 || status >= 500;
}

/** A status that says no, in our words; a notifier may know better ones. */
export function refusalOf(status: number, reason: string, retryAfter: string | undefined, nowMs: number): Refusal {
  return { reason, retryable: isRetryable(status), status, retryAfterMs: parseRetryAfter(retryAfter, nowMs) };
}

/** An exchange that broke off. The error itself stays here: only an HttpError is known to hold no secret. */
export function refusalOfError(error: unknown): Refusal {
  if (!(error instanceof HttpError)) return { reason: 'the exchange failed', retryable: true };
  if (error.isUnsent) return noTime;
  if (error.phase === 'aborted') return { reason: 'stopped before there was an answer', retryable: true };
  return { reason: error.reason, retryable: error.retryable };
}

/** A secret by its reference; `refresh` asks where it is kept rather than a cache. */
export type SecretSource = (refresh: boolean) => Promise<Secret>;

/**
 * Use a secret; where the other side refuses it, fetch it once more and try again if it has changed.
 *
 * @param stale statuses by which the other side refuses a secret
 */
export function withSecret(
  source: SecretSource,
  stale: readonly number[],
): (use: (secret: Secret) => Promise<Refusal | undefined>) => Promise<Refusal | undefined> {
  let secret: Secret | undefined;
  let refreshed = false;
  return async (use) => {
    try {
      secret ??= await source(false);
    } catch (error) {
      return unreadable(error);
    }
    const refusal = await use(secret);
    if (refreshed || !stale.includes(refusal?.status ?? 0)) return refusal;

    refreshed = true;
    const before = secret.reveal();
    try {
      secret = await source(true);
    } catch {
      return refusal;
    }
    return secret.reveal() === before ? refusal : use(secret);
  };
}

/** The URL in a secret; undefined for what is none. Says nothing of it: a URL may be all it takes to post. */
export function urlOf(secret: Secret): URL | undefined {
  const url = URL.parse(secret.reveal().trim());
  return url !== null && /^https?:$/.test(url.protocol) ? url : undefined;
}

/** Tells URLs apart and nothing of them. @returns undefined for a secret that cannot be had */
export async function addressOf(source: SecretSource): Promise<string | undefined> {
  try {
    return hash('sha256', `address ${(await source(false)).reveal().trim()}`, 'hex').slice(0, 16);
  } catch {
    return undefined;
  }
}

const noTime: Refusal = {
  reason: 'was not tried, since there was no time left; the next run does',
  retryable: true,
  isUnsent: true,
};

export const noUrl: Refusal = { reason: 'its secret is not a URL: update it', retryable: false };

function unreadable(error: unknown): Refusal {
  const isInputError = error instanceof InputError;
  const known = isInputError || error instanceof UndeterminedError;
  return { reason: `its secret cannot be read${known ? `: ${error.message}` : ''}`, retryable: !isInputError };
}
