import { request } from 'node:http';
import { gunzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type SimulatedCluster, worldClusters, worldNowMs } from '../../lib/simulator/clusters.ts';
import type { Fault } from '../../lib/simulator/faults.ts';
import { type Hss, type HssOptions, startHss } from '../../lib/simulator/hss-server.ts';
import { buildReport } from '../../lib/simulator/reports.ts';
import { canonicalRequest, formatSdkDate, signatureOf } from '../../lib/simulator/signature.ts';
import type { WireReport, WireRow } from '../../lib/simulator/wire.ts';

const projectId = '0605768a2d80d5d52f91c00b7a6c1234';
const credentials = { ak: 'AKINVENTED0000000001', sk: 'invented-secret-key-of-forty-characters-x' };
const reportsPath = `/v5/${projectId}/security-check/containers/cluster-reports`;
const world = worldClusters();
const [prodEu, prodUs] = world as [SimulatedCluster, SimulatedCluster];
const reportId = prodEu.reports[0]?.id ?? '';

let hss: Hss;
let nowMs: number;

beforeEach(async () => {
  nowMs = worldNowMs;
  hss = await start();
});
afterEach(() => hss.close());

function start(options: Partial<HssOptions> = {}): Promise<Hss> {
  return startHss({ clusters: world, credentials, projectId, nowMs: () => nowMs, ...options });
}

interface SignOptions {
  readonly ak?: string;
  readonly sk?: string;
  readonly signedAtMs?: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** Names left out of the signature. */
  readonly unsigned?: readonly string[];
}

function signed(target: string, options: SignOptions = {}): Record<string, string> {
  const { ak = credentials.ak, sk = credentials.sk, signedAtMs = nowMs, unsigned = [] } = options;
  const sdkDate = formatSdkDate(signedAtMs);
  const headers: Record<string, string> = {
    'x-sdk-date': sdkDate,
    'x-project-id': projectId,
    'accept-encoding': 'identity',
    ...options.headers,
  };
  const seen = { host: new URL(hss.url).host, ...headers };
  const names = ['host', 'x-sdk-date', 'x-project-id', ...Object.keys(options.headers ?? {})];
  const covered = [...new Set(names)].filter((name) => !unsigned.includes(name)).sort();
  const canonical = canonicalRequest({ method: 'GET', target, headers: seen, body: Buffer.alloc(0) }, covered);
  const signature = signatureOf(canonical, sdkDate, sk);
  const authorization = `SDK-HMAC-SHA256 Access=${ak}, SignedHeaders=${covered.join(';')}, Signature=${signature}`;
  return { ...headers, authorization };
}

function get(target: string, options?: SignOptions): Promise<Response> {
  return fetch(hss.url + target, { headers: signed(target, options) });
}

async function errorOf(response: Response): Promise<{ status: number; code: string; message: string }> {
  const body = (await response.json()) as Record<string, string>;
  return { status: response.status, code: body.error_code ?? '', message: body.error_msg ?? '' };
}

async function list(query = '?limit=200&enterprise_project_id=all_granted_eps'): Promise<WireRow[]> {
  const response = await get(reportsPath + query);
  expect(response.status).toBe(200);
  return ((await response.json()) as { data_list: WireRow[] }).data_list;
}

