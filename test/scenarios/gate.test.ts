import { spawnSync } from 'node:child_process';
import {
  closeSync,
  existsSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { formatNames } from '../../lib/cli/formats.ts';
import { type SimulatedCluster, worldClusters, worldNowMs } from '../../lib/simulator/clusters.ts';
import { buildReport } from '../../lib/simulator/reports.ts';
import { command } from '../support/command.ts';
import { workflowCommands } from '../support/workflow-commands.ts';
import { configOf, startWorld, type World, worldPolicy } from '../support/world.ts';

const example = 'test/fixtures/published-example.json';
const exampleNow = ['--now', '2025-04-19T12:00:00Z'];

let world: World;
beforeAll(async () => {
  world = await startWorld();
});
afterEach(() => {
  expect(world.hss.pendingFaults()).toEqual([]);
  world.hss.clusters = worldClusters();
  return world.forget();
});
afterAll(() => world.close());

function write(name: string, text: string | Uint8Array): string {
  const file = join(world.folder, name);
  writeFileSync(file, text);
  return file;
}

const policyFile = (rules: string) => write('policy.yaml', `version: 1\nname: p\nrules:\n${rules}`);

describe('the published example gives what its data say', () => {
  test.each([
    { rules: '  - {id: r, on: vulnerabilities, max: 0}', code: 1, count: 1, says: 'fail' },
    { rules: '  - {id: r, on: vulnerabilities, max: 1}', code: 0, count: 1, says: 'pass' },
    { rules: '  - {id: r, on: vulnerabilities, min_severity: Medium, max: 0}', code: 0, count: 0, says: 'pass' },
    {
      rules: '  - {id: r, on: vulnerabilities, where: \'image == "test-image"\', max: 0}',
      code: 1,
      count: 1,
      says: 'fail',
    },
    { rules: '  - {id: r, on: privileged_containers, max: 0}', code: 1, count: 1, says: 'fail' },
    {
      rules: '  - {id: r, on: privileged_containers, where: \'status == "running"\', max: 0}',
      code: 2,
      count: 0,
      says: 'undetermined',
    },
    { rules: '  - {id: r, on: baseline_checks, max: 0}', code: 1, count: 1, says: 'fail' },
    { rules: "  - {id: r, on: cluster, where: 'pods > 0', max: 0}", code: 1, count: 1, says: 'fail' },
    { rules: "  - {id: r, on: cluster, where: 'pods > 1', max: 0}", code: 0, count: 0, says: 'pass' },
  ])('$rules: $says', async ({ rules, code, count, says }) => {
    const ran = await command([
      'gate',
      '--report',
      example,
      '--policy',
      policyFile(rules),
      ...exampleNow,
      '--format',
      'json',
    ]);
    const result = JSON.parse(ran.stdout);
    expect(ran.code).toBe(code);
    expect(result).toMatchObject({
      version: 1,
      verdict: says,
      cluster: { id: '27716-6331ef-02c62-11958-f55d39', name: 'test-cluster', category: 'CCE' },
      report: { scanned_at: '2025-04-19T08:26:37.000Z', age_seconds: 12_803 },
      rules: [{ id: 'r', count }],
      counts: { vulnerabilities: { reported: 1, listed: 1 }, ports: { reported: 1, listed: 0 } },
    });
    expect(result.reasons.length > 0).toBe(says === 'undetermined');
  });

  test('and the whole result is as it was', async () => {
    const ran = await command([
      'gate',
      '--report',
      example,
      '--policy',
      'policies/production.yaml',
      ...exampleNow,
      '--format',
      'json',
    ]);
    await expect(ran.stdout).toMatchFileSnapshot('../fixtures/published-example.result.json');
  });
});

describe.each([1, 100, 100_000])('a report of %i vulnerabilities', (rows) => {
  test('gives exactly what is in it, by three ways in', async () => {
    const report = buildReport({
      clusterId: 'c-1',
      clusterName: 'sized',
      category: 'CCE',
      scannedAtMs: worldNowMs - 3_600_000,
      seed: `rows ${rows}`,
      rows: { vulnerabilities: rows },
    });
    const high = report.local_image_vul_list.filter((row) => row.severity_level === 'High').length;
    const running = report.privileged_container_list.filter((row) => row.container_status === 'running').length;
    const text = JSON.stringify(report);
    const args = [
      'gate',
      '--policy',
      write('world.yaml', worldPolicy),
      '--now',
      new Date(worldNowMs).toISOString(),
      '--format',
      'json',
    ];

    const file = await command([...args, '--report', write('report.json', text)]);
    const piped = await command([...args, '--report', '-'], { stdin: text });
    const packed = await command([...args, '--report', write('report.json.gz', gzipSync(text))]);

    const result = JSON.parse(file.stdout);
    expect(result.rules.map((rule: { count: number }) => rule.count)).toEqual([high, running]);
    expect(file.code).toBe(high + running > 0 ? 1 : 0);
    expect(piped).toEqual(file);
    expect(packed).toEqual(file);
  });
});

test('the same report through file, standard input and the live service gives the same bytes, source fields aside', async () => {
  const [, prodUs] = worldClusters();
  const newest = prodUs?.reports.at(-1);
  const live = await world.run(['gate', '--cluster', 'prod-us', '--format', 'json']);
  expect(world.hss.calls.at(-1)?.headers['x-language']).toBe('en-us');
  const file = write('live.json', JSON.stringify(newest?.report));
  const offline = await command([
    'gate',
    '--report',
    file,
    '--policy',
    join(world.folder, 'production.yaml'),
    '--now',
    new Date(worldNowMs).toISOString(),
    '--format',
    'json',
  ]);
  expect(live.code).toBe(1);
  expect(live.stdout.replace(`"id": "${newest?.id}"`, '"id": ""')).toBe(offline.stdout);
});

describe('by the config', () => {
  test.each([
    { cluster: 'prod-eu', code: 0, says: 'PASS prod-eu' },
    { cluster: 'prod-us', code: 1, says: 'FAIL prod-us' },
    { cluster: 'prod-apac', code: 2, says: 'report-missing: cluster prod-apac was never checked' },
    {
      cluster: 'prodeu',
      code: 2,
      says: 'cluster-absent: cluster prodeu: no report list of prod names it; did you mean prod-eu?',
    },
  ])('cluster $cluster: $says', async ({ cluster, code, says }) => {
    const ran = await world.run(['gate', '--cluster', cluster]);
    expect(ran.code).toBe(code);
    expect(ran.stdout.replaceAll(/\s+/g, ' ')).toContain(says);
  });

  test('runs within a few seconds ask for one list, where the state lasts', async () => {
    const calls = () => Map.groupBy(world.hss.calls, ({ api }) => api);
    const before = calls();
    for (const cluster of ['prod-eu', 'prod-us', 'prod-eu']) await world.run(['gate', '--cluster', cluster]);
    const made = (api: 'list' | 'report') => (calls().get(api)?.length ?? 0) - (before.get(api)?.length ?? 0);
    expect([made('list'), made('report')]).toEqual([1, 2]);
    await world.forget();
    const wrong = await world.run(['gate', '--cluster', 'prod-eu'], { env: { HSS_SK: 'wrong' } });
    expect([wrong.code, (await world.run(['gate', '--cluster', 'prod-eu'])).code]).toEqual([2, 0]);
    const config = join(world.folder, 'in-memory.yaml');
    writeFileSync(config, readFileSync(world.configFile, 'utf8').replace('sqlite:state.db', '"memory:"'));
    const args = ['gate', '--cluster', 'prod-eu', '--config', config, '--now', new Date(worldNowMs).toISOString()];
    for (let n = 0; n < 2; n++) expect(await command(args, { env: world.env })).toMatchObject({ code: 0 });
    expect(made('list')).toBe(5);
  });

  test('a cluster may be named by its id', async () => {
    const id = worldClusters()[0]?.id as string;
    expect((await world.run(['gate', '--cluster', id])).stdout).toContain('PASS prod-eu');
  });

  test('a name that two clusters have is refused, with their ids', async () => {
    const [first] = worldClusters() as [SimulatedCluster];
    world.hss.clusters = [first, { ...first, id: 'twin' }];
    const ran = await world.run(['gate', '--cluster', 'prod-eu']);
    expect(ran.code).toBe(3);
    expect(ran.stderr).toContain(`is the name of several: ${first.id} in source prod, twin in source prod; ask by id`);
  });

  test.each(['list', 'report'] as const)(
    'a %s that does not come is waited for as long as --timeout says',
    async (api) => {
      world.hss.fail({ kind: 'slow' }, { api });
      const ran = await world.run(['gate', '--cluster', 'prod-eu', '--timeout', '1s']);
      expect(ran.code).toBe(2);
      expect(ran.stdout).toContain('source prod: ran out of time before HSS had answered');
    },
  );

  test('a report about another cluster is not judged', async () => {
    world.hss.fail({ kind: 'wrong-cluster' }, { api: 'report' });
    const ran = await world.run(['gate', '--cluster', 'prod-eu']);
    expect(ran.code).toBe(2);
    expect(ran.stdout).toContain('is about another cluster');
  });

  test('a report of 30 hours is stale, and a larger --max-age takes it', async () => {
    expect((await world.run(['gate', '--cluster', 'analytics', '--format', 'json'])).code).toBe(1);
    world.hss.clusters = worldClusters(worldNowMs - 30 * 3_600_000);
    // Else the list of a moment ago is taken for the newest.
    await world.forget();
    expect((await world.run(['gate', '--cluster', 'prod-eu'])).code).toBe(2);
    expect((await world.run(['gate', '--cluster', 'prod-eu', '--max-age', '48h'])).code).toBe(0);
  });
});

test('a name is not believed while another source could not be asked for it', async () => {
  const twice = await startWorld({
    config: (urls) => {
      const [head, ...rest] = configOf(urls).split('receivers:');
      const source = (head ?? '').slice((head ?? '').indexOf('  - name: prod'));
      const other = source
        .replace('name: prod', 'name: other')
        .replace(/endpoint: http.*/, 'endpoint: http://127.0.0.1:9');
      return `${head}${other}receivers:${rest.join('receivers:')}`;
    },
  });
  try {
    const byName = await twice.run(['gate', '--cluster', 'prod-eu']);
    expect(byName.code).toBe(2);
    expect(byName.stdout).toContain('source-unreachable: source other');
    expect((await twice.run(['gate', '--cluster', 'prod-us'])).code).toBe(1);
    expect((await twice.run(['gate', '--cluster', worldClusters()[0]?.id as string])).code).toBe(0);
    expect((await twice.run(['gate', '--cluster', 'prod-eu', '--source', 'prod'])).code).toBe(0);
  } finally {
    await twice.close();
  }
}, 60_000);

describe('what the world does is undetermined, with a message and exit code 2:', () => {
  test.each([
    {
      why: 'HTML instead of JSON',
      fault: { kind: 'html' },
      says: 'a web page, so something in between answered',
    },
    { why: 'an empty body', fault: { kind: 'empty' }, says: 'report-unreadable: the report is empty' },
    {
      why: 'JSON that breaks off',
      fault: { kind: 'truncated-json' },
      says: 'report-truncated: the report ends at byte',
    },
    { why: 'counts that contradict', fault: { kind: 'contradiction', more: 3 }, says: 'count-mismatch' },
    { why: 'an older report', fault: { kind: 'stale', ageMs: 3_600_000 }, says: 'report-unreadable' },
  ] as const)('$why', async ({ fault, says }) => {
    world.hss.fail(fault, { api: 'report' });
    const ran = await world.run(['gate', '--cluster', 'prod-eu']);
    expect(ran.stdout).toContain(says);
    expect(ran.code).toBe(2);
  });

  test('a wrong key', async () => {
    const ran = await world.run(['gate', '--cluster', 'prod-eu'], { env: { HSS_SK: 'wrong-canary' } });
    expect(ran.code).toBe(2);
    expect(ran.stdout).toContain('source-unreachable');
    expect(ran.stdout + ran.stderr).not.toMatch(/canary|AKWORLD|Signature|SignedHeaders/);
    const steady = ran.stdout.replace(/request\s+[0-9a-f]{32}/, 'request 0123');
    await expect(steady).toMatchFileSnapshot('../fixtures/wrong-key.txt');
  });

  test('an endpoint that nobody answers', async () => {
    const closed = await startWorld({ config: (urls) => configOf({ ...urls, hss: 'http://127.0.0.1:9' }) });
    try {
      const ran = await closed.run(['gate', '--cluster', 'prod-eu']);
      expect(ran.code).toBe(2);
      expect(ran.stdout.replaceAll(/\s+/g, ' ')).toContain('source-unreachable: source prod');
      expect(ran.stdout).toContain('refused');
    } finally {
      await closed.close();
    }
  }, 120_000);
});

describe('bad input ends with exit code 3 and says what, where and what to do:', () => {
  test.each([
    { args: ['gate'], says: 'needs either --report FILE --policy FILE or --cluster NAME' },
    { args: ['gate', '--report', example], says: '--report needs --policy FILE' },
    { args: ['gate', '--report', example, '--cluster', 'x'], says: 'needs either' },
    {
      args: ['gate', '--cluster', 'x', '--policy', 'y'],
      says: 'there is no policy y in the config; known: production',
    },
    {
      args: ['gate', '--report', 'nowhere.json', '--policy', 'policies/production.yaml'],
      says: '--report nowhere.json: cannot be read (ENOENT)',
    },
    { args: ['gate', '--report', 'test', '--policy', 'policies/production.yaml'], says: '--report test: is a folder' },
    { args: ['gate', '--report', '-', '--policy', 'policies/production.yaml'], says: 'nothing is piped into it' },
    {
      args: ['gate', '--report', example, '--policy', 'nowhere.yaml'],
      says: 'policy nowhere.yaml: cannot be read (ENOENT)',
    },
    {
      args: ['gate', '--report', example, '--policy', 'test/fixtures/policy-with-errors.yaml'],
      says: 'policy-with-errors.yaml:7:5: rules[0].min_severty: unknown key; did you mean min_severity?',
    },
    {
      args: ['gate', '--cluster', 'x', '--config', 'nowhere.yaml'],
      says: 'config nowhere.yaml: cannot be read (ENOENT)',
    },
    {
      args: ['gate', '--cluster', 'x', '--config', 'test/fixtures/config-with-errors.yaml'],
      says: 'sources[0].region: is required',
    },
    { args: ['gate', '--reprot', 'x'], says: 'unknown option --reprot; did you mean --report?' },
    {
      args: ['gate', '--report', example, '--policy', 'policies/production.yaml', '--format', 'jsn'],
      says: 'there is no format jsn; did you mean json?',
    },
    {
      args: ['gate', '--report', example, '--policy', 'policies/production.yaml', '--out', 'json'],
      says: '--out json: has to be FORMAT=FILE',
    },
    {
      args: ['gate', '--report', example, '--policy', 'policies/production.yaml', '--out', 'json=-'],
      says: '--out json=-: writes files; what is for standard output is named by --format',
    },
    {
      args: ['gate', '--report', example, '--policy', 'policies/production.yaml', '--max-age', '3'],
      says: '--max-age 3: has to be a duration',
    },
    {
      args: ['gate', '--report', example, '--policy', 'policies/production.yaml', '--now', 'noon'],
      says: '--now noon: has to be a time',
    },
    { args: ['gat'], says: 'there is no command gat; did you mean gate?' },
  ])('$args', async ({ args, says }) => {
    const ran = await command(args);
    expect(ran.code).toBe(3);
    expect(ran.stderr).toContain(says);
    expect(ran.stdout).toBe('');
  });

  test('a missing secret is named, and nothing is asked of HSS', async () => {
    const before = world.hss.calls.length;
    const ran = await world.run(['gate', '--cluster', 'prod-eu'], { env: { HSS_SK: undefined } });
    expect(ran.code).toBe(3);
    expect(ran.stderr).toContain('env://HSS: HSS_SK not set in the environment');
    expect(world.hss.calls).toHaveLength(before);
    // A pipeline needs no secret of a receiver.
    expect((await world.run(['gate', '--cluster', 'prod-eu'], { env: { SLACK_URL: undefined } })).code).toBe(0);
  });

  test('an unknown source', async () => {
    const ran = await world.run(['gate', '--cluster', 'prod-eu', '--source', 'prd']);
    expect(ran.code).toBe(3);
    expect(ran.stderr).toContain('there is no source prd; did you mean prod?');
  });
});

describe('names and policies give a CI system no command', () => {
  const attacks = ['##[error]x', '##[add-path]/evil', '##vso[task.complete]', '::error::x'];
  const policy = ['--policy', 'policies/production.yaml', '--now', '2026-11-02T08:00:00Z'];
  const names = /"(cluster_name|local_image_name|vul_name|app_name|container_name|vul_description|solution)": "/g;

  test.each(formatNames)('in %s', async (format) => {
    const text = readFileSync('docs/examples/report.json', 'utf8');
    for (const attack of attacks) {
      const report = write(
        'attack.json',
        text.replace(names, (start) => `${start}${attack}`),
      );
      const ran = await command(['gate', '--report', report, ...policy, '--format', format]);
      expect(ran.code).toBe(1);
      expect(ran.stdout).toContain(attack.replace(/^\W+|\W+$/g, '').slice(0, 3));
      expect(ran.stdout).not.toMatch(/##\w*\[/);
      expect(ran.stdout).not.toMatch(/^\s*::error::x/m);
    }
  });

  test('in what is wrong with a policy', async () => {
    const file = write('attack.yaml', 'nam: "x\n::set-output name=v::1\r##[set-output name=v]1"\n::add-mask::x: 1\n');
    const ran = await command(['gate', '--report', example, '--policy', file]);
    expect(ran.code).toBe(3);
    expect(ran.stderr).toContain('set-output');
    expect(workflowCommands(ran.stderr)).toEqual([]);
  });
});

describe('output', () => {
  const args = ['gate', '--report', example, '--policy', 'policies/production.yaml', ...exampleNow];

  test('goes to files in other formats, beside standard output', async () => {
    const [json, table] = [join(world.folder, 'out.json'), join(world.folder, 'out.txt')];
    const ran = await command([...args, '--out', `json=${json}`, '--out', `table=${table}`]);
    expect(readFileSync(table, 'utf8')).toBe(ran.stdout);
    expect(JSON.parse(readFileSync(json, 'utf8')).verdict).toBe('undetermined');
  });

  test.each([
    [['--out', 'json=/nowhere/x.json'], '--out /nowhere/x.json: cannot be written (ENOENT)'],
    [['--out', `json=${example}`], `--out ${example}: would write over what is read`],
    [['--write-baseline', '/nowhere/b.json'], '--write-baseline /nowhere/b.json: cannot be written (ENOENT)'],
    [['--format', 'json', '--format', 'table'], 'gate: --format is given twice'],
    [['--now', '2026-02-30T00:00:00Z'], 'gate: --now is given twice'],
  ])('that cannot be had as it is asked for is told before anything is judged: %s', async (more, says) => {
    const before = readFileSync(example, 'utf8');
    const ran = await command([...args, ...more]);
    expect(ran).toMatchObject({ code: 3, stdout: '', stderr: `portcullis: ${says}\n` });
    expect(readFileSync(example, 'utf8')).toBe(before);
  });

  test('that an earlier run left is not taken for the verdict of one that gave none', async () => {
    const file = write('old.json', '{"verdict":"pass"}');
    const broken = policyFile('  - {id: r, on: nothing, max: 0}');
    const ran = await command(['gate', '--report', example, '--policy', broken, '--out', `json=${file}`]);
    expect(ran).toMatchObject({ code: 3, stdout: '' });
    expect(existsSync(file)).toBe(false);
  });

  test.each([
    { why: 'the config', file: 'portcullis.yaml' },
    { why: 'a policy of the config', file: 'production.yaml' },
    { why: 'the state', file: 'state.db' },
    { why: 'what SQLite writes beside the state', file: 'state.db-wal' },
    { why: 'a secret', file: 'secret' },
  ])('never goes over $why, by any name of it', async ({ file }) => {
    const own = await startWorld();
    try {
      const [path, link, hard, folder] = [file, 'link', 'hard', 'folder'].map((name) => join(own.folder, name)) as [
        string,
        string,
        string,
        string,
      ];
      const text = readFileSync(own.configFile, 'utf8').replace('env://HOOK_SECRET', `file://${own.folder}/secret`);
      writeFileSync(own.configFile, text.replace('state.db', 'kept/../state.db'));
      mkdirSync(join(own.folder, 'kept'));
      writeFileSync(join(own.folder, 'secret'), 'x');
      await own.run(['gate', '--cluster', 'prod-eu']);
      if (!existsSync(path)) writeFileSync(path, 'x');
      symlinkSync(path, link);
      linkSync(path, hard);
      symlinkSync(own.folder, folder);
      const before = readFileSync(path);
      for (const name of [path, link, hard, join(folder, file)]) {
        for (const more of [
          [`--out=json=${name}`],
          [`--write-baseline=${name}`],
          [`--out=json=${name}`, '--nonsense'],
        ]) {
          const ran = await own.run(['gate', '--cluster', 'prod-eu', ...more]);
          expect(ran).toMatchObject({ code: 3, stdout: '' });
          if (more.length === 1) expect(ran.stderr).toMatch(/would write over what is read\n$/);
          expect(existsSync(name)).toBe(true);
          expect(readFileSync(path).equals(before)).toBe(true);
        }
      }
    } finally {
      await own.close();
    }
  });

  const main = join(process.cwd(), 'lib/cli/main.ts');

  test('never goes over the config that is there by default', () => {
    const asked = [main, 'gate', '--cluster', 'prod-eu', '--out', 'json=./portcullis.yaml'];
    const ran = spawnSync(process.execPath, asked, { cwd: world.folder, env: world.env, encoding: 'utf8' });
    expect(ran).toMatchObject({ status: 3, stderr: expect.stringContaining('would write over what is read') });
    expect(readFileSync(world.configFile, 'utf8')).toContain('version: 1');
  });

  test.each([[], ['--nonsense']])('never goes over the report on standard input %j', (...more) => {
    const report = join(world.folder, 'piped.json');
    writeFileSync(report, readFileSync(example));
    const asked = [main, 'gate', '--report', '-', '--policy', 'policies/production.yaml', '--out', `json=${report}`];
    const input = openSync(report, 'r');
    const ran = spawnSync(process.execPath, [...asked, ...more], { stdio: [input, 'pipe', 'pipe'], encoding: 'utf8' });
    closeSync(input);
    expect(ran.status).toBe(3);
    if (more.length === 0) expect(ran.stderr).toContain('would write over what is read');
    expect(readFileSync(report).equals(readFileSync(example))).toBe(true);
  });

  test.each(['--nonsense', '--format=nothing', '--cluster=x', 'positional', '--max-age=never'])(
    'that an earlier run left goes also where the arguments are wrong, and what they name stays: %s',
    async (wrong) => {
      const file = write('old.json', '{"verdict":"pass"}');
      const policy = policyFile('  - {id: r, on: vulnerabilities, max: 0}');
      const ran = await command([
        'gate',
        '--report',
        example,
        `--polcy=${policy}`,
        policy,
        `--out=json=${file}`,
        wrong,
      ]);
      expect(ran).toMatchObject({ code: 3, stdout: '' });
      expect(existsSync(file)).toBe(false);
      const kept = await command(['gate', '--report', example, '--polcy', policy, `--out=json=${policy}`, wrong]);
      expect(kept.code).toBe(3);
      expect(existsSync(policy)).toBe(true);
    },
  );

  test('that is named in a config that is none stays', async () => {
    const policy = write('named.yaml', 'x');
    const old = write('old.json', '{"verdict":"pass"}');
    const config = write('bad.yaml', 'version: 1\nsources: [{policy: named.yaml}]\n');
    const outs = [`--out=json=${policy}`, `--out=json=${old}`];
    const ran = await command(['gate', '--cluster', 'c', '--config', config, ...outs, '--nonsense']);
    expect([ran.code, existsSync(policy), existsSync(old)]).toEqual([3, true, false]);
  });

  test('that cannot be written after all is no verdict: exit code 4, one line, and none of it stays', async () => {
    const file = join(world.folder, 'half.json');
    const full = await command([...args, `--out=json=${file}`, '--out=sarif=/dev/full']);
    expect(full).toEqual({
      code: 4,
      stdout: '',
      stderr: 'portcullis: no verdict: --out /dev/full: cannot be written (ENOSPC)\n',
    });
    expect(existsSync(file)).toBe(false);
    const shell = (redirect: string) =>
      spawnSync('sh', ['-c', `"$0" "$@" ${redirect}`, process.execPath, main, ...args], { encoding: 'utf8' });
    expect(shell('>/dev/full')).toMatchObject({
      status: 4,
      stderr: 'portcullis: no verdict: standard output cannot be written (ENOSPC)\n',
    });
    expect(shell('2>/dev/full')).toMatchObject({ status: 2 });
  });

  test.each(['cluster', 'source', 'policy', 'config', 'baseline', 'function', 'url', 'max-age', 'write-baseline'])(
    'is none where --%s is an empty variable, not even where undetermined may pass',
    async (name) => {
      for (const value of ['', ' \t']) {
        const asked = ['gate', `--${name}=${value}`, ...(name === 'cluster' ? [] : ['--cluster=prod-eu'])];
        const ran = await command([...asked, '--on-undetermined=pass'], { env: world.env });
        expect(ran).toEqual({ code: 3, stdout: '', stderr: `portcullis: gate: --${name} is empty\n` });
      }
    },
  );

  test('by a link stays a link, and what an earlier run wrote is gone where this one fails', async () => {
    const [file, link] = ['target.json', 'link.json'].map((name) => join(world.folder, name)) as [string, string];
    writeFileSync(file, '{"verdict": "pass"}');
    symlinkSync(file, link);
    const ran = await command([...args, '--out', `json=${link}`]);
    expect(JSON.parse(readFileSync(file, 'utf8')).verdict).toBe('undetermined');
    expect(ran.code).toBe(2);
    await command([...args, '--nonsense', '--out', `json=${link}`]);
    expect(readFileSync(file, 'utf8')).toBe('');
  });

  test('of one file for two formats is refused', async () => {
    const file = join(world.folder, 'twice.json');
    const ran = await command([...args, '--out', `json=${file}`, '--out', `sarif=${file}`]);
    expect(ran.stderr).toBe(`portcullis: --out ${file}: is written twice\n`);
  });

  test('has colour on a terminal, and none with NO_COLOR or elsewhere', async () => {
    const sgr = '\u001b[';
    expect((await command(args, { isTerminal: true })).stdout).toContain(sgr);
    expect((await command(args, { isTerminal: true, env: { NO_COLOR: '1' } })).stdout).not.toContain(sgr);
    expect((await command(args)).stdout).not.toContain(sgr);
    expect((await command(args, { env: { FORCE_COLOR: '1' } })).stdout).toContain(sgr);
  });

  test('shows progress of a large report on a terminal, and removes it', async () => {
    const big = write('big.json', `{"scan_time":1745051197000,"x":[${'"aaaaaaaaaaaaaaa",'.repeat(600_000)}1]}`);
    const shown = await command(['gate', '--report', big, '--policy', 'policies/production.yaml', ...exampleNow], {
      isTerminal: true,
    });
    expect(shown.stderr).toMatch(/reading the report: \d+ MB/);
    expect(shown.stderr.endsWith('\r\u001b[K')).toBe(true);
    const piped = await command(['gate', '--report', big, '--policy', 'policies/production.yaml', ...exampleNow]);
    expect(piped.stderr).toBe('');
  });

  test('of help names every option', async () => {
    const help = await command(['gate', '--help']);
    expect(help.code).toBe(0);
    for (const option of [
      '--report',
      '--policy',
      '--cluster',
      '--source',
      '--config',
      '--format',
      '--out',
      '--max-age',
      '--strict',
      '--now',
    ]) {
      expect(help.stdout).toContain(option);
    }
  });
});

describe('narrowed to images', () => {
  const judge = (...images: string[]) =>
    command([
      'gate',
      ...['--report', example, '--policy', policyFile('  - {id: r, on: vulnerabilities, max: 0}')],
      ...exampleNow,
      ...images.flatMap((image) => ['--image', image]),
    ]);

  test('counts theirs, and does not pass for one that is not there', async () => {
    expect(await judge('test-image')).toMatchObject({ code: 1 });
    const absent = await judge('other:1');
    expect(absent.code).toBe(2);
    expect(absent.stdout).toContain('image-absent: image other:1: the report does not know it');
    // A violation that is proven stays one.
    expect(await judge('test-image', 'other:1')).toMatchObject({ code: 1 });
    expect(await judge('No Image')).toMatchObject({ code: 3 });
  });
});

describe('a baseline', () => {
  const gate = (policy: string, ...more: string[]) =>
    command(['gate', '--report', example, '--policy', policy, ...exampleNow, ...more]);

  test('that was written lets what it knows through, and only that', async () => {
    const policy = policyFile('  - {id: r, on: vulnerabilities, max: 0}');
    const file = join(world.folder, 'baseline.json');
    expect(await gate(policy, '--write-baseline', file)).toMatchObject({ code: 1, stderr: '' });
    const known = await gate(policy, '--baseline', file);
    expect(known.code).toBe(0);
    expect(known.stdout).toMatch(/OBSERVED +r +1/);
    expect(known.stdout).toContain('against the baseline: 1 before, 0 new, 0 fixed');
    const stricter = policyFile(
      '  - {id: r, on: vulnerabilities, max: 0}\n  - {id: p, on: privileged_containers, max: 0}',
    );
    const other = await gate(stricter, '--baseline', file);
    expect(other.code).toBe(1);
    expect(other.stdout).toContain('rule p: all findings count, since the baseline does not have it');
  });

  test('is not written of a report that does not suffice, and the verdict stays', async () => {
    const file = join(world.folder, 'none.json');
    const policy = policyFile('  - {id: r, on: ports, max: 0, where: "port == 1"}');
    const ran = await gate(policy, '--write-baseline', file);
    expect(ran).toMatchObject({
      code: 2,
      stderr: 'portcullis: no baseline was written: the report does not suffice\n',
    });
  });

  test('stays as it was where what is compared with it fails, however often that is run', async () => {
    const file = join(world.folder, 'rerun.json');
    const known = policyFile('  - {id: r, on: vulnerabilities, max: 0}');
    await gate(known, '--write-baseline', file);
    const before = JSON.parse(readFileSync(file, 'utf8'));
    // Of what was known then one is new now.
    const [rule] = before.rules;
    rule.findings.pop();
    rule.count--;
    writeFileSync(file, JSON.stringify(before));
    for (let run = 0; run < 2; run++) {
      const ran = await gate(known, '--baseline', file, '--write-baseline', file);
      expect(ran).toMatchObject({ code: 1, stderr: expect.stringContaining('stays as it was') });
    }
    expect(JSON.parse(readFileSync(file, 'utf8'))).toEqual(before);
  });

  test('is renewed in place, and never written over what is read otherwise', async () => {
    const policy = policyFile('  - {id: r, on: vulnerabilities, max: 0}');
    const [file, none] = [join(world.folder, 'renewed.json'), join(world.folder, 'not-made.json')];
    await gate(policy, '--write-baseline', file);
    const before = readFileSync(file, 'utf8');
    expect(await gate(policy, '--baseline', file, '--write-baseline', file)).toMatchObject({ code: 0, stderr: '' });
    expect(readFileSync(file, 'utf8')).toBe(before);
    const text = readFileSync(policy, 'utf8');
    const over = await gate(policy, '--write-baseline', policy);
    expect(over).toMatchObject({
      code: 3,
      stderr: `portcullis: --write-baseline ${policy}: would write over what is read\n`,
    });
    expect(readFileSync(policy, 'utf8')).toBe(text);
    expect(await gate(policyFile('  - {id: r, on: nothing, max: 0}'), '--write-baseline', none)).toMatchObject({
      code: 3,
    });
    expect(existsSync(none)).toBe(false);
  });

  test('of the previous result is written where that is asked for, and lets through what it knows', async () => {
    const ask = (...more: string[]) => world.run(['gate', '--cluster', 'prod-us', ...more]);
    for (let i = 0; i < 2; i++) expect((await ask('--baseline', 'previous')).code).toBe(1);
    expect((await ask('--write-baseline', 'previous')).code).toBe(1);
    expect((await ask('--baseline', 'previous')).code).toBe(0);
    expect(existsSync('previous')).toBe(false);
    const forgetful = { env: { PORTCULLIS_STATE: 'memory:' } };
    const refused = await world.run(['gate', '--cluster', 'prod-us', '--write-baseline', 'previous'], forgetful);
    expect(refused).toMatchObject({ code: 3, stdout: '' });
  });

  test.each([
    [['--baseline', 'previous'], '--baseline previous: nothing is remembered of a report at hand; name a file'],
    [
      ['--write-baseline', 'previous'],
      '--write-baseline previous: nothing is remembered of a report at hand; name a file',
    ],
    [['--baseline', 'nowhere.json'], '--baseline nowhere.json: cannot be read (ENOENT)'],
    [['--baseline', example], `baseline ${example}: version is not as gate --write-baseline writes it`],
  ])('%s is refused', async (more, says) => {
    const policy = policyFile('  - {id: r, on: vulnerabilities, max: 0}');
    expect(await gate(policy, ...more)).toMatchObject({ code: 3, stderr: `portcullis: ${says}\n` });
  });
});

test.each([
  ['--image', '--help'],
  ['--image', '-h'],
  ['--cluster', '--help'],
  ['--out', '-h'],
  ['--strict', '--help'],
])('help as the value of an option is no verdict: %s %s', async (...more) => {
  const args = ['gate', '--report', example, '--policy', 'policies/production.yaml'];
  for (const all of [
    [...args, ...more],
    ['gate', ...more, ...args.slice(1)],
  ])
    expect(await command(all)).toMatchObject({ code: 3, stdout: '' });
});

test('help beside options says how it is had, and alone it is', async () => {
  const ran = await command(['gate', '--cluster', 'x', '--help']);
  expect(ran.stderr).toBe('portcullis: gate: --help stands alone: portcullis gate --help\n');
  for (const args of [
    ['gate', '--help'],
    ['gate', '-h'],
    ['silence', 'add', '--help'],
  ])
    expect(await command(args)).toMatchObject({ code: 0, stdout: expect.stringContaining('portcullis ') });
});

test('an undetermined verdict is let through only where that is asked for, and loudly', async () => {
  const args = ['gate', '--report', example, '--policy', 'policies/production.yaml', '--now', '2026-11-02T08:00:00Z'];
  expect(await command(args)).toMatchObject({ code: 2 });
  const ran = await command([...args, '--on-undetermined', 'pass', '--format', 'json']);
  expect(ran.code).toBe(0);
  expect(ran.stderr).toBe(
    'portcullis: LET THROUGH: the verdict is undetermined, and --on-undetermined pass was given\n',
  );
  expect(JSON.parse(ran.stdout)).toMatchObject({
    verdict: 'undetermined',
    let_through: true,
    notes: expect.arrayContaining([
      { message: expect.stringContaining('of a report at hand nothing is written down') },
    ]),
  });
  for (const format of ['table', 'github', 'markdown', 'sarif', 'junit'])
    expect((await command([...args, '--on-undetermined', 'pass', '--format', format])).stdout).toContain('LET THROUGH');
  expect(await command([...args, '--on-undetermined', 'ignore'])).toMatchObject({ code: 3 });
});
