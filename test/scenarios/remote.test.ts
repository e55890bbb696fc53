import { createHash, createHmac } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { answerGate } from '../../functions/gate.ts';
import { createInstance } from '../../functions/instance.ts';
import { formatNames } from '../../lib/cli/formats.ts';
import { worldNowMs } from '../../lib/simulator/clusters.ts';
import { command } from '../support/command.ts';
import { urlEvent } from '../support/lambda-process.ts';
import { lineLogging } from '../support/logging.ts';
import { startWorld, type World } from '../support/world.ts';

const keys = { AWS_ACCESS_KEY_ID: 'AKIDREMOTE', AWS_SECRET_ACCESS_KEY: 'remote/secret/canary' };

/** What AWS does with a call; `gate` asks the real handler. */
type Reaction =
  | 'gate'
  | { readonly status: number; readonly body?: string; readonly headers?: Readonly<Record<string, string>> }
  | { readonly payload: unknown; readonly functionError?: string }
  | 'reset';

interface Aws {
  readonly origin: string;
  /** What becomes of the next calls; then each asks the gate. */
  readonly script: Reaction[];
  readonly calls: { readonly url: string; readonly headers: IncomingMessage['headers']; readonly body: string }[];
  close(): Promise<void>;
}

/** Lambda's Invoke and a function URL, on loopback, before the real handler of the gate. */
async function startAws(world: World): Promise<Aws> {
  const script: Reaction[] = [];
  const calls: Aws['calls'] = [];
  const env = { ...world.env, PORTCULLIS_CONFIG: world.configFile, LAMBDA_TASK_ROOT: world.folder };
  const instance = createInstance(
    env,
    lineLogging(() => {}),
  );
  const invocation = { awsRequestId: 'r-1', getRemainingTimeInMillis: () => 60_000 };

  async function react(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let body = '';
    for await (const piece of request) body += piece;
    const url = request.url ?? '';
    // The SDK would take its own clock, which is the test's, for wrong.
    response.sendDate = false;
    calls.push({ url, headers: request.headers, body });
    const reaction = script.shift() ?? 'gate';
    if (reaction === 'reset') {
      request.socket.destroy();
      return;
    }
    const isInvoke = url.startsWith('/2015-03-31/');
    if (reaction === 'gate') {
      vi.setSystemTime(worldNowMs);
      const event = isInvoke ? JSON.parse(body) : urlEvent({ body });
      const answer = await answerGate(event, invocation, instance);
      if (isInvoke) response.end(JSON.stringify(answer));
      else response.writeHead(answer.statusCode, answer.headers).end(answer.body);
      return;
    }
    if ('payload' in reaction) {
      if (reaction.functionError !== undefined) response.setHeader('x-amz-function-error', reaction.functionError);
      response.end(JSON.stringify(reaction.payload));
      return;
    }
    response.writeHead(reaction.status, reaction.headers).end(reaction.body ?? '');
  }

  const server = createServer((request, response) => void react(request, response));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    script,
    calls,
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      await (await instance.app()).close();
    },
  };
}

let world: World;
let aws: Aws;
beforeAll(async () => {
  world = await startWorld();
  aws = await startAws(world);
});
beforeEach(() => {
  // The clock of the gate; timers go on.
  vi.useFakeTimers({ now: worldNowMs, toFake: ['Date'] });
  const env = { ...keys, AWS_REGION: 'ap-southeast-1', AWS_ENDPOINT_URL_LAMBDA: aws.origin };
  for (const [name, value] of Object.entries(env)) vi.stubEnv(name, value);
});
afterEach(() => {
  expect(aws.script).toEqual([]);
  vi.useRealTimers();
  vi.unstubAllEnvs();
});
afterAll(async () => {
  await aws.close();
  await world.close();
});

const ways = [
  ['--function', () => ['--function', 'portcullis-prod-gate']],
  ['--url', () => ['--url', `${aws.origin}/`]],
] as const;

