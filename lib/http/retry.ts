/** `Wed, 21 Oct 2026 07:28:00 GMT`, and the older forms that end in GMT. */
const httpDate = /^[A-Z][a-z]{2,8}, .* GMT$/;

/**
 * A Retry-After header: seconds or an HTTP date.
 * @returns milliseconds from now, 0 for a date in the past; undefined for an absent header and for anything else
 * @see RFC 9110, 10.2.3
 */
export function parseRetryAfter(value: string | undefined, nowMs: number): number | undefined {
  const text = value?.trim() ?? '';
  if (/^\d{1,9}$/.test(text)) return Number(text) * 1000;
  const atMs = httpDate.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isNaN(atMs) ? undefined : Math.max(0, atMs - nowMs);
}

export interface Backoff {
  readonly baseMs: number;
  readonly capMs: number;
  /** 0 to 1, as Math.random. */
  readonly random: () => number;
  /** Never wait less than this, whatever the cap. */
  readonly retryAfterMs?: number | undefined;
}

/**
 * How long to wait after a failed attempt: full jitter, so that callers which failed together do not return together.
 * @param attempt the one that failed, from 1
 */
export function backoffMs(attempt: number, { baseMs, capMs, random, retryAfterMs = 0 }: Backoff): number {
  const ceilingMs = Math.min(capMs, baseMs * 2 ** (attempt - 1));
  return Math.max(retryAfterMs, Math.round(random() * ceilingMs));
}
