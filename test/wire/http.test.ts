import { type AddressInfo, createServer, type Socket } from 'node:net';
import { inspect } from 'node:util';
import { gzipSync } from 'node:zlib';
import { expect, onTestFinished, test } from 'vitest';
import { createHttp, HttpError, type HttpRequest, readText } from '../../lib/http/request.ts';
import { startServer } from '../support/http-server.ts';

const patient = { connectMs: 30_000, headersMs: 30_000, bodyMs: 30_000, totalMs: 30_000 };

/** In the place of a secret, where Slack has it: in the path. */
const canary = 'CANARY-3f9a';

const http = createHttp();

function request(origin: string, more: Partial<HttpRequest> = {}): HttpRequest {
  return {
    method: 'GET',
    url: new URL(`/services/${canary}?token=${canary}`, origin),
    headers: { 'x-secret': canary },
    timeouts: patient,
    ...more,
  };
}

/** The error of the exchange or of its body, with the bytes that came before it. */
async function failureOf(sent: HttpRequest, client = http): Promise<{ error: HttpError; received: number }> {
  let received = 0;
  try {
    const { body } = await client.send(sent);
    for await (const piece of body) received += piece.length;
  } catch (error) {
    if (!(error instanceof HttpError)) throw error;
    expect(inspect(error, { depth: 10, showHidden: true })).not.toContain(canary);
    expect(`${error.message} ${error.stack} ${JSON.stringify(error)}`).not.toContain(canary);
    return { error, received };
  }
  throw new Error('it did not fail');
}