describe('list', () => {
  test('shows every report and the cluster without one, in an order that is not that of time', async () => {
    const rows = await list();
    const times = rows.map((row) => row.scan_time ?? 0);

    expect(rows).toHaveLength(6);
    expect(rows.find((row) => row.cluster_name === 'prod-apac')).toEqual({
      cluster_name: 'prod-apac',
      cluster_id: world[4]?.id,
      cluster_category: 'Turbo',
    });
    expect(rows.find((row) => row.report_id === reportId)).toMatchObject({
      cluster_name: 'prod-eu',
      severity: 'Security',
      local_image_vul_num: 0,
      scan_time: nowMs - 3 * 3_600_000,
    });
    expect(times).not.toEqual(times.toSorted((a, b) => a - b));
    expect(times).not.toEqual(times.toSorted((a, b) => b - a));
  });

  test.each([
    { why: 'the default is the default enterprise project', query: '', names: ['prod-apac', 'prod-eu', 'staging'] },
    {
      why: 'an enterprise project',
      query: `enterprise_project_id=${prodUs.enterpriseProjectId}`,
      names: ['prod-us', 'prod-us'],
    },
    { why: 'a cluster by id', query: `cluster_id=${prodEu.id}`, names: ['prod-eu'] },
    { why: 'a part of a name', query: 'cluster_name=prod', names: ['prod-apac', 'prod-eu'] },
    { why: 'a category', query: 'cluster_category=CCE', names: ['staging'] },
    { why: 'clusters at risk', query: 'severity=Insecurity', names: ['staging'] },
  ])('filters: $why', async ({ query, names }) => {
    expect((await list(`?${query}`)).map((row) => row.cluster_name).sort()).toEqual(names);
  });

  test('offset counts records, and total_num those of all pages', async () => {
    hss.clusters = Array.from({ length: 25 }, (_, i) => ({ ...prodEu, id: `c${i}`, name: `c${i}`, reports: [] }));
    const pages = await Promise.all([0, 10, 20, 30].map((offset) => get(`${reportsPath}?offset=${offset}`)));
    const bodies = (await Promise.all(pages.map((page) => page.json()))) as {
      total_num: number;
      data_list: WireRow[];
    }[];

    expect(bodies.map((body) => [body.total_num, body.data_list.length])).toEqual([
      [25, 10],
      [25, 10],
      [25, 5],
      [25, 0],
    ]);
    expect(new Set(bodies.flatMap((body) => body.data_list.map((row) => row.cluster_id))).size).toBe(25);
  });

  test.each([
    'limit=9',
    'limit=201',
    'limit=x',
    'limit=',
    'offset=-1',
    'offset=2000001',
    'cluster_id=',
    'severity=High',
  ])('refuses %s', async (query) => {
    expect(await errorOf(await get(`${reportsPath}?${query}`))).toMatchObject({ status: 400, code: 'HSS.0001' });
  });

  test('a row can be bent', async () => {
    hss.clusters = [{ ...prodEu, reports: [{ id: 'r', report: {}, row: { scan_time: 0 } }] }];

    expect(await list()).toMatchObject([{ report_id: 'r', scan_time: 0 }]);
  });
});

describe('report', () => {
  test('is the stored one, in English when asked for', async () => {
    const response = await get(`${reportsPath}/${reportId}`, { headers: { 'x-language': 'en-us' } });

    expect(response.headers.get('content-encoding')).toBeNull();
    expect(await response.json()).toEqual(prodEu.reports[0]?.report);
  });

  test('has Chinese texts unless another language is asked for; names stay', async () => {
    const target = `${reportsPath}/${prodUs.reports[1]?.id}?enterprise_project_id=all_granted_eps`;
    const english = prodUs.reports[1]?.report as WireReport;
    const chinese = (await (await get(target)).json()) as WireReport;

    expect(chinese.local_image_vul_list[0]?.vul_description).toMatch(/^\p{Script=Han}/u);
    expect(chinese.local_image_vul_list.map((v) => v.vul_name)).toEqual(
      english.local_image_vul_list.map((v) => v.vul_name),
    );
    expect(chinese.process_list).toEqual(english.process_list);
  });

  test('is packed when the client accepts gzip', async () => {
    const headers = { 'accept-encoding': 'gzip', 'x-language': 'en-us' };
    const { bytes, encoding } = await raw(`${reportsPath}/${reportId}`, { headers, unsigned: ['accept-encoding'] });

    expect(encoding).toBe('gzip');
    expect(JSON.parse(gunzipSync(bytes).toString())).toEqual(prodEu.reports[0]?.report);
  });

  test.each([
    { why: 'unknown', path: '/nope', code: 'HSS.0011' },
    { why: 'of an enterprise project that was not asked for', path: `/${prodUs.reports[0]?.id}`, code: 'HSS.0011' },
    { why: 'too long an id', path: `/${'x'.repeat(65)}`, code: 'HSS.0001' },
  ])('a report that is not there is a 400: $why', async ({ path, code }) => {
    expect(await errorOf(await get(reportsPath + path))).toMatchObject({ status: 400, code });
  });

  test('refuses an unknown language', async () => {
    const response = await get(`${reportsPath}/${reportId}`, { headers: { 'x-language': 'de-de' } });

    expect(await errorOf(response)).toMatchObject({ status: 400, code: 'HSS.0001' });
  });
});

