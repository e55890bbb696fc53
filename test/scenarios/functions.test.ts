import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { withDeadline } from '../../functions/deadline.ts';
import { answerGate } from '../../functions/gate.ts';
import { parseGateEvent } from '../../functions/gate-event.ts';
import type { Instance } from '../../functions/instance.ts';
import type { RunMetrics } from '../../functions/metrics.ts';
import { runScan, ScanError } from '../../functions/scan.ts';
import type { GateRequest } from '../../lib/app/gate.ts';
import type { ScanSummary } from '../../lib/app/scan.ts';
import { type App, compose, loadConfig } from '../../lib/compose.ts';
import { InputError } from '../../lib/core/errors.ts';
import type { Evaluation } from '../../lib/core/evaluation.ts';
import { worldClusters } from '../../lib/simulator/clusters.ts';
import { startHss } from '../../lib/simulator/hss-server.ts';
import { evaluate, policyOf } from '../support/evaluate.ts';
import { urlEvent } from '../support/lambda-process.ts';
import { configOf, worldPolicy } from '../support/world.ts';

const invocation = { awsRequestId: 'r-1', getRemainingTimeInMillis: () => 60_000 };
const post = (body: string) => urlEvent({ body });
const get = (query: string) => urlEvent({ method: 'GET', query });

/** An instance whose app is stubbed; the lines of its log are kept. */
function instanceOf(app: Partial<App> | Error): Instance & { readonly lines: string[] } {
  const lines: string[] = [];
  return {
    lines,
    async app() {
      if (app instanceof Error) throw app;
      return { hssCalls: () => ({ calls: 0, throttled: 0 }), ...app } as App;
    },
    log: (level, msg, fields) => lines.push(JSON.stringify({ level, msg, ...fields })),
    begin() {},
    discard() {},
  };
}

function countingMetrics(): RunMetrics & { readonly published: ReadonlyMap<string, number> } {
  const added = new Map<string, number>();
  const published = new Map<string, number>();
  return {
    published,
    add: (name, value) => added.set(name, value),
    addOf() {},
    publish() {
      for (const [name, value] of added) published.set(name, value);
    },
  };
}