/** A server that answers every request with these bytes as they are, then closes, or waits. */
async function rawServer(answer: string | Buffer, end: 'close' | 'reset' | 'wait' = 'close'): Promise<string> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.once('data', () => {
      socket.write(answer, () => {
        if (end === 'close') socket.end();
        // Later than the bytes, or they would be lost with the connection.
        if (end === 'reset') setTimeout(() => socket.resetAndDestroy(), 20);
      });
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

async function closedPort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

test('sends method, path, query, headers and body, and gives status, headers and body', async () => {
  const server = await startServer();
  server.expect({
    method: 'POST',
    path: '/hook',
    query: { a: 'b c' },
    headers: { 'x-one': '1', host: new URL(server.origin).host, connection: 'close', 'content-length': '6' },
    reply: { status: 202, headers: { 'x-two': '2' }, body: 'taken' },
  });

  const response = await http.send({
    method: 'POST',
    url: new URL('/hook?a=b%20c', server.origin),
    headers: { 'x-one': '1' },
    body: '{"é"}'.slice(0, 5),
    timeouts: patient,
  });

  expect(response.status).toBe(202);
  expect(response.headers['x-two']).toBe('2');
  expect(await readText(response.body, 1000)).toBe('taken');
  expect(server.seen[0]?.body).toBe('{"é"}');
});

test('several values of a header are joined', async () => {
  const origin = await rawServer('HTTP/1.1 200 OK\r\nX-A: 1\r\nX-A: 2\r\nContent-Length: 0\r\n\r\n');

  expect((await http.send(request(origin))).headers['x-a']).toBe('1, 2');
});

test('a redirect is an answer like any other', async () => {
  const server = await startServer();
  server.expect({ path: '/a', reply: { status: 302, headers: { location: `${server.origin}/b` } } });

  expect((await http.send(request(server.origin, { url: new URL('/a', server.origin) }))).status).toBe(302);
});

test('nothing is tried again', async () => {
  const server = await startServer();
  server.expect({ path: '/a', reply: { status: 503 } });

  expect((await http.send(request(server.origin, { url: new URL('/a', server.origin) }))).status).toBe(503);
});

test.each([
  { why: 'with its length', length: true },
  { why: 'in pieces', length: false },
])('a gzip body comes out plain, $why', async ({ length }) => {
  const text = 'a report, '.repeat(100_000);
  const packed = gzipSync(text);
  const headers = length ? { 'content-length': packed.length } : { 'transfer-encoding': 'chunked' };
  const server = await startServer();
  server.expect({
    path: '/a',
    headers: { 'accept-encoding': 'gzip' },
    reply: (_, response) => {
      response.writeHead(200, { 'content-encoding': 'gzip', 'content-type': 'x/y', ...headers });
      response.end(packed);
    },
  });

  const response = await http.send(request(server.origin, { url: new URL('/a', server.origin) }));

  expect(await readText(response.body, 10_000_000)).toBe(text);
  expect(response.headers).toMatchObject({ 'content-type': 'x/y' });
  expect(response.headers).not.toHaveProperty('content-encoding');
  expect(response.headers).not.toHaveProperty('content-length');
});

const packed = gzipSync(Buffer.from(Array.from({ length: 50_000 }, (_, i) => (i * 7919) % 251)));

test.each([
  { why: 'shorter than its length', answer: 'Content-Length: 100\r\n\r\nhalf', received: 4 },
  { why: 'shorter than its length, and reset', answer: 'Content-Length: 100\r\n\r\nhalf', end: 'reset', received: 4 },
  { why: 'no last chunk', answer: 'Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n', received: 4 },
  { why: 'inside a chunk', answer: 'Transfer-Encoding: chunked\r\n\r\n40\r\nhalf', received: 4 },
  { why: 'a chunk that is none', answer: 'Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\nzzz\r\n\r\n', received: 4 },
  { why: 'no byte at all', answer: 'Content-Length: 100\r\n\r\n', received: 0 },
] as const)('a body that breaks off is an error, never an end: $why', async ({ answer, received, ...rest }) => {
  const origin = await rawServer(`HTTP/1.1 200 OK\r\n${answer}`, 'end' in rest ? rest.end : 'close');

  const failure = await failureOf(request(origin));

  expect(failure.error).toMatchObject({
    phase: 'body',
    retryable: true,
    message: `the body stopped after ${received} bytes`,
  });
  expect(failure.received).toBe(received);
});

test.each([
  { why: 'cut, with the length of the piece', cut: packed.subarray(0, packed.length - 5), lie: 0 },
  { why: 'cut within its check sum, length missing', cut: packed.subarray(0, packed.length - 1), lie: undefined },
  { why: 'cut by the connection', cut: packed.subarray(0, 1000), lie: 500 },
  { why: 'nothing', cut: Buffer.alloc(0), lie: 0 },
  { why: 'no gzip', cut: Buffer.from('{"plain":true}'), lie: 0 },
  { why: 'more than gzip', cut: Buffer.concat([packed, Buffer.from('{}')]), lie: 0 },
])('broken gzip is an error, never an end: $why', async ({ cut, lie }) => {
  const length = lie === undefined ? '' : `Content-Length: ${cut.length + lie}\r\n`;
  const head = `HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n${length}\r\n`;

  const { error } = await failureOf(request(await rawServer(Buffer.concat([Buffer.from(head), cut]))));

  expect(error).toMatchObject({ phase: 'body', retryable: true });
  expect(error.message).toMatch(/^the body stopped after [\d,]+ bytes/);
});

test('a packing that was not asked for is an error', async () => {
  const origin = await rawServer(`HTTP/1.1 200 OK\r\nContent-Encoding: ${canary}\r\nContent-Length: 2\r\n\r\nxx`);

  expect((await failureOf(request(origin))).error).toMatchObject({ phase: 'headers', retryable: false });
});

test('a body with neither length nor chunks ends with the connection', async () => {
  const response = await http.send(request(await rawServer('HTTP/1.1 200 OK\r\n\r\nall of it')));

  expect(await readText(response.body, 100)).toBe('all of it');
});

test('refused', async () => {
  const port = await closedPort();

  expect((await failureOf(request(`http://127.0.0.1:${port}`))).error).toMatchObject({
    phase: 'connect',
    retryable: true,
    code: 'ECONNREFUSED',
    message: `connect to 127.0.0.1:${port}: refused`,
    reason: 'connect: refused',
  });
});

test('no such name', async () => {
  const client = createHttp({
    lookup: (_, __, callback) => callback(Object.assign(new Error('getaddrinfo'), { code: 'ENOTFOUND' }), ''),
  });

  expect((await failureOf(request('https://hss.example'), client)).error).toMatchObject({
    phase: 'connect',
    retryable: true,
    message: 'connect to hss.example:443: no such name',
  });
});

test('a lookup leads where it says, and can refuse an address in its own words', async () => {
  const server = await startServer();
  server.expect({ path: '/a', headers: { host: /^hss\.example:/ }, reply: { body: 'here' } });
  const url = new URL(`http://hss.example:${new URL(server.origin).port}/a`);
  const refusal = new HttpError('connect', 'a private address', { retryable: false });
  const asked: string[] = [];
  const leading = createHttp({
    lookup: (name, options, callback) => {
      asked.push(name);
      if (options.all) callback(null, [{ address: '127.0.0.1', family: 4 }]);
      else callback(null, '127.0.0.1', 4);
    },
  });
  const refusing = createHttp({ lookup: (_, __, callback) => callback(refusal, '') });

  const response = await leading.send(request(server.origin, { url }));

  expect(await readText(response.body, 100)).toBe('here');
  expect(asked).toEqual(['hss.example']);
  expect((await failureOf(request(server.origin, { url }), refusing)).error).toBe(refusal);
});

test('a name that is never looked up: the time to connect', async () => {
  const client = createHttp({ lookup: () => {} });
  const timeouts = { ...patient, connectMs: 40 };

  expect((await failureOf(request('http://hss.example', { timeouts }), client)).error).toMatchObject({
    phase: 'connect',
    retryable: true,
    message: 'connect to hss.example:80: no connection within 0.04 s',
  });
});

test('TLS where there is none', async () => {
  const origin = await rawServer('HTTP/1.1 400 Bad Request\r\n\r\n');

  const { error } = await failureOf(request(origin.replace('http:', 'https:')));

  expect(error.phase).toBe('connect');
  expect(error.message).toMatch(/^connect to 127\.0\.0\.1:\d+: failed \(\w+\)$/);
});

test('no answer: the time for the headers', async () => {
  const origin = await rawServer('', 'wait');
  const timeouts = { ...patient, headersMs: 40 };

  expect((await failureOf(request(origin, { timeouts }))).error).toMatchObject({
    phase: 'headers',
    retryable: true,
    message: 'no answer within 0.04 s',
  });
});

test('half the headers: the time for the headers', async () => {
  const origin = await rawServer('HTTP/1.1 200 OK\r\nContent-', 'wait');

  const { error } = await failureOf(request(origin, { timeouts: { ...patient, headersMs: 40 } }));

  expect(error).toMatchObject({ phase: 'headers', message: 'no answer within 0.04 s' });
});

test('a body that falls silent: the time for the body', async () => {
  const origin = await rawServer(`HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n${'x'.repeat(1234)}`, 'wait');
  const timeouts = { ...patient, bodyMs: 40 };

  expect((await failureOf(request(origin, { timeouts }))).error).toMatchObject({
    phase: 'body',
    retryable: true,
    message: 'the body stopped after 1,234 bytes: nothing for 0.04 s',
  });
});

test.each([
  { phase: 'connect', message: 'connect to hss.example:80: no answer within 0.4 s' },
  { phase: 'headers', message: 'no answer within 0.4 s' },
  { phase: 'body', message: 'no whole answer within 0.4 s' },
])('the time for the whole exchange ends it: $phase', async ({ phase, message }) => {
  const timeouts = { ...patient, totalMs: 400 };
  const answer = phase === 'body' ? 'HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx' : '';
  const origin = phase === 'connect' ? 'http://hss.example' : await rawServer(answer, 'wait');
  const client = phase === 'connect' ? createHttp({ lookup: () => {} }) : http;

  expect((await failureOf(request(origin, { timeouts }), client)).error).toMatchObject({
    phase,
    retryable: true,
    message,
  });
});

test.each([
  { why: 'closed without an answer', answer: '', end: 'close' },
  { why: 'reset without an answer', answer: '', end: 'reset' },
  { why: 'not HTTP', answer: `SSH-2.0-${canary}\r\n`, end: 'close' },
  { why: 'closed within the headers', answer: `HTTP/1.1 200 OK\r\nX: ${canary}`, end: 'close' },
  { why: 'headers without end', answer: `HTTP/1.1 200 OK\r\nX: ${canary.repeat(5000)}\r\n\r\n`, end: 'wait' },
] as const)('$why', async ({ answer, end }) => {
  expect((await failureOf(request(await rawServer(answer, end)))).error).toMatchObject({
    phase: 'headers',
    retryable: true,
  });
});

test.each(['before', 'headers', 'body'] as const)('the caller can end it: %s', async (when) => {
  const stop = new AbortController();
  const answer = when === 'body' ? 'HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx' : '';
  const origin = await rawServer(answer, 'wait');
  if (when === 'before') stop.abort();
  else setTimeout(() => stop.abort(new Error(canary)), 30);

  const { error } = await failureOf(request(origin, { signal: stop.signal }));

  expect(error).toMatchObject({ phase: 'aborted', retryable: false });
});

test('the caller can end it while it connects: at once, and no connection is made later', async () => {
  let connections = 0;
  const server = createServer(() => {
    connections += 1;
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  const { port } = server.address() as AddressInfo;
  const stop = new AbortController();
  let answer: () => void = () => {};
  const client = createHttp({
    lookup: (_, __, callback) => {
      answer = () => callback(null, [{ address: '127.0.0.1', family: 4 }]);
      stop.abort();
    },
  });

  const { error } = await failureOf(request(`http://hss.example:${port}`, { signal: stop.signal }), client);
  answer();
  await new Promise((resolve) => setTimeout(resolve, 50));

  expect(error.phase).toBe('aborted');
  expect(connections).toBe(0);
});

test('an exchange that is over keeps no process alive', async () => {
  const server = await startServer();
  const timers = () => process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length;
  const before = timers();
  server.expect({ path: '/a', reply: { body: 'x' } });

  const response = await http.send(request(server.origin, { url: new URL('/a', server.origin) }));
  expect(timers()).toBeGreaterThan(before);
  await readText(response.body, 100);

  expect(timers()).toBe(before);
});

test('closing ends what is open', async () => {
  const client = createHttp();
  const response = await client.send(request(await rawServer('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx', 'wait')));
  const reading = readText(response.body, 100);

  await client.close();

  await expect(reading).rejects.toMatchObject({ phase: 'aborted' });
});

test('closing lets nothing begin', async () => {
  const client = createHttp();
  const sending = client.send(request(await rawServer('HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx')));

  await client.close();

  await expect(sending).rejects.toMatchObject({ phase: 'aborted' });
});

test('a reader that stops lets go of the connection', async () => {
  const server = await startServer();
  let closed: Promise<unknown> | undefined;
  server.expect({
    path: '/a',
    reply: (_, response) => {
      closed = new Promise((resolve) => response.on('close', resolve));
      response.writeHead(200, { 'content-length': 1_000_000_000 });
      response.write(Buffer.alloc(100_000));
    },
  });

  const response = await http.send(request(server.origin, { url: new URL('/a', server.origin) }));

  expect(await readText(response.body, 10)).toHaveLength(10);
  await closed;
});

test('an error nobody reads for does not end the process', async () => {
  const stop = new AbortController();
  const head = 'HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 9999\r\n\r\n';
  await http.send(request(await rawServer(head, 'wait'), { signal: stop.signal }));
  await http.send(request(await rawServer(head, 'reset')));

  stop.abort();

  await new Promise((resolve) => setTimeout(resolve, 60));
});

test('a header that is none is an error that does not show it', async () => {
  const { error } = await failureOf(request('http://127.0.0.1:9', { headers: { 'x-secret': `${canary}\n` } }));

  expect(error.retryable).toBe(false);
});
