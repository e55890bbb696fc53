import { mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { worldClusters } from '../../lib/simulator/clusters.ts';
import { type Hss, startHss } from '../../lib/simulator/hss-server.ts';
import { type Receiver, startReceiver } from '../../lib/simulator/receivers.ts';
import { buildFunctions } from '../../scripts/package/build.ts';
import { command } from '../support/command.ts';
import { startDynamo } from '../support/dynamo.ts';
import { type Packaged, packageService, unpack } from '../support/lambda-package.ts';
import { type Lambda, startLambda, urlEvent } from '../support/lambda-process.ts';
import { startSecretsManager } from '../support/secrets-manager.ts';
import { configOf, worldPolicy } from '../support/world.ts';

const keys = { ak: 'AKPACKAGED0000000001', sk: 'packaged/secret/canary' };
const aws = { AWS_ACCESS_KEY_ID: 'AKIAEXAMPLE', AWS_SECRET_ACCESS_KEY: 'example' };

let folder: string;
let packaged: Packaged;
let hss: Hss;
let slack: Receiver;
let hook: Receiver;
let env: Readonly<Record<string, string>>;
const paths: Record<string, string[]> = {};
const lambdas: Lambda[] = [];

/** Where a function was unpacked. */
const rootOf = (name: string) => join(folder, name);

/** A new instance of a function as the template has it, with the world's config in place of the packaged one. */
function start(name: 'gate' | 'scan', more: Readonly<Record<string, string>> = {}): Lambda {
  const { Handler } = functionOf(name);
  const lambda = startLambda({
    root: rootOf(name),
    handler: Handler,
    env: { ...env, PORTCULLIS_STATE: 'memory:', ...more },
  });
  lambdas.push(lambda);
  return lambda;
}

function functionOf(name: string) {
  return packaged.resources[`${name[0]?.toUpperCase()}${name.slice(1)}LambdaFunction`]?.Properties;
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'portcullis-package-'));
  [packaged, hss, slack, hook] = await Promise.all([
    packageService(join(folder, 'packaged')),
    startHss({
      clusters: worldClusters(Date.now()),
      credentials: keys,
      projectId: '0605768a2d80d5d52f91c00b7a6c1234',
      nowMs: Date.now,
    }),
    startReceiver({ kind: 'slack' }),
    startReceiver(),
  ]);
  for (const name of ['gate', 'scan']) {
    paths[name] = await unpack(packaged.artifact(name), rootOf(name));
    // As a user would: by a file of their own in place of the example.
    await rename(join(rootOf(name), 'portcullis.yaml'), join(rootOf(name), 'example.yaml'));
    await writeFile(join(rootOf(name), 'portcullis.yaml'), configOf({ hss: hss.url, hook: hook.url }));
    await writeFile(join(rootOf(name), 'production.yaml'), worldPolicy);
  }
  const withAws = configOf({ hss: hss.url, hook: hook.url }).replace('env://HSS', 'aws-sm://portcullis/hss');
  await writeFile(join(rootOf('gate'), 'aws.yaml'), withAws);
  env = {
    HSS_AK: keys.ak,
    HSS_SK: keys.sk,
    SLACK_URL: `${slack.url}/services/T0/B0/canary`,
    HOOK_SECRET: `whsec_${Buffer.from('a signing secret of 32 bytes....').toString('base64')}`,
  };
});

afterEach(async () => {
  const output = lambdas.map((lambda) => lambda.output()).join('');
  await Promise.all(lambdas.splice(0).map((lambda) => lambda.close()));
  expect(hss.pendingFaults()).toEqual([]);
  expect(output).not.toMatch(/canary|a signing secret/);
});

afterAll(async () => {
  await Promise.all([hss?.close(), slack?.close(), hook?.close()]);
  await rm(folder, { recursive: true, force: true });
});

describe('the packages', () => {
  test.each(['gate', 'scan'])('%s holds its bundle, the config and the policies it names, and nothing else', (name) => {
    const rest = paths[name]?.filter((path) => !/^[\w-]+-[A-Z0-9]{8}\.mjs(\.map)?$/.test(path));
    expect(rest).toEqual([`${name}.mjs`, `${name}.mjs.map`, 'policies/production.yaml', 'portcullis.yaml'].sort());
  });

  test('are the same to the byte when they are built again', async () => {
    for (const { path, zip } of await buildFunctions()) {
      const before = await readFile(packaged.artifact(path.split('/').at(-1) ?? ''));
      expect(zip?.equals(before)).toBe(true);
    }
  });

  test('load neither the AWS SDK nor the client of HTTP at the start', async () => {
    for (const { path, files, start } of await buildFunctions()) {
      const texts = (names: Iterable<string>) =>
        [...names].map((name) => Buffer.from(files.get(name) ?? '').toString());
      for (const sign of ['AWS4-HMAC-SHA256', 'undici:client:sendHeaders']) {
        expect(texts(files.keys()).join('\n'), path).toContain(sign);
        expect(texts(start).join('\n').includes(sign), `${path}: ${sign}`).toBe(false);
      }
    }
  });
});