describe('what is asked of the gate', () => {
  const least = { cluster: 'prod-eu', letUndetermined: false };
  const all = { ...least, source: 'prod', maxReportAgeMs: 93_600_000, strict: true };

  test.each<{ why: string; event: unknown; is: GateRequest }>([
    { why: 'directly', event: { cluster: 'prod-eu', source: 'prod', max_age: '26h', strict: true }, is: all },
    { why: 'as little as possible', event: { cluster: 'prod-eu' }, is: least },
    { why: 'by POST', event: post('{"cluster":"prod-eu","source":"prod","max_age":"26h","strict":true}'), is: all },
    { why: 'by GET', event: get('cluster=prod-eu&source=prod&max_age=1d2h&strict=true'), is: all },
    {
      why: 'by POST, with values that look like keys',
      event: post('{"source":"cluster","cluster":"cluster"}'),
      is: { ...least, cluster: 'cluster', source: 'cluster' },
    },
    { why: 'by GET, escaped', event: get('cluster=prod%2Deu'), is: least },
    {
      why: 'by POST, in base64',
      event: urlEvent({ body: Buffer.from('{"cluster":"prod-eu"}').toString('base64'), isBase64Encoded: true }),
      is: least,
    },
    {
      why: 'not strictly',
      event: get('cluster=prod-eu&strict=false'),
      is: { ...least, strict: false },
    },
  ])('$why', ({ event, is }) => {
    expect(parseGateEvent(event)).toEqual(is);
  });

  test.each([
    {
      why: 'by POST',
      event: post(
        '{"cluster":"c","policy":"p","images":["app:1","team/*"],"baseline":"previous","write_baseline":"previous","on_undetermined":"pass"}',
      ),
    },
    {
      why: 'by GET',
      event: get(
        'cluster=c&policy=p&image=app:1&image=team/*&baseline=previous&write_baseline=previous&on_undetermined=pass',
      ),
    },
  ])('with images, a policy, a baseline and leave to pass, $why', ({ event }) => {
    const { images, ...rest } = parseGateEvent(event);
    expect(rest).toEqual({
      cluster: 'c',
      policy: 'p',
      baseline: 'previous',
      writePrevious: true,
      letUndetermined: true,
    });
    expect(images?.map(({ text }) => text)).toEqual(['app:1', 'team/*']);
  });

  test.each<{ why: string; event: unknown; says: string }>([
    { why: 'nothing', event: undefined, says: 'a request has to be an object' },
    { why: 'a text', event: 'prod-eu', says: 'a request has to be an object' },
    { why: 'a list', event: [{ cluster: 'prod-eu' }], says: 'a request has to be an object' },
    { why: 'no cluster', event: {}, says: 'cluster: has to be the name or id of a cluster' },
    { why: 'an empty cluster', event: { cluster: '' }, says: 'cluster: has to be the name or id of a cluster' },
    { why: 'a cluster that is null', event: { cluster: null }, says: 'cluster: has to be the name or id' },
    {
      why: 'an unknown field',
      event: { cluster: 'c', maxAge: '1h' },
      says: 'there is no field maxAge; did you mean max_age?',
    },
    {
      why: 'an age without a unit',
      event: { cluster: 'c', max_age: '26' },
      says: 'max_age: has to be a duration such as 26h',
    },
    { why: 'an age that is a number', event: { cluster: 'c', max_age: 26 }, says: 'max_age: has to be a duration' },
    { why: 'strict as a text', event: { cluster: 'c', strict: 'true' }, says: 'strict: has to be true or false' },
    { why: 'strict as a word', event: get('cluster=c&strict=yes'), says: 'strict: has to be true or false' },
    { why: 'no images', event: { cluster: 'c', images: [] }, says: 'images: has to be a list of 1 to 100 images' },
    { why: 'one image as a text', event: { cluster: 'c', images: 'app' }, says: 'images: has to be a list' },
    {
      why: 'an image that is none',
      event: { cluster: 'c', images: ['App'] },
      says: 'image "App": is no image reference',
    },
    { why: 'images in a query', event: get('cluster=c&images=a'), says: 'each is a field image of its own' },
    {
      why: 'a baseline that is a file',
      event: { cluster: 'c', baseline: 'b.json' },
      says: 'baseline: has to be "previous"',
    },
    {
      why: 'a baseline to be written to a file',
      event: { cluster: 'c', write_baseline: 'b.json' },
      says: 'write_baseline: has to be "previous"',
    },
    {
      why: 'another word for passing',
      event: { cluster: 'c', on_undetermined: 'ignore' },
      says: 'on_undetermined: has to be "fail" or "pass"',
    },
    { why: 'a field twice', event: get('cluster=a&cluster=b'), says: 'cluster: is there twice' },
    { why: 'a key twice', event: post('{"cluster":"a","cluster":"b"}'), says: 'cluster: is there twice' },
    {
      why: 'a key twice, written otherwise',
      event: post('{ "cluster" : "a\\"\\\\", "images": ["{", "strict"], "strict":true, "\\u0063luster"\n:"b"}'),
      says: 'cluster: is there twice',
    },
    {
      why: 'a key twice with the same',
      event: post('{"cluster":"a","strict":true,"strict":true}'),
      says: 'strict: is there twice',
    },
    { why: 'an empty query', event: get(''), says: 'cluster: has to be' },
    { why: 'an empty body', event: post(''), says: 'the body is empty' },
    { why: 'a body that is no JSON', event: post('cluster=prod-eu'), says: 'the body is not JSON' },
    {
      why: 'a body that is no UTF-8',
      event: urlEvent({ body: Buffer.from('{"cluster":"\xff"}', 'latin1').toString('base64'), isBase64Encoded: true }),
      says: 'the body is not JSON',
    },
    {
      why: 'POST with a query',
      event: urlEvent({ query: 'strict=true', body: '{"cluster":"c"}' }),
      says: 'POST takes',
    },
    { why: 'GET with a body', event: urlEvent({ method: 'GET', query: 'cluster=c', body: '{}' }), says: 'GET takes' },
    {
      why: 'another method',
      event: urlEvent({ method: 'PUT', body: '{"cluster":"c"}' }),
      says: 'PUT: only POST and GET',
    },
  ])('not $why', ({ event, says }) => {
    expect(() => parseGateEvent(event)).toThrow(
      expect.objectContaining({ name: 'InputError', message: expect.stringContaining(says) }),
    );
  });

  test('and everything that is wrong is told at once', () => {
    expect(() => parseGateEvent({ source: 1, max_age: 'soon', nothing: true })).toThrow(
      /cluster: .*\n.*source: .*\n.*max_age: .*\n.*nothing/,
    );
  });
});

