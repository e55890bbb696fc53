import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { isDeepStrictEqual } from 'node:util';
import { onTestFinished } from 'vitest';

/** A request as it came over the wire. */
export interface Seen {
  readonly method: string;
  readonly path: string;
  readonly query: Readonly<Record<string, string>>;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
  readonly url: URL;
}

export type Reply =
  | {
      readonly status?: number;
      readonly headers?: Readonly<Record<string, string>>;
      /** Sent as `application/json`. */
      readonly json?: unknown;
      readonly body?: string | Uint8Array;
    }
  | ((seen: Seen, response: ServerResponse) => void);

/** One request that must come, and what it gets. */
export interface Stub {
  /** Default GET. */
  readonly method?: string;
  readonly path: string;
  /** The whole query; absent: not looked at. */
  readonly query?: Readonly<Record<string, string>>;
  /** Those named must be so. */
  readonly headers?: Readonly<Record<string, string | RegExp>>;
  readonly reply: Reply;
}

export interface StubServer {
  /** `http://127.0.0.1:PORT` */
  readonly origin: string;
  readonly seen: readonly Seen[];
  /** The next requests, in this order. */
  expect(...stubs: Stub[]): void;
}

/**
 * A real server on loopback for the test at hand. A request that no stub expects fails the test, and so does a stub
 * that no request came for.
 * @param inspect looks at every request; what it throws fails the test
 */
export async function startServer(inspect: (seen: Seen) => void = () => {}): Promise<StubServer> {
  const stubs: Stub[] = [];
  const seen: Seen[] = [];
  const problems: string[] = [];

  const server = createServer((request, response) => {
    readSeen(request).then((one) => {
      seen.push(one);
      const stub = stubs.shift();
      const problem = stub === undefined ? 'not expected' : difference(stub, one);
      try {
        inspect(one);
      } catch (error) {
        problems.push(`${one.method} ${one.url.pathname}: ${error}`);
      }
      if (stub === undefined || problem !== undefined) {
        problems.push(`${one.method} ${one.url.pathname}${one.url.search}: ${problem}`);
        response.writeHead(400).end();
      } else {
        send(stub.reply, one, response);
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));

  onTestFinished(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
    for (const stub of stubs) problems.push(`${stub.method ?? 'GET'} ${stub.path}: never came`);
    if (problems.length > 0) throw new Error(problems.join('\n'));
  });

  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    seen,
    expect: (...more) => {
      stubs.push(...more);
    },
  };
}

async function readSeen(request: IncomingMessage): Promise<Seen> {
  const pieces: Buffer[] = [];
  for await (const piece of request) pieces.push(piece);
  const url = new URL(request.url ?? '', `http://${request.headers.host}`);
  return {
    method: request.method ?? '',
    path: url.pathname,
    query: Object.fromEntries(url.searchParams),
    headers: request.headers,
    body: Buffer.concat(pieces).toString(),
    url,
  };
}

function difference(stub: Stub, seen: Seen): string | undefined {
  if (seen.method !== (stub.method ?? 'GET') || seen.path !== stub.path) {
    return `not ${stub.method ?? 'GET'} ${stub.path}`;
  }
  if (stub.query !== undefined && !isDeepStrictEqual({ ...stub.query }, seen.query)) {
    return `the query is not ${JSON.stringify(stub.query)}`;
  }
  for (const [name, wanted] of Object.entries(stub.headers ?? {})) {
    const value = String(seen.headers[name.toLowerCase()]);
    const right = typeof wanted === 'string' ? value === wanted : wanted.test(value);
    if (!right) return `${name}: ${value}, not ${wanted}`;
  }
  return undefined;
}

function send(reply: Reply, seen: Seen, response: ServerResponse): void {
  if (typeof reply === 'function') {
    reply(seen, response);
    return;
  }
  const { status = 200, headers, json, body = '' } = reply;
  const payload = json === undefined ? body : JSON.stringify(json);
  response.writeHead(status, {
    ...(json === undefined ? {} : { 'content-type': 'application/json' }),
    'content-length': Buffer.byteLength(payload),
    ...headers,
  });
  response.end(payload);
}