describe('IAM', () => {
  const projects = [
    { id: projectId, name: 'ap-southeast-1' },
    { id: 'f00', name: 'ap-southeast-3' },
  ];
  const idsOf = async (response: Response) =>
    ((await response.json()) as { projects: { id: string }[] }).projects.map((project) => project.id);

  beforeEach(async () => {
    await hss.close();
    hss = await start({ projects });
  });

  test('projects are found by name', async () => {
    expect(await idsOf(await get('/v3/projects?name=ap-southeast-1'))).toEqual([projectId]);
    expect(await idsOf(await get('/v3/projects?name=eu-west-101'))).toEqual([]);
    expect(hss.calls.map((call) => call.api)).toEqual(['projects', 'projects']);
  });

  test('the projects of the caller are not filtered', async () => {
    expect(await idsOf(await get('/v3/auth/projects?name=ap-southeast-1'))).toEqual([projectId, 'f00']);
  });
});

describe('authentication', () => {
  test('a wrong signature is told the canonical request of the server', async () => {
    const target = `${reportsPath}?limit=10`;
    const { status, code, message } = await errorOf(await get(target, { sk: 'wrong' }));
    const host = new URL(hss.url).host;

    expect([status, code]).toEqual([401, 'APIGW.0301']);
    expect(message).toBe(
      'Incorrect IAM authentication information: verify aksk signature fail, canonicalRequest:' +
        `GET|${reportsPath}/|limit=10|host:${host}|x-project-id:${projectId}|x-sdk-date:${formatSdkDate(nowMs)}||` +
        'host;x-project-id;x-sdk-date|e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
    );
  });

  test.each<{ why: string; options: SignOptions; says: string }>([
    { why: 'unknown key', options: { ak: 'AKOTHER' }, says: 'ak AKOTHER not exist' },
    { why: 'host not signed', options: { unsigned: ['host'] }, says: 'verify aksk signature fail' },
    { why: 'date not signed', options: { unsigned: ['x-sdk-date'] }, says: 'verify aksk signature fail' },
    { why: '15 minutes late', options: { signedAtMs: worldNowMs - 901_000 }, says: 'signature expired' },
    { why: '15 minutes early', options: { signedAtMs: worldNowMs + 901_000 }, says: 'signature expired' },
    {
      why: 'a token with permanent keys',
      options: { headers: { 'x-security-token': 't' } },
      says: 'decrypt token fail',
    },
  ])('refuses: $why', async ({ options, says }) => {
    const error = await errorOf(await get(reportsPath, options));

    expect(error).toMatchObject({ status: 401, code: 'APIGW.0301' });
    expect(error.message).toContain(says);
  });

  test('refuses a request without authorization, and one whose query was changed', async () => {
    expect((await fetch(hss.url + reportsPath)).status).toBe(401);
    expect((await fetch(`${hss.url}${reportsPath}?limit=50`, { headers: signed(reportsPath) })).status).toBe(401);
  });

  test('takes a clock that is a little off', async () => {
    expect((await get(reportsPath, { signedAtMs: nowMs - 899_000 })).status).toBe(200);
  });

  test('temporary keys need their token, signed', async () => {
    hss.credentials = { ...credentials, securityToken: 'token-1' };
    const headers = { 'x-security-token': 'token-1' };

    expect((await get(reportsPath, { headers })).status).toBe(200);
    expect((await get(reportsPath, { headers, unsigned: ['x-security-token'] })).status).toBe(401);
    expect((await get(reportsPath, { headers: { 'x-security-token': 'token-0' } })).status).toBe(401);
    expect((await get(reportsPath)).status).toBe(401);
  });

  test('rotated keys are in force at once', async () => {
    hss.credentials = { ak: 'AKNEW', sk: 'new' };

    expect((await get(reportsPath)).status).toBe(401);
    expect((await get(reportsPath, { ak: 'AKNEW', sk: 'new' })).status).toBe(200);
  });

  test('more than five failures in a row lock the key for five minutes', async () => {
    for (let i = 0; i < 6; i++) await get(reportsPath, { sk: 'wrong' });

    const locked = await errorOf(await get(reportsPath));
    nowMs += 5 * 60_000 - 1;
    const stillLocked = await get(reportsPath);
    nowMs += 1;

    expect(locked.status).toBe(401);
    expect(locked.message).toContain('AK access failed to reach the limit,forbidden');
    expect(stillLocked.status).toBe(401);
    expect((await get(reportsPath)).status).toBe(200);
  });

  test('five failures do not lock, and a success starts the count anew', async () => {
    for (let round = 0; round < 2; round++) {
      for (let i = 0; i < 5; i++) await get(reportsPath, { sk: 'wrong' });
      expect((await get(reportsPath)).status).toBe(200);
    }
  });

  test("another project is not the caller's", async () => {
    const other = reportsPath.replace(projectId, 'another');

    expect(await errorOf(await get(other))).toMatchObject({ status: 400, code: 'HSS.0010' });
    expect((await get(reportsPath, { headers: { 'x-project-id': 'another' } })).status).toBe(403);
  });
});