describe.each(ways)('asked by %s', (way, to) => {
  const ask = (cluster: string, ...more: string[]) =>
    command(['gate', '--cluster', cluster, ...to(), ...more], {
      nowMs: worldNowMs,
      env: { AWS_REGION: 'ap-southeast-1' },
    });

  test.each([
    ['prod-eu', 0],
    ['prod-us', 1],
    ['nowhere', 2],
  ])('a deployed gate judges %s as the command does, byte for byte in every format', async (cluster, code) => {
    for (const format of formatNames) {
      const [remote, local] = [
        await ask(cluster, '--format', format),
        await world.run(['gate', '--cluster', cluster, '--format', format]),
      ];
      expect([remote.code, local.code]).toEqual([code, code]);
      // Only here it is known where the policy stands.
      const file = /portcullis-test-\w+\/production\.yaml|production\.yaml/g;
      if (['table', 'json', 'markdown', 'junit', 'gitlab-container'].includes(format))
        expect(remote.stdout.replace(file, '')).toBe(local.stdout.replace(file, ''));
      else expect(remote.stdout.length).toBeGreaterThan(0);
    }
  });

  test('takes the options of the request with it', async () => {
    const before = aws.calls.length;
    const ran = await ask(
      'prod-us',
      '--image',
      'no/such:1',
      '--max-age',
      '2h',
      '--strict',
      '--source',
      'prod',
      '--policy',
      'production',
      '--baseline',
      'previous',
      '--write-baseline',
      'previous',
    );
    expect(ran.code).toBe(1);
    expect(JSON.parse(aws.calls[before]?.body ?? '')).toEqual({
      cluster: 'prod-us',
      source: 'prod',
      policy: 'production',
      images: ['no/such:1'],
      max_age: '2h',
      strict: true,
      baseline: 'previous',
      write_baseline: 'previous',
    });
    expect(ran.stdout).toContain('image-absent');
    expect(ran.stdout.replaceAll(/\s+/g, ' ')).toContain('this result was not kept for baseline: previous');
  });

  test('lets an undetermined verdict through when the gate did, and only then', async () => {
    const ran = await ask('prod-eu', '--max-age', '1s', '--on-undetermined', 'pass');
    expect(ran.code).toBe(0);
    expect(ran.stderr).toContain('LET THROUGH');
    const down: Reaction = { status: 403, body: '{"Message":"Forbidden"}' };
    aws.script.push(down);
    expect(await ask('prod-eu', '--on-undetermined', 'pass')).toMatchObject({ code: 2 });
  });

  test('says what is wrong with the request: exit code 3', async () => {
    const ran = await ask('prod-eu', '--source', 'prd');
    expect(ran).toMatchObject({ code: 3, stdout: '' });
    expect(ran.stderr).toMatch(/^portcullis: .*there is no source prd; did you mean prod\?\n$/);
  });

  const verdict = (given: object = {}) => ({
    statusCode: 200,
    body: JSON.stringify({ version: 1, verdict: 'pass', ...given }),
  });
  const failures: [string, Reaction[], Reaction[], 2 | 4, RegExp][] = [
    ['access is denied', [denied], [{ status: 403, body: '{"Message":null}' }], 2, /may not ask it/],
    ['there is no such gate', [missing], [{ status: 404 }], 2, /there is no such/],
    ['it is throttled for good', Array(4).fill(throttled), Array(3).fill({ status: 429 }), 2, /too often/],
    ['AWS fails for good', Array(4).fill(broken), Array(3).fill({ status: 502 }), 2, /502|500/],
    ['the connection breaks', Array(4).fill('reset'), Array(3).fill('reset'), 2, /cannot be reached|closed before/],
    [
      'it is something else',
      [{ payload: { hello: 'world' } }],
      [{ status: 200, body: '<html>' }],
      4,
      /is no gate|no verdict/,
    ],
    [
      'a pass without a verdict',
      [{ payload: { statusCode: 200, body: '{}' } }],
      [{ status: 200, body: '{}' }],
      4,
      /no verdict/,
    ],
    ['half a result', [{ payload: verdict() }], [{ status: 200, body: verdict().body }], 4, /no verdict/],
    [
      'it has failed itself',
      [{ payload: { errorMessage: 'x' }, functionError: 'Unhandled' }],
      [
        {
          status: 500,
          body: '{"version":1,"error":{"kind":"internal-error","message":"internal error, not a verdict"}}',
        },
      ],
      4,
      /failed \(Unhandled\)|internal error, not a verdict/,
    ],
  ];
  test.each(failures)(
    'never passes when %s',
    async (_why, invoked, called, code, says) => {
      aws.script.push(...(way === '--function' ? invoked : called));
      const ran = await ask('prod-eu', '--on-undetermined', 'pass');
      expect(ran.code).toBe(code);
      expect(code === 4 ? ran.stderr : ran.stdout.replaceAll(/\s+/g, ' ')).toMatch(says);
      if (code === 4) expect(ran.stderr.trim().split('\n')).toHaveLength(1);
      expect(ran.stdout + ran.stderr).not.toContain(keys.AWS_SECRET_ACCESS_KEY);
    },
    60_000,
  );

  test('never passes by a status and a verdict that contradict, or by the verdict of another cluster', async () => {
    const { stdout: failing } = await ask('prod-us', '--format', 'json');
    const { stdout: passing } = await ask('prod-eu', '--format', 'json');
    const answers: [number, string, string][] = [
      [200, failing, 'prod-us'],
      [409, passing, 'prod-eu'],
      [200, passing, 'prod-us'],
      [200, passing.replace('"rules"', '"let_through": true, "rules"'), 'prod-eu'],
    ];
    for (const [status, body, cluster] of answers) {
      aws.script.push(way === '--function' ? { payload: { statusCode: status, body } } : { status, body });
      expect(await ask(cluster)).toMatchObject({ code: 4, stdout: '' });
    }
  });

  test('never passes by an answer that contradicts itself or what was asked', async () => {
    const { stdout: failing } = await ask('prod-us', '--format', 'json');
    const { stdout: passing } = await ask('prod-eu', '--format', 'json');
    const edited = (text: string, edit: (result: ReturnType<typeof JSON.parse>) => void) => {
      const result = JSON.parse(text);
      edit(result);
      return JSON.stringify(result);
    };
    const reason = { kind: 'report-stale', message: 'it is old', rules: [] };
    const rule = (change: object) => edited(passing, (it) => Object.assign(it.rules[0], change));
    const eased = (since: object) => rule({ status: 'observed', count: 1, omitted: 1, since });
    const previous = ['--baseline', 'previous'];
    const findings = JSON.parse(failing).rules[0].findings.slice(0, 1);
    const aged = (age: (report: { age_seconds: number }) => number) =>
      edited(passing, ({ report }) => Object.assign(report, { age_seconds: age(report) }));
    const dated = (atMs: number) =>
      edited(passing, ({ report, evaluated_at: now }) => {
        const age_seconds = Math.floor((Date.parse(now) - atMs) / 1000);
        Object.assign(report, { scanned_at: new Date(atMs).toISOString(), age_seconds });
      });
    const borrowed = { ...findings[0], waiver: 'W-1' };
    const loan = (status: string) => ({
      id: 'W-1',
      status,
      count: 5,
      rule: 'no-high',
      owner: 'o',
      reason: 'r',
      expires_at: '2030-01-01T00:00:00Z',
      expiring: false,
      max_findings: 1,
      line: 1,
    });
    const answers: [string, string, RegExp, string[]?][] = [
      ['prod-us', edited(failing, (it) => Object.assign(it, { verdict: 'pass' })), /is not that of its rules/],
      ['prod-eu', edited(passing, (it) => it.reasons.push(reason)), /is not that of its rules/],
      ['prod-eu', edited(passing, (it) => Object.assign(it, { rules: [] })), /judged by no rule/],
      ['prod-eu', passing, /by policy production, and not by strict/, ['--policy', 'strict']],
      ['prod-eu', edited(passing, (it) => Object.assign(it, { evaluated_at: '2025-01-01T00:00:00Z' })), /another time/],
      ['prod-eu', edited(passing, (it) => Object.assign(it.report, { scanned_at: null })), /of when the report is/],
      ['prod-eu', edited(passing, (it) => Object.assign(it.report, { id: '' })), /does not say by which report/],
      ['prod-eu', edited(passing, (it) => Object.assign(it.report, { digest: '' })), /does not say by which report/],
      ['prod-eu', rule({ omitted: 3 }), /names 0 findings and leaves out 3, and has found 0/],
      ['prod-eu', passing, /a report that is too old/, ['--max-age', '1s']],
      ['prod-eu', passing, /does not say what it compared with/, ['--baseline', 'previous']],
      ['prod-eu', passing, /not about the images asked for/, ['--image', 'no/such']],
      ['prod-eu', edited(passing, (it) => Object.assign(it, { images: ['a'] })), /asked about all/],
      ['prod-eu', edited(passing, (it) => it.waivers.push(loan('over-broad'))), /more than it was granted for/],
      ['prod-eu', rule({ waived: 1, waived_findings: [borrowed] }), /waived by W-1, which waives nothing/],
      ['prod-eu', rule({ waived: 0, waived_findings: [borrowed] }), /names 1 waived findings, and waived 0/],
      ['prod-eu', rule({ count: 1 }), /rule no-high passes with 1 found and 0 allowed/],
      ['prod-eu', rule({ status: 'warn' }), /rule no-high is warn with enforce: block/],
      ['prod-eu', rule({ status: 'observed' }), /rule no-high is observed with enforce: block/],
      ['prod-eu', rule({ status: 'undetermined' }), /rule no-high cannot be judged, and the verdict is pass/],
      [
        'prod-eu',
        rule({ per: ['image'], groups: [{ key: { image: 'a' }, count: 9, waived: 0 }] }),
        /groups that break it/,
      ],
      ['prod-eu', eased({ new: 0, fixed: 0, before: 1 }), /compares with a baseline, and was not asked to/],
      ['prod-eu', eased({ new: 0, fixed: 0, before: 1 }), /does not say what it compared with/, previous],
      ['prod-eu', eased({ new: 5, fixed: 0, before: 1 }), /no-high is observed with enforce: block/, previous],
      ['prod-eu', edited(passing, (it) => it.rules.push(it.rules[0])), /rule no-high is there twice/],
      ['prod-eu', passing.replace('"verdict"', '"verdict": "fail", "verdict"'), /answered with verdict twice/],
      ['prod-eu', passing.replace('"status"', '"st\\u0061tus": "fail", "status"'), /answered with status twice/],
      [
        'prod-eu',
        edited(passing, (it) => Object.assign(it.rules[0], { findings })),
        /names 1 findings, and has found 0/,
      ],
      ['prod-eu', aged((it) => it.age_seconds - 3_600), /the age of the report is not what its times make it/],
      ['prod-eu', dated(worldNowMs + 3_600_000), /by a report of the future/],
      ['prod-eu', dated(1_000_000), /by a report of before 2000/],
    ];
    for (const [cluster, body, says, more = []] of answers) {
      aws.script.push(way === '--function' ? { payload: { statusCode: 200, body } } : { status: 200, body });
      const ran = await ask(cluster, ...more);
      expect(ran).toMatchObject({ code: 4, stdout: '' });
      expect(ran.stderr).toMatch(says);
    }
  });

  test('never passes by a failing verdict that is said to be let through', async () => {
    const { stdout: failing } = await ask('prod-us', '--format', 'json');
    const body = failing.replace('"rules"', '"let_through": true, "rules"');
    aws.script.push(way === '--function' ? { payload: { statusCode: 200, body } } : { status: 200, body });
    const ran = await ask('prod-us', '--on-undetermined', 'pass');
    expect(ran).toMatchObject({ code: 4, stdout: '' });
    expect(ran.stderr).toContain('let a verdict through that is not undetermined: fail');
  });

  test('is tried again where AWS fails for a moment', async () => {
    aws.script.push(way === '--function' ? throttled : { status: 502 });
    expect(await ask('prod-eu')).toMatchObject({ code: 0 });
  }, 60_000);

  test('needs credentials', async () => {
    for (const name of Object.keys(keys)) vi.stubEnv(name, '');
    vi.stubEnv('AWS_EC2_METADATA_DISABLED', 'true');
    vi.stubEnv('AWS_SHARED_CREDENTIALS_FILE', '/nowhere');
    vi.stubEnv('AWS_CONFIG_FILE', '/nowhere');
    const ran = await ask('prod-eu');
    expect(ran.code).toBe(2);
    expect(ran.stdout).toContain('there are no AWS credentials');
  });

  test('is undetermined where credentials cannot be had, and quotes nothing of how', async () => {
    for (const name of Object.keys(keys)) vi.stubEnv(name, '');
    vi.stubEnv('AWS_EC2_METADATA_DISABLED', 'true');
    const file = join(world.folder, 'aws-config');
    writeFileSync(file, '[default]\ncredential_process = echo canary-of-a-helper; exit 1\n');
    vi.stubEnv('AWS_CONFIG_FILE', file);
    vi.stubEnv('AWS_SHARED_CREDENTIALS_FILE', '/nowhere');
    const ran = await ask('prod-eu', '--on-undetermined', 'pass');
    expect(ran.code).toBe(2);
    expect(ran.stdout).toContain('there are no AWS credentials');
    expect(ran.stdout + ran.stderr).not.toContain('canary-of-a-helper');
  });
});

