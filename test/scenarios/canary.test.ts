import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { inspect } from 'node:util';
import { afterAll, beforeAll, describe, expect, onTestFinished, type TestContext, test, vi } from 'vitest';
import { ScanError } from '../../functions/scan.ts';
import { formatNames } from '../../lib/cli/formats.ts';
import { Secret } from '../../lib/core/secret.ts';
import { createDynamoStore } from '../../lib/stores/dynamodb.ts';
import { openSqliteStore } from '../../lib/stores/sqlite.ts';
import { Canaries, canaryText, type Sink } from '../support/canaries.ts';
import {
  type CanaryWorld,
  type CanaryWorldOptions,
  failing,
  type Manner,
  type Seen,
  startCanaryWorld,
} from '../support/canary-world.ts';
import { type Dynamo, startDynamo } from '../support/dynamo.ts';

const awsNames = { AWS_ACCESS_KEY_ID: 'aws key', AWS_SECRET_ACCESS_KEY: 'aws secret', AWS_SESSION_TOKEN: 'aws token' };

/** What goes around the streams of a command: warnings of Node.js and of libraries. */
const aside: Sink[] = [];

beforeAll(() => {
  vi.stubEnv('AWS_REGION', 'eu-west-1');
  for (const [name, canary] of Object.entries(awsNames)) vi.stubEnv(name, canaryText(canary));
  for (const method of ['log', 'info', 'warn', 'error', 'debug'] as const) {
    vi.spyOn(console, method).mockImplementation((...args) => {
      aside.push({ where: `console.${method}`, bytes: args.map((arg) => inspect(arg, { depth: 9 })).join(' ') });
    });
  }
});
const warned = (warning: Error) => aside.push({ where: 'a warning', bytes: inspect(warning) });
beforeAll(() => void process.on('warning', warned));
afterAll(() => {
  process.off('warning', warned);
  vi.restoreAllMocks();
  vi.unstubAllEnvs();
});

/** @param context of a test that others run beside */
async function start(options?: CanaryWorldOptions, context?: TestContext): Promise<CanaryWorld> {
  const world = await startCanaryWorld(options);
  (context?.onTestFinished ?? onTestFinished)(() => world.close());
  for (const canary of Object.values(awsNames)) world.canaries.make(canary);
  return world;
}

/**
 * What a request holds, part by part, and what belongs there: the URL of a receiver at the receiver, the access key and
 * the security token at HSS, the key of the environment at Secrets Manager and DynamoDB. Nothing else belongs anywhere.
 */
function partsOf({ server, path, headers, body }: Seen): readonly (Sink & { readonly allowed: readonly string[] })[] {
  const belongs: Readonly<Record<string, readonly string[]>> = {
    hss: ['ak', 'token'],
    'secrets manager': ['aws key', 'aws token'],
    dynamodb: ['aws key', 'aws token'],
    'deployed gate': ['aws key', 'aws token'],
  };
  const { authorization = '', 'x-security-token': token = '', 'x-amz-security-token': awsToken, ...others } = headers;
  const keys = belongs[server] ?? [];
  return [
    { where: `path at ${server}`, bytes: path, allowed: [`${server} path`, `${server} token`] },
    { where: `authorization at ${server}`, bytes: authorization, allowed: keys.slice(0, 1) },
    { where: `token at ${server}`, bytes: String(awsToken ?? token), allowed: keys.slice(1) },
    { where: `headers at ${server}`, bytes: JSON.stringify(others), allowed: [] },
    { where: `body at ${server}`, bytes: body, allowed: [] },
  ];
}