describe('the gate fails closed', () => {
  const passed = evaluate(policyOf('rules:\n  - {id: r, on: vulnerabilities, max: 0}'), {});

  test('a pass is 200', async () => {
    expect(passed.verdict).toBe('pass');
    const answer = await answerGate({ cluster: 'c' }, invocation, instanceOf({ gate: async () => passed }));
    expect(answer.statusCode).toBe(200);
  });

  test.each<{ why: string; app: Partial<App> | Error; status: number }>([
    { why: 'an error', app: { gate: () => Promise.reject(new TypeError('secret detail')) }, status: 500 },
    { why: 'what is no error', app: { gate: () => Promise.reject(null) }, status: 500 },
    { why: 'no app', app: new Error('secret detail'), status: 500 },
    { why: 'nothing', app: { gate: async () => undefined as unknown as Evaluation }, status: 500 },
    { why: 'no verdict', app: { gate: async () => ({ ...passed, verdict: 'maybe' as 'pass' }) }, status: 500 },
    {
      why: 'a result that cannot be shown',
      app: { gate: async () => ({ verdict: 'pass' }) as Evaluation },
      status: 500,
    },
    { why: 'wrong input', app: { gate: () => Promise.reject(new InputError('there is no source x')) }, status: 400 },
    { why: 'a wrong config', app: new InputError('invalid config'), status: 400 },
  ])('$why is $status', async ({ app, status }) => {
    const instance = instanceOf(app);
    const answer = await answerGate({ cluster: 'c' }, invocation, instance);
    expect(answer.statusCode).toBe(status);
    expect(answer.body).not.toContain('secret detail');
    expect(JSON.parse(answer.body)).toMatchObject({
      version: 1,
      error: { kind: status === 400 ? 'invalid-input' : 'internal-error' },
    });
    expect(instance.lines).toHaveLength(1);
  });

  const hssCalls = () => ({ calls: 2, throttled: 1 });
  const verdict = { GateLetThrough: 0, GateStored: 0, HssCalls: 2, HssThrottled: 1 };
  const reason = { kind: 'source-unreachable', message: 'HSS' } as const;
  const unknown = { ...passed, verdict: 'undetermined' } as const;

  test.each<{ why: string; app: Partial<App> | Error; counts: Readonly<Record<string, number>> }>([
    { why: 'a pass', app: { gate: async () => passed }, counts: { GateVerdictPass: 1, ...verdict } },
    {
      why: 'a fail by what was found before',
      app: { gate: async () => ({ ...passed, verdict: 'fail', stored: { atMs: 1, reason } }) },
      counts: { GateVerdictFail: 1, ...verdict, GateStored: 1 },
    },
    { why: 'no verdict', app: { gate: async () => unknown }, counts: { GateVerdictUndetermined: 1, ...verdict } },
    {
      why: 'no verdict that is let through',
      app: { gate: async () => ({ ...unknown, isLetThrough: true }) },
      counts: { GateVerdictUndetermined: 1, ...verdict, GateLetThrough: 1 },
    },
    { why: 'wrong input', app: new InputError('invalid config'), counts: { GateInvalid: 1 } },
    { why: 'an error', app: { gate: () => Promise.reject(new TypeError()) }, counts: { GateFailed: 1 } },
  ])('$why is counted as $counts', async ({ app, counts }) => {
    const metrics = countingMetrics();
    const instance = instanceOf(app instanceof Error ? app : { ...app, hssCalls });
    await answerGate({ cluster: 'c' }, invocation, instance, Promise.resolve(metrics));
    expect(Object.fromEntries(metrics.published)).toEqual(counts);
  });

  test('an answer that cannot be counted is as good', async () => {
    const instance = instanceOf({ gate: async () => passed, hssCalls });
    const answer = await answerGate({ cluster: 'c' }, invocation, instance, Promise.reject(new Error('no metrics')));
    expect(answer.statusCode).toBe(200);
    expect(instance.lines.join()).toContain('answer not counted');
  });

  test('a result that Lambda would not answer with is no verdict, and the answer says what is too large', async () => {
    const waiver = {
      id: 'W',
      status: 'unused',
      count: 0,
      rule: 'r',
      owner: 'o',
      expiresAtMs: 1,
      isExpiring: false,
    } as const;
    const waivers = Array.from({ length: 700 }, (_, line) => ({ ...waiver, reason: '"'.repeat(10_000), line }));
    const instance = instanceOf({ gate: async () => ({ ...passed, waivers }) });
    const answer = await answerGate({ cluster: 'c' }, invocation, instance);
    expect(answer.statusCode).toBe(400);
    expect(JSON.parse(answer.body).error.message).toMatch(/^policy .*: its rules and waivers alone .*\(6 MB\)/);
  });

  test('whatever the event is, only one that names a cluster gets as far as a verdict', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(fc.anything(), fc.string().map(post), fc.string().map(get), fc.json().map(post)),
        async (event) => {
          const asked: GateRequest[] = [];
          const gate = async (request: GateRequest) => {
            asked.push(request);
            return passed;
          };
          const { statusCode } = await answerGate(event, invocation, instanceOf({ gate }));
          expect(statusCode).toBe(asked.length === 1 ? 200 : 400);
          for (const { cluster } of asked) expect(cluster).toMatch(/./s);
        },
      ),
    );
  });
});