const denied: Reaction = {
  status: 403,
  headers: { 'x-amzn-errortype': 'AccessDeniedException' },
  body: '{"Message":"no"}',
};
const missing: Reaction = { status: 404, headers: { 'x-amzn-errortype': 'ResourceNotFoundException' }, body: '{}' };
const throttled: Reaction = { status: 429, headers: { 'x-amzn-errortype': 'TooManyRequestsException' }, body: '{}' };
const broken: Reaction = { status: 500, headers: { 'x-amzn-errortype': 'ServiceException' }, body: '{}' };

test('the call of a function URL is signed as AWS checks it', async () => {
  const before = aws.calls.length;
  await command(['gate', '--cluster', 'prod-eu', '--url', `${aws.origin}/`, '--region', 'eu-west-1'], {
    nowMs: worldNowMs,
  });
  const { headers, body } = aws.calls[before] as Aws['calls'][number];
  const [, scope, names, signature] =
    /^AWS4-HMAC-SHA256 Credential=AKIDREMOTE\/(\S+), SignedHeaders=(\S+), Signature=([0-9a-f]{64})$/.exec(
      headers.authorization ?? '',
    ) ?? [];
  const [day = '', region, service] = (scope ?? '').split('/');
  expect([region, service]).toEqual(['eu-west-1', 'lambda']);
  const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');
  const hmac = (key: string | Buffer, text: string) => createHmac('sha256', key).update(text).digest();
  const signed = (names ?? '').split(';');
  expect(signed).toEqual(expect.arrayContaining(['host', 'x-amz-date']));
  const canonical = [
    'POST',
    '/',
    '',
    ...signed.map((name) => `${name}:${headers[name]}`),
    '',
    names,
    sha256(body),
  ].join('\n');
  const toSign = ['AWS4-HMAC-SHA256', headers['x-amz-date'], scope, sha256(canonical)].join('\n');
  const key = ['eu-west-1', 'lambda', 'aws4_request'].reduce(
    (last, part) => hmac(last, part),
    hmac(`AWS4${keys.AWS_SECRET_ACCESS_KEY}`, day),
  );
  expect(signature).toBe(hmac(key, toSign).toString('hex'));
});