/** Nothing secret was said, kept or sent, but for what belongs in a request. */
async function expectNoCanary(world: CanaryWorld, more: readonly Sink[] = []): Promise<void> {
  const { canaries, said, seen, hss } = world;
  const calls = hss.calls.map(({ path, query, headers }) => {
    return { server: 'hss', path: `${path}?${new URLSearchParams(query)}`, headers, body: '' };
  });
  const sinks = [...said, ...aside, ...(await world.files()), ...more];
  expect(said.length).toBeGreaterThan(0);
  const sightings = [...seen, ...calls]
    .flatMap(partsOf)
    .flatMap(({ allowed, ...part }) => canaries.find([part], allowed));
  expect([...canaries.find(sinks), ...sightings]).toEqual([]);
  expect(seen.filter(({ server }) => server === 'elsewhere')).toEqual([]);
}

const bodiesAt = ({ seen }: CanaryWorld, server: string) =>
  seen.filter((one) => one.server === server).map(({ body }) => body);

describe('the search', () => {
  const forms = {
    plain: (text: string) => text,
    'a part of it': (text: string) => text.slice(11, 23),
    base64: (text: string) => Buffer.from(text).toString('base64'),
    'base64 of more': (text: string) => Buffer.from(`user:${text}`).toString('base64url'),
    hex: (text: string) => Buffer.from(text).toString('hex').toUpperCase(),
    percent: (text: string) => [...text].map((c) => `%${c.charCodeAt(0).toString(16)}`).join(''),
    json: (text: string) => [...text].map((c) => `\\u00${c.charCodeAt(0).toString(16).toUpperCase()}`).join(''),
  };
  const canaries = new Canaries();
  const text = canaries.make('planted');

  test.each(Object.entries(forms))('finds a canary as %s', (_, of) => {
    expect(canaries.find([{ where: 'here', bytes: `{"a": "x ${of(text)} y"}` }])).toMatchObject([
      { canary: 'planted', where: 'here' },
    ]);
  });

  test('finds none where there is none, nor one that belongs there', () => {
    const other = new Canaries().make('another');
    expect(canaries.find([{ where: 'here', bytes: `${other} ${text.slice(0, 11)} ${Buffer.from(other)}` }])).toEqual(
      [],
    );
    expect(canaries.find([{ where: 'here', bytes: text }], ['planted'])).toEqual([]);
  });

  test('finds one in everything that is captured', async () => {
    const world = await start();
    const planted = world.canaries.make('planted');
    const where = async (sinks: readonly Sink[]) =>
      world.canaries.find(sinks).flatMap((one) => (one.canary === 'planted' ? [one.where] : []));

    // Standard error and a message to a receiver: a name in the config is told.
    const file = join(world.folder, 'portcullis.yaml');
    await writeFile(file, (await readFile(file, 'utf8')).replace('name: prod', `name: ${planted}`));
    await world.run(['scan']);
    await world.scanFunction(60_000);
    expect(await where(world.said)).toEqual(
      expect.arrayContaining(['standard output of scan', 'standard error of scan', 'log of a function']),
    );
    const bodies = world.seen.filter(({ server }) => server === 'witness').flatMap(partsOf);
    expect(await where(bodies)).toContain('body at witness');
    // The store: its file and what is not in it yet.
    const store = await openSqliteStore(join(world.folder, 'state.db'));
    onTestFinished(() => store.close());
    await store.put('alerts', { key: 'a', value: { planted } }, 0, 0);
    const files = await world.files();
    expect(files.map((one) => one.where)).toEqual(expect.arrayContaining(['state.db', 'state.db-wal']));
    expect(await where(files)).toEqual(expect.arrayContaining(['state.db', 'state.db-wal']));
    // An answer, and an error that holds it.
    await world.gateFunction(planted, 60_000);
    expect(await where(world.said)).toContain('answer of a function');
    const error = Object.assign(new Error('no'), { cause: { headers: [planted] } });
    expect(await where([{ where: 'an error', bytes: inspect(error, { depth: 9 }) }])).toEqual(['an error']);
    // What goes around a command's streams.
    console.warn(planted);
    expect(await where(aside)).toEqual(['console.warn']);
    aside.length = 0;
    const header = { server: 'hook', path: '/', headers: { 'x-token': planted }, body: '' };
    expect(await where(partsOf(header))).toEqual(['headers at hook']);
  });

  test('a secret prints as none', () => {
    const secret = new Secret(text);
    const printed = [`${secret}`, JSON.stringify({ secret }), inspect({ secret }, { depth: 9, showHidden: true })];
    expect(canaries.find(printed.map((bytes) => ({ where: 'here', bytes })))).toEqual([]);
  });
});

