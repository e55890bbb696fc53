import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import type { SimulatedCluster } from '../../lib/simulator/clusters.ts';
import { type Hss, startHss } from '../../lib/simulator/hss-server.ts';
import { randomOf } from '../../lib/simulator/random.ts';
import { type Receiver, startReceiver } from '../../lib/simulator/receivers.ts';
import { buildReport } from '../../lib/simulator/reports.ts';
import { buildFunctions } from '../../scripts/package/build.ts';
import { type Dynamo, startDynamo, type TableCall } from '../support/dynamo.ts';
import { type Fleet, type Job, startFleet } from '../support/lambda-fleet.ts';
import { unpack } from '../support/lambda-package.ts';
import { type Lambda, startLambda } from '../support/lambda-process.ts';
import { type Queues, startQueues } from '../support/queues.ts';
import { type SecretsManager, startSecretsManager } from '../support/secrets-manager.ts';
import { readService } from '../support/service.ts';
import { mostInAMinute } from '../support/spacing.ts';
import { worldPolicy } from '../support/world.ts';

const startMs = Date.UTC(2026, 10, 24, 6);
const minuteMs = 60_000;
const hourMs = 60 * minuteMs;
const projectId = '0605768a2d80d5d52f91c00b7a6c1234';
const service = readService();

/** One has more clusters than an invocation has time for; the last has a key of its own. */
const clusterCounts = Array.from({ length: 60 }, (_, i) => (i === 0 ? 77 : i <= 10 ? 8 : 7));
const keyCount = 12;
const keyOf = (i: number) => (i === 59 ? 11 : i % 11);
const nameOf = (i: number) => `s${String(i).padStart(2, '0')}`;
const poison = nameOf(59);

interface Source {
  readonly name: string;
  readonly key: number;
  readonly hss: Hss;
}

let folder: string;
let queues: Queues;
let dynamo: Dynamo;
let secrets: SecretsManager;
let chat: Receiver;
let soc: Receiver;
let sources: Source[];
let env: Readonly<Record<string, string>>;
let fleet: Fleet;
const stored: Record<string, string> = {};
const others: Lambda[] = [];
const tableCalls: TableCall[] = [];
/** Met by each request for the table, and by each invocation before it begins. */
let onTableCall: (call: TableCall) => 'drop' | undefined = () => undefined;
let onJob: (job: Job) => void = () => {};

const rootOf = (name: string) => join(folder, name);

