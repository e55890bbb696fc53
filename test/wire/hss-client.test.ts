import { createHmac } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import { inspect } from 'node:util';
import { gzipSync } from 'node:zlib';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { Bytes } from '../../lib/app/ports.ts';
import { InputError, UndeterminedError } from '../../lib/core/errors.ts';
import type { ClusterRow } from '../../lib/core/report.ts';
import type { Credentials } from '../../lib/core/secret.ts';
import { Secret } from '../../lib/core/secret.ts';
import { createHssSource, type HssSourceOptions } from '../../lib/hss/client.ts';
import { createPacers } from '../../lib/hss/pacer.ts';
import { canonicalRequest, stringToSign } from '../../lib/hss/sign.ts';
import { createHttp, HttpError, readText } from '../../lib/http/request.ts';
import { type Reply, type Seen, type Stub, type StubServer, startServer } from '../support/http-server.ts';

const projectId = '0605768a2d80d5d52f91c00b7a6c1234';
const path = `/v5/${projectId}/security-check/containers/cluster-reports`;
const startMs = Date.UTC(2026, 0, 2, 3, 4, 5);

const first: Credentials = { ak: 'AKCANARY0000000001', sk: new Secret('skCANARY/first+0123456789') };
const second: Credentials = {
  ak: 'AKCANARY0000000002',
  sk: new Secret('skCANARY/second+0123456789'),
  securityToken: new Secret('tokenCANARY=='),
};

function fakeClock() {
  const clock = {
    now: startMs,
    slept: [] as number[],
    nowMs: () => clock.now,
    async sleep(ms: number, signal?: AbortSignal) {
      signal?.throwIfAborted();
      clock.slept.push(ms);
      clock.now += ms;
    },
  };
  return clock;
}

/** What the server would do: the same signature from what came over the wire. */
function verify(seen: Seen, credentials: readonly Credentials[], nowMs: number): void {
  const found = /^SDK-HMAC-SHA256 Access=(\w+), SignedHeaders=([\w;-]+), Signature=([0-9a-f]{64})$/.exec(
    seen.headers.authorization ?? '',
  );
  const [, ak, list = '', signature] = found ?? [];
  const signer = credentials.find((one) => one.ak === ak);
  if (signer === undefined) throw new Error(`signed by ${ak}`);
  const names = list.split(';');
  const must = ['host', 'x-sdk-date', 'x-project-id', 'x-security-token', 'x-language'];
  for (const name of must) {
    if (seen.headers[name] !== undefined && !names.includes(name)) throw new Error(`${name} is not signed`);
  }
  if (seen.headers['x-security-token'] !== signer.securityToken?.reveal()) throw new Error('another token');
  const date = String(seen.headers['x-sdk-date']);
  const sentMs = Date.parse(date.replace(/^(....)(..)(..T..)(..)(..Z)$/, '$1-$2-$3:$4:$5'));
  if (sentMs !== Math.floor(nowMs / 1000) * 1000) throw new Error(`signed for ${date}`);
  const headers = Object.fromEntries(names.map((name) => [name, String(seen.headers[name])]));
  const canonical = canonicalRequest({ method: seen.method, url: seen.url, headers, body: seen.body });
  const right = createHmac('sha256', signer.sk.reveal()).update(stringToSign(date, canonical)).digest('hex');
  if (signature !== right) throw new Error('the signature is wrong');
}

async function start(overrides: Partial<HssSourceOptions> = {}) {
  const clock = fakeClock();
  const asked: boolean[] = [];
  const server = await startServer((seen) => verify(seen, [first, second], clock.now));
  const http = createHttp();
  onTestFinished(() => http.close());
  const options: HssSourceOptions = {
    name: 'prod',
    region: 'ap-southeast-1',
    projectId,
    endpoint: server.origin,
    iamEndpoint: server.origin,
    credentials: async (refresh) => {
      asked.push(refresh);
      return first;
    },
    http,
    clock,
    random: () => 0.5,
    pacers: createPacers(clock),
    timeouts: { connectMs: 30_000, headersMs: 30_000, bodyMs: 30_000, totalMs: 30_000 },
    ...overrides,
  };
  return { server, clock, asked, options, source: createHssSource(options) };
}

/** What it throws; shows no secret, whatever the server said. */
async function failureOf(doing: Promise<unknown>, server?: StubServer): Promise<UndeterminedError> {
  const error: unknown = await doing.then(
    () => undefined,
    (error) => error,
  );
  const shown = `${inspect(error, { depth: 20, showHidden: true })} ${JSON.stringify(error)}`;
  expect(shown).not.toContain('CANARY');
  for (const seen of server?.seen ?? []) {
    const signature = /Signature=(\w+)/.exec(seen.headers.authorization ?? '')?.[1];
    expect(signature).toBeDefined();
    expect(shown).not.toContain(signature);
  }
  if (!(error instanceof UndeterminedError)) throw error ?? new Error('it did not fail');
  expect(error.message).toMatch(/^source prod: /);
  return error;
}

/** An error body that echoes everything a server could echo. */
function echo(status: number, code: string, headers: Record<string, string> = {}): Reply {
  return (seen, response) => {
    const said = `canonical request: ${JSON.stringify(seen.headers).replaceAll('"', '|')} ${first.sk.reveal()}`;
    send(response, status, JSON.stringify({ error_code: code, error_msg: said, request_id: 'abcdef012345' }), headers);
  };
}