describe('scan', () => {
  const summary: ScanSummary = {
    exitCode: 0,
    hasInvalidSource: false,
    sources: 1,
    clusters: 1,
    verdicts: { pass: 0, fail: 1, undetermined: 0 },
    unchanged: 0,
    delivered: { chat: 1 },
    refused: { chat: 0 },
    told: { new: 1 },
    failures: [],
    looked: 1,
    left: 0,
    alerts: { firing: 1, held: 0, waived: 0 },
    oldestReportSeconds: undefined,
    owed: [],
    owedSinceMs: undefined,
    failingSinceMs: undefined,
  };

  test('returns the summary when everything was done, whatever the verdicts', async () => {
    expect(await runScan(invocation, instanceOf({ scan: async () => summary }))).toEqual(summary);
  });

  test.each<{ why: string; app: Partial<App> | Error; exitCode: number }>([
    {
      why: 'something not done',
      app: { scan: async () => ({ ...summary, exitCode: 2, failures: ['secret detail'] }) },
      exitCode: 2,
    },
    { why: 'a wrong config', app: new InputError('secret detail'), exitCode: 3 },
    { why: 'an internal error', app: { scan: () => Promise.reject(new TypeError('secret detail')) }, exitCode: 4 },
  ])('throws $exitCode for $why, and tells the details to the log alone', async ({ app, exitCode }) => {
    const instance = instanceOf(app);
    const error = await runScan(invocation, instance).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(ScanError);
    expect(error).toMatchObject({ exitCode });
    expect(String((error as Error).stack)).not.toContain('secret detail');
    expect((error as Error).cause).toBeUndefined();
    expect(instance.lines.join()).toContain('secret detail');
  });

  test('keeps a line of the log within its limits', async () => {
    const failures = Array.from({ length: 5_000 }, (_, i) => `cluster ${i}: could not be looked at`);
    const instance = instanceOf({ scan: async () => ({ ...summary, exitCode: 2, failures }) });
    await expect(runScan(invocation, instance)).rejects.toThrow('5000 things');
    expect(JSON.parse(instance.lines.at(-1) ?? '')).toMatchObject({ omitted: 4_900 });
  });
});

describe('a deadline', () => {
  afterEach(() => {
    vi.useRealTimers();
  });

  test('aborts when the margin is left, and gives up at a third of it', async () => {
    vi.useFakeTimers();
    const aborted: number[] = [];
    const startMs = Date.now();
    const hanging = withDeadline(60_000, 3_000, (signal) => {
      signal.addEventListener('abort', () => aborted.push(Date.now() - startMs));
      return new Promise(() => {});
    });
    const givenUp: number[] = [];
    hanging.catch(() => givenUp.push(Date.now() - startMs));
    await vi.advanceTimersByTimeAsync(60_000);
    expect(aborted).toEqual([57_000]);
    expect(givenUp).toEqual([59_000]);
    await expect(hanging).rejects.toThrow('given up');
  });

  test('leaves no timer behind', async () => {
    vi.useFakeTimers();
    expect(await withDeadline(60_000, 3_000, async () => 'done')).toBe('done');
    await expect(withDeadline(60_000, 3_000, () => Promise.reject(new Error('no')))).rejects.toThrow('no');
    expect(vi.getTimerCount()).toBe(0);
  });
});