test.each(['env://HSS', 'aws-sm://hss.json'])(
  'when all is well nothing secret is told, with keys from %s',
  async (keys) => {
    const world = await start({ edit: (config) => config.replace('env://HSS', keys) });
    const outs = formatNames.flatMap((format) => ['--out', `${format}=${join(world.folder, `out.${format}`)}`]);

    expect((await world.run(['scan', '--dry-run'])).code).toBe(0);
    expect((await world.run(['scan'])).code).toBe(0);
    expect((await world.run(['scan', '--format', 'json'])).code).toBe(0);
    const gate = await world.run(['gate', '--cluster', 'prod-us', '--format', 'json', ...outs]);
    expect(gate.code).toBe(1);
    expect((await world.run(['deliveries', 'list'])).code).toBe(0);
    expect((await world.run(['routes', 'explain', '--severity', 'critical'])).code).toBeLessThanOrEqual(3);
    expect(await world.scanFunction(60_000)).toBeUndefined();
    expect(await world.gateFunction('prod-us', 60_000)).toBe(409);

    expect(gate.stdout).toContain('/usr/bin/mysqld --user=*** ***');
    expect(gate.stdout).toContain('/usr/bin/agent --token ***');
    for (const server of [...failing, 'witness']) expect(bodiesAt(world, server).length).toBeGreaterThan(0);
    expect((await world.files()).map(({ where }) => where)).toEqual(
      expect.arrayContaining([...formatNames.map((format) => `out.${format}`), 'state.db']),
    );
    await expectNoCanary(world);
  },
);

describe.concurrent('an HSS that gives everything back', () => {
  const manners: readonly Manner[] = [
    'status 400',
    'status 401',
    'status 403',
    'status 404',
    'status 429',
    'status 500',
    'malformed',
    'truncated',
    'page',
    'redirect',
    'reset',
    'refused',
    'hang',
  ];
  const cases = manners.flatMap((manner) => [
    { what: 'list', manner, options: { hss: manner } },
    ...(manner === 'refused' ? [] : [{ what: 'report', manner, options: { report: manner } }]),
  ]);
  // These it tries again, in earnest.
  const slow: readonly Manner[] = ['truncated', 'reset', 'refused', 'hang'];

  test.for(cases)('$what: $manner', async ({ what, manner, options }, context) => {
    const world = await start(options, context);
    if (!slow.includes(manner)) {
      const scan = await world.run(['scan', '--format', 'json']);
      // That there is no such report is an answer.
      expect(scan.code, scan.stderr).toBe(what === 'report' && manner === 'status 404' ? 0 : 2);
      const line = what === 'list' ? '"msg":"source not looked at"' : '"verdict":"undetermined"';
      expect(scan.stderr).toContain(line);
      expect((await world.run(['gate', '--cluster', 'prod-us', '--format', 'json'])).code).toBe(2);
    }
    const workMs = manner === 'hang' ? 400 : 1_000;

    const error = await world.scanFunction(workMs);
    if (what === 'list' || manner !== 'status 404') expect(error).toMatchObject({ name: 'ScanError', exitCode: 2 });
    expect(await world.gateFunction('prod-us', workMs)).toBe(503);

    if (!slow.includes(manner)) {
      const told = what === 'list' ? /source-(unreachable|throttled)/ : /report-|source-/;
      for (const server of failing) expect(bodiesAt(world, server).join(), server).toMatch(told);
    }
    await expectNoCanary(world);
  });
});