function send(response: ServerResponse, status: number, body: string, headers: Record<string, string> = {}): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(body);
}

function wireRow(n: number, more: object = {}): object {
  return {
    cluster_id: `id-${n}`,
    cluster_name: `cluster-${String(n).padStart(4, '0')}`,
    cluster_category: 'CCE',
    report_id: `report-${n}`,
    scan_time: 1_745_000_000_000 + n,
    severity: 'Security',
    local_image_vul_num: 0,
    ...more,
  };
}

function wireRows(from: number, to: number): object[] {
  return Array.from({ length: to - from }, (_, i) => wireRow(from + i));
}

function page(offset: number, rows: readonly unknown[], total: unknown): Stub {
  return {
    path,
    query: { enterprise_project_id: 'all_granted_eps', limit: '200', offset: String(offset) },
    headers: { 'x-project-id': projectId, 'accept-encoding': 'gzip' },
    reply: { json: { total_num: total, data_list: rows } },
  };
}

function report(reply: Reply, id = 'report-1'): Stub {
  return {
    path: `${path}/${id}`,
    query: { enterprise_project_id: 'all_granted_eps' },
    headers: { 'x-project-id': projectId, 'x-language': 'en-us', 'accept-encoding': 'gzip' },
    reply,
  };
}

const row: ClusterRow = {
  clusterId: 'id-1',
  clusterName: 'cluster-1',
  category: 'CCE',
  reportId: 'report-1',
  scannedAtMs: 1,
};

function readAll(body: Bytes): Promise<string> {
  return readText(body, 1_000_000);
}

/** Says that there is more to come, sends `part`, and goes. */
function cut(part = '{"scan_ti'): Reply {
  return (_, response) => {
    response.writeHead(200, { 'content-length': 10_000 });
    response.write(part, () => setTimeout(() => response.destroy(), 5));
  };
}

