import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { answerGate } from '../../functions/gate.ts';
import { createInstance } from '../../functions/instance.ts';
import { type App, compose, loadConfig } from '../../lib/compose.ts';
import { InputError } from '../../lib/core/errors.ts';
import { worldNowMs } from '../../lib/simulator/clusters.ts';
import { command } from '../support/command.ts';
import { type S3, s3Canary, startS3 } from '../support/s3.ts';
import { configOf, startWorld, type World, worldPolicy } from '../support/world.ts';

const bucket = 'acme-policies';
const at = `s3://${bucket}/teams/production.yaml`;
const path = `${bucket}/teams/production.yaml`;
/** Nothing breaks it. */
const lenient = `version: 1\nname: production\nrules:\n  - {id: no-high, on: vulnerabilities, max: 1000000}\n`;
const minuteMs = 60_000;
const hourMs = 60 * minuteMs;

let s3: S3;
let world: World;
const apps: App[] = [];
/** What time it is, for the processes and for HSS. Commands have the clock of the machine. */
let nowMs: number;
let startMs: number;
const clock = {
  nowMs: () => nowMs,
  async sleep(ms: number) {
    nowMs += ms;
  },
};

beforeEach(async () => {
  startMs = Date.now();
  nowMs = startMs;
  s3 = await startS3(bucket);
  for (const [name, value] of Object.entries(s3.env)) vi.stubEnv(name, value);
  world = await startWorld({
    nowMs: () => nowMs,
    config: (urls) => configOf(urls).replace('policy: production.yaml', `policy: ${at}`),
  });
});
afterEach(async () => {
  await Promise.all(apps.splice(0).map((app) => app.close()));
  await Promise.all([s3.close(), world.close()]);
  vi.unstubAllEnvs();
});

const lines: string[] = [];
async function open(): Promise<App> {
  lines.length = 0;
  const app = await compose(await loadConfig(world.configFile), {
    env: { ...world.env, ...s3.env },
    log: (level, msg, fields) => lines.push(JSON.stringify({ level, msg, ...fields })),
    clock,
  });
  apps.push(app);
  return app;
}

async function config(more: string, change: (text: string) => string = (text) => text): Promise<void> {
  const text = configOf({ hss: world.hss.url, hook: world.hook.url }).replace(
    'policy: production.yaml',
    `policy: ${at}`,
  );
  await writeFile(world.configFile, change(`${text}${more}`));
}

const ask = (app: App) => app.gate({ cluster: 'prod-us' }, worldNowMs);
/** What it says in place of a verdict. */
async function refusal(app: App, request: Partial<Parameters<App['gate']>[0]> = {}): Promise<string> {
  const given = await app.gate({ cluster: 'prod-us', ...request }, worldNowMs).catch((error: unknown) => error);
  expect(given).toBeInstanceOf(InputError);
  const { message } = given as InputError;
  expect(message).not.toContain(s3Canary);
  return message;
}
const statuses = () => s3.calls.map(({ status }) => status);

