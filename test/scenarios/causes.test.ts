import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { answerGate, type GateAnswer } from '../../functions/gate.ts';
import { createInstance } from '../../functions/instance.ts';
import { worldClusters, worldNowMs } from '../../lib/simulator/clusters.ts';
import type { Fault } from '../../lib/simulator/faults.ts';
import type { WireReport } from '../../lib/simulator/wire.ts';
import { urlEvent } from '../support/lambda-process.ts';
import { lineLogging } from '../support/logging.ts';
import { startWorld, type World, worldPolicy } from '../support/world.ts';

/** One cause of an answer, and what it has to be by each way in. */
interface Cause {
  readonly why: string;
  readonly cluster?: string;
  /** Fields of a request, and the same as options of the command. */
  readonly asked?: { readonly fields: object; readonly options: readonly string[] };
  readonly fault?: readonly [Fault, 'list' | 'report'];
  readonly report?: (report: WireReport) => object;
  readonly policy?: string;
  /** Words of the config to be replaced. */
  readonly config?: readonly [RegExp, string];
  readonly env?: Readonly<Record<string, string>>;
  readonly code: 0 | 1 | 2 | 3 | 4;
  readonly status: 200 | 409 | 503 | 400 | 500;
  /** Kinds of reasons; of 3 and 4, what is said. */
  readonly says?: string | readonly string[];
  readonly retryAfter?: string;
}

const isImage = { fields: { images: ['no/such:1'] }, options: ['--image', 'no/such:1'] };
const noHigh = '  - {id: no-high, on: vulnerabilities, min_severity: High, max: 0, severity: critical}\n';
const rules = (text: string) => `version: 1\nname: production\nrules:\n${text}`;