describe.concurrent('receivers that give everything back', () => {
  const refusing: readonly Manner[] = [
    'status 400',
    'status 401',
    'status 403',
    'status 404',
    'status 410',
    'status 413',
    'status 429',
    'status 500',
    'status 503',
    'redirect',
  ];

  test.for(refusing)('%s, until it goes to the dead letters, and when it is sent again', async (receivers, context) => {
    const world = await start({ receivers }, context);
    const log = () => world.said.map(({ bytes }) => bytes).join('\n');
    // Slack gets a second message in place of one that it does not like.
    const workMs = ['status 400', 'status 413'].includes(receivers) ? 4_500 : 2_500;

    expect(await world.scanFunction(workMs)).toMatchObject({ exitCode: 2 });
    for (const name of failing) expect(log()).toMatch(new RegExp(`"not delivered",.*"receiver":"${name}"`));
    expect(bodiesAt(world, 'witness').join()).toContain('receiver-failing');
    expect((await world.run(['deliveries', 'list'])).stdout).toMatch(/^owed {2}events/m);
    await pause(1_100);
    expect(await world.scanFunction(workMs)).toMatchObject({ exitCode: 2 });
    const list = await world.run(['deliveries', 'list']);
    const ids = failing.flatMap(
      (name) => new RegExp(`^dead +${name}.* (pc_[\\w-]+)`, 'm').exec(list.stdout)?.[1] ?? [],
    );
    expect(ids.length, list.stdout).toBeGreaterThan(receivers === 'status 410' ? -1 : 2);
    if (ids.length > 0) expect((await world.run(['deliveries', 'replay', ...ids])).code).toBe(2);

    await expectNoCanary(world);
  });

  test.for(['status 401', 'redirect'] as const)('%s, at the command', async (receivers, context) => {
    const world = await start({ receivers }, context);

    const scan = await world.run(['scan', '--format', 'json']);
    expect(scan.code, scan.stderr).toBe(2);
    for (const name of failing) expect(scan.stdout).toContain(`${name}: `);

    await expectNoCanary(world);
  });

  test.for(['hang', 'reset', 'refused'] as const)('%s', async (receivers, context) => {
    const world = await start({ receivers }, context);

    expect(await world.scanFunction(600)).toMatchObject({ exitCode: 2 });
    const log = world.said.map(({ bytes }) => bytes).join('\n');
    for (const name of failing) expect(log).toContain(`"not delivered","run":"r-1","receiver":"${name}"`);
    expect((await world.run(['deliveries', 'list'])).stdout).toContain('attempts');

    await expectNoCanary(world);
  });

  test.for(['malformed', 'page', 'truncated'] as const)('a 200 that is none: %s', async (receivers, context) => {
    const world = await start({ receivers }, context);

    expect((await world.run(['scan'])).code).toBe(2);
    expect((await world.run(['deliveries', 'list'])).stdout).toMatch(/^owed {2}chat/m);

    await expectNoCanary(world);
  });
});