describe('the template', () => {
  test('has both functions on Node.js 24, on arm64, with time enough', () => {
    expect(functionOf('scan')).toMatchObject({ Runtime: 'nodejs24.x', Architectures: ['arm64'], Timeout: 900 });
    expect(functionOf('gate')).toMatchObject({ Runtime: 'nodejs24.x', Architectures: ['arm64'], Timeout: 60 });
  });

  test('lets only those with IAM authorization in', () => {
    const { resources } = packaged;
    expect(resources.GateLambdaFunctionUrl?.Properties).toEqual({
      AuthType: 'AWS_IAM',
      TargetFunctionArn: { 'Fn::GetAtt': ['GateLambdaFunction', 'Arn'] },
    });
    expect(ofType('AWS::Lambda::Url')).toHaveLength(1);
    expect(ofType('AWS::Lambda::Permission')).toEqual([]);
  });

  function ofType(type: string) {
    return Object.values(packaged.resources).filter(({ Type }) => Type === type);
  }
});

describe('gate, from its package', () => {
  test.each([
    { cluster: 'prod-eu', status: 200, verdict: 'pass' },
    { cluster: 'prod-us', status: 409, verdict: 'fail' },
    { cluster: 'prod-apac', status: 503, verdict: 'undetermined' },
    { cluster: 'prod-nowhere', status: 503, verdict: 'undetermined' },
  ])('answers $status for $cluster, however it is asked', async ({ cluster, status, verdict }) => {
    const gate = start('gate');
    const body = JSON.stringify({ cluster, source: 'prod', max_age: '26h', strict: true });
    const asked = [
      urlEvent({ body }),
      urlEvent({ body: Buffer.from(body).toString('base64'), isBase64Encoded: true }),
      urlEvent({ method: 'GET', query: `cluster=${cluster}&source=prod&max_age=26h&strict=true` }),
      JSON.parse(body),
    ];
    for (const event of asked) {
      const { value, nodeVersion } = await gate.invoke(event);
      expect(nodeVersion).toMatch(/^v24\./);
      expect(value).toMatchObject({ statusCode: status, headers: { 'content-type': 'application/json' } });
      expect(JSON.parse((value as { body: string }).body)).toMatchObject({
        version: 1,
        verdict,
        cluster: { name: cluster },
      });
    }
    const lines = gate.log().filter(({ msg }) => msg === 'gate answered');
    expect(lines).toEqual(asked.map(() => expect.objectContaining({ status, verdict, cluster, request: 'r-1' })));
  });

  test('gives the same bytes as the command, for the live report and for the same report as a file', async () => {
    const gate = start('gate');
    const { body } = (await gate.invoke({ cluster: 'prod-us' })).value as { body: string };
    const { evaluated_at: now, report } = JSON.parse(body);
    const newest = hss.clusters.find(({ name }) => name === 'prod-us')?.reports.find(({ id }) => id === report.id);
    const [config, policy, file] = ['portcullis.yaml', 'production.yaml', 'report.json'].map((name) =>
      join(rootOf('gate'), name),
    ) as [string, string, string];
    await writeFile(file, JSON.stringify(newest?.report));
    const like = ['--now', now, '--format', 'json'];

    const live = await command(['gate', '--cluster', 'prod-us', '--config', config, ...like], { env });
    const atHand = await command(['gate', '--report', file, '--policy', policy, ...like]);

    expect(live.stdout).toBe(body);
    // The body of a report does not carry its id: the list does.
    expect(atHand.stdout.replace('"id": "",', `"id": "${report.id}",`)).toBe(body);
  });

  test('answers 400 for whatever is not understood, and asks nothing of HSS', async () => {
    const gate = start('gate');
    const before = hss.calls.length;
    for (const [event, says] of [
      [urlEvent({ body: '{"cluster":' }), 'not JSON'],
      [urlEvent({ body: '{"cluster":"prod-eu","stict":true}' }), 'did you mean strict?'],
      [urlEvent({ method: 'DELETE', body: '{"cluster":"prod-eu"}' }), 'DELETE'],
      [{ cluster: 'prod-eu', source: 'prd' }, 'did you mean prod?'],
      [null, 'has to be an object'],
    ] as const) {
      const { value } = await gate.invoke(event);
      expect(value).toMatchObject({ statusCode: 400 });
      expect(JSON.parse((value as { body: string }).body)).toEqual({
        version: 1,
        error: { kind: 'invalid-input', message: expect.stringContaining(says) },
      });
    }
    expect(hss.calls.length).toBe(before);
  });

  test('answers 400 for a config that cannot be read, and looks for it again the next time', async () => {
    const file = join(folder, 'late.yaml');
    const gate = start('gate', { PORTCULLIS_CONFIG: file });
    const first = await gate.invoke({ cluster: 'prod-eu' });
    expect(first.value).toMatchObject({ statusCode: 400, body: expect.stringContaining('late.yaml: cannot be read') });

    await writeFile(join(folder, 'production.yaml'), worldPolicy);
    await writeFile(file, configOf({ hss: hss.url, hook: hook.url }));
    expect((await gate.invoke({ cluster: 'prod-eu' })).value).toMatchObject({ statusCode: 200 });

    // The app outlives the invocation: nothing is read again.
    await rm(file);
    expect((await gate.invoke({ cluster: 'prod-eu' })).value).toMatchObject({ statusCode: 200 });
  });

  test('answers 400 for a secret that is missing, and names it', async () => {
    const { value } = await start('gate', { HSS_SK: '' }).invoke({ cluster: 'prod-eu' });
    expect(value).toMatchObject({ statusCode: 400, body: expect.stringContaining('HSS_SK not set') });
  });

  test('answers 503 when the key is refused, and 503 with Retry-After when there were too many calls', async () => {
    hss.fail({ kind: 'status', status: 401 });
    const refused = await start('gate').invoke({ cluster: 'prod-eu' });
    expect(refused.value).toMatchObject({ statusCode: 503, body: expect.stringContaining('source-unreachable') });
    expect(refused.value).not.toHaveProperty('headers.retry-after');

    hss.fail({ kind: 'status', status: 429, retryAfter: '600' });
    const throttled = await start('gate').invoke({ cluster: 'prod-eu' });
    expect(throttled.value).toMatchObject({ statusCode: 503, headers: { 'retry-after': '600' } });
    expect(throttled.value).toHaveProperty('body', expect.stringContaining('source-throttled'));
  });

  test.each(['list', 'report'] as const)('answers 503 before its time is over when the %s hangs', async (api) => {
    hss.fail({ kind: 'hang' }, { api });
    const { value } = await start('gate').invoke({ cluster: 'prod-eu' }, { remainingMs: 5_000 });
    expect(value).toMatchObject({ statusCode: 503, body: expect.stringContaining('ran out of time') });
  });

  test('answers 500 without details when what it waits for heeds nothing', async () => {
    const stub = { 'portcullis/hss': 'hang' };
    await using secrets = await stubbed(stub);
    const gate = start('gate', { PORTCULLIS_CONFIG: 'aws.yaml', ...secrets.env });
    const { value } = await gate.invoke({ cluster: 'prod-eu' }, { remainingMs: 3_500, requestId: 'r-500' });
    expect(value).toMatchObject({ statusCode: 500 });
    expect(JSON.parse((value as { body: string }).body)).toEqual({
      version: 1,
      error: {
        kind: 'internal-error',
        message: "internal error, not a verdict; the function's log has it under request r-500",
      },
    });
    expect(gate.log().at(-1)).toMatchObject({
      level: 'error',
      request: 'r-500',
      error: expect.stringContaining('given up'),
    });

    // Nor does it wait for the same answer again.
    stub['portcullis/hss'] = JSON.stringify(keys);
    expect((await gate.invoke({ cluster: 'prod-eu' })).value).toMatchObject({ statusCode: 200 });
  });

  test('loads the AWS SDK only when a secret is to be fetched, and fetches it', async () => {
    const sdk = (files: readonly string[]) =>
      Promise.all(files.map((file) => readFile(join(rootOf('gate'), file), 'utf8'))).then((texts) =>
        texts.some((text) => text.includes('AWS4-HMAC-SHA256')),
      );
    const without = await start('gate').invoke({ cluster: 'prod-eu' });
    expect(await sdk(without.loaded)).toBe(false);

    await using secrets = await stubbed({ 'portcullis/hss': JSON.stringify(keys) });
    const gate = start('gate', { PORTCULLIS_CONFIG: 'aws.yaml', HSS_AK: '', ...secrets.env });
    const fetched = await gate.invoke({ cluster: 'prod-eu' });
    expect(fetched.value).toMatchObject({ statusCode: 200 });
    expect(secrets.asked).toEqual(['portcullis/hss']);
    expect(await sdk(fetched.loaded)).toBe(true);
  });

  test('is packaged with a config and policies that are valid as they are', async () => {
    await using secrets = await stubbed({});
    const gate = start('gate', { PORTCULLIS_CONFIG: 'example.yaml', ...secrets.env });
    const { value } = await gate.invoke({ cluster: 'prod-eu' });
    expect(value).toMatchObject({
      statusCode: 400,
      body: expect.stringContaining('aws-sm://portcullis/hss: cannot be fetched (ResourceNotFoundException)'),
    });
  });

  test('is undetermined while the secret of a source cannot be asked for', async () => {
    await using secrets = await stubbed({});
    const env = { ...secrets.env, AWS_ENDPOINT_URL_SECRETS_MANAGER: 'http://127.0.0.1:9' };
    expect(
      (await start('gate', { PORTCULLIS_CONFIG: 'aws.yaml', HSS_AK: '', ...env }).invoke({ cluster: 'prod-us' })).value,
    ).toMatchObject({
      statusCode: 503,
      body: expect.stringContaining('Secrets Manager does not answer'),
    });
  });
});