describe('list', () => {
  test.each([
    { count: 0, pages: [[0, 0]] },
    { count: 1, pages: [[0, 1]] },
    { count: 199, pages: [[0, 199]] },
    { count: 200, pages: [[0, 200]] },
    {
      count: 201,
      pages: [
        [0, 200],
        [200, 201],
      ],
    },
    {
      count: 450,
      pages: [
        [0, 200],
        [200, 400],
        [400, 450],
      ],
    },
  ] as { count: number; pages: [number, number][] }[])('$count rows', async ({ count, pages }) => {
    const { server, source, clock } = await start();
    server.expect(...pages.map(([from, to]) => page(from, wireRows(from, to), count)));

    const { clusters, nameless } = await source.list();

    expect(clusters.map(({ clusterId }) => clusterId)).toEqual(Array.from({ length: count }, (_, i) => `id-${i}`));
    expect(nameless).toBe(0);
    expect(clock.slept).toEqual([]);
  });

  test('a row has what is known of its cluster', async () => {
    const { server, source } = await start();
    server.expect(page(0, [wireRow(7, { severity: 'Insecurity', risk_config_num: '3' })], 1));

    expect((await source.list()).clusters).toEqual([
      {
        clusterId: 'id-7',
        clusterName: 'cluster-0007',
        category: 'CCE',
        reportId: 'report-7',
        scannedAtMs: 1_745_000_000_007,
        counts: { vulnerabilities: 0, baseline_checks: 3 },
        isAtRisk: true,
      },
    ]);
  });

  test('pages shorter than asked for are counted by what they give', async () => {
    const { server, source } = await start();
    server.expect(page(0, wireRows(0, 100), 150), page(100, wireRows(100, 150), 150));

    expect((await source.list()).clusters).toHaveLength(150);
  });

  test('asks for the enterprise project that was set', async () => {
    const { server, source } = await start({ enterpriseProjectId: 'a b' });
    server.expect({
      path,
      query: { enterprise_project_id: 'a b', limit: '200', offset: '0' },
      reply: { json: { total_num: 0, data_list: [] } },
    });

    await source.list();
  });

  test('the order of rows does not matter: sorted by name, then id', async () => {
    const { server, source } = await start();
    const named = (id: string, name: string) => wireRow(1, { cluster_id: id, cluster_name: name });
    server.expect(page(0, [named('3', 'b'), named('2', 'a'), named('1', 'b'), named('4', 'B')], 4));

    const { clusters } = await source.list();

    expect(clusters.map(({ clusterId }) => clusterId)).toEqual(['4', '2', '1', '3']);
  });

  test.each([
    { why: 'newest first', order: [0, 1, 2, 3, 4] },
    { why: 'oldest first', order: [4, 3, 2, 1, 0] },
    { why: 'mixed', order: [2, 4, 0, 3, 1] },
  ])('of several rows of a cluster the newest counts: $why', async ({ order }) => {
    const rows = [
      wireRow(1, { report_id: 'newest', scan_time: 30 }),
      wireRow(1, { report_id: 'newer', scan_time: 20 }),
      wireRow(1, { report_id: 'old', scan_time: 10 }),
      wireRow(1, { report_id: null, scan_time: 29 }),
      wireRow(2),
    ];
    const { server, source } = await start();
    server.expect(
      page(
        0,
        order.map((i) => rows[i]),
        5,
      ),
    );

    const { clusters } = await source.list();

    expect(clusters.map(({ reportId }) => reportId)).toEqual(['newest', 'report-2']);
  });

  test.each([
    { why: 'neither report nor time', more: { report_id: undefined, scan_time: undefined } },
    { why: 'empty report, time 0', more: { report_id: '', scan_time: 0 } },
    { why: 'null', more: { report_id: null, scan_time: null } },
    { why: 'time "0"', more: { report_id: null, scan_time: '0' } },
  ])('a cluster that was never checked stays in the list: $why', async ({ more }) => {
    const { server, source } = await start();
    server.expect(page(0, [wireRow(1, more)], 1));

    expect((await source.list()).clusters).toEqual([
      { clusterId: 'id-1', clusterName: 'cluster-0001', category: 'CCE', reportId: undefined, scannedAtMs: undefined },
    ]);
  });

  test.each([
    { why: 'a later one without a report', more: { report_id: null, scan_time: 99 }, newest: undefined },
    { why: 'an earlier one without a report', more: { report_id: '', scan_time: 9 }, newest: 'known' },
    { why: 'one without a time', more: { report_id: 'r', scan_time: null }, newest: undefined },
    { why: 'one whose time cannot be read', more: { report_id: 'r', scan_time: '2026-11-02' }, newest: undefined },
    { why: 'one below 0', more: { report_id: 'r', scan_time: -5 }, newest: undefined },
    { why: 'one without an id that is later', more: { cluster_id: null, scan_time: 99 }, newest: undefined },
    { why: 'one without an id that is earlier', more: { cluster_id: null, scan_time: 9 }, newest: 'known' },
    { why: 'nothing that was checked', more: { report_id: null, scan_time: null }, newest: 'known' },
  ])('a row that may be the newest hides what is known of its cluster: $why', async ({ more, newest }) => {
    for (const isFirst of [true, false]) {
      const rows = [wireRow(1, more), wireRow(1, { report_id: 'known', scan_time: 30 })];
      const { server, source } = await start();
      server.expect(page(0, isFirst ? rows : rows.reverse(), 2));
      const { clusters } = await source.list();
      expect(clusters.map(({ reportId }) => reportId)).toEqual([newest]);
      expect(clusters[0]?.vagueAtMs === undefined).toBe(newest === 'known');
    }
  });

  test('rows that name no cluster are counted', async () => {
    const { server, source } = await start();
    const rows = [wireRow(1), wireRow(2, { cluster_id: null }), wireRow(3, { cluster_id: ' ' }), {}, {}, null, 5, 'x'];
    server.expect(page(0, rows, rows.length));

    const { clusters, nameless } = await source.list();

    expect(clusters.map(({ clusterId }) => clusterId)).toEqual(['id-1']);
    expect(nameless).toBe(7);
  });

  test('numbers may be text, a name may be missing', async () => {
    const { server, source } = await start();
    const odd = { cluster_id: 17, cluster_name: null, cluster_category: 5, report_id: 9, scan_time: '1745000000000' };
    server.expect(page(0, [odd], '1'));

    expect((await source.list()).clusters).toEqual([
      { clusterId: '17', clusterName: '17', category: '5', reportId: '9', scannedAtMs: 1_745_000_000_000 },
    ]);
  });

  test.each([
    { why: 'nothing', body: '' },
    { why: 'text', body: 'ok' },
    { why: 'half of it', body: '{"total_num":1,"data_list":[' },
    { why: 'no rows', body: '{"total_num":0}' },
    { why: 'rows are null', body: '{"total_num":0,"data_list":null}' },
    { why: 'rows are an object', body: '{"total_num":1,"data_list":{}}' },
    { why: 'no total', body: '{"data_list":[]}' },
    { why: 'the total is null', body: '{"total_num":null,"data_list":[]}' },
    { why: 'the total is below 0', body: '{"total_num":-1,"data_list":[]}' },
    { why: 'an error with status 200', body: '{"error_code":"HSS.0001"}' },
  ])('an answer that is no list is no empty list: $why', async ({ body }) => {
    const { server, source } = await start();
    server.expect({ path, reply: { body } });

    const error = await failureOf(source.list(), server);

    expect(error.kind).toBe('source-unreachable');
    expect(error.message).toContain('no list of reports');
  });

  test('a row that moved over the edge of a page is found by reading again', async () => {
    const { server, source } = await start();
    server.expect(
      // Row 0 goes while page 1 is read, so that page 2 begins one row late.
      page(0, wireRows(0, 200), 201),
      page(200, [], 200),
      page(0, wireRows(1, 201), 200),
    );

    const { clusters } = await source.list();

    expect(clusters.map(({ clusterId }) => clusterId)).toContain('id-200');
    expect(clusters).toHaveLength(200);
  });

  test('a row that came in before the others is found by reading again', async () => {
    const { server, source } = await start();
    const grown = [wireRow(999), ...wireRows(0, 201)];
    server.expect(
      page(0, wireRows(0, 200), 201),
      page(200, grown.slice(200), 202),
      page(0, grown.slice(0, 200), 202),
      page(200, grown.slice(200), 202),
    );

    expect((await source.list()).clusters.map(({ clusterId }) => clusterId)).toContain('id-999');
  });

  test('a new report that moved its row hides no other row', async () => {
    const { server, source } = await start();
    // Oldest first: row 0 is checked anew and goes to the end, so that row 200 moves to the first page, unseen.
    const moved = [...wireRows(1, 201), wireRow(0, { report_id: 'new', scan_time: 1_746_000_000_000 })];
    server.expect(
      page(0, wireRows(0, 200), 201),
      page(200, moved.slice(200), 201),
      page(0, moved.slice(0, 200), 201),
      page(200, moved.slice(200), 201),
    );

    const { clusters } = await source.list();

    expect(clusters).toHaveLength(201);
    expect(clusters.find(({ clusterId }) => clusterId === 'id-0')?.reportId).toBe('new');
  });

  test('clusters that have rows on two pages are fine once two passes agree', async () => {
    const { server, source } = await start();
    const rows = [...wireRows(0, 200), wireRow(0, { report_id: 'old', scan_time: 5 })];
    const pages = [page(0, rows.slice(0, 200), 201), page(200, rows.slice(200), 201)];
    server.expect(...pages, ...pages);

    const { clusters } = await source.list();

    expect(clusters).toHaveLength(200);
    expect(clusters[0]?.reportId).toBe('report-0');
  });

  test.each([
    { why: 'an empty page too early', pages: [page(0, wireRows(0, 200), 450), page(200, [], 450)] },
    { why: 'no row at all', pages: [page(0, [], 3)] },
    { why: 'the same row twice', pages: [page(0, [wireRow(1), wireRow(1)], 2)] },
    {
      why: 'a server that does not look at the offset',
      pages: [page(0, wireRows(0, 200), 450), page(200, wireRows(0, 200), 450)],
    },
    {
      why: 'a last page that repeats some rows',
      pages: [page(0, wireRows(0, 200), 250), page(200, wireRows(190, 240), 250)],
    },
  ])('part of a list never reads as the whole: $why', async ({ pages }) => {
    const { server, source } = await start();
    server.expect(...pages, ...pages, ...pages);

    const error = await failureOf(source.list(), server);

    expect(error.kind).toBe('source-unreachable');
    expect(error.message).toMatch(/rows are told and \d+ are given, 3 times/);
  });

  test('a list that never ends is given up', async () => {
    const { server, source } = await start();
    const pages = Array.from({ length: 50 }, (_, i) => page(i * 200, wireRows(i * 200, i * 200 + 200), i * 200 + 400));
    server.expect(...pages);

    const error = await failureOf(source.list());

    expect(error).toMatchObject({ kind: 'source-unreachable', message: expect.stringContaining('no end after 50') });
  });

  test('more rows than told, on a full page, are not the end', async () => {
    const { server, source } = await start();
    server.expect(page(0, wireRows(0, 200), 3), page(200, wireRows(200, 230), 3));

    expect((await source.list()).clusters).toHaveLength(230);
  });

  test('a list that is cut off is tried again, then the source is unreachable', async () => {
    const { server, source } = await start({ retries: 1 });
    server.expect({ path, reply: cut() }, { path, reply: cut() });

    const error = await failureOf(source.list(), server);

    expect(error.kind).toBe('source-unreachable');
    expect(error.message).toBe('source prod: list of reports: the body stopped after 9 bytes (2 times)');
  });
});