beforeAll(async () => {
  vi.useFakeTimers({ now: startMs, toFake: ['Date'] });
  folder = await mkdtemp(join(tmpdir(), 'portcullis-fan-out-'));
  for (const { path } of await buildFunctions()) {
    const name = path.split('/').at(-1) ?? '';
    await unpack(`${path}.zip`, rootOf(name));
  }
  for (let key = 0; key < keyCount; key++)
    stored[`portcullis/key${key}`] = JSON.stringify({ ak: `AK${String(key).padStart(18, '0')}`, sk: `canary ${key}` });
  [queues, dynamo, secrets, chat, soc, sources] = await Promise.all([
    startQueues(),
    startDynamo((call) => {
      tableCalls.push(call);
      return onTableCall(call);
    }),
    startSecretsManager(stored),
    startReceiver({ kind: 'slack' }),
    startReceiver(),
    Promise.all(
      clusterCounts.map(async (_, i) => {
        const hss = await startHss({
          clusters: clustersOf(i, 0),
          credentials: JSON.parse(stored[`portcullis/key${keyOf(i)}`] ?? ''),
          projectId,
          nowMs: () => Date.now(),
          limitPerMinute: 5,
        });
        return { name: nameOf(i), key: keyOf(i), hss };
      }),
    ),
  ]);
  stored['portcullis/slack'] = `${chat.url}/services/T0/B0/canary`;
  const config = `version: 1
sources:
${sources.map(({ name, key, hss }) => `  - {name: ${name}, region: ap-southeast-1, project_id: ${projectId}, credentials: 'aws-sm://portcullis/key${key}', endpoint: '${hss.url}', iam_endpoint: '${hss.url}', policy: production.yaml}`).join('\n')}
receivers:
  - {name: chat, slack: {webhook: 'aws-sm://portcullis/slack'}, insecure: true}
  - {name: soc, webhook: {url: '${soc.url}/in'}, insecure: true}
routes: [{receivers: [chat, soc]}]
`;
  for (const name of ['schedule', 'scan', 'deliver', 'gate']) {
    await writeFile(join(rootOf(name), 'portcullis.yaml'), config);
    await writeFile(join(rootOf(name), 'production.yaml'), worldPolicy);
  }
  env = {
    ...queues.env,
    AWS_ENDPOINT_URL_SECRETS_MANAGER: secrets.url,
    AWS_ENDPOINT_URL_DYNAMODB: dynamo.access.endpoint,
    AWS_REGION: dynamo.access.region,
    PORTCULLIS_STATE: `dynamodb:${await dynamo.createTable()}`,
  };
  const functions = [
    { name: 'scan', queueUrl: queues.sourcesUrl, concurrency: service.scanConcurrency, ...service.sources },
    { name: 'deliver', queueUrl: queues.retriesUrl, concurrency: 2, ...service.retries },
  ].map((one) => ({ ...one, root: rootOf(one.name), timeoutSeconds: service.timeoutOf(one.name) }));
  fleet = startFleet({ queues, functions, env, onJob: (job) => onJob(job) });
}, 120_000);
afterAll(async () => {
  const output = fleet.output() + others.map((lambda) => lambda.output()).join('');
  await Promise.all([fleet.close(), ...others.map((lambda) => lambda.close())]);
  await Promise.all([queues, dynamo, secrets, chat, soc, ...sources.map(({ hss }) => hss)].map((one) => one.close()));
  await rm(folder, { recursive: true, force: true });
  vi.useRealTimers();
  expect(output).not.toContain('canary');
});

/** The clusters of a source with the reports of a day: every fourth one is not as it should be, another one each day. */
function clustersOf(i: number, day: number): SimulatedCluster[] {
  return Array.from({ length: clusterCounts[i] ?? 0 }, (_, n) => {
    const name = `${nameOf(i)}-c${n}`;
    const id = `id-${name}`;
    const rows = {
      vulnerabilities: 2,
      baselineChecks: 1,
      privilegedContainers: 1,
      ports: 1,
      packages: 1,
      processes: 1,
    };
    const report = buildReport({
      clusterId: id,
      clusterName: name,
      category: 'CCE',
      scannedAtMs: startMs + day * 24 * hourMs - hourMs,
      seed: name,
      rows,
      ...(n % 4 === day ? { levels: ['High'] as const } : { clean: true }),
    });
    return { id, name, category: 'CCE', enterpriseProjectId: '0', reports: [{ id: `report-${name}-${day}`, report }] };
  });
}

function start(name: string): Lambda {
  const lambda = startLambda({ root: rootOf(name), handler: `${name}.handler`, env, isTimed: true });
  others.push(lambda);
  return lambda;
}

let schedule: Lambda | undefined;
async function tick(): Promise<void> {
  schedule ??= start('schedule');
  const { error, value } = await schedule.invoke({ tick: new Date(Date.now()).toISOString() });
  expect({ error, value }).toEqual({ value: { sources: 60 } });
}