describe('a policy in S3', () => {
  test('is read once for all who ask, and again when it is older than its age, by ETag', async () => {
    await s3.put(path, worldPolicy);
    const app = await open();
    expect(s3.calls).toEqual([]);

    // A gate takes time after it has read the policy.
    const readMs = nowMs;
    const [first, second] = await Promise.all([ask(app), ask(app)]);
    expect([first.verdict, second.verdict, first.notes]).toEqual(['fail', 'fail', []]);
    nowMs = readMs + 5 * minuteMs - 1;
    await ask(app);
    expect(s3.calls).toEqual([{ method: 'GET', path: `/${path}`, ifNoneMatch: undefined, status: 200 }]);

    nowMs += 1;
    const third = await ask(app);
    expect(statuses()).toEqual([200, 304]);
    expect(s3.calls[1]?.ifNoneMatch).toMatch(/^"[0-9a-f]{32}"$/);
    expect(third.policy).toEqual(first.policy);
    // It was confirmed, so its age begins anew.
    nowMs += 5 * minuteMs - 1;
    await ask(app);
    expect(statuses()).toEqual([200, 304]);
  });

  test('that changed counts from the next request on after its age, for what is remembered too', async () => {
    await s3.put(path, worldPolicy);
    const app = await open();
    const before = await ask(app);
    await s3.put(path, lenient);
    expect((await ask(app)).policy).toEqual(before.policy);

    nowMs += 5 * minuteMs;
    const after = await ask(app);
    expect([before.verdict, after.verdict]).toEqual(['fail', 'pass']);
    expect(after.policy.digest).not.toBe(before.policy.digest);
    expect(app.rules(after)).toHaveLength(1);
    expect(statuses()).toEqual([200, 200]);
  });

  test('does not change in the middle of a run', async () => {
    await s3.put(path, lenient);
    const app = await open();
    const digests = new Set<string | undefined>();
    const scanned = await app.scan(worldNowMs, {
      onCluster: (_, { evaluation }) => {
        digests.add(evaluation?.policy.digest);
        // Time for another look would be there before each of the clusters.
        nowMs += hourMs;
      },
    });
    expect(scanned.clusters).toBeGreaterThan(2);
    expect([digests.size, s3.calls.length]).toEqual([1, 1]);

    await s3.put(path, worldPolicy);
    digests.clear();
    const again = await app.scan(worldNowMs, {
      onCluster: (_, { evaluation }) => digests.add(evaluation?.policy.digest),
    });
    expect([digests.size, again.verdicts.fail > scanned.verdicts.fail]).toEqual([1, true]);
  });

  test('of several sources is read once', async () => {
    await s3.put(path, worldPolicy);
    await config('', (text) => {
      const [, source = ''] = /sources:\n([\s\S]*?)receivers:/.exec(text) ?? [];
      return text.replace('receivers:', `${source.replace('name: prod', 'name: other')}receivers:`);
    });
    const app = await open();
    expect(app.sources).toHaveLength(2);
    await app.scan(worldNowMs);
    expect(statuses()).toEqual([200]);
  });

  test('is picked by its name', async () => {
    await s3.put(path, worldPolicy);
    const app = await open();
    expect((await app.gate({ cluster: 'prod-us', policy: 'production' }, worldNowMs)).verdict).toBe('fail');
    expect(await refusal(app, { policy: 'productoin' })).toContain('did you mean production?');
  });
});