const causes: readonly Cause[] = [
  { why: 'all rules hold', cluster: 'prod-eu', code: 0, status: 200 },
  { why: 'a rule is broken', cluster: 'prod-us', code: 1, status: 409 },
  {
    why: 'a rule that only warns is broken, strictly',
    cluster: 'prod-us',
    policy: rules(noHigh.replace('max: 0', 'max: 0, enforce: warn')),
    asked: { fields: { strict: true }, options: ['--strict'] },
    code: 1,
    status: 409,
  },
  {
    why: 'a rule that only warns is broken',
    cluster: 'prod-us',
    policy: rules(noHigh.replace('max: 0', 'max: 0, enforce: warn')),
    code: 0,
    status: 200,
  },
  { why: 'the cluster was never checked', cluster: 'prod-apac', code: 2, status: 503, says: ['report-missing'] },
  {
    why: 'the report is gone',
    fault: [{ kind: 'hss-error', shape: 'not-found' }, 'report'],
    code: 2,
    status: 503,
    says: ['report-missing'],
  },
  {
    why: 'the report is old',
    report: ({ scan_time }) => ({ scan_time: scan_time - 30 * 3_600_000 }),
    code: 2,
    status: 503,
    says: ['report-stale'],
  },
  {
    why: 'the report is an older one than the list says',
    fault: [{ kind: 'stale', ageMs: 3_600_000 }, 'report'],
    code: 2,
    status: 503,
    says: ['report-unreadable'],
  },
  {
    why: 'the report is older than was asked for',
    asked: { fields: { max_age: '1s' }, options: ['--max-age', '1s'] },
    code: 2,
    status: 503,
    says: ['report-stale'],
  },
  {
    why: 'the report is empty',
    fault: [{ kind: 'empty' }, 'report'],
    code: 2,
    status: 503,
    says: ['report-unreadable'],
  },
  {
    why: 'the report is of the future',
    report: () => ({ scan_time: worldNowMs + 86_400_000 }),
    code: 2,
    status: 503,
    says: ['report-unreadable'],
  },
  {
    why: 'the report is of another cluster',
    fault: [{ kind: 'wrong-cluster' }, 'report'],
    code: 2,
    status: 503,
    says: ['report-unreadable'],
  },
  {
    why: 'the report breaks off',
    fault: [{ kind: 'truncated-json' }, 'report'],
    code: 2,
    status: 503,
    says: ['report-truncated'],
  },
  {
    why: 'counts contradict lists',
    fault: [{ kind: 'contradiction', more: 3 }, 'report'],
    code: 2,
    status: 503,
    says: ['count-mismatch'],
  },
  {
    why: 'a count is missing',
    report: () => ({ local_image_vul_num: null }),
    code: 2,
    status: 503,
    says: ['count-missing'],
  },
  { why: 'no list names the cluster', cluster: 'nowhere', code: 2, status: 503, says: ['cluster-absent'] },
  {
    why: 'the config leaves the cluster out',
    config: [/policy: production.yaml/, 'policy: production.yaml\n    clusters: {exclude: ["prod-*"]}'],
    code: 2,
    status: 503,
    says: ['cluster-absent'],
  },
  { why: 'the report does not know the image', asked: isImage, code: 2, status: 503, says: ['image-absent'] },
  { why: 'HSS refuses the key', env: { HSS_SK: 'wrong' }, code: 2, status: 503, says: ['source-unreachable'] },
  {
    why: 'HSS is throttling',
    fault: [{ kind: 'status', status: 429, retryAfter: '3600' }, 'list'],
    code: 2,
    status: 503,
    says: ['source-throttled'],
    retryAfter: '3600',
  },
  {
    why: 'a condition cannot be told',
    policy: rules('  - {id: r, on: ports, where: \'path == "x"\', max: 0}\n'),
    report: (report) => ({ port_list: report.port_list.map(({ path: _path, ...row }) => row) }),
    code: 2,
    status: 503,
    says: ['rule-unevaluable'],
  },
  {
    why: 'a violation is proven, and something else cannot be judged',
    cluster: 'prod-us',
    report: ({ scan_time }) => ({ scan_time: scan_time - 30 * 3_600_000 }),
    code: 1,
    status: 409,
    says: ['report-stale'],
  },
  {
    why: 'the policy is invalid',
    policy: rules('  - {id: r, on: vulnerabilitys, max: 0}\n'),
    code: 3,
    status: 400,
    says: 'rules[0].on',
  },
  {
    why: 'the config is invalid',
    config: [/region: .*/, 'regoin: x'],
    code: 3,
    status: 400,
    says: 'regoin: unknown key',
  },
  { why: 'a secret is missing', env: { HSS_SK: '' }, code: 3, status: 400, says: 'HSS_SK' },
  {
    why: 'there is no such source',
    asked: { fields: { source: 'prd' }, options: ['--source', 'prd'] },
    code: 3,
    status: 400,
    says: 'there is no source prd; did you mean prod?',
  },
  {
    why: 'there is no such policy',
    asked: { fields: { policy: 'prodution' }, options: ['--policy', 'prodution'] },
    code: 3,
    status: 400,
    says: 'there is no policy prodution in the config; did you mean production?',
  },
  {
    why: 'an age is none',
    asked: { fields: { max_age: 'a day' }, options: ['--max-age', 'a day'] },
    code: 3,
    status: 400,
    says: 'has to be a duration such as 26h',
  },
  {
    why: 'it is undetermined and may pass',
    asked: {
      fields: { max_age: '1s', on_undetermined: 'pass' },
      options: ['--max-age', '1s', '--on-undetermined', 'pass'],
    },
    code: 0,
    status: 200,
    says: ['report-stale'],
  },
];

let world: World;
beforeEach(async () => {
  // HSS and its client go by the true time, the gate by that of the world.
  world = await startWorld();
  vi.useFakeTimers({ now: worldNowMs, toFake: ['Date'] });
});
afterEach(async () => {
  vi.useRealTimers();
  await world.close();
});

const invocation = { awsRequestId: 'r-1', getRemainingTimeInMillis: () => 60_000 };

let states = 0;

/** Each asks for itself. */
function ownState(): string {
  states++;
  return `sqlite:${join(world.folder, `state-${states}.db`)}`;
}

