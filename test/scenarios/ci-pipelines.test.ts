import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { worldClusters } from '../../lib/simulator/clusters.ts';
import type { Ran } from '../support/command.ts';
import { root, shell } from '../support/pipelines.ts';
import { gitlabContainerProblems, gitlabIssueProblems, junitProblems } from '../support/validators.ts';
import { startWorld, type World } from '../support/world.ts';

let world: World;
/** What a pipeline has checked out. */
let project: string;
/** A Git repository of Portcullis, as a server has it, ready to run as soon as it is there. */
let repository: { readonly url: string; readonly tag: string; readonly commit: string };
beforeAll(async () => {
  world = await startWorld({ clusters: worldClusters(Date.now()) });
  project = world.folder;
  repository = makeRepository(join(world.folder, 'server'));
});
afterAll(() => world.close());

function makeRepository(folder: string) {
  mkdirSync(folder);
  for (const part of ['ci', 'lib', 'package.json']) cpSync(join(root, part), join(folder, part), { recursive: true });
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
  const git = (...args: string[]) =>
    execFileSync('git', ['-c', 'user.name=t', '-c', 'user.email=t@example.com', '-C', folder, ...args], {
      encoding: 'utf8',
    });
  git('init', '--quiet');
  git('config', 'uploadpack.allowReachableSHA1InWant', 'true');
  git('add', '.');
  git('commit', '--quiet', '--message', 'all');
  git('tag', 'v0.1.0');
  const commit = git('rev-parse', 'HEAD').trim();
  // What comes later is not what a pipeline has pinned.
  git('rm', '--quiet', '-r', '--cached', 'ci');
  rmSync(join(folder, 'ci'), { recursive: true });
  git('commit', '--quiet', '--message', 'no gate');
  return { url: `file://${folder}`, tag: 'v0.1.0', commit };
}

type Variables = Readonly<Record<string, string>>;

/** Jobs that a pipeline runs one way or the other. */
interface System {
  readonly name: string;
  /** @param variables of the pipeline */
  run(variables: Variables): Promise<Ran>;
  readonly junit: string;
}

interface Job {
  readonly image: string;
  readonly allow_failure: boolean;
  readonly before_script: readonly string[];
  readonly script: readonly string[];
  readonly artifacts: { readonly when: string; readonly reports: Readonly<Record<string, string>> };
}

const template: Readonly<Record<string, Job>> = parse(readFileSync(join(root, 'ci/gitlab.yml'), 'utf8'));
const job = template['.portcullis'] as Job;

/** As GitLab's runner starts a job: all lines in one shell, which ends at the first that fails. */
const strategies = {
  'bash, as by default': ['bash', ': | eval "$SCRIPT"'],
  'bash, with FF_USE_NEW_BASH_EVAL_STRATEGY': ['bash', ': | (eval "$SCRIPT")'],
  'sh, where there is no bash': ['sh', ': | eval "$SCRIPT"'],
} as const;

function runJob(variables: Variables, strategy: keyof typeof strategies = 'bash, as by default'): Promise<Ran> {
  const [program, start] = strategies[strategy];
  const script = [...job.before_script, ...job.script].join('\n');
  const env = { ...world.env, CI: 'true', GITLAB_CI: 'true', CI_PROJECT_DIR: project, TMPDIR: project, ...variables };
  const options = program === 'bash' ? 'set -eo pipefail' : 'set -e';
  return shell(program, ['-c', `${options}\n${start}\nexit 0`], { cwd: project, env: { ...env, SCRIPT: script } });
}

const gitlab: System = { name: 'GitLab', junit: 'portcullis-junit.xml', run: runJob };

const jenkinsfile = readFileSync(join(root, 'ci/Jenkinsfile'), 'utf8');

const jenkins: System = {
  name: 'Jenkins',
  junit: 'portcullis-junit.xml',
  // As its step sh does: a file that /bin/sh runs, each line told.
  run(variables) {
    const [, body = ''] = /script: '''\n([\s\S]*?)'''\)/.exec(jenkinsfile) ?? [];
    return shell('sh', ['-xe', '-c', body], { cwd: project, env: { ...world.env, TMPDIR: project, ...variables } });
  },
};

const read = (file: string) => readFileSync(join(project, file), 'utf8');

