import type { LookupFunction, Socket } from 'node:net';
import { pipeline, type Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import request from 'undici/lib/api/api-request.js';
import buildConnector from 'undici/lib/core/connect.js';
import Client from 'undici/lib/dispatcher/client.js';
import { bodyError, HttpError, seconds, sendError } from './errors.ts';

export interface Timeouts {
  readonly connectMs: number;
  readonly headersMs: number;
  /** Longest silence between two pieces of the body. */
  readonly bodyMs: number;
  /** Whole exchange, body included. */
  readonly totalMs: number;
}

export interface HttpRequest {
  readonly method: 'GET' | 'POST';
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly timeouts: Timeouts;
  readonly signal?: AbortSignal | undefined;
}

export interface HttpResponse {
  readonly status: number;
  /**
   * Lower-case names; several values are joined by `, `. Of a body that came as gzip, `content-encoding` and
   * `content-length` are left out: they are not those of `body`.
   */
  readonly headers: Readonly<Record<string, string>>;
  /**
   * Plain bytes, read once. It ends cleanly only where the answer ends; else it throws an HttpError of phase `body`.
   * A body that nobody reads holds its connection until the signal or the time for the whole exchange ends it.
   */
  readonly body: AsyncIterable<Uint8Array>;
}

/** A request on a connection of its own, and its answer. */
export class Exchange {
  readonly #request: HttpRequest;
  readonly #host: string;
  readonly #client: Client;
  readonly #timer: NodeJS.Timeout;
  readonly #ended: () => void;
  #phase: 'connect' | 'headers' | 'body' = 'connect';
  #socket: Socket | undefined;
  /** Why this exchange was stopped from here, whatever undici then makes of it. */
  #stopped: HttpError | undefined;

  constructor(request: HttpRequest, lookup: LookupFunction | undefined, ended: () => void) {
    const { url, timeouts } = request;
    this.#request = request;
    this.#ended = ended;
    this.#host = `${url.hostname}:${url.port || (url.protocol === 'http:' ? '80' : '443')}`;
    this.#client = new Client(url.origin, {
      connect: this.#connector(lookup),
      // No keep-alive: undici then sends `connection: close`.
      pipelining: 0,
      headersTimeout: timeouts.headersMs,
      bodyTimeout: timeouts.bodyMs,
    });
    this.#timer = setTimeout(() => {
      const why = `no ${this.#phase === 'body' ? 'whole answer' : 'answer'} within ${seconds(timeouts.totalMs)}`;
      this.stop(new HttpError(this.#phase, why, { retryable: true, host: this.#host }));
    }, timeouts.totalMs);
    request.signal?.addEventListener('abort', this.#abort);
  }

  async send(): Promise<HttpResponse> {
    const { method, url, headers, body, timeouts, signal } = this.#request;
    if (signal?.aborted) this.#abort();
    try {
      const response = await request.call(this.#client, {
        method,
        path: url.pathname + url.search,
        headers: { 'accept-encoding': 'gzip', ...headers },
        ...(body === undefined ? {} : { body }),
      });
      this.#phase = 'body';
      const plain = this.#unpack(response.body, response.headers);
      return { status: response.statusCode, headers: plain.headers, body: this.#read(plain.stream) };
    } catch (error) {
      const phase = this.#phase === 'connect' ? 'connect' : 'headers';
      const failure = this.#stopped ?? sendError(error, phase, this.#host, timeouts);
      this.#end();
      throw failure;
    }
  }

  /** Ends the exchange wherever it is: whoever waits for it gets `error`. */
  stop(error: HttpError): void {
    this.#stopped ??= error;
    this.#end();
  }

  readonly #abort = () => {
    const isUnsent = this.#phase === 'connect';
    this.stop(new HttpError('aborted', 'aborted by the caller', { retryable: false, isUnsent }));
  };

  #end(): void {
    clearTimeout(this.#timer);
    this.#request.signal?.removeEventListener('abort', this.#abort);
    // A client that is destroyed while it connects waits for the connection; the socket does not.
    this.#socket?.destroy();
    this.#client.destroy(this.#stopped ?? null).catch(() => {});
    this.#ended();
  }

  #connector(lookup: LookupFunction | undefined): buildConnector.connector {
    const connect = buildConnector({
      allowH2: false,
      timeout: this.#request.timeouts.connectMs,
      ...(lookup === undefined ? {} : { lookup }),
    });
    return (target, callback) => {
      // The connector returns its socket, although its type does not say so.
      this.#socket = connect(target, (...[error, socket]) => {
        if (error !== null) return callback(error, null);
        this.#phase = 'headers';
        callback(null, socket);
      }) as unknown as Socket;
    };
  }

  #unpack(
    stream: Readable,
    raw: Readonly<Record<string, string | string[] | undefined>>,
  ): { stream: Readable; headers: Record<string, string> } {
    const headers: Record<string, string> = {};
    for (const [name, value] of Object.entries(raw)) {
      if (value !== undefined) headers[name] = Array.isArray(value) ? value.join(', ') : value;
    }
    const encoding = headers['content-encoding']?.trim().toLowerCase() || 'identity';
    if (encoding === 'identity') return { stream, headers };
    if (encoding !== 'gzip' && encoding !== 'x-gzip') {
      throw new HttpError('headers', 'the answer is packed in a way that was not asked for', { retryable: false });
    }
    delete headers['content-encoding'];
    delete headers['content-length'];
    // The error of either end comes out of the iteration; the callback only keeps it from being thrown as well.
    return { stream: pipeline(stream, createGunzip({ chunkSize: 64 * 1024 }), () => {}), headers };
  }

  async *#read(stream: Readable): AsyncGenerator<Uint8Array> {
    let received = 0;
    try {
      for await (const piece of stream as AsyncIterable<Uint8Array>) {
        received += piece.length;
        yield piece;
      }
    } catch (error) {
      throw this.#stopped ?? bodyError(error, received, this.#request.timeouts.bodyMs);
    } finally {
      this.#end();
    }
  }
}
