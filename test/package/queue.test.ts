import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { loadConfig } from '../../lib/compose.ts';
import { worldClusters } from '../../lib/simulator/clusters.ts';
import { type Hss, startHss } from '../../lib/simulator/hss-server.ts';
import { type Receiver, startReceiver } from '../../lib/simulator/receivers.ts';
import { buildFunctions, functionNames } from '../../scripts/package/build.ts';
import { secretsOf } from '../../scripts/package/secrets.ts';
import { type Dynamo, startDynamo } from '../support/dynamo.ts';
import { unpack } from '../support/lambda-package.ts';
import { type Lambda, startLambda } from '../support/lambda-process.ts';
import { type Queues, startQueues } from '../support/queues.ts';
import { startS3 } from '../support/s3.ts';
import { type SecretsManager, startSecretsManager } from '../support/secrets-manager.ts';
import { configOf, worldPolicy } from '../support/world.ts';

const keys = { ak: 'AKQUEUE0000000000001', sk: 'queue/secret/canary' };

let folder: string;
let hss: Hss;
let slack: Receiver;
let hook: Receiver;
let dynamo: Dynamo;
let secrets: SecretsManager;
let secretTexts: Record<string, string>;
let queues: Queues;
let env: Readonly<Record<string, string>>;
const lambdas: Lambda[] = [];

const rootOf = (name: string) => join(folder, name);

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'portcullis-queue-'));
  const built = await buildFunctions();
  await Promise.all(
    built.map(async ({ path }) => {
      const name = path.split('/').at(-1) ?? '';
      await unpack(`${path}.zip`, rootOf(name));
    }),
  );
  dynamo = await startDynamo();
});
afterAll(async () => {
  await dynamo.close();
  await rm(folder, { recursive: true, force: true });
});

beforeEach(async () => {
  secretTexts = { 'portcullis/hss': JSON.stringify(keys) };
  [hss, slack, hook, queues, secrets] = await Promise.all([
    startHss({
      clusters: worldClusters(Date.now()),
      credentials: keys,
      projectId: '0605768a2d80d5d52f91c00b7a6c1234',
      nowMs: Date.now,
    }),
    startReceiver({ kind: 'slack' }),
    startReceiver(),
    startQueues(),
    startSecretsManager(secretTexts),
  ]);
  const config = configOf({ hss: hss.url, hook: hook.url }).replace('env://HSS', 'aws-sm://portcullis/hss');
  for (const name of ['schedule', 'scan', 'deliver', 'gate']) {
    await writeFile(join(rootOf(name), 'portcullis.yaml'), config);
    await writeFile(join(rootOf(name), 'production.yaml'), worldPolicy);
  }
  env = {
    ...queues.env,
    SLACK_URL: `${slack.url}/services/T0/B0/canary`,
    HOOK_SECRET: `whsec_${Buffer.from('a signing secret of 32 bytes....').toString('base64')}`,
    AWS_ENDPOINT_URL_SECRETS_MANAGER: secrets.url,
    AWS_ENDPOINT_URL_DYNAMODB: dynamo.access.endpoint,
    AWS_REGION: dynamo.access.region,
    PORTCULLIS_STATE: `dynamodb:${await dynamo.createTable()}`,
  };
});
afterEach(async () => {
  vi.unstubAllEnvs();
  const output = lambdas.map((lambda) => lambda.output()).join('');
  await Promise.all(lambdas.splice(0).map((lambda) => lambda.close()));
  await Promise.all([hss.close(), slack.close(), hook.close(), queues.close(), secrets.close()]);
  expect(output).not.toMatch(/canary|a signing secret/);
});

/** A new instance of a packaged function. */
function start(name: string): Lambda {
  const lambda = startLambda({ root: rootOf(name), handler: `${name}.handler`, env });
  lambdas.push(lambda);
  return lambda;
}

const tick = () => start('schedule').invoke({ tick: new Date().toISOString() });

/** Work a queue as Lambda does, until it is empty: what is given back is seen again after its time. */
async function work(url: string, name: string, lambda = start(name)): Promise<{ worked: number; failed: number }> {
  let [worked, failed] = [0, 0];
  for (;;) {
    const record = await queues.receive(url);
    if (record === undefined) return { worked, failed };
    worked++;
    const { value, error } = await lambda.invoke({ Records: [record] }, { remainingMs: 900_000 });
    const { batchItemFailures = [] } = (value ?? {}) as { batchItemFailures?: { itemIdentifier: string }[] };
    const isBack =
      error !== undefined || batchItemFailures.some(({ itemIdentifier }) => itemIdentifier === record.messageId);
    if (isBack) failed++;
    else await queues.delete(url, record);
  }
}

/** By the name of the cluster. */
function pagesIn(text: string): Readonly<Record<string, string>> {
  const told = JSON.parse(text);
  const clusters: { cluster: { name: string }; page?: string }[] = told.clusters ?? [told];
  return Object.fromEntries(clusters.flatMap(({ cluster, page }) => (page ? [[cluster.name, page]] : [])));
}