describe('read', () => {
  test('gives the body to consume, unpacked', async () => {
    const { server, source } = await start();
    const text = JSON.stringify({ scan_time: 1, text: 'é'.repeat(50_000) });
    server.expect(report({ headers: { 'content-encoding': 'gzip' }, body: gzipSync(text) }));

    expect(await source.read(row, readAll)).toBe(text);
  });

  test.each(['a', 'A9._~-z', 'x'.repeat(64)])('asks for the report %s', async (id) => {
    const { server, source } = await start();
    server.expect(report({ body: 'ok' }, id));

    expect(await source.read({ ...row, reportId: id }, readAll)).toBe('ok');
  });

  test.each(['', '.', '..', '../x', 'a/b', 'a b', 'a?b', '%2e', 'é', 'x'.repeat(65), 'a\n'])(
    'does not ask for the report %j',
    async (id) => {
      const { server, source } = await start();

      const error = await failureOf(source.read({ ...row, reportId: id }, readAll));

      expect(error.kind).toBe('report-unreadable');
      expect(server.seen).toEqual([]);
    },
  );

  test('a cluster that was never checked has no report', async () => {
    const { source } = await start();

    expect((await failureOf(source.read({ ...row, reportId: undefined }, readAll))).kind).toBe('report-missing');
  });

  test.each([
    { why: '404', reply: echo(404, 'none') },
    { why: '404 without a body', reply: { status: 404 } },
    { why: 'HSS.0011', reply: echo(400, 'HSS.0011') },
  ])('a report that is gone is missing: $why', async ({ reply }) => {
    const { server, source } = await start();
    server.expect(report(reply));

    expect((await failureOf(source.read(row, readAll), server)).kind).toBe('report-missing');
  });

  test('consume begins anew with every attempt', async () => {
    const { server, source, clock } = await start();
    server.expect(report(cut()), report(cut('{"scan_time":')), report({ body: '{"scan_time":1}' }));
    const seen: string[] = [];

    const value = await source.read(row, async (body) => {
      let text = '';
      seen.push('begins');
      for await (const piece of body) {
        text += Buffer.from(piece).toString();
        seen.push(text);
      }
      return text;
    });

    expect(value).toBe('{"scan_time":1}');
    expect(seen).toEqual(['begins', '{"scan_ti', 'begins', '{"scan_time":', 'begins', '{"scan_time":1}']);
    expect(clock.slept).toEqual([250, 500]);
  });

  test.each([
    { why: 'by its length', reply: cut() },
    {
      why: 'by its chunks',
      reply: ((_, response) => {
        response.writeHead(200);
        response.write('half', () => setTimeout(() => response.destroy(), 5));
      }) satisfies Reply,
    },
    {
      why: 'within its gzip',
      reply: { headers: { 'content-encoding': 'gzip' }, body: gzipSync('x'.repeat(1000)).subarray(0, -6) },
    },
  ])('a report that always breaks off is truncated: $why', async ({ reply }) => {
    const { server, source } = await start({ retries: 2 });
    server.expect(report(reply), report(reply), report(reply));

    const error = await failureOf(source.read(row, readAll), server);

    expect(error.kind).toBe('report-truncated');
    expect(error.cause).toBeInstanceOf(HttpError);
  });

  test('a body that falls silent is truncated', async () => {
    const { server, source } = await start({
      retries: 0,
      timeouts: { connectMs: 5000, headersMs: 5000, bodyMs: 5000, totalMs: 500 },
    });
    server.expect(
      report((_, response) => {
        response.writeHead(200, { 'content-length': 100 });
        response.write('half');
      }),
    );

    expect((await failureOf(source.read(row, readAll), server)).kind).toBe('report-truncated');
  });

  test.each([
    { why: 'wraps it', consume: (error: unknown) => Promise.reject(new Error('wrapped', { cause: error })) },
    { why: 'judges it', consume: () => Promise.reject(new UndeterminedError('report-unreadable', 'x')) },
    { why: 'swallows it', consume: () => Promise.resolve('a verdict on half a report') },
  ])('a body that broke off is tried again whatever consume makes of it: $why', async ({ consume }) => {
    const { server, source } = await start();
    server.expect(report(cut()), report({ body: 'whole' }));

    expect(await source.read(row, (body) => readAll(body).catch(consume))).toBe('whole');
  });

  test.each([
    { why: 'undetermined', error: new UndeterminedError('report-unreadable', 'not JSON at byte 7') },
    { why: 'a bug', error: new TypeError('x is not a function') },
    { why: 'an HttpError of its own', error: new HttpError('connect', 'elsewhere', { retryable: true }) },
  ])('what consume throws is final and untouched: $why', async ({ error }) => {
    const { server, source } = await start();
    server.expect(report({ body: 'whole' }), report({ body: 'whole' }));

    await expect(source.read(row, () => Promise.reject(error))).rejects.toBe(error);
    await expect(
      source.read(row, async (body) => {
        await readAll(body);
        throw error;
      }),
    ).rejects.toBe(error);
  });

  test('a consume that stops early lets go of the connection', async () => {
    const { server, source } = await start();
    let closed: Promise<unknown> | undefined;
    server.expect(
      report((_, response) => {
        closed = new Promise((resolve) => response.on('close', resolve));
        response.writeHead(200, { 'content-length': 1_000_000 });
        response.write('x'.repeat(1000));
      }),
    );

    expect(await source.read(row, async () => 'enough')).toBe('enough');
    await closed;
  });
});