describe('scan, from its package', () => {
  test('tells the receivers, logs JSON lines and returns the summary', async () => {
    const scan = start('scan');
    const { value, error } = await scan.invoke({}, { requestId: 'r-scan', remainingMs: 900_000 });

    expect(error).toBeUndefined();
    expect(value).toMatchObject({ exitCode: 0, sources: 1, clusters: 5, delivered: { chat: 1, soc: 1 }, failures: [] });
    const told = slack.received.map(({ status, json }) => [status, (json as { text: string }).text]);
    expect(told).toContainEqual([200, expect.stringContaining('prod-us')]);
    expect(hook.received.length).toBeGreaterThan(0);
    const lines = scan.log();
    expect(new Set(lines.map(({ request }) => request))).toEqual(new Set(['r-scan']));
    expect(lines.at(-1)).toMatchObject({ level: 'info', msg: 'scan done', exitCode: 0, clusters: 5 });
  });

  test('throws when a receiver did not take its message, after all the rest was done', async () => {
    hook.script.push({ status: 410 });
    const before = slack.received.length;
    const scan = start('scan');
    const { value, error } = await scan.invoke({}, { remainingMs: 900_000 });

    expect(value).toBeUndefined();
    expect(error).toEqual({
      name: 'ScanError',
      message: 'scan: exit code 2: 1 things could not be looked at or delivered; the log has the details',
    });
    // Its own, and that the other receiver is gone.
    expect(slack.received.length - before).toBe(2);
    expect(scan.log().at(-1)).toMatchObject({
      level: 'error',
      msg: 'scan done',
      exitCode: 2,
      delivered: { chat: 2, soc: 0 },
    });
  });

  test('remembers in DynamoDB what it told, from one instance to the next', async () => {
    const dynamo = await startDynamo();
    onTestFinished(() => dynamo.close());
    const table = await dynamo.createTable();
    const { endpoint: AWS_ENDPOINT_URL_DYNAMODB, region: AWS_REGION } = dynamo.access;
    const at = { PORTCULLIS_STATE: `dynamodb:${table}`, AWS_ENDPOINT_URL_DYNAMODB, AWS_REGION, ...aws };
    const before = slack.received.length;
    const first = await start('scan', at).invoke({}, { remainingMs: 900_000 });
    const second = await start('scan', at).invoke({}, { remainingMs: 900_000 });
    expect([first.error, second.error]).toEqual([undefined, undefined]);
    expect(second.value).toMatchObject({ unchanged: 4, delivered: {} });
    expect(slack.received.length - before).toBe(1);
  });

  test('says what it could not look at when its time runs out', async () => {
    hss.fail({ kind: 'hang' }, { api: 'list' });
    const scan = start('scan');
    const { error } = await scan.invoke({}, { remainingMs: 17_000 });
    expect(error).toMatchObject({ name: 'ScanError', message: expect.stringContaining('exit code 2') });
    expect(scan.log().at(-1)).toMatchObject({
      msg: 'scan done',
      failures: expect.arrayContaining([expect.stringContaining('ran out of time')]),
    });
  });

  test('throws exit code 3 for a config that is wrong', async () => {
    const scan = start('scan', { PORTCULLIS_CONFIG: 'nowhere.yaml' });
    const { error } = await scan.invoke({});
    expect(error).toEqual({ name: 'ScanError', message: 'scan: exit code 3: invalid input; the log has the details' });
    expect(scan.log()).toMatchObject([{ msg: 'invalid input', reason: expect.stringContaining('nowhere.yaml') }]);
  });
});

async function stubbed(secrets: Readonly<Record<string, string>>) {
  const { url, asked, close } = await startSecretsManager(secrets);
  return { asked, env: { ...aws, AWS_ENDPOINT_URL_SECRETS_MANAGER: url }, [Symbol.asyncDispose]: close };
}