describe.concurrent('secrets that are wrong', () => {
  const manners: readonly Manner[] = [
    'status 400',
    'status 403',
    'status 500',
    'malformed',
    'page',
    'truncated',
    'redirect',
    'reset',
    'refused',
  ];

  test.for([...manners, 'empty' as const])('Secrets Manager: %s', async (secretsManager, context) => {
    const world = await start({ secretsManager }, context);

    // No answer, or a broken one, says nothing of the secret: the receiver is owed its messages.
    const outages = ['status 500', 'page', 'truncated', 'malformed', 'reset', 'refused'];
    const exitCode = outages.includes(secretsManager) ? 2 : 3;
    const scan = await world.run(['scan']);
    expect(scan.code, scan.stderr).toBe(exitCode);
    expect(scan.stderr).toContain('aws-sm://hook.json');
    expect(await world.scanFunction(60_000)).toMatchObject({ exitCode });

    await expectNoCanary(world);
  });

  test('Secrets Manager: hang', async (context) => {
    const edit = (config: string) => config.replace('credentials: env://HSS', 'credentials: aws-sm://hss.json');
    const world = await start({ secretsManager: 'hang', edit }, context);

    expect(await world.gateFunction('prod-us', 300)).toBe(500);
    expect(world.said.map(({ bytes }) => bytes).join()).toContain('given up');

    await expectNoCanary(world);
  });

  const bad = canaryText('bad secret');
  const wrong: readonly { what: string; code: number; secrets: Record<string, string>; says: string }[] = [
    { what: 'no JSON', code: 3, secrets: { 'hook.json': `{"url": "${bad}` }, says: 'is not a JSON object' },
    { what: 'no member', code: 3, secrets: { 'hook.json': `{"other": "${bad}"}` }, says: 'has no text member url' },
    { what: 'no URL', code: 2, secrets: { SLACK_URL: bad }, says: 'its secret is not a URL' },
    { what: 'no web URL', code: 2, secrets: { SLACK_URL: `ftp://u:${bad}@h/${bad}` }, says: 'is not a URL' },
    { what: 'no port', code: 2, secrets: { SLACK_URL: `http://127.0.0.1:99999/${bad}` }, says: 'is not a URL' },
    { what: 'no host', code: 2, secrets: { SLACK_URL: `http://${bad}.invalid/${bad}` }, says: 'chat: ' },
    { what: 'no URL in a file', code: 2, secrets: { 'events-url': bad }, says: 'its secret is not a URL' },
    { what: 'no signing secret', code: 2, secrets: { HOOK_SECRETS: `!${bad}` }, says: 'its signing secret is not' },
    { what: 'no base64', code: 2, secrets: { HOOK_SECRETS: `whsec_!${bad}` }, says: 'its signing secret is not' },
    { what: 'one of two', code: 2, secrets: { HOOK_SECRETS: `whsec_AAAA !${bad}` }, says: 'signing secret' },
    { what: 'no member in a file', code: 3, secrets: { 'events.json': bad }, says: 'is not a JSON object' },
    { what: 'a key of two lines', code: 2, secrets: { HSS_AK: `${bad}\n${bad}` }, says: 'source prod' },
    { what: 'a token of two lines', code: 2, secrets: { HSS_SECURITY_TOKEN: `${bad}\r\n${bad}` }, says: 'source prod' },
    { what: 'a token of signs', code: 2, secrets: { HSS_SECURITY_TOKEN: `${bad}漏洞` }, says: 'source prod' },
    { what: 'another secret key', code: 2, secrets: { HSS_SK: bad }, says: 'source prod' },
    { what: 'no keys', code: 3, secrets: { 'hss.json': `{"ak": "${bad}"}` }, says: 'needs the members' },
    { what: 'keys that are no JSON', code: 3, secrets: { 'hss.json': bad }, says: 'is not a JSON object' },
  ];

  test.for(wrong)('$what', async ({ what, code, secrets, says }, context) => {
    const inManager = (config: string) => config.replace('credentials: env://HSS', 'credentials: aws-sm://hss.json');
    const edit = 'hss.json' in secrets ? inManager : (config: string) => config;
    const world = await start({ secrets, edit }, context);
    world.canaries.make('bad secret');

    expect(await world.scanFunction(1_500)).toMatchObject({ exitCode: code });
    expect(world.said.map(({ bytes }) => bytes).join('\n')).toContain(says);
    // A name that nobody knows is looked up again and again.
    if (what !== 'no host') expect([0, code]).toContain((await world.run(['scan', '--format', 'json'])).code);
    expect((await world.run(['deliveries', 'list'])).code).toBe(0);
    expect((await world.run(['gate', '--cluster', 'prod-us'])).code).toBeGreaterThan(0);
    await expectNoCanary(world);
  });
});