describe('the packages, run by queues', () => {
  test('judge every cluster once, tell the receivers, and let the gate answer without another report', async () => {
    expect(await tick()).toMatchObject({ value: { sources: 1 } });
    expect(await work(queues.sourcesUrl, 'scan')).toEqual({ worked: 1, failed: 0 });
    const calls = (api: string) => hss.calls.filter((call) => call.api === api).length;
    expect([calls('list'), calls('report')]).toEqual([1, 4]);
    expect([slack.received.length, hook.received.length]).toEqual([1, 1]);

    const gate = await start('gate').invoke({ cluster: 'prod-us' });
    expect(gate).toMatchObject({ value: { statusCode: 409 } });
    expect([calls('list'), calls('report')]).toEqual([2, 4]);

    // Nothing new: nothing is read, nothing is said.
    await tick();
    await work(queues.sourcesUrl, 'scan');
    expect(calls('report')).toBe(4);
    expect([slack.received.length, hook.received.length]).toEqual([1, 1]);
  }, 60_000);

  test('log in one line what a run did, and count it', async () => {
    await tick();
    const scan = start('scan');
    await work(queues.sourcesUrl, 'scan', scan);
    const done = scan.log().filter(({ msg }) => msg === 'scan done');
    expect(done).toMatchObject([
      { level: 'info', source: 'prod', part: 1, exitCode: 0, clusters: 5, service: 'portcullis', request: 'r-1' },
    ]);
    const all = scan.metrics();
    expect(all.every((one) => one.service === 'portcullis')).toBe(true);
    const of = (dimension: string, name: string) =>
      all
        .filter((one) => name in one && dimension in one)
        .map((one) => [one[dimension], one[name]])
        .sort();
    expect(of('receiver', 'DeliveriesAccepted')).toEqual([
      ['chat', 1],
      ['soc', 1],
    ]);
    expect(of('receiver', 'DeliveriesRefused')).toEqual([
      ['chat', 0],
      ['soc', 0],
    ]);
    expect(of('reason', 'AlertsTold')).toEqual([['standing', expect.any(Number)]]);
    expect(all.find((one) => 'ScanSucceeded' in one)).toMatchObject({
      service: 'portcullis',
      ScanSucceeded: 1,
      VerdictFail: 2,
      VerdictPass: 2,
      VerdictUndetermined: 1,
      AlertsFiring: expect.any(Number),
      AlertsHeld: 0,
      AlertsWaived: 0,
      DeliveriesOwed: 0,
      HssCalls: 5,
      HssThrottled: 0,
      ReportAgeSeconds: expect.any(Number),
      DurationMs: expect.any(Number),
      MemoryMiB: expect.any(Number),
    });
  }, 60_000);

  test('take a secret that was rotated with the first call that is refused, and no run fails', async () => {
    const scan = start('scan');
    await tick();
    expect(await work(queues.sourcesUrl, 'scan', scan)).toEqual({ worked: 1, failed: 0 });
    const rotated = { ak: 'AKQUEUE0000000000002', sk: 'rotated/secret/canary' };
    secretTexts['portcullis/hss'] = JSON.stringify(rotated);
    hss.credentials = rotated;

    await tick();
    expect(await work(queues.sourcesUrl, 'scan', scan)).toEqual({ worked: 1, failed: 0 });

    expect(hss.calls.slice(-2).map(({ api, status }) => [api, status])).toEqual([
      ['list', 401],
      ['list', 200],
    ]);
    const runs = scan.log().filter(({ msg }) => msg === 'scan done');
    expect(runs.map(({ exitCode }) => exitCode)).toEqual([0, 0]);
  }, 60_000);

  test('read those secrets that their roles let them read, and no others', async () => {
    const file = join(rootOf('scan'), 'portcullis.yaml');
    const text = `${await readFile(file, 'utf8')}heartbeat: {url: 'aws-sm://portcullis/watchdog', insecure: true}\n`
      .replace('env://SLACK_URL', 'aws-sm://portcullis/slack')
      .replace('env://HOOK_SECRET', 'aws-sm://portcullis/signing');
    for (const name of functionNames) await writeFile(join(rootOf(name), 'portcullis.yaml'), text);
    const config = await loadConfig(file);
    secretTexts['portcullis/slack'] = env.SLACK_URL ?? '';
    secretTexts['portcullis/signing'] = env.HOOK_SECRET ?? '';
    secretTexts['portcullis/watchdog'] = `${slack.url}/canary`;
    for (const [name, value] of Object.entries(queues.env)) vi.stubEnv(name, value);
    const letter = { version: 1, source: 'prod', tick: new Date().toISOString(), part: 1 };
    await queues.open(queues.deadLettersUrl).send(letter, { group: 'group', once: 'letter' });
    let before = 0;
    const read = () => {
      const asked = secrets.asked.slice(before);
      before = secrets.asked.length;
      return [...new Set(asked)].sort();
    };

    await tick();
    expect(read()).toEqual(secretsOf(config, 'schedule'));
    for (const { script } of [hook, slack]) script.push({ status: 404 });
    await work(queues.sourcesUrl, 'scan');
    expect(read()).toEqual(secretsOf(config, 'scan'));
    const targets = [{ source: 'prod', ...(await clusterTold()) }];
    const body = JSON.stringify({ version: 1, attempt: 1, targets });
    await start('deliver').invoke({ Records: [{ messageId: 'm-1', receiptHandle: 'x', body, attributes: {} }] });
    expect(read()).toEqual(secretsOf(config, 'deliver'));
    await start('gate').invoke({ cluster: 'prod-eu' });
    expect(read()).toEqual(secretsOf(config, 'gate'));
  }, 60_000);

  test('judge by a policy in S3, and lead to pages there, whichever of them sends the message', async () => {
    await using s3 = await startS3('acme-policies', 'acme-pages');
    await s3.put('acme-policies/production.yaml', worldPolicy);
    for (const name of ['schedule', 'scan', 'deliver', 'gate']) {
      const file = join(rootOf(name), 'portcullis.yaml');
      const config = await readFile(file, 'utf8');
      await writeFile(file, config.replace('policy: production.yaml', 'policy: s3://acme-policies/production.yaml'));
    }
    const { AWS_ENDPOINT_URL_S3 = '' } = s3.env;
    env = { ...env, AWS_ENDPOINT_URL_S3, PORTCULLIS_PAGES: 's3://acme-pages' };
    hook.script.push({ status: 404 });
    await tick();
    expect(await work(queues.sourcesUrl, 'scan')).toEqual({ worked: 1, failed: 0 });
    const puts = () => s3.calls.filter(({ method }) => method === 'PUT').map(({ path }) => path);
    expect(puts().length).toBeGreaterThan(1);

    const targets = [{ source: 'prod', ...(await clusterTold()) }];
    const body = JSON.stringify({ version: 1, attempt: 1, targets });
    const record = { messageId: 'm-1', receiptHandle: 'x', body, attributes: {}, eventSource: 'aws:sqs' };
    const before = puts().length;
    await start('deliver').invoke({ Records: [record] });
    const [refused, taken] = hook.received.map(({ text }) => pagesIn(text));
    expect(hook.received.map(({ status }) => status)).toEqual([404, 200]);
    expect(refused).toEqual(expect.objectContaining(taken ?? {}));
    expect(puts()).toHaveLength(before);
    for (const link of Object.values(taken ?? {})) {
      expect(puts()).toContain(`/acme-pages/${new URL(link).searchParams.get('prefix')}`);
    }
    expect(Object.keys(taken ?? {})).toHaveLength(1);

    expect(await start('gate').invoke({ cluster: 'prod-us' })).toMatchObject({ value: { statusCode: 409 } });
    expect(s3.calls.filter(({ path }) => path.startsWith('/acme-policies/')).length).toBeGreaterThan(2);
  }, 60_000);

  test('try again what a receiver did not take', async () => {
    hook.script.push({ status: 404 });
    await tick();
    await work(queues.sourcesUrl, 'scan');
    expect(hook.received.map(({ status }) => status)).toEqual([404]);
    const { clusters = [] } = (hook.received[0]?.json ?? {}) as {
      clusters?: { cluster: { id: string; name: string } }[];
    };
    // It comes after two minutes; the body is what counts here.
    const body = JSON.stringify({
      version: 1,
      attempt: 1,
      targets: clusters.map(({ cluster: { id, name } }) => ({ source: 'prod', clusterId: id, clusterName: name })),
    });
    const record = { messageId: 'm-1', receiptHandle: 'x', body, attributes: {}, eventSource: 'aws:sqs' };
    expect(await start('deliver').invoke({ Records: [record] })).toMatchObject({ value: { batchItemFailures: [] } });
    expect(hook.received.map(({ status }) => status)).toEqual([404, 200]);
    const ids = new Set(hook.received.map(({ headers }) => headers['webhook-id']));
    expect(ids.size).toBe(1);
  }, 60_000);

  /** Of which cluster the webhook was told. */
  async function clusterTold() {
    const told = hook.received.map(({ json }) => json as { clusters?: { cluster: { id: string; name: string } }[] });
    const { clusters = [] } = told.find((one) => one.clusters !== undefined) ?? {};
    const { id, name } = clusters[0]?.cluster ?? { id: '', name: '' };
    return { clusterId: id, clusterName: name };
  }

  test('count what the gate answers', async () => {
    const gate = start('gate');
    await gate.invoke({ cluster: 'prod-us' });
    await gate.invoke({ clusters: 'prod-us' });
    expect(gate.metrics()).toMatchObject([
      { service: 'portcullis', GateVerdictFail: 1, GateStored: 0, GateLetThrough: 0, HssCalls: 2, HssThrottled: 0 },
      { service: 'portcullis', GateInvalid: 1 },
    ]);
  }, 30_000);

  test('load no client that a function does not use', async () => {
    const { loaded } = await start('gate').invoke({ cluster: 'prod-eu' });
    expect(loaded.some((file) => file.startsWith('sqs'))).toBe(false);
  }, 30_000);
});