/** The deployed gate, with a memory of its own. */
async function answer(event: unknown, env: Readonly<Record<string, string>> = {}): Promise<GateAnswer> {
  const given = { ...world.env, ...env, PORTCULLIS_STATE: ownState(), PORTCULLIS_CONFIG: world.configFile };
  const instance = createInstance(
    given,
    lineLogging(() => {}),
  );
  try {
    return await answerGate(event, invocation, instance);
  } finally {
    await (await instance.app().catch(() => undefined))?.close();
  }
}

/** A request id of HSS is another one for each call. */
const steady = (text: string) => text.replaceAll(/request [0-9a-f]{32}/g, 'request 0123');

describe('the same answer by command, by invocation and by URL:', () => {
  test.each(causes)('$why', async (cause) => {
    const { cluster = 'prod-eu', asked, fault, report, policy = worldPolicy, config, env = {}, code, status } = cause;
    await writeFile(join(world.folder, 'production.yaml'), policy);
    if (config !== undefined) {
      const text = await readFile(world.configFile, 'utf8');
      expect(text).toMatch(config[0]);
      await writeFile(world.configFile, text.replace(...config));
    }
    if (report !== undefined) {
      world.hss.clusters = worldClusters().map((one) => ({
        ...one,
        reports: one.reports.map(({ id, report: before }) => ({
          id,
          report: { ...before, ...report(before as WireReport) } as WireReport,
        })),
      }));
    }
    const request = { cluster, ...asked?.fields };
    const ways = [
      async () => {
        const around = { env: { PORTCULLIS_STATE: ownState(), ...env } };
        const ran = await world.run(
          ['gate', '--cluster', cluster, '--format', 'json', ...(asked?.options ?? [])],
          around,
        );
        expect(ran.code).toBe(code);
        return { text: code < 3 ? ran.stdout : ran.stderr, status, headers: {} as GateAnswer['headers'] };
      },
      async () => answerOf(await answer(request, env)),
      async () => answerOf(await answer(urlEvent({ body: JSON.stringify(request) }), env)),
    ];
    const texts: string[] = [];
    for (const [i, way] of ways.entries()) {
      if (fault !== undefined) world.hss.fail(fault[0], { api: fault[1] });
      const given = await way();
      expect(world.hss.pendingFaults()).toEqual([]);
      expect(given.status).toBe(status);
      if (i > 0) expect(given.headers['retry-after']).toBe(cause.retryAfter);
      texts.push(steady(given.text));
    }
    if (code >= 3) {
      for (const text of texts) expect(text).toContain(cause.says);
      expect(JSON.parse(texts[1] ?? '').error).toMatchObject({ kind: 'invalid-input' });
      return;
    }
    expect(new Set(texts).size, texts.join('\n')).toBe(1);
    const result = JSON.parse(texts[0] ?? '');
    expect(result.reasons.map(({ kind }: { kind: string }) => kind)).toEqual(cause.says ?? []);
  });

  function answerOf({ statusCode, body, headers }: GateAnswer) {
    return { text: body, status: statusCode, headers };
  }
});

test('what goes wrong inside is exit code 4 and status 500, and says so without detail', async () => {
  const instance = {
    ...createInstance(
      {},
      lineLogging(() => {}),
    ),
    app: () => Promise.reject(new TypeError('inside')),
  };
  for (const event of [{ cluster: 'prod-eu' }, urlEvent({ body: '{"cluster":"prod-eu"}' })]) {
    const { statusCode, body } = await answerGate(event, invocation, instance);
    expect(statusCode).toBe(500);
    expect(JSON.parse(body)).toMatchObject({ version: 1, error: { kind: 'internal-error' } });
    expect(body).not.toContain('inside');
  }
  const { run } = await import('../../lib/cli/run.ts');
  let said = '';
  const code = await run(['gate', '--cluster', 'x'], {
    env: {},
    get stdin(): never {
      throw new TypeError('inside');
    },
    stdout: { write: () => true },
    stderr: {
      write: (text) => {
        said += text;
      },
    },
    nowMs: () => {
      throw new TypeError('inside');
    },
  });
  expect(code).toBe(4);
  expect(said).toContain('internal error, not a verdict');
});