describe('a config with a secret where a reference is expected', () => {
  const bad = canaryText('inline');
  const slack = "slack: {webhook: 'env://SLACK_URL'}";
  const url = `https://hooks.slack.com/services/T0/B0/${bad}`;
  const edits: Readonly<Record<string, readonly [from: string, to: string]>> = {
    'a webhook': ["'env://SLACK_URL'", `'${url}'`],
    'a webhook as a key': [slack, `slack: {'${url}'}`],
    'a webhook as a key with a value': [slack, `slack: {webhook: 'env://SLACK_URL', ${bad}: x}`],
    'a webhook in a list': [slack, `slack: ['${url}']`],
    'a webhook in place of all': [slack, `slack: '${url}'`],
    'a webhook as a type': [slack, `'${url}': {}`],
    'a signing secret': ["'env://HOOK_SECRETS'", `'whsec_${bad}'`],
    'two signing secrets': ["'env://HOOK_SECRETS'", `['whsec_${bad}', 'whsec_${bad}']`],
    'a pair of keys': ['credentials: env://HSS', `credentials: {ak: x, sk: ${bad}}`],
    'a secret key': ['credentials: env://HSS', `credentials: ${bad}`],
    'a reference with the secret after it': ['env://HSS', `env://HSS ${bad}`],
    'a reference with another scheme': ['env://HSS', `vault://${bad}`],
    'a name': ['name: chat', `name: 'chat ${bad}'`],
    'a url that is none': ['aws-sm://hook.json#url', `hooks.example/${bad}`],
    'a format': ['format: cloudevents', `format: ${bad}`],
    'a state': ['state: sqlite:state.db', `state: 'postgres://user:${bad}@db/x'`],
    'a route': ['[chat, hook', `[${bad}, hook`],
    'a quote that is not closed': ["'env://SLACK_URL'", `'${url}`],
    'a tab': ["slack: {webhook: 'env://SLACK_URL'}", `slack:\n\twebhook: ${url}`],
    'an alias that is unknown': ["'env://SLACK_URL'", `*${bad}`],
    'a tag that is unknown': ["'env://SLACK_URL'", `!${bad} x`],
    'a key twice': ['credentials: env://HSS', `credentials: env://HSS\n    credentials: ${bad}`],
    'an unknown key twice': ['credentials: env://HSS', `credentials: env://HSS\n    ${bad}: 1\n    ${bad}: 2`],
    'a second document': ['version: 1\n', `version: 1\n---\n${bad}\n---\n`],
    'plain http with a token': ['/api/v2/alerts?token=', `/${bad}?token=${bad}`],
  };
  const isFine = ['plain http with a token'];

  test.each(Object.entries(edits))('%s', async (what, [from, to]) => {
    const world = await start({
      edit(config, canaries) {
        canaries.make('inline');
        expect(config).toContain(from);
        const edited = config.replace(from, () => to);
        return isFine.includes(what)
          ? edited.replace('format: alertmanager}, insecure: true', 'format: alertmanager}')
          : edited;
      },
    });

    for (const args of [['scan'], ['gate', '--cluster', 'prod-us'], ['deliveries', 'list'], ['silence', 'list']]) {
      const { code, stderr } = await world.run(args);
      expect([code, stderr]).toEqual([3, expect.stringContaining('invalid config')]);
    }
    expect(await world.scanFunction(10_000)).toMatchObject({ exitCode: 3 });
    expect(await world.gateFunction('prod-us', 10_000)).toBe(400);
    await expectNoCanary(world);
  });
});