describe('no verdict, and never a pass, when the policy', () => {
  const invalid = `${lenient}  - {id: two, on: vulnerabilities, max: secret-word}\n`;

  test.each<{ why: string; arrange: () => Promise<unknown> | unknown; says: string[]; silent?: string }>([
    {
      why: 'is invalid',
      arrange: () => s3.put(path, invalid),
      says: ['invalid policy', `${at}:5:41: rules[1].max: has to be a whole number, not a string`],
      silent: 'secret-word',
    },
    {
      why: 'is no policy at all',
      arrange: () => s3.put(path, '{"aws_secret": "secret-word", "x": [secret-word'),
      says: ['invalid policy', `${at}:1:`],
      silent: 'secret-word',
    },
    {
      why: 'is not text',
      arrange: () => s3.put(path, Buffer.from([0x76, 0xff, 0xfe])),
      says: [`policy ${at}: is not UTF-8`],
    },
    {
      why: 'is too large',
      arrange: () => s3.put(path, `${lenient}#${'x'.repeat(2 ** 20)}\n`),
      says: [`policy ${at}: is too large for a policy: more than 1,048,576 bytes`],
    },
    {
      why: 'is not there',
      arrange: () => s3.delete(path),
      says: [`policy ${at}: there is no such object (NoSuchKey); check the bucket and the key`],
    },
    {
      why: 'must not be read',
      arrange: () => {
        s3.fault = { status: 403, code: 'AccessDenied' };
      },
      says: [`policy ${at}: must not be read (AccessDenied)`, 's3:GetObject', 's3:ListBucket'],
    },
    {
      why: 'is asked for with credentials that are over',
      arrange: () => {
        s3.fault = { status: 400, code: 'ExpiredToken' };
      },
      says: [`policy ${at}: must not be read (ExpiredToken)`],
    },
  ])('$why: at first, and after a good one', async ({ arrange, says, silent }) => {
    await s3.put(path, lenient);
    const warm = await open();
    expect((await ask(warm)).verdict).toBe('pass');
    await arrange();
    nowMs += 5 * minuteMs;
    for (const app of [warm, await open()]) {
      for (const request of [{}, { letUndetermined: true }, { policy: 'production' }]) {
        const message = await refusal(app, request);
        for (const part of says) expect(message).toContain(part);
        if (silent !== undefined) expect(message).not.toContain(silent);
      }
    }
    // It is mended: that counts at once.
    s3.fault = undefined;
    await s3.put(path, lenient);
    expect((await ask(warm)).verdict).toBe('pass');
  });

  test('was invalid when S3 was last asked, and now cannot be asked for: the one before it does not come back', async () => {
    await s3.put(path, lenient);
    const app = await open();
    await ask(app);
    await s3.put(path, invalid);
    nowMs += 5 * minuteMs;
    await refusal(app);
    s3.fault = 'hang up';
    expect(await refusal(app)).toContain('there is no copy of it');
    expect(await refusal(await open())).toContain('there is no copy of it');
  });

  test.each<{ why: string; fault: S3['fault']; reason: string }>([
    { why: 'cannot be reached', fault: 'hang up', reason: 'ECONNRESET' },
    { why: 'is throttled', fault: { status: 503, code: 'SlowDown' }, reason: 'SlowDown' },
  ])('$why and there is no copy, after three attempts', async ({ fault, reason }) => {
    await s3.put(path, lenient);
    s3.fault = fault;
    const app = await open();
    const message = await refusal(app, { letUndetermined: true });
    expect(message).toContain(`policy ${at}: S3 could not be asked (${reason}), and there is no copy of it`);
    expect(message).toContain('try again later');
    expect(s3.calls).toHaveLength(3);
    // It is there again.
    s3.fault = undefined;
    expect((await ask(app)).verdict).toBe('pass');
  });
});

describe('while S3 cannot be asked', () => {
  const down = { status: 503, code: 'SlowDown' };

  test('the copy at hand answers and says how old it is, for a day and no longer', async () => {
    await s3.put(path, worldPolicy);
    const app = await open();
    await ask(app);
    s3.fault = down;
    nowMs += 2 * hourMs;
    const stale = await ask(app);
    expect(stale.verdict).toBe('fail');
    expect(stale.notes).toEqual([
      { message: `policy ${at}: S3 could not be asked (SlowDown): this is by the copy of 2h ago` },
    ]);
    const asked = s3.calls.length;
    // Nobody waits for S3 with every request.
    await ask(app);
    expect(s3.calls).toHaveLength(asked);
    nowMs += 30_000;
    await ask(app);
    expect(s3.calls).toHaveLength(asked + 3);

    nowMs = startMs + 24 * hourMs - 10_000;
    expect((await ask(app)).notes[0]?.message).toContain('the copy of 23h 59m ago');
    nowMs = startMs + 24 * hourMs + 1;
    expect(await refusal(app)).toContain(
      `policy ${at}: S3 could not be asked (SlowDown), and its copy is older than 24h (policies.usable_for)`,
    );
    s3.fault = undefined;
    nowMs += 30_000;
    expect((await ask(app)).notes).toEqual([]);
  });

  test('what another process left in the state answers, as long as the config says', async () => {
    await s3.put(path, worldPolicy);
    await config('policies: { max_age: 1m, usable_for: 3h }\n');
    await ask(await open());
    s3.fault = 'hang up';
    nowMs += 3 * hourMs - 10_000;
    const { verdict, notes } = await ask(await open());
    expect([verdict, notes[0]?.message]).toEqual(['fail', expect.stringContaining('by the copy of 2h 59m ago')]);
    nowMs += 10_001;
    expect(await refusal(await open())).toContain('its copy is older than 3h (policies.usable_for)');
  });

  test('what is remembered of a result does not say it', async () => {
    await s3.put(path, worldPolicy);
    const app = await open();
    await ask(app);
    nowMs += hourMs;
    s3.fault = down;
    expect((await ask(app)).notes).toHaveLength(1);
    s3.fault = undefined;
    nowMs += 30_000;
    expect((await ask(app)).notes).toEqual([]);
  });
});