test('each API takes so many calls a minute', async () => {
  await hss.close();
  hss = await start({ limitPerMinute: 5 });
  for (let i = 0; i < 5; i++) expect((await get(reportsPath)).status).toBe(200);

  const refused = await errorOf(await get(reportsPath));
  const ofAnotherApi = await get(`${reportsPath}/${reportId}`);
  nowMs += 60_000;

  expect(refused).toEqual({
    status: 429,
    code: 'APIGW.0308',
    message: 'The throttling threshold has been reached: policy user over ratelimit,limit:5,time:1 minute',
  });
  expect(ofAnotherApi.status).toBe(200);
  expect((await get(reportsPath)).status).toBe(200);
});

test('every call is recorded, refused ones and unknown paths too', async () => {
  await get(`${reportsPath}?limit=20`, { headers: { 'x-language': 'en-us' } });
  await get(reportsPath, { sk: 'wrong' });
  await fetch(`${hss.url}/v5/x`, { method: 'POST', body: '{}' });

  expect(hss.calls).toMatchObject([
    { api: 'list', method: 'GET', path: reportsPath, query: { limit: '20' }, status: 200, atMs: nowMs },
    { api: 'list', status: 401 },
    { api: undefined, method: 'POST', path: '/v5/x', status: 404 },
  ]);
  expect(hss.calls[0]?.headers).toMatchObject({ 'x-language': 'en-us', host: `127.0.0.1:${hss.port}` });
});

test('answers carry the time of the server and a request id', async () => {
  const { headers } = await get(reportsPath);

  expect(headers.get('date')).toBe('Mon, 02 Nov 2026 08:00:00 GMT');
  expect(headers.get('server')).toBe('api-gateway');
  expect(headers.get('x-request-id')).toMatch(/^[0-9a-f]{32}$/);
});