describe('the memory of alerts', () => {
  let dynamo: Dynamo;
  beforeAll(async () => {
    dynamo = await startDynamo();
  });
  afterAll(() => dynamo.close());

  test.each([
    { what: 'a folder', state: 'sqlite:.' },
    { what: 'a file that is no database', state: 'sqlite:production.yaml' },
    { what: 'below a file', state: 'sqlite:production.yaml/state.db' },
  ])('that cannot be opened: $what', async ({ state }) => {
    const world = await start({ state });

    const scan = await world.run(['scan']);
    expect([3, 4], scan.stderr).toContain(scan.code);
    expect(await world.scanFunction(10_000)).toBeInstanceOf(ScanError);
    await expectNoCanary(world);
  });

  test('in DynamoDB holds none', async () => {
    const table = await dynamo.createTable();
    vi.stubEnv('AWS_ENDPOINT_URL_DYNAMODB', dynamo.access.endpoint);
    const world = await start({ state: `dynamodb:${table}`, receivers: 'status 403' });

    expect(await world.scanFunction(1_000)).toMatchObject({ exitCode: 2 });
    await pause(1_100);
    expect(await world.scanFunction(1_000)).toMatchObject({ exitCode: 2 });
    const store = createDynamoStore({ ...dynamo.access, table });
    onTestFinished(() => store.close());
    const planted = world.canaries.make('planted');
    const items = async () => ({ where: 'DynamoDB', bytes: JSON.stringify(await dynamo.all(table)) });

    expect((await items()).bytes.length).toBeGreaterThan(1_000);
    await expectNoCanary(world, [await items()]);
    await store.put('alerts', { key: 'a', value: { planted } }, 0, 0);
    expect(world.canaries.find([await items()])).toMatchObject([{ canary: 'planted', where: 'DynamoDB' }]);
  });

  test.each<Manner>(['status 400', 'status 403', 'status 500', 'malformed', 'page', 'reset', 'refused'])(
    'in a DynamoDB that gives everything back: %s',
    async (manner) => {
      const world = await start({ state: 'dynamodb:some-table' });
      vi.stubEnv('AWS_ENDPOINT_URL_DYNAMODB', await world.serveBadly('dynamodb', manner));

      const scan = await world.run(['scan']);
      expect(scan.code, scan.stderr).toBe(4);
      expect(scan.stderr).toContain('dynamodb:some-table');
      expect(await world.scanFunction(20_000)).toMatchObject({ exitCode: 4 });
      await expectNoCanary(world);
    },
  );
});

describe('a deployed gate that gives everything back', () => {
  const manners = ['status 403', 'status 404', 'malformed', 'page', 'redirect', 'reset', 'refused'] as const;

  test.each<Manner>([...manners, 'status 400', 'status 500'])('asked by its function: %s', async (manner) => {
    const world = await start();
    vi.stubEnv('AWS_ENDPOINT_URL_LAMBDA', await world.serveBadly('deployed gate', manner));

    const { code, stderr } = await world.run(['gate', '--function', 'gate', '--cluster', 'prod-us']);
    expect([2, 4], stderr).toContain(code);
    await expectNoCanary(world);
  });

  test.each<Manner>(manners)('asked by its URL: %s', async (manner) => {
    const world = await start();
    const url = `${await world.serveBadly('deployed gate', manner)}/${world.canaries.make('deployed gate path')}`;

    const { code, stderr } = await world.run(['gate', '--url', url, '--cluster', 'prod-us']);
    expect([2, 4], stderr).toContain(code);
    await expectNoCanary(world);
  });
});

test('an internal error tells where it was, and nothing else', async () => {
  const world = await start();
  expect((await world.run(['scan'])).code).toBe(0);
  const store = await openSqliteStore(join(world.folder, 'state.db'));
  const [cluster] = world.hss.clusters;
  await store.put(`cluster/prod/${cluster?.id}`, { key: 'alert/x', value: null }, 0, Date.now());
  await store.close();

  const scan = await world.run(['scan']);
  expect([scan.code, scan.stderr]).toEqual([4, expect.stringMatching(/internal error.*TypeError/s)]);
  expect(await world.scanFunction(10_000)).toMatchObject({ exitCode: 4 });
  expect(world.said.map(({ bytes }) => bytes).join('\n')).toMatch(/"internal error".*TypeError/);
  await expectNoCanary(world);
});