describe.each([gitlab, jenkins])('$name', (system) => {
  const pinned = () => ({ PORTCULLIS_REPOSITORY: repository.url, PORTCULLIS_REF: repository.tag });
  beforeEach(() => rmSync(join(project, system.junit), { force: true }));

  test.each([
    ['prod-eu', 0, 'pass'],
    ['prod-us', 1, 'fail'],
    ['prod-apac', 2, 'undetermined'],
  ])('%s ends with exit code %i, and with a test report', async (cluster, code, verdict) => {
    const ran = await system.run({ ...pinned(), GATE_CLUSTER: cluster });
    expect(ran.code).toBe(code);
    expect(ran.stdout).toContain(`${verdict.toUpperCase()} ${cluster}`);
    expect(read(system.junit)).toContain(`<property name="verdict" value="${verdict}"/>`);
    expect(await junitProblems(read(system.junit))).toEqual([]);
  });

  test('asks what the variables say', async () => {
    const ask = (more: Variables) => system.run({ ...pinned(), GATE_CLUSTER: 'prod-eu', ...more });
    const absent = await ask({ GATE_IMAGES: 'no/such:1\nteam/*\n' });
    expect(absent.code).toBe(2);
    expect(absent.stdout).toContain('image no/such:1: the report does not know it');
    expect(absent.stdout).toContain('image team/*: the report does not know it');
    expect(await ask({ GATE_MAX_AGE: '1h' })).toMatchObject({ code: 2 });
    expect(await ask({ GATE_MAX_AGE: '1h', GATE_ON_UNDETERMINED: 'pass' })).toMatchObject({ code: 0 });
  });

  test('takes what is pinned by a commit, or a folder that has it already', async () => {
    const { url, commit } = repository;
    const given = { GATE_CLUSTER: 'prod-us' };
    const byCommit = { ...given, PORTCULLIS_REPOSITORY: url, PORTCULLIS_REF: commit };
    expect(await system.run(byCommit)).toMatchObject({ code: 1 });
    expect(await system.run({ ...given, PORTCULLIS_PATH: root })).toMatchObject({ code: 1 });
  });

  test.each<[string, Variables]>([
    ['no repository', {}],
    ['a repository that is not there', { PORTCULLIS_REPOSITORY: 'file:///nowhere', PORTCULLIS_REF: 'v0.1.0' }],
    ['a reference that is not there', { PORTCULLIS_REF: 'v9.9.9' }],
    ['a reference without a gate', { PORTCULLIS_REF: 'HEAD' }],
    ['no folder for it', { PORTCULLIS_REF: 'HEAD', TMPDIR: '/nowhere' }],
    ['a folder that is not there', { PORTCULLIS_PATH: '/nowhere' }],
    ['a reference that would be an option', { PORTCULLIS_REF: '--upload-pack=touch pwned' }],
  ])('never passes with %s', async (_, given) => {
    const known = 'PORTCULLIS_REF' in given && !('PORTCULLIS_REPOSITORY' in given);
    const ran = await system.run({
      GATE_CLUSTER: 'prod-eu',
      ...(known && { PORTCULLIS_REPOSITORY: repository.url }),
      ...given,
    });
    expect(ran.code).toBeGreaterThan(3);
    expect(existsSync(join(project, system.junit))).toBe(false);
    expect(existsSync(join(project, 'pwned'))).toBe(false);
  });

  test.each(['"; touch pwned; echo "', "'; touch pwned; $(touch pwned)`touch pwned`", '--help'])(
    'runs nothing of what a variable says: %s',
    async (attack) => {
      for (const name of ['GATE_CLUSTER', 'GATE_IMAGES', 'GATE_MAX_AGE', 'GATE_POLICY', 'GATE_STRICT']) {
        const ran = await system.run({ PORTCULLIS_PATH: root, GATE_CLUSTER: 'prod-us', [name]: attack });
        expect([2, 3]).toContain(ran.code);
        expect(existsSync(join(project, 'pwned'))).toBe(false);
      }
    },
  );

  test('shows no secret', async () => {
    const ran = await system.run({ ...pinned(), GATE_CLUSTER: 'prod-us' });
    expect(ran.stdout + ran.stderr).not.toContain('canary');
  });
});

describe('the template of GitLab', () => {
  test('is a hidden job that fails with the gate, and keeps its reports then', () => {
    expect(Object.keys(template)).toEqual(['.portcullis']);
    expect(job).toMatchObject({ allow_failure: false, image: 'node:24', artifacts: { when: 'always' } });
  });

  test.each(Object.keys(strategies) as (keyof typeof strategies)[])('keeps the exit code in %s', async (strategy) => {
    const ask = (variables: Variables) => runJob({ PORTCULLIS_PATH: root, ...variables }, strategy);
    expect(await ask({ GATE_CLUSTER: 'prod-eu' })).toMatchObject({ code: 0 });
    expect(await ask({ GATE_CLUSTER: 'prod-apac' })).toMatchObject({ code: 2 });
    expect(await ask({ GATE_CLUSTER: 'prod-eu', GATE_STRICT: 'yes' })).toMatchObject({ code: 3 });
    expect(await ask({ PORTCULLIS_PATH: '', PORTCULLIS_REPOSITORY: '/nowhere', PORTCULLIS_REF: 'x' })).toMatchObject({
      code: 4,
    });
  });

  test('writes the reports that it names, as GitLab takes them', async () => {
    const { reports } = job.artifacts;
    for (const file of Object.values(reports)) rmSync(join(project, file), { force: true });
    await gitlab.run({ PORTCULLIS_PATH: root, GATE_CLUSTER: 'prod-us' });
    const issues = JSON.parse(read(reports.codequality ?? ''));
    expect(issues.length).toBeGreaterThan(0);
    expect(issues.flatMap(gitlabIssueProblems)).toEqual([]);
    expect(issues[0].location.path).toBe('production.yaml');
    expect(gitlabContainerProblems(JSON.parse(read(reports.container_scanning ?? '')))).toEqual([]);
    expect(await junitProblems(read(reports.junit ?? ''))).toEqual([]);
    expect(Object.keys(reports)).toEqual(['codequality', 'container_scanning', 'junit']);
  });
});