const twoSources = (text: string) => {
  const [, source = ''] = /sources:\n([\s\S]*?)receivers:/.exec(text) ?? [];
  const other = source.replace('name: prod', 'name: other').replace(at, 'production.yaml');
  return text.replace('receivers:', `${other}receivers:`);
};

test('a source without a policy is refused, without a call of HSS, and the others are judged', async () => {
  await config('', twoSources);
  const app = await open();
  expect(await refusal(app, { source: 'prod' })).toContain('NoSuchKey');
  expect(world.hss.calls).toEqual([]);
  expect((await app.gate({ cluster: 'prod-us', source: 'other' }, worldNowMs)).verdict).toBe('fail');
  // Of the two that have the name that is asked for one cannot be looked into.
  expect(await refusal(app, { source: 'other', policy: 'production' })).toContain('NoSuchKey');
});

describe('a scan', () => {
  test('without a policy tells of that source, judges the others, and tells when it is over', async () => {
    await config('', twoSources);
    await s3.put(path, 'version: 1\nname: p\nrules: []\n');
    const app = await open();
    const broken = await app.scan(worldNowMs);
    expect(broken).toMatchObject({ exitCode: 3, sources: 2, clusters: 5 });
    expect(broken.failures).toEqual([`invalid policy\n${at}:3:8: rules: a policy needs a rule`]);
    const told = world.hook.received.map(({ text }) => text).join('\n');
    expect(told).toContain('source prod');
    expect(told).toContain(`${at}:3:8`);
    expect(told).toContain('"severity":"critical"');

    await s3.put(path, worldPolicy);
    const mended = await app.scan(worldNowMs + minuteMs);
    expect(mended).toMatchObject({ exitCode: 0, clusters: 10 });
    const last = world.hook.received
      .map(({ text }) => text)
      .filter((text) => text.includes('source prod'))
      .at(-1);
    expect(JSON.parse(last ?? '')).toMatchObject({ alerts: [{ rule: null, cause: 'resolved' }] });
  });

  test('that cannot ask S3 is to be made good by the next one: exit code 2', async () => {
    await config('', twoSources);
    s3.fault = 'hang up';
    const summary = await (await open()).scan(worldNowMs);
    expect(summary).toMatchObject({ exitCode: 2, clusters: 5 });
    expect(summary.failures).toEqual([expect.stringContaining('S3 could not be asked (ECONNRESET)')]);
  });

  test('by an older copy says so in the log', async () => {
    await s3.put(path, worldPolicy);
    const app = await open();
    await app.scan(worldNowMs);
    s3.fault = 'hang up';
    nowMs += hourMs;
    expect(await app.scan(worldNowMs + hourMs)).toMatchObject({ exitCode: 0 });
    expect(lines.filter((line) => line.includes('an older copy of the policy is used'))).toEqual([
      expect.stringMatching(/^\{"level":"warn".*"source":"prod".*the copy of 1h ago/),
    ]);
  });

  test('follows a policy that changed: what it told is over by it', async () => {
    await s3.put(path, worldPolicy);
    const app = await open();
    const before = await app.scan(worldNowMs);
    await s3.put(path, lenient);
    nowMs += 5 * minuteMs;
    const after = await app.scan(worldNowMs + 5 * minuteMs);
    expect([before.verdicts.fail > 0, after.verdicts.fail]).toEqual([true, 0]);
    expect(world.hook.received.at(-1)?.text).toContain('"cause":"policy-changed"');
  });
});

describe('the command', () => {
  const gate = (...more: string[]) => world.run(['gate', '--cluster', 'prod-us', ...more], { env: s3.env });

  test.each([
    { why: 'a pass', policy: lenient, code: 0 },
    { why: 'a fail', policy: worldPolicy, code: 1 },
  ])('gate ends with $why by the policy in S3', async ({ policy, code }) => {
    await s3.put(path, policy);
    expect(await gate()).toMatchObject({ code, stderr: '' });
  });

  test('gate says what is wrong, with exit code 3', async () => {
    expect(await gate('--on-undetermined', 'pass')).toMatchObject({
      code: 3,
      stdout: '',
      stderr: `portcullis: policy ${at}: there is no such object (NoSuchKey); check the bucket and the key\n`,
    });
    await s3.put(path, `${lenient}max_report_agee: 1h\n`);
    const { code, stderr } = await gate();
    expect([code, stderr]).toEqual([
      3,
      `portcullis: invalid policy\n${at}:5:1: max_report_agee: unknown key; did you mean max_report_age?\n`,
    ]);
  });

  test('gate answers by the copy that the run before left, and without one not at all', async () => {
    await s3.put(path, lenient);
    expect((await gate()).code).toBe(0);
    s3.fault = { status: 503, code: 'SlowDown' };
    const stale = await gate('--format', 'json');
    expect([stale.code, JSON.parse(stale.stdout).notes]).toEqual([
      0,
      [
        {
          message: expect.stringMatching(
            /^policy s3:.*S3 could not be asked \(SlowDown\): this is by the copy of \d+s ago$/,
          ),
        },
      ],
    ]);
    await world.forget();
    const none = await gate('--format', 'json');
    expect([none.code, none.stdout]).toEqual([3, '']);
    expect(none.stderr).toContain('there is no copy of it');
  });

  test('gate of a report at hand takes a file', async () => {
    const given = await command(['gate', '--report', '-', '--policy', at], { stdin: '{}' });
    expect([given.code, given.stderr]).toEqual([
      3,
      `portcullis: policy ${at}: a config reads policies in S3; here it has to be a file\n`,
    ]);
  });

  test('scan --dry-run leaves nothing behind', async () => {
    await s3.put(path, worldPolicy);
    expect((await world.run(['scan', '--dry-run'], { env: s3.env })).code).toBe(0);
    s3.fault = { status: 503, code: 'SlowDown' };
    expect((await gate()).stderr).toContain('there is no copy of it');
  });
});

test('a deployed gate answers 400 without a policy, and picks up a new one while it is warm', async () => {
  await s3.put(path, `${lenient}x`);
  const env = { ...world.env, ...s3.env, PORTCULLIS_CONFIG: world.configFile, LAMBDA_TASK_ROOT: join('/') };
  const instance = createInstance(env, { log: () => {}, begin() {} }, { clock });
  const invocation = { awsRequestId: 'r-1', getRemainingTimeInMillis: () => 60_000 };
  const event = { cluster: 'prod-us', max_age: '100000d' };
  const broken = await answerGate(event, invocation, instance);
  expect([broken.statusCode, JSON.parse(broken.body).error]).toEqual([
    400,
    { kind: 'invalid-input', message: expect.stringContaining(`invalid policy\n${at}:`) },
  ]);
  await s3.put(path, lenient);
  expect((await answerGate(event, invocation, instance)).statusCode).toBe(200);
  await s3.put(path, worldPolicy);
  nowMs += 5 * minuteMs;
  expect((await answerGate(event, invocation, instance)).statusCode).toBe(409);
  await (await instance.app()).close();
});
