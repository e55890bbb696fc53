import { lookup as lookUpName } from 'node:dns';
import type { LookupFunction } from 'node:net';
import type { Guard } from './addresses.ts';
import { HttpError } from './errors.ts';
import type { Exchange, HttpRequest, HttpResponse } from './exchange.ts';

export { HttpError, type HttpPhase } from './errors.ts';
export type { HttpRequest, HttpResponse, Timeouts } from './exchange.ts';
export { type Backoff, backoffMs, parseRetryAfter } from './retry.ts';

export interface Http {
  /** One exchange, no retry, no redirect followed. @throws {HttpError} */
  send(request: HttpRequest): Promise<HttpResponse>;
  /** Ends every exchange that is still open, and begins no other. */
  close(): Promise<void>;
}

export interface HttpOptions {
  /**
   * Turns a name into addresses, in place of `dns.lookup`; not asked for an address in a URL. An HttpError that it
   * gives is passed on as it is, so that it can refuse an address.
   */
  readonly lookup?: LookupFunction;
  /** Asked before anything is connected to, by URL and by the very addresses that are; absent: anywhere. */
  readonly guard?: Guard;
}

/**
 * HTTP/1.1 by undici, one connection for one exchange: at a handful of calls a minute a kept connection saves little,
 * and it does not survive the freeze of a function between two invocations. undici, a fifth of the time of a cold start, is
 * loaded by the first request: a schedule sends none, nor does a gate that was asked the same a moment ago.
 */
export function createHttp(options: HttpOptions = {}): Http {
  const open = new Set<Exchange>();
  const closed = () => new HttpError('aborted', 'closed', { retryable: false });
  let isClosed = false;
  return {
    async send(request) {
      options.guard?.check(request.url);
      const { Exchange } = await import('./exchange.ts');
      if (isClosed) throw closed();
      const exchange = new Exchange(request, lookupOf(request.url, options), () => open.delete(exchange));
      open.add(exchange);
      return exchange.send();
    },
    async close() {
      isClosed = true;
      for (const exchange of open) exchange.stop(closed());
    },
  };
}

/** The first `limitBytes` of a body as UTF-8 text; the rest is not read. @throws {HttpError} */
export async function readText(body: AsyncIterable<Uint8Array>, limitBytes: number): Promise<string> {
  const pieces: Uint8Array[] = [];
  let room = limitBytes;
  for await (const piece of body) {
    pieces.push(piece.subarray(0, room));
    room -= piece.length;
    if (room <= 0) break;
  }
  return new TextDecoder().decode(Buffer.concat(pieces));
}

function lookupOf(url: URL, { lookup, guard }: HttpOptions): LookupFunction | undefined {
  return guard === undefined ? lookup : guard.lookup(url, lookup ?? lookUpName);
}
