import { chmodSync, cpSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { worldClusters } from '../../lib/simulator/clusters.ts';
import { buildReport } from '../../lib/simulator/reports.ts';
import { command } from '../support/command.ts';
import { action, outputsOf, root, type Step, useAction } from '../support/pipelines.ts';
import { sarifProblems } from '../support/validators.ts';
import { startWorld, type World } from '../support/world.ts';

const hourMs = 3_600_000;
const nowMs = Date.now();

let world: World;
beforeAll(async () => {
  world = await startWorld({ clusters: worldClusters(nowMs) });
});
afterAll(() => world.close());

/** In the folder with the config and the policy, as a workflow that checked them out. */
function use(given: Readonly<Record<string, string>>, step: Partial<Step> = {}) {
  return useAction({ workspace: world.folder, with: given, ...step, env: { ...world.env, ...step.env } });
}

function write(name: string, text: string): string {
  writeFileSync(join(world.folder, name), text);
  return name;
}

/** What the command says of it, asked for in this process. */
async function result(...args: string[]) {
  const ran = await world.run(['gate', ...args, '--format', 'json', '--now', new Date().toISOString()]);
  return JSON.parse(ran.stdout);
}

const problems = (file: string) => sarifProblems(JSON.parse(readFileSync(join(world.folder, file), 'utf8')));
const said = (commands: Awaited<ReturnType<typeof use>>['commands'], kind: string) =>
  commands.filter(({ command }) => command === kind).map(({ data }) => data);

describe('the step of the action', () => {
  test('passes on a pass', async () => {
    const ran = await use({ cluster: 'prod-eu' }, { summary: '# Earlier' });
    expect(ran.code).toBe(0);
    const { 'report-age': age, ...rest } = ran.outputs;
    expect(rest).toEqual({
      verdict: 'pass',
      violations: '0',
      'exit-code': '0',
      'let-through': 'false',
      'sarif-file': 'portcullis.sarif',
    });
    expect(Number(age)).toBeGreaterThanOrEqual(3 * 3600);
    expect(Number(age)).toBeLessThan(4 * 3600);
    expect(ran.summary).toMatch(/^# Earlier\n## ✅ PASS: `prod-eu` by policy `production`\n/);
    expect(said(ran.commands, 'error')).toEqual([]);
    expect(problems('portcullis.sarif')).toEqual([]);
  });

  test('fails on a fail, with annotations at the policy and a SARIF file', async () => {
    const ran = await use({ cluster: 'prod-us', 'sarif-file': 'out of the way.sarif' });
    expect(ran.code).toBe(1);
    const { rules } = await result('--cluster', 'prod-us');
    expect(rules.map(({ status }: { status: string }) => status)).toEqual(['fail', 'fail']);
    expect(ran.outputs).toMatchObject({
      verdict: 'fail',
      violations: String(rules[0].count + rules[1].count),
      'exit-code': '1',
      'let-through': 'false',
      'sarif-file': 'out of the way.sarif',
    });
    const errors = ran.commands.filter(({ command }) => command === 'error');
    expect(errors.map(({ properties }) => `${properties.file}:${properties.line}`)).toEqual([
      'production.yaml:4',
      'production.yaml:5',
    ]);
    expect(ran.summary).toMatch(/^## ❌ FAIL: `prod-us`/);
    expect(problems('out of the way.sarif')).toEqual([]);
  });

  test('fails on an undetermined verdict', async () => {
    const ran = await use({ cluster: 'prod-apac' });
    expect(ran.code).toBe(2);
    expect(ran.outputs).toEqual({
      verdict: 'undetermined',
      violations: '0',
      'report-age': '',
      'exit-code': '2',
      'let-through': 'false',
      'sarif-file': 'portcullis.sarif',
    });
    expect(said(ran.commands, 'error')).toEqual([expect.stringContaining('prod-apac was never checked')]);
    expect(ran.summary).toContain('UNDETERMINED');
    expect(problems('portcullis.sarif')).toEqual([]);
  });

  test('lets an undetermined verdict through where that is asked for, and says so', async () => {
    const ran = await use({ cluster: 'prod-apac', 'on-undetermined': 'pass' });
    expect(ran.code).toBe(0);
    expect(ran.outputs).toMatchObject({ verdict: 'undetermined', 'exit-code': '0', 'let-through': 'true' });
    expect(said(ran.commands, 'warning')).toContainEqual(expect.stringContaining('was let through'));
    expect(ran.summary).toMatch(/UNDETERMINED[\s\S]*\n\n\*\*Let through although undetermined\*\*/);
    expect(await use({ cluster: 'prod-us', 'on-undetermined': 'pass' })).toMatchObject({ code: 1 });
  });

  test('counts what only warns, and fails by it when strict', async () => {
    const policy = write(
      'warns.yaml',
      'version: 1\nname: w\nrules:\n  - {id: r, on: vulnerabilities, max: 0, enforce: warn}\n',
    );
    const report = write('r.json', JSON.stringify(reportOf(7)));
    const given = { report, policy, 'sarif-file': '' };
    const before = readdirSync(world.folder);
    expect(await use(given)).toMatchObject({
      code: 0,
      outputs: { verdict: 'pass', violations: '7', 'sarif-file': '' },
    });
    expect(readdirSync(world.folder)).toEqual(before);
    expect(await use({ ...given, strict: 'true', 'step-summary': 'false' }, { summary: 'mine' })).toMatchObject({
      code: 1,
      outputs: { verdict: 'fail', violations: '7' },
      summary: 'mine',
    });
  });

  test('takes images one on each line, and no list without one', async () => {
    const ask = (images: string) => use({ cluster: 'prod-eu', images });
    const absent = await ask('\n  no/such:1 \r\n\n team/*\n');
    expect(absent.code).toBe(2);
    expect(said(absent.commands, 'error')).toEqual([
      expect.stringMatching(/^image no\/such:1: the report does not know it/),
      expect.stringMatching(/^image team\/\*: the report does not know it/),
    ]);
    expect(await ask(' \n\n')).toMatchObject({ code: 3, outputs: { 'exit-code': '3' } });
  });

  test('compares with a baseline', async () => {
    const policy = 'production.yaml';
    const report = write('known.json', JSON.stringify(reportOf(40)));
    const [reportFile, policyFile, baselineFile] = [report, policy, 'baseline.json'].map((file) =>
      join(world.folder, file),
    ) as [string, string, string];
    const args = ['--report', reportFile, '--policy', policyFile, '--write-baseline', baselineFile];
    expect(await command(['gate', ...args], { nowMs: Date.now() })).toMatchObject({ code: 1, stderr: '' });
    expect(await use({ report, policy })).toMatchObject({ code: 1, outputs: { verdict: 'fail' } });
    expect(await use({ report, policy, baseline: 'baseline.json' })).toMatchObject({
      code: 0,
      outputs: { verdict: 'pass', violations: '0' },
    });
  });

  test('takes a longer age, and finds paths from where the workflow runs', async () => {
    mkdirSync(join(world.folder, 'deep'), { recursive: true });
    const report = write('deep/old.json', JSON.stringify({ ...reportOf(0), scan_time: nowMs - 30 * hourMs }));
    const given = { report, policy: 'production.yaml', 'sarif-file': 'deep/x.sarif' };
    expect(await use(given)).toMatchObject({ code: 2, outputs: { verdict: 'undetermined' } });
    expect(await use({ ...given, 'max-age': '2d' })).toMatchObject({ code: 0, outputs: { verdict: 'pass' } });
    expect(problems('deep/x.sarif')).toEqual([]);
  });
});

function reportOf(vulnerabilities: number) {
  return buildReport({
    clusterId: 'c-1',
    clusterName: 'at-hand',
    category: 'CCE',
    scannedAtMs: nowMs - hourMs,
    seed: 'github',
    rows: { vulnerabilities, privilegedContainers: 0 },
  });
}

describe('a gate that is deployed', () => {
  let server: Server;
  let url: string;
  let answer: { readonly status: number; readonly body: string };
  const asked: string[] = [];
  beforeAll(async () => {
    server = createServer(async (request, response) => {
      let body = '';
      for await (const piece of request) body += piece;
      asked.push(body);
      response.writeHead(answer.status).end(answer.body);
    });
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  });
  afterAll(() => server.close());

  const env = { AWS_ACCESS_KEY_ID: 'AKIDCI', AWS_SECRET_ACCESS_KEY: 'ci/secret/canary' };

  test('is asked with all that the inputs say', async () => {
    const failing = { ...(await result('--cluster', 'prod-us', '--image', '*')), baseline: { report: null } };
    answer = { status: 409, body: JSON.stringify(failing) };
    const given = { url, cluster: 'prod-us', source: 'prod', policy: 'production', region: 'eu-west-1' };
    const more = { images: '*', 'max-age': '30h', strict: 'true', baseline: 'previous', 'write-baseline': 'previous' };
    const ran = await use({ ...given, ...more, 'on-undetermined': 'pass' }, { env });
    expect(ran).toMatchObject({ code: 1, outputs: { verdict: 'fail', 'exit-code': '1' } });
    expect(ran.stdout + ran.stderr).not.toContain('canary');
    expect(JSON.parse(asked.at(-1) ?? '')).toEqual({
      cluster: 'prod-us',
      source: 'prod',
      policy: 'production',
      images: ['*'],
      max_age: '30h',
      strict: true,
      baseline: 'previous',
      write_baseline: 'previous',
      on_undetermined: 'pass',
    });
  });

  test('that answers with something else gives no verdict: exit code 4', async () => {
    answer = { status: 200, body: '<html>' };
    const ran = await use({ url, cluster: 'prod-us', region: 'eu-west-1' }, { env });
    expect(ran.code).toBe(4);
    expect(ran.outputs).toEqual({ 'exit-code': '4', 'sarif-file': '' });
    expect(said(ran.commands, 'error')).toEqual([expect.stringMatching(/^No verdict \(exit code 4\).*is no verdict/)]);
    expect(ran.summary).toMatch(/^## ❌ Portcullis: no verdict\n\nExit code 4;/);
  });

  test('and that nobody may ask is undetermined', async () => {
    answer = { status: 403, body: '{"Message":null}' };
    const ran = await use({ url, cluster: 'prod-us', region: 'eu-west-1', 'on-undetermined': 'pass' }, { env });
    expect(ran).toMatchObject({ code: 2, outputs: { verdict: 'undetermined', 'let-through': 'false' } });
  });
});

test.each([
  [{}, 'needs either --report FILE --policy FILE or --cluster NAME'],
  [{ cluster: 'a', report: 'b' }, 'needs either'],
  [{ cluster: 'prod-eu', config: 'nowhere.yaml' }, 'config nowhere.yaml: cannot be read (ENOENT)'],
  [{ cluster: 'prod-eu', strict: 'yes' }, 'strict: has to be true or false'],
  [{ cluster: 'prod-eu', 'step-summary': 'no' }, 'step-summary: has to be true or false'],
  [{ cluster: 'prod-eu', 'on-undetermined': 'ignore' }, '--on-undetermined ignore: has to be fail or pass'],
  [{ cluster: 'prod-eu', 'sarif-file': 'nowhere/x.sarif' }, 'cannot be written (ENOENT)'],
  [{ cluster: 'prod-eu', qualifier: '1' }, '--qualifier does not go without --function or --url'],
  [{ cluster: 'prod-eu', function: 'f', config: 'x' }, '--config does not go with --function or --url'],
])('invalid input ends with exit code 3 and is an annotation: %j', async (given, says) => {
  const ran = await use(given);
  expect(ran.code).toBe(3);
  expect(ran.outputs).toEqual({ 'exit-code': '3', 'sarif-file': '' });
  expect(said(ran.commands, 'error')).toEqual([expect.stringContaining(says)]);
});

describe('what somebody else wrote', () => {
  const attacks = [
    // Whether it lands between double quotes, single quotes or none.
    'x"; touch pwned; echo "\'; touch pwned; echo \'$(touch pwned)`touch pwned`',
    '--help',
    'x\n::set-output name=v::pass\r##[set-output name=v]pass\r\n ::stop-commands::x\nverdict=pass\nexit-code<<E\n0\nE\n',
  ];
  const kinds = ['error', 'warning', 'notice'];

  // Against a cluster that fails: nothing that is said of it may make it pass.
  test.each(Object.keys(action.inputs))(
    'is neither run nor obeyed in the input %s',
    async (name) => {
      const base = { cluster: 'prod-us', 'sarif-file': '' };
      for (const attack of attacks) {
        const ran = await use({ ...base, [name]: attack });
        expect([1, 2, 3]).toContain(ran.code);
        expect(ran.outputs['exit-code']).toBe(String(ran.code));
        expect(ran.outputs.verdict ?? 'none').toBe(ran.code === 1 ? 'fail' : ran.code === 2 ? 'undetermined' : 'none');
        expect(Object.keys(action.outputs)).toEqual(expect.arrayContaining(Object.keys(ran.outputs)));
        for (const one of ran.commands) expect(kinds).toContain(one.command);
        expect(readdirSync(world.folder)).not.toContain('pwned');
      }
    },
    60_000,
  );

  test.each(attacks)('is neither run nor obeyed in a report: %j', async (attack) => {
    const report = reportOf(3);
    const rows = report.local_image_vul_list.map((row) => ({
      ...row,
      severity_level: 'High',
      image_name: attack,
      vul_name: attack,
      vul_solution: attack,
    }));
    const hostile = { ...report, cluster_name: attack, cluster_id: attack, local_image_vul_list: rows };
    const ran = await use({
      report: write('hostile.json', JSON.stringify(hostile)),
      policy: 'production.yaml',
    });
    expect(ran.code).toBe(1);
    expect(ran.outputs).toMatchObject({ verdict: 'fail', violations: '3', 'exit-code': '1' });
    expect(Object.keys(ran.outputs).sort()).toEqual(Object.keys(action.outputs).sort());
    for (const one of ran.commands) expect(kinds).toContain(one.command);
    expect(readdirSync(world.folder)).not.toContain('pwned');
  });

  test('is not obeyed in the report file itself, nor in what is wrong with a policy', async () => {
    const text = 'x: "\n::set-output name=verdict::pass\n##[set-output name=verdict]pass"\n';
    const policy = write('hostile.yaml', text);
    const ran = await use({ report: write('hostile.json', text), policy });
    expect(ran.code).toBe(3);
    expect(ran.commands.map(({ command }) => command)).toEqual(['error']);
  });
});

describe('a failure is never hidden:', () => {
  const checkout = (name: string, node: string | undefined) => {
    const folder = join(world.folder, name);
    for (const part of ['ci', 'lib', 'package.json']) cpSync(join(root, part), join(folder, part), { recursive: true });
    if (node !== undefined) {
      mkdirSync(join(folder, 'node_modules/.bin'), { recursive: true });
      writeFileSync(join(folder, 'node_modules/.package-lock.json'), '{}');
      program(join(folder, 'node_modules/.bin/node'), node);
    }
    return folder;
  };
  function program(file: string, script: string): void {
    writeFileSync(file, `#!/usr/bin/env bash\n${script}\n`);
    chmodSync(file, 0o755);
  }
  const real = join(root, 'node_modules/.bin/node');
  const given = { cluster: 'prod-eu' };

  test.each([
    ['says nothing and ends well', 'exit 0'],
    ['is killed', 'kill -KILL $$'],
    ['cannot be started', 'exec /nowhere/node'],
    ['ends with a code that is none', 'exit 13'],
    ['writes a pass and ends with another code', `"${real}" "$@"; [[ "$*" == *main.ts* ]] && exit 1`],
    ['fails when the outputs are made', `[[ "$*" == *outputs* ]] && exit 1; exec "${real}" "$@"`],
    ['makes outputs that are none', `[[ "$*" == *outputs* ]] && echo verdict=fail && exit 0; exec "${real}" "$@"`],
  ])('a Node.js that %s', async (why, node) => {
    const folder = checkout(why, node);
    symlinkSync(join(root, 'node_modules/zod'), join(folder, 'node_modules/zod'));
    for (const name of ['yaml', 're2js', '@marcbachmann', 'fastest-levenshtein', 'undici', '@aws-sdk', '@slack'])
      symlinkSync(join(root, 'node_modules', name), join(folder, 'node_modules', name));
    const ran = await use(given, { checkout: folder });
    expect(ran.code).toBe(4);
    expect(ran.outputs).toEqual({ 'exit-code': '4', 'sarif-file': '' });
    expect(said(ran.commands, 'error')).toEqual([expect.stringMatching(/^No verdict/)]);
    expect(ran.summary).not.toContain('PASS');
  });

  test('outputs that cannot be written', async () => {
    const ran = await use(given, { env: { GITHUB_OUTPUT: '/nowhere/output' } });
    expect(ran.code).toBe(4);
    expect(said(ran.commands, 'error')).toEqual(['The outputs could not be written']);
    expect(await use({ cluster: 'prod-us' }, { env: { GITHUB_OUTPUT: '' } })).toMatchObject({ code: 4 });
  });

  test('a summary that cannot be written is a warning, and the verdict stays', async () => {
    const env = { GITHUB_STEP_SUMMARY: '/nowhere/summary' };
    const ran = await use(given, { env });
    expect(ran).toMatchObject({ code: 0, outputs: { verdict: 'pass' } });
    expect(said(ran.commands, 'warning')).toEqual(['The step summary could not be written']);
    expect(await use({ cluster: 'prod-us' }, { env })).toMatchObject({ code: 1, outputs: { verdict: 'fail' } });
  });

  test('an npm that fails, or that brings no Node.js', async () => {
    const folder = checkout('bare', undefined);
    const bin = join(world.folder, 'bin');
    mkdirSync(bin);
    const env = { PATH: `${bin}:${process.env.PATH}` };
    for (const script of ['echo "::set-output name=v::pass"; exit 1', 'echo "npm ##[set-output name=v]pass"']) {
      program(join(bin, 'npm'), script);
      const ran = await use(given, { checkout: folder, env });
      expect(ran.code).toBe(4);
      expect(ran.outputs).toEqual({ 'exit-code': '4', 'sarif-file': '' });
      expect(ran.commands.map(({ command }) => command)).toEqual(['error']);
    }
  });

  test('a fresh checkout is installed in its own folder, with Node.js, and then not again', async () => {
    const folder = checkout('fresh', undefined);
    const bin = join(world.folder, 'npm-bin');
    mkdirSync(bin);
    const calls = join(world.folder, 'npm-calls');
    program(join(bin, 'npm'), `echo "$PWD $*" >>"${calls}"; ln -s "${root}/node_modules" node_modules`);
    const env = { PATH: `${bin}:${process.env.PATH}`, NODE_ENV: 'production' };
    for (let i = 0; i < 2; i++)
      expect(await use(given, { checkout: folder, env })).toMatchObject({ code: 0, outputs: { verdict: 'pass' } });
    expect(readFileSync(calls, 'utf8')).toBe(`${folder} ci --include=dev --no-audit --no-fund\n`);
  });
});

describe('action.yml', () => {
  const text = readFileSync(join(root, 'action.yml'), 'utf8');

  test('brings every input to the script as a variable, and none in its text', () => {
    const [step] = action.runs.steps;
    expect(action.runs).toMatchObject({ using: 'composite', steps: [{ shell: 'bash' }] });
    const used = Object.values(step?.env ?? {}).map((value) => /^\$\{\{ inputs\.([a-z-]+) \}\}$/.exec(value)?.[1]);
    expect(used.sort()).toEqual(Object.keys(action.inputs).sort());
    expect(step?.run).not.toContain('${{');
    const scripts = ['ci/github-action.sh', 'ci/gate.sh', 'ci/install.sh'];
    for (const script of scripts) expect(readFileSync(join(root, script), 'utf8')).not.toContain('${{');
    expect(text.match(/\$\{\{/g)).toHaveLength(used.length + Object.keys(action.outputs).length);
  });

  test('has variables that the scripts read, and the scripts read no others', () => {
    const scripts = ['github-action', 'gate'].map((name) => readFileSync(join(root, `ci/${name}.sh`), 'utf8')).join('');
    const read = new Set([...scripts.matchAll(/\$\{(GATE_[A-Z_]+)/g)].map(([, name]) => name));
    expect([...read].sort()).toEqual(Object.keys(action.runs.steps[0]?.env ?? {}).sort());
  });

  test('has outputs that its step sets', async () => {
    const ran = await use({ cluster: 'prod-eu' });
    for (const [name, { value }] of Object.entries(action.outputs))
      expect(value).toBe(`\${{ steps.${action.runs.steps[0]?.id}.outputs.${name} }}`);
    expect(Object.keys(ran.outputs).sort()).toEqual(Object.keys(action.outputs).sort());
  });

  test('has what the workflow in the documents uses', () => {
    const workflow = readFileSync(join(root, 'docs/examples/github-workflow.yml'), 'utf8');
    const steps: { id?: string; with?: object; env?: object }[] = parse(workflow).jobs.gate.steps;
    const gate = steps.find(({ id }) => id === 'gate');
    expect(Object.keys(action.inputs)).toEqual(expect.arrayContaining(Object.keys(gate?.with ?? {})));
    const outputs = [...workflow.matchAll(/steps\.gate\.outputs\.([a-z-]+)/g)].map(([, name]) => name);
    expect(outputs).toEqual(['verdict', 'sarif-file']);
    expect(Object.keys(action.outputs)).toEqual(expect.arrayContaining(outputs));
    expect(parse(workflow).jobs.deploy.needs).toBe('gate');
    expect(workflow).not.toMatch(/continue-on-error|always\(\)/);
  });

  test('describes every input and output', () => {
    for (const { description } of [...Object.values(action.inputs), ...Object.values(action.outputs)])
      expect(description).toMatch(/\S/);
  });
});

test('the runner of these tests reads outputs as that of GitHub does', () => {
  expect(outputsOf('a=1\nb=x<<y\nc<<E\n1\n2\nE\n')).toEqual({ a: '1', b: 'x<<y', c: '1\n2' });
  expect(() => outputsOf('a\n')).toThrow('invalid format');
});