describe('faults', () => {
  const reportTarget = `${reportsPath}/${reportId}`;

  test.each<{ fault: Fault; status: number; type: string; body: unknown }>([
    { fault: { kind: 'status', status: 401 }, status: 401, type: 'json', body: /APIGW\.0301/ },
    { fault: { kind: 'status', status: 403 }, status: 403, type: 'json', body: /APIGW\.0302/ },
    { fault: { kind: 'status', status: 429 }, status: 429, type: 'json', body: /limit:5,time:1 minute/ },
    { fault: { kind: 'status', status: 500 }, status: 500, type: 'json', body: /APIGW\.0201/ },
    { fault: { kind: 'status', status: 502, body: 'html' }, status: 502, type: 'html', body: /502 Bad Gateway/ },
    { fault: { kind: 'status', status: 503, body: 'empty' }, status: 503, type: '', body: /^$/ },
    { fault: { kind: 'status', status: 504, body: 'iam' }, status: 504, type: 'json', body: /"error":\{"code":504/ },
    { fault: { kind: 'hss-error', shape: 'usual' }, status: 400, type: 'json', body: /"error_code":"HSS\.1017"/ },
    {
      fault: { kind: 'hss-error', shape: 'bare' },
      status: 400,
      type: 'json',
      body: /^\{"error_code":"00000010","error_description":"[^"]+"\}$/,
    },
    { fault: { kind: 'hss-error', shape: 'not-found' }, status: 400, type: 'json', body: /HSS\.0011/ },
    { fault: { kind: 'empty' }, status: 200, type: 'json', body: /^$/ },
    { fault: { kind: 'html' }, status: 200, type: 'html', body: /^<html>/ },
    { fault: { kind: 'json', body: { data_list: 7 } }, status: 200, type: 'json', body: /^\{"data_list":7\}$/ },
  ])('$fault', async ({ fault, status, type, body }) => {
    hss.fail(fault);

    const response = await get(reportsPath);

    expect(response.status).toBe(status);
    expect(response.headers.get('content-type') ?? '').toContain(type);
    expect(response.headers.get('retry-after')).toBeNull();
    expect(await response.text()).toMatch(body as RegExp);
    expect(hss.calls[0]?.status).toBe(status);
    expect((await get(reportsPath)).status).toBe(200);
  });

  test('Retry-After is sent as given', async () => {
    hss.fail({ kind: 'status', status: 429, retryAfter: '12' });

    expect((await get(reportsPath)).headers.get('retry-after')).toBe('12');
  });

  test.each<{ fault: Fault; becomes: object }>([
    { fault: { kind: 'stale', ageMs: 3_600_000 }, becomes: { scan_time: worldNowMs - 4 * 3_600_000 } },
    { fault: { kind: 'contradiction', more: 5 }, becomes: { local_image_vul_num: 5, local_image_vul_list: [] } },
    { fault: { kind: 'wrong-cluster' }, becomes: { cluster_name: 'some-other-cluster' } },
  ])('the report is bent: $fault', async ({ fault, becomes }) => {
    hss.fail(fault);
    await list();

    const bent = await (await get(reportTarget, { headers: { 'x-language': 'en-us' } })).json();

    expect(bent).toEqual({ ...prodEu.reports[0]?.report, ...becomes, cluster_id: expect.any(String) });
    expect(hss.pendingFaults()).toEqual([]);
  });

  test('a huge report is valid and of about the size asked for, packed or not', async () => {
    hss.fail({ kind: 'huge', totalBytes: 3_000_000 }, { times: 2 });

    const plain = await raw(reportTarget);
    const packed = await raw(reportTarget, { headers: { 'accept-encoding': 'gzip' } });
    const report: WireReport = JSON.parse(plain.bytes.toString());

    expect(plain.bytes.length / 3_000_000).toBeCloseTo(1, 1);
    expect(report).toMatchObject({ cluster_id: prodEu.id, scan_time: nowMs - 3 * 3_600_000 });
    expect(report.process_list).toHaveLength(report.process_num);
    expect(packed.encoding).toBe('gzip');
    expect(gunzipSync(packed.bytes).equals(plain.bytes)).toBe(true);
  });

  test('truncated JSON is framed as if it were whole', async () => {
    hss.fail({ kind: 'truncated-json', fraction: 0.25 });

    const { bytes, complete } = await raw(reportTarget);

    expect(complete).toBe(true);
    expect(bytes.length).toBe(Math.floor(wholeLength() / 4));
    expect(() => JSON.parse(bytes.toString())).toThrow(SyntaxError);
  });

  test('truncated gzip is framed as if it were whole', async () => {
    hss.fail({ kind: 'truncated-gzip' });

    const { bytes, complete, encoding } = await raw(reportTarget, { headers: { 'accept-encoding': 'gzip' } });

    expect([complete, encoding]).toEqual([true, 'gzip']);
    expect(() => gunzipSync(bytes)).toThrow(/unexpected end/);
  });

  test.each(['length', 'chunked'] as const)('a body is cut, framed by %s', async (framing) => {
    hss.fail({ kind: 'cut', framing });

    const { bytes, complete, headers } = await raw(reportTarget);

    expect(complete).toBe(false);
    expect(bytes.length).toBe(Math.floor(wholeLength() / 2));
    expect(headers[framing === 'length' ? 'content-length' : 'transfer-encoding']).toBeDefined();
    expect(hss.calls[0]?.status).toBe(200);
  });

  test('a slow body goes on byte by byte, and ends when the server closes', async () => {
    hss.fail({ kind: 'slow', everyMs: 1 });
    const reader = (await get(reportTarget)).body?.getReader();
    let received = 0;
    while (received < Math.floor(wholeLength() / 2) + 3) received += (await reader?.read())?.value?.length ?? 0;

    await hss.close();

    await expect(
      (async () => {
        while (!(await reader?.read())?.done);
      })(),
    ).rejects.toThrow(/terminated/);
  });

  test('a call that hangs ends when the server closes', async () => {
    hss.fail({ kind: 'hang' });
    const hung = get(reportsPath).catch((error: unknown) => error);
    await expect.poll(() => hss.pendingFaults()).toEqual([]);

    await hss.close();

    expect(await hung).toBeInstanceOf(Error);
    expect(hss.calls).toMatchObject([{ api: 'list', status: undefined }]);
  });

  test('a connection is reset', async () => {
    hss.fail({ kind: 'reset' });

    await expect(get(reportsPath)).rejects.toMatchObject({ cause: { code: 'ECONNRESET' } });
    expect(hss.calls[0]?.status).toBeUndefined();
  });

  test('a fault waits for the call it is for, and lasts as often as it says', async () => {
    hss.fail({ kind: 'status', status: 500 }, { clusterId: prodUs.id, times: 2 });
    hss.fail({ kind: 'status', status: 503 }, { api: 'report' });
    const ofUs = `${reportsPath}/${prodUs.reports[0]?.id}?enterprise_project_id=all_granted_eps`;
    const statuses: number[] = [];

    for (const target of [reportsPath, ofUs, reportTarget, ofUs, ofUs]) statuses.push((await get(target)).status);

    expect(statuses).toEqual([200, 500, 503, 500, 200]);
    expect(hss.pendingFaults()).toEqual([]);
  });

  test('a badly signed request uses no fault up', async () => {
    hss.fail({ kind: 'empty' });
    await get(reportsPath, { sk: 'wrong' });

    expect(hss.pendingFaults()).toEqual(['empty']);
  });

  test('only reports can have the faults of reports', () => {
    expect(() => hss.fail({ kind: 'wrong-cluster' }, { api: 'list' })).toThrow(TypeError);
  });
});

test('closing twice is fine, and idle connections do not hold it up', async () => {
  await get(reportsPath);

  await hss.close();
  await hss.close();
});

test('a new scan is served at once', async () => {
  const report = buildReport({
    clusterId: prodEu.id,
    clusterName: 'prod-eu',
    category: 'Turbo',
    scannedAtMs: nowMs,
    seed: 2,
  });
  hss.clusters = [{ ...prodEu, reports: [...prodEu.reports, { id: 'new', report }] }];

  expect((await list()).map((row) => row.report_id).sort()).toEqual([reportId, 'new']);
  expect((await get(`${reportsPath}/new`)).status).toBe(200);
});

/** Length of the unpacked Chinese report of `prod-eu`, which is what comes without `x-language`. */
function wholeLength(): number {
  const texts = prodEu.reports[0]?.report.baseline_detection_list as WireReport['baseline_detection_list'];
  const report = {
    ...prodEu.reports[0]?.report,
    baseline_detection_list: texts.map((check) => ({ ...check, check_type_desc: '基线检查。' })),
  };
  return Buffer.byteLength(JSON.stringify(report));
}

interface Raw {
  readonly bytes: Buffer;
  readonly complete: boolean;
  readonly encoding: string | undefined;
  readonly headers: NodeJS.Dict<string | string[]>;
}

/** The bytes on the wire, which fetch would unpack or refuse. */
function raw(target: string, options?: SignOptions): Promise<Raw> {
  return new Promise((resolve, reject) => {
    const sent = request(hss.url + target, { headers: signed(target, options), agent: false }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', () => {});
      response.on('close', () => {
        const { headers, complete } = response;
        resolve({ bytes: Buffer.concat(chunks), complete, encoding: headers['content-encoding'], headers });
      });
    });
    sent.on('error', reject);
    sent.end();
  });
}