test('the examples set variables that the scripts read', () => {
  const example = parse(readFileSync(join(root, 'docs/examples/gitlab-ci.yml'), 'utf8'));
  expect(example.gate).toMatchObject({ extends: '.portcullis' });
  expect(example.gate.script ?? example.gate.allow_failure).toBeUndefined();
  expect(example.deploy.needs).toEqual(['gate']);
  expect(example.include[0].file).toBe('ci/gitlab.yml');
  const known = /\$\{(GATE_[A-Z_]+)/g;
  const read = [...readFileSync(join(root, 'ci/gate.sh'), 'utf8').matchAll(known)].map(([, name]) => name);
  read.push('PORTCULLIS_REPOSITORY', 'PORTCULLIS_REF');
  const set = [...jenkinsfile.matchAll(/^ +((?:GATE|PORTCULLIS)_[A-Z_]+) = '/gm)].map(([, name]) => name);
  expect(set.length).toBeGreaterThan(2);
  expect(read).toEqual(expect.arrayContaining([...set, ...Object.keys(example.gate.variables)]));
});

test('the variables at the top of gate.sh are those that it reads', () => {
  const [comment = '', code = ''] = readFileSync(join(root, 'ci/gate.sh'), 'utf8').split('set -euo pipefail');
  const names = (text: string) => [...new Set(text.match(/GATE_[A-Z_]+/g))].sort();
  expect(names(comment)).toEqual(names(code));
});

describe('the stage of Jenkins', () => {
  test('has nothing of Groovy in its script, and fails on whatever is not 0, with words for each exit code', () => {
    expect(jenkinsfile).toMatch(/def code = sh\(label: '[^']+', returnStatus: true, script: '''\n/);
    expect(jenkinsfile).toContain('if (code != 0) {\n            error(');
    for (const code of [1, 2, 3, 4]) expect(jenkinsfile).toMatch(new RegExp(`\\n {12}${code}: '[^']+',\n`));
    expect(jenkinsfile).toContain("meanings[code] ?: 'no verdict'");
    expect(jenkinsfile).not.toMatch(/catchError|warnError|unstable\(/);
  });

  test('keeps the files that its script writes, and none of an earlier build', async () => {
    const kept = [...jenkinsfile.matchAll(/(?:testResults|artifacts): '([^']+)'/g)].map(([, file = '']) => file);
    expect(kept).toEqual(['portcullis-junit.xml', 'portcullis.json']);
    await jenkins.run({ PORTCULLIS_PATH: root, GATE_CLUSTER: 'prod-us' });
    expect(JSON.parse(read('portcullis.json'))).toMatchObject({ verdict: 'fail' });
    await jenkins.run({ PORTCULLIS_PATH: '/nowhere' });
    for (const file of kept) expect(existsSync(join(project, file))).toBe(false);
  });

  test('leaves no checkout behind', async () => {
    const list = () => execFileSync('ls', ['-A', project], { encoding: 'utf8' });
    await jenkins.run({ PORTCULLIS_PATH: root, GATE_CLUSTER: 'prod-eu' });
    const before = list();
    await jenkins.run({
      PORTCULLIS_REPOSITORY: repository.url,
      PORTCULLIS_REF: repository.tag,
      GATE_CLUSTER: 'prod-eu',
    });
    expect(list()).toBe(before);
  });
});

test('ci/gate.sh finds its folder whatever CDPATH is', async () => {
  const ran = await shell('bash', ['ci/gate.sh', '--help'], { cwd: root, env: { CDPATH: root } });
  expect(ran).toMatchObject({ code: 0, stderr: '' });
});

test('ci/gate.sh that cannot start gives no verdict, not a fail', async () => {
  const env = { NODE_OPTIONS: '--require=/nowhere/at-all.cjs', GATE_CLUSTER: 'prod-eu' };
  const ran = await shell('bash', ['ci/gate.sh'], { cwd: root, env });
  expect(ran.code).toBe(4);
  expect(ran.stderr).toContain('portcullis: no verdict: ');
});