describe('what is tried again', () => {
  test.each([500, 502, 503, 504])('%d is tried again, signed anew', async (status) => {
    const { server, source, clock } = await start();
    server.expect({ path, reply: echo(status, 'HSS.0041') }, page(0, [], 0));

    await source.list();

    expect(clock.slept).toEqual([250]);
    clock.now += 5000;
    server.expect({ path, reply: echo(status, 'HSS.0041') }, page(0, [], 0));
    await source.list();
    const dates = new Set(server.seen.map(({ headers }) => headers['x-sdk-date']));
    expect(dates.size).toBe(2);
  });

  test('with full jitter, doubling, and not for ever', async () => {
    const { server, source, clock } = await start({ random: () => 1 });
    server.expect(...Array.from({ length: 4 }, () => ({ path, reply: echo(503, 'HSS.0041') })));

    const error = await failureOf(source.list(), server);

    expect(error.kind).toBe('source-unreachable');
    expect(error.message).toContain('HSS answered 503 HSS.0041 (request abcdef012345)');
    expect(error.message).toContain('(4 times)');
    expect(clock.slept).toEqual([500, 1000, 2000]);
  });

  test.each([
    { status: 400, code: 'HSS.0001' },
    { status: 401, code: 'APIGW.0301' },
    { status: 403, code: 'APIGW.0302' },
    { status: 404, code: 'APIGW.0101' },
    { status: 302, code: 'x' },
    { status: 204, code: 'x' },
  ])('$status is not', async ({ status, code }) => {
    const { server, source, clock } = await start();
    server.expect({ path, reply: echo(status, code) });
    server.expect(report(echo(status, code)));

    expect((await failureOf(source.list(), server)).kind).toBe('source-unreachable');
    expect((await failureOf(source.read(row, readAll), server)).kind).toBe('source-unreachable');
    expect(clock.slept).toEqual([]);
  });

  test.each([
    { status: 200, times: 1 },
    { status: 404, times: 1 },
    { status: 502, times: 4 },
  ])('a web page with status $status says nothing about reports', async ({ status, times }) => {
    const { server, source } = await start();
    const reply = { status, headers: { 'content-type': 'text/html; charset=utf-8' }, body: '<html>Log in: CANARY' };
    server.expect(...Array.from({ length: times }, () => report(reply)));

    const error = await failureOf(source.read(row, readAll), server);

    expect(error.kind).toBe('source-unreachable');
    expect(error.message).toContain('a web page');
  });

  test('Retry-After is the least that is waited', async () => {
    const { server, source, clock } = await start();
    server.expect({ path, reply: echo(503, 'x', { 'retry-after': '7' }) }, page(0, [], 0));

    await source.list();

    expect(clock.slept).toEqual([7000]);
  });

  test('a Retry-After that is too long is not waited for', async () => {
    const { server, source, clock } = await start();
    server.expect({ path, reply: echo(503, 'x', { 'retry-after': '3600' }) });

    expect((await failureOf(source.list(), server)).kind).toBe('source-unreachable');
    expect(clock.slept).toEqual([]);
  });

  test('nobody there', async () => {
    const { source, clock } = await start({ endpoint: 'http://127.0.0.1:1' });

    const error = await failureOf(source.list());

    expect(error.kind).toBe('source-unreachable');
    expect(error.message).toBe('source prod: list of reports: connect to 127.0.0.1:1: refused (4 times)');
    expect(clock.slept).toEqual([250, 500, 1000]);
  });

  test('no such name', async () => {
    const http = createHttp({
      lookup: (_, __, callback) => callback(Object.assign(new Error('x'), { code: 'ENOTFOUND' }), ''),
    });
    const { source } = await start({ http, endpoint: undefined, retries: 0 });

    expect(await failureOf(source.read(row, readAll))).toMatchObject({
      kind: 'source-unreachable',
      message: 'source prod: report: connect to hss.ap-southeast-1.myhuaweicloud.com:443: no such name',
    });
  });

  test('no answer in time is tried again', async () => {
    const { server, source } = await start({
      timeouts: { connectMs: 5000, headersMs: 5000, bodyMs: 5000, totalMs: 1000 },
    });
    server.expect({ path, reply: () => {} }, page(0, [], 0));

    expect(await source.list()).toEqual({ clusters: [], nameless: 0 });
  });
});