test.each([
  [['--function', 'f', '--url', 'https://x'], 'needs --function or --url, and not both'],
  [['--function', 'f', '--config', 'x'], '--config does not go with --function or --url'],
  [['--function', 'f', '--baseline', 'b.json'], 'a deployed gate compares with previous only'],
  [['--function', 'f', '--write-baseline', '/tmp/b.json'], 'a deployed gate keeps previous only'],
  [['--url', 'http://example.com'], '--url: has to be the https URL'],
  [['--url', 'https://u:p@example.com'], '--url: must not hold a user or a password'],
  [['--url', 'https://example.com', '--qualifier', 'x'], '--qualifier does not go with --url'],
  [['--url', 'https://example.com'], 'use --region'],
  [['--region', 'x'], '--region does not go without --function or --url'],
  [['--function', 'f', '--region', 'example.com/'], '--region: has to be a region of AWS'],
  [['--url', 'https://example.com', '--region', 'eu west'], '--region: has to be a region of AWS'],
  [['--function', 'f', '--now', '2026-11-24T08:00:00Z'], '--now does not go with --function or --url'],
])('%s is refused', async (more, says) => {
  vi.stubEnv('AWS_REGION', '');
  const ran = await command(['gate', '--cluster', 'c', ...more]);
  expect(ran).toMatchObject({ code: 3, stdout: '' });
  expect(ran.stderr).toContain(says);
});