describe('an app that runs out of time', () => {
  test.each(['list', 'report'] as const)('gives an undetermined verdict while it waits for the %s', async (api) => {
    await using world = await composed();
    world.hss.fail({ kind: 'hang' }, { api });
    const evaluation = await world.app.gate({ cluster: 'prod-eu' }, Date.now(), world.abortOnCall(api));
    expect(evaluation.verdict).toBe('undetermined');
    expect(evaluation.reasons).toContainEqual(
      expect.objectContaining({ kind: 'source-unreachable', message: expect.stringContaining('ran out of time') }),
    );
  });

  test('ends its scan with all that it did not look at', async () => {
    await using world = await composed();
    world.hss.fail({ kind: 'hang' }, { api: 'report' });
    const summary = await world.app.scan(Date.now(), { notifiers: new Map() }, world.abortOnCall('report'));
    expect(summary).toMatchObject({ exitCode: 2, clusters: 5 });
    expect(summary.failures.filter((failure) => failure.includes('ran out of time')).length).toBeGreaterThanOrEqual(4);
  });

  test('leaves the clusters that there was no time for to a continuation, and says nothing of them', async () => {
    await using world = await composed();
    const { id: clusterId = '' } = world.hss.clusters.find(({ name }) => name === 'prod-eu') ?? {};
    world.hss.fail({ kind: 'hang' }, { api: 'report', clusterId });
    const scope = { sinceMs: Date.now(), mayStart: () => true };
    const seen: string[] = [];
    const summary = await world.app.scan(
      Date.now(),
      { notifiers: new Map(), scope, onCluster: (_, { row }) => seen.push(row.clusterName) },
      world.abortOnCall('report', 2),
    );
    expect(seen.toSorted()).toEqual(['analytics', 'prod-apac']);
    expect(summary.left).toBe(3);
    expect(summary.failures.filter((failure) => failure.includes('ran out of time'))).toEqual([]);
  });

  test('was aborted before it began', async () => {
    await using world = await composed();
    const evaluation = await world.app.gate({ cluster: 'prod-eu' }, Date.now(), AbortSignal.abort());
    expect(evaluation).toMatchObject({ verdict: 'undetermined', reasons: [{ kind: 'source-unreachable' }] });
    expect(world.hss.calls).toEqual([]);
  });

  async function composed() {
    const hss = await startHss({
      clusters: worldClusters(),
      credentials: { ak: 'AKFUNCTIONS000000001', sk: 'functions/secret/canary' },
      projectId: '0605768a2d80d5d52f91c00b7a6c1234',
      nowMs: Date.now,
    });
    const folder = await mkdtemp(join(tmpdir(), 'portcullis-functions-'));
    await writeFile(join(folder, 'production.yaml'), worldPolicy);
    await writeFile(join(folder, 'portcullis.yaml'), configOf({ hss: hss.url, hook: 'http://127.0.0.1:9' }));
    const app = await compose(await loadConfig(join(folder, 'portcullis.yaml')), {
      env: {
        HSS_AK: hss.credentials.ak,
        HSS_SK: hss.credentials.sk,
        SLACK_URL: 'http://127.0.0.1:9',
        HOOK_SECRET: 'whsec_Y2FuYXJ5',
      },
      log: () => {},
    });
    return {
      hss,
      app,
      /** Aborts once a call of this API is on its way. */
      abortOnCall(api: string, times = 1): AbortSignal {
        const controller = new AbortController();
        const timer = setInterval(() => {
          if (hss.calls.filter((call) => call.api === api).length < times) return;
          clearInterval(timer);
          controller.abort();
        }, 5);
        return controller.signal;
      },
      [Symbol.asyncDispose]: async () => {
        await app.close();
        await hss.close();
        await rm(folder, { recursive: true });
      },
    };
  }
});