describe('the rate limit', () => {
  const tooMany = echo(429, 'APIGW.0308');

  test('429 is tried again after a share of the window', async () => {
    const { server, source, clock } = await start();
    server.expect({ path, reply: tooMany }, { path, reply: tooMany }, page(0, [], 0));

    await source.list();

    expect(clock.slept).toEqual([12_000, 24_000]);
  });

  test('429 with Retry-After', async () => {
    const { server, source, clock } = await start();
    server.expect({ path, reply: echo(429, 'x', { 'retry-after': '90' }) }, page(0, [], 0));

    await source.list();

    expect(clock.slept).toEqual([90_000]);
  });

  test('429 learns the limit', async () => {
    const { server, source, clock } = await start();
    const said = 'The throttling threshold has been reached: policy user over ratelimit,limit:2,time:10 second';
    server.expect(
      { path, reply: { status: 429, json: { error_code: 'APIGW.0308', error_msg: said } } },
      ...Array.from({ length: 3 }, () => page(0, [], 0)),
    );

    await source.list();
    expect(clock.slept).toEqual([5000]);
    await source.list();
    await source.list();

    // Never more than two within ten seconds: the third comes ten seconds after the first, and a little.
    expect(clock.slept).toEqual([5000, 5334, 5000]);
  });

  test('429 over and over is throttled, and says when to try again', async () => {
    const { server, source } = await start();
    server.expect(...Array.from({ length: 4 }, () => ({ path, reply: tooMany })));

    const error = await failureOf(source.list(), server);

    expect(error).toMatchObject({ kind: 'source-throttled', retryAfterMs: 30_000 });
    expect(error.message).toContain('HSS answered 429 APIGW.0308');
    expect(error.message).toMatch(/; try again in 30 s$/);
  });

  test('a wait that is too long is not waited for', async () => {
    const { server, source, clock } = await start();
    server.expect({ path, reply: echo(429, 'x', { 'retry-after': '600' }) });

    const error = await failureOf(source.list(), server);

    expect(error).toMatchObject({ kind: 'source-throttled', retryAfterMs: 600_000 });
    expect(error.message).toMatch(/HSS answered 429.*; try again in 600 s$/);
    expect(clock.slept).toEqual([]);
  });

  test('the sixth call of a minute waits, reports and lists apart', async () => {
    const { server, source, clock } = await start();
    server.expect(...Array.from({ length: 5 }, () => page(0, [], 0)));
    for (let i = 0; i < 5; i++) await source.list();
    server.expect(report({ body: 'x' }));
    await source.read(row, readAll);
    expect(clock.slept).toEqual([]);

    server.expect(page(0, [], 0));
    await source.list();

    expect(clock.slept).toEqual([62_000]);
  });

  test('sources of one access key share its calls', async () => {
    const { server, source, options, clock } = await start({ maxWaitMs: 50_000 });
    const other = createHssSource({ ...options, name: 'prod' });
    server.expect(...Array.from({ length: 5 }, () => page(0, [], 0)));
    for (let i = 0; i < 5; i++) await (i % 2 ? source : other).list();

    const error = await failureOf(other.list());

    expect(error).toMatchObject({
      kind: 'source-throttled',
      retryAfterMs: 62_000,
      message: 'source prod: list of reports: the calls that HSS allows are used up; try again in 62 s',
    });
    expect(clock.slept).toEqual([]);
  });
});