/** What there was so far, to tell what came since. */
function mark() {
  const before = {
    calls: sources.map(({ hss }) => hss.calls.length),
    jobs: fleet.jobs.length,
    table: tableCalls.length,
    chat: chat.received.length,
    soc: soc.received.length,
    atMs: Date.now(),
    realMs: performance.now(),
  };
  return {
    calls: () =>
      sources.flatMap(({ key, hss }, i) =>
        hss.calls.slice(before.calls[i]).map(({ api, atMs, path, status }) => ({ key, api, atMs, path, status })),
      ),
    jobs: () => fleet.jobs.slice(before.jobs),
    table: () => tableCalls.slice(before.table),
    chat: () => chat.received.slice(before.chat),
    soc: () => soc.received.slice(before.soc),
    tookMs: () => Date.now() - before.atMs,
    realMs: () => performance.now() - before.realMs,
  };
}
type Since = ReturnType<typeof mark>;

/** The most calls of one key and API, of all there were. */
const spacing = () =>
  mostInAMinute(sources.flatMap(({ key, hss }) => hss.calls.map(({ api, atMs }) => ({ lane: `${key} ${api}`, atMs }))));

/** How often each report was fetched. */
function fetches(since: Since): number[] {
  const reports = since.calls().filter(({ api }) => api === 'report');
  return [...Map.groupBy(reports, ({ path }) => path).values()].map(({ length }) => length);
}

/** Two workers with the same key, or the same group, at the same time. */
function overlaps(jobs: readonly Job[]): string[] {
  return jobs.flatMap((job) =>
    job.alongside
      .filter((other) => isSameLane(job, other))
      .map((other) => `${job.record.body} and ${other.record.body}`),
  );
}

function isSameLane(a: Job, b: Job): boolean {
  const keyOfJob = ({ record }: Job) => sources.find(({ name }) => name === JSON.parse(record.body).source)?.key;
  return a.function === 'scan' && b.function === 'scan' && (keyOfJob(a) === keyOfJob(b) || groupOf(a) === groupOf(b));
}
const groupOf = ({ record }: Job) => record.attributes.MessageGroupId;

const bodies = (jobs: readonly Job[]) => jobs.map(({ record }) => record.body);
const outcomes = (jobs: readonly Job[]) => new Set(jobs.map(({ outcome }) => outcome));
const accepted = (received: Receiver['received']) => received.filter(({ status }) => status === 200);
const idsOf = (received: Receiver['received']) =>
  accepted(received).map(({ headers, text }) => headers['webhook-id'] ?? /notice `(\w[\w-]*)`/.exec(text)?.[1]);
const repeats = (received: Receiver['received']) => idsOf(received).length - new Set(idsOf(received)).size;
const textOf = (received: Receiver['received']) => received.map(({ text }) => text).join('\n');

/** Clusters that are not as they should be on a day, by name. */
const wrongOn = (day: number) =>
  sources.flatMap(({ hss }) => hss.clusters.filter((_, n) => n % 4 === day).map(({ name }) => name));

/** Names that no message has; a name may be the beginning of another one. */
const untold = (names: readonly string[], received: Receiver['received']) => {
  const told = new Set(textOf(received).match(/s\d\d-c\d+/g));
  return names.filter((name) => !told.has(name));
};

function newDay(day: number): void {
  vi.setSystemTime(startMs + day * 24 * hourMs);
  for (const [i, { hss }] of sources.entries()) hss.clusters = clustersOf(i, day);
}

function figures(since: Since): string {
  const calls = since.calls();
  const of = (api: string) => calls.filter((call) => call.api === api).length;
  const operations = Map.groupBy(since.table(), ({ operation }) => operation);
  const table = [...operations].map(([name, { length }]) => `${(length / 500).toFixed(1)} ${name}`).join(', ');
  const memory = Math.max(...fleet.metrics().map(({ MemoryMiB = 0 }) => Number(MemoryMiB)));
  return `60 sources, 500 clusters, ${keyCount} keys, ${service.scanConcurrency} workers: ${calls.length} calls (${of('list')} lists, ${of('report')} reports), at most ${spacing()} in a minute for a key and an API, ${since.jobs().length} messages, ${Math.round(since.tookMs() / minuteMs)} simulated minutes in ${(since.realMs() / 1000).toFixed(1)} s; for each cluster ${table}; ${fleet.instances} processes, the largest with ${memory} MiB`;
}