describe('credentials', () => {
  test.each([401, 403])('after %d others are tried once, if there are others', async (status) => {
    const asked: boolean[] = [];
    const { server, source } = await start({
      credentials: async (refresh) => {
        asked.push(refresh);
        return refresh ? second : first;
      },
    });
    server.expect({ path, headers: { authorization: /AKCANARY0000000001/ }, reply: echo(status, 'APIGW.0301') });
    server.expect({ ...page(0, [], 0), headers: { authorization: /AKCANARY0000000002/ } });

    await source.list();

    expect(asked).toEqual([false, true]);
  });

  test.each([401, 403])('the same credentials are not tried again after %d', async (status) => {
    const { server, source, asked } = await start();
    server.expect({ path, reply: echo(status, 'APIGW.0301') });

    await failureOf(source.list(), server);

    expect(asked).toEqual([false, true]);
  });

  test.each([
    { why: 'another secret', other: { ...first, sk: second.sk } },
    { why: 'another token', other: { ...first, securityToken: second.securityToken } },
  ])('the same key with $why is other credentials', async ({ other }) => {
    const seen: Seen[] = [];
    const server = await startServer((one) => seen.push(one));
    const { options } = await start();
    const source = createHssSource({
      ...options,
      endpoint: server.origin,
      credentials: async (refresh) => (refresh ? other : first),
    });
    server.expect({ path, reply: echo(401, 'APIGW.0301') }, page(0, [], 0));

    await source.list();

    const [before, after] = seen;
    if (before === undefined || after === undefined) throw new Error('two requests');
    verify(before, [first], startMs);
    verify(after, [other], startMs);
  });

  test('others that are refused too are the end', async () => {
    let n = 0;
    const { server, source } = await start({ credentials: async () => (n++ % 2 === 0 ? first : second) });
    server.expect({ path, reply: echo(401, 'APIGW.0301') }, { path, reply: echo(403, 'APIGW.0302') });

    const error = await failureOf(source.list(), server);

    expect(error.kind).toBe('source-unreachable');
    expect(n).toBe(2);
  });

  test('a temporary key sends its token', async () => {
    const { server, source } = await start({ credentials: async () => second });
    server.expect({ ...page(0, [], 0), headers: { 'x-security-token': 'tokenCANARY==' } });

    await source.list();
  });

  test('credentials that cannot be had are not a matter of the source', async () => {
    const missing = new InputError('PREFIX_AK is not set');
    const { source } = await start({ credentials: () => Promise.reject(missing) });

    await expect(source.list()).rejects.toBe(missing);
  });

  test('a refusal stays the reason if no others can be had', async () => {
    const { server, source } = await start({
      credentials: (refresh) => (refresh ? Promise.reject(new Error('the vault is shut')) : Promise.resolve(first)),
    });
    server.expect({ path, reply: echo(401, 'APIGW.0301') });

    expect((await failureOf(source.list(), server)).message).toContain('401 APIGW.0301');
  });

  test('a clock that is wrong is said', async () => {
    const { server, source } = await start();
    server.expect({ path, reply: echo(401, 'APIGW.0303', { date: new Date(startMs + 1_500_000).toUTCString() }) });

    expect((await failureOf(source.list(), server)).message).toContain("this machine's clock is 25 minutes behind");
  });
});

describe('the signal', () => {
  const reason = new Error('the run is over');

  test('ends before anything is sent', async () => {
    const { server, source } = await start();

    await expect(source.list(AbortSignal.abort(reason))).rejects.toBe(reason);
    await expect(source.read(row, readAll, AbortSignal.abort(reason))).rejects.toBe(reason);
    expect(server.seen).toEqual([]);
  });

  test('ends a request', async () => {
    const { server, source } = await start();
    const stop = new AbortController();
    server.expect({ path, reply: () => stop.abort(reason) });

    await expect(source.list(stop.signal)).rejects.toBe(reason);
  });

  test('ends a body, whatever consume makes of it', async () => {
    const { server, source } = await start();
    const stop = new AbortController();
    server.expect(
      report((_, response) => {
        response.writeHead(200, { 'content-length': 100 });
        response.write('half');
      }),
    );

    const reading = source.read(
      row,
      async (body) => {
        try {
          for await (const _ of body) stop.abort(reason);
        } catch {
          throw new UndeterminedError('report-truncated', 'x');
        }
      },
      stop.signal,
    );

    await expect(reading).rejects.toBe(reason);
  });

  test.each([
    { why: 'before another attempt', status: 503 },
    { why: 'for the rate limit', status: 429 },
  ])('ends a wait $why', async ({ status }) => {
    const stop = new AbortController();
    const clock = fakeClock();
    const waiting = {
      ...clock,
      sleep: (_: number, signal?: AbortSignal) =>
        new Promise<void>((_, reject) => {
          signal?.addEventListener('abort', () => reject(new Error('aborted')));
          stop.abort(reason);
        }),
    };
    const { server, source } = await start({ clock: waiting, pacers: createPacers(waiting) });
    server.expect({ path, reply: echo(status, 'x') });

    await expect(source.list(stop.signal)).rejects.toBe(reason);
  });
});