/** What holds of any run. */
function expectOrder(since: Since): void {
  expect(spacing()).toBeLessThanOrEqual(5);
  expect(since.calls().filter(({ status }) => status === 429)).toEqual([]);
  expect(overlaps(since.jobs())).toEqual([]);
  expect(outcomes(since.jobs())).not.toContain('timed out');
}

// One after the other: each goes on where the one before has stopped.
describe('sixty sources with five hundred clusters, from the packages', () => {
  test('are worked within the limit of HSS, and nothing twice', async () => {
    const since = mark();
    await tick();
    await fleet.work();
    console.info(figures(since));

    expectOrder(since);
    expect(outcomes(since.jobs())).toEqual(new Set(['done']));
    expect(new Set(bodies(since.jobs())).size).toBe(since.jobs().length);
    // One source does not fit into one invocation, and goes on without another look at the list.
    expect(bodies(since.jobs()).filter((body) => JSON.parse(body).part > 1)).toHaveLength(1);
    expect(since.calls().filter(({ api }) => api === 'list')).toHaveLength(60);
    expect(fetches(since)).toEqual(Array(500).fill(1));
    // Its place among the calls, what is remembered of it, and a share of what a source reads.
    expect(since.table().filter(({ operation }) => operation === 'Query').length / 500).toBeLessThan(4.2);

    expect(untold(wrongOn(0), since.soc())).toEqual([]);
    expect(sources.filter(({ name }) => !textOf(since.chat()).includes(name))).toEqual([]);
    expect([since.chat().length, since.soc().length]).toEqual([61, 61]);
    expect([repeats(since.chat()), repeats(since.soc())]).toEqual([0, 0]);
    const figure = (name: string) => fleet.metrics().reduce((sum, one) => sum + Number(one[name] ?? 0), 0);
    expect([figure('HssCalls'), figure('HssThrottled'), figure('ScanFailed')]).toEqual([560, 0, 0]);
  }, 180_000);

  test('lose nothing when workers are killed in the middle, whatever they are at', async () => {
    newDay(1);
    const random = randomOf('kills');
    const doomed: { job: Job; after: number; drops: boolean }[] = [];
    /** Of each source the one who is at it, and those sources in which the answer to a report never comes. */
    const workers = new Map<string, Job>();
    const hanging: Source[] = [];
    onJob = (job) => {
      const source = sources.find(({ name }) => name === JSON.parse(job.record.body).source);
      if (job.function !== 'scan' || source === undefined) return;
      workers.set(source.name, job);
      // A message whose third worker dies too is a dead letter: rightly so, and another story.
      if (job.number % 5 !== 0 || job.record.attributes.ApproximateReceiveCount === '3') return;
      const fetched = new Set(source.hss.calls.map(({ path }) => path.split('/').at(-1)));
      const left = source.hss.clusters.filter(({ reports }) => !fetched.has(reports[0]?.id));
      if (left.length > 0 && random.chance(0.5)) {
        source.hss.fail({ kind: 'hang' }, { api: 'report', clusterId: random.pick(left).id });
        hanging.push(source);
      } else {
        doomed.push({ job, after: random.below(90), drops: random.chance(0.5) });
      }
    };
    onTableCall = ({ accessKeyId }) => {
      const doom = doomed.find(({ job }) => job.accessKeyId === accessKeyId && job.outcome === undefined);
      if (doom === undefined || doom.after-- > 0) return undefined;
      doom.job.kill();
      return doom.drops ? 'drop' : undefined;
    };
    const executioner = setInterval(() => {
      for (const { name, hss } of hanging.filter(({ hss }) => hss.pendingFaults().length === 0)) {
        workers.get(name)?.kill();
        hanging.splice(
          hanging.findIndex((one) => one.hss === hss),
          1,
        );
      }
    }, 2);
    // And one receiver is out of order for a while.
    soc.script.push(...Array(24).fill({ status: 503 }));

    const since = mark();
    await tick();
    await fleet.work();
    clearInterval(executioner);
    onTableCall = () => undefined;
    onJob = () => {};
    const killed = since.jobs().filter(({ outcome }) => outcome === 'killed').length;
    const again = since.calls().filter(({ api }) => api === 'report').length - 500;
    const twice = repeats(since.chat()) + repeats(since.soc());
    console.info(
      `${figures(since)}; ${killed} workers killed: ${again} reports fetched again, ${twice} messages sent twice`,
    );

    expectOrder(since);
    expect(killed).toBeGreaterThanOrEqual(10);
    expect(outcomes(since.jobs())).toEqual(new Set(['done', 'killed']));
    expect(fetches(since)).toHaveLength(500);
    expect(again).toBeLessThanOrEqual(killed);
    expect(twice).toBeLessThanOrEqual(killed);
    for (const received of [since.chat(), since.soc()])
      expect(untold([...wrongOn(0), ...wrongOn(1)], accepted(received))).toEqual([]);
    expect(since.jobs().filter((job) => job.function === 'deliver').length).toBeGreaterThan(0);
    expect(await queues.depth(queues.deadLettersUrl)).toBe(0);
  }, 180_000);

  test('give up a source whose secret is gone while all others go on, and tell of it in chat with the way back', async () => {
    const name = `portcullis/key${sources.at(-1)?.key}`;
    const { [name]: secret = '' } = stored;
    delete stored[name];
    vi.setSystemTime(Date.now() + hourMs);
    const since = mark();
    await tick();
    await fleet.work();
    const ofPoison = since.jobs().filter(({ record }) => JSON.parse(record.body).source === poison);
    expect(ofPoison.map(({ outcome }) => outcome)).toEqual(['given back', 'given back', 'given back']);
    expect(outcomes(since.jobs().filter((job) => !ofPoison.includes(job)))).toEqual(new Set(['done']));
    expect(since.calls().map(({ api }) => api)).toEqual(Array(59).fill('list'));
    expect([await queues.depth(queues.deadLettersUrl), since.chat().length, since.soc().length]).toEqual([1, 0, 0]);

    vi.setSystemTime(Date.now() + hourMs);
    await tick();
    for (const told of [since.chat(), since.soc()]) {
      expect(told).toHaveLength(1);
      expect(textOf(told)).toContain(`source ${poison} could not be scanned, several times`);
      expect(textOf(told)).toContain('aws sqs start-message-move-task --region eu-west-1 --source-arn arn:aws:sqs:');
    }

    stored[name] = secret;
    expect(await queues.redrive()).toBe(1);
    const mended = mark();
    await fleet.work();
    expect(outcomes(mended.jobs())).toEqual(new Set(['done']));
    // The one that was moved back, and that of the tick.
    expect(mended.jobs()).toHaveLength(61);
    vi.setSystemTime(Date.now() + hourMs);
    await tick();
    for (const told of [mended.chat(), mended.soc()]) {
      expect(told).toHaveLength(1);
      expect(textOf(told)).toContain(`message of ${poison}`);
    }
    expect(textOf(mended.chat())).toContain('is out of the dead-letter queue');
    expectOrder(since);
  }, 180_000);

  test('leave gates what they ask for: no report is fetched again', async () => {
    const since = mark();
    const gate = start('gate');
    for (const [source, cluster, status] of [
      ['s33', 's33-c1', 409],
      ['s00', 's00-c76', 200],
    ]) {
      expect(await gate.invoke({ source, cluster })).toMatchObject({ value: { statusCode: status } });
    }
    expect(since.calls().map(({ api }) => api)).toEqual(['list', 'list']);
  });
});