describe('the project', () => {
  const region = 'ap-southeast-1';
  const name: Stub['query'] = { name: region };

  function projects(...found: object[]): Reply {
    return { json: { projects: found } };
  }

  test('is looked up once, and nothing is created', async () => {
    const { server, source } = await start({ projectId: undefined });
    server.expect(
      { path: '/v3/projects', query: name, reply: projects({ id: projectId, name: region, enabled: true }) },
      page(0, [], 0),
      page(0, [], 0),
      report({ body: 'x' }),
    );

    await source.list();
    await source.list();
    await source.read(row, readAll);

    expect(server.seen[0]?.headers).not.toHaveProperty('x-project-id');
    expect(server.seen.every(({ method }) => method === 'GET')).toBe(true);
  });

  test.each([
    {
      why: 'none',
      found: [],
      says: '0 enabled projects are named ap-southeast-1, not one; set project_id; found: none',
    },
    {
      why: 'others only',
      found: [{ id: 'a1', name: 'ap-southeast-1_sub', enabled: true }],
      says: '0 enabled projects are named ap-southeast-1, not one; set project_id; found: "ap-southeast-1_sub" a1',
    },
    {
      why: 'disabled',
      found: [{ id: 'a1', name: region, enabled: false }],
      says: 'found: "ap-southeast-1" a1 (disabled)',
    },
    {
      why: 'two',
      found: [
        { id: 'a1', name: region, enabled: true },
        { id: 'b2', name: region, enabled: true },
      ],
      says: '2 enabled projects are named ap-southeast-1, not one; set project_id; found: "ap-southeast-1" a1, "ap-southeast-1" b2',
    },
    {
      why: 'many',
      found: Array.from({ length: 14 }, (_, i) => ({ id: `p${i}`, name: `sub-${i}` })),
      says: '"sub-9" p9 and 4 more',
    },
  ])('must be exactly one: $why', async ({ found, says }) => {
    const { server, source } = await start({ projectId: undefined });
    server.expect({ path: '/v3/projects', query: name, reply: projects(...found) });

    const error: unknown = await source.list().catch((error) => error);

    expect(error).toBeInstanceOf(InputError);
    expect(String(error)).toContain(`source prod: look-up of the project: `);
    expect(String(error)).toContain(says);
  });

  test('one of several is the enabled one of that very name', async () => {
    const { server, source } = await start({ projectId: undefined });
    server.expect(
      {
        path: '/v3/projects',
        reply: projects(
          { id: 'sub', name: `${region}_sub`, enabled: true },
          { id: 'off', name: region, enabled: false },
          { id: projectId, name: region },
        ),
      },
      page(0, [], 0),
    );

    await source.list();
  });

  test('without the right to read IAM it is among those within reach', async () => {
    const { server, source } = await start({ projectId: undefined });
    server.expect(
      { path: '/v3/projects', query: name, reply: { status: 403, json: { error: { code: 403, message: 'CANARY' } } } },
      {
        path: '/v3/auth/projects',
        query: {},
        reply: projects({ id: 'other', name: 'cn-north-4' }, { id: projectId, name: region }),
      },
      page(0, [], 0),
    );

    await source.list();
  });

  test('without any right it is a matter of the source', async () => {
    const { server, source } = await start({ projectId: undefined });
    const reply = { status: 403, json: { error: { code: 403, message: 'CANARY' } } };
    server.expect({ path: '/v3/projects', reply }, { path: '/v3/auth/projects', reply });

    const error = await failureOf(source.list(), server);

    expect(error.kind).toBe('source-unreachable');
    expect(error.message).toContain(
      'look-up of the project: IAM answered 403: the access key may not do this; set project_id',
    );
  });

  test.each(['', '{}', '{"projects":[{"id":"../../x","name":"ap-southeast-1"}]}', '{"projects":null}'])(
    'an answer that is no list of projects: %j',
    async (body) => {
      const { server, source } = await start({ projectId: undefined });
      server.expect({ path: '/v3/projects', reply: { body } });

      expect((await failureOf(source.list(), server)).kind).toBe('source-unreachable');
    },
  );

  test('is looked up anew if that failed', async () => {
    const { server, source } = await start({ projectId: undefined, retries: 0 });
    server.expect(
      { path: '/v3/projects', reply: { status: 500 } },
      { path: '/v3/projects', reply: projects({ id: projectId, name: region }) },
      page(0, [], 0),
    );

    await failureOf(source.list(), server);
    await source.list();
  });

  test.each(['', 'a/b', '..', 'x'.repeat(65)])('%j is no id of a project', async (id) => {
    await expect(start({ projectId: id })).rejects.toThrow(InputError);
  });
});
