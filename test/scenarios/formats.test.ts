import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, realpathSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { worldNowMs } from '../../lib/simulator/clusters.ts';
import { command } from '../support/command.ts';
import { junitProblems, sarifProblems } from '../support/validators.ts';
import { workflowCommands } from '../support/workflow-commands.ts';
import { startWorld, type World } from '../support/world.ts';

const example = ['--report', 'test/fixtures/published-example.json', '--now', '2025-04-19T12:00:00Z'];

let world: World;
let folder: string;
beforeAll(async () => {
  world = await startWorld();
  folder = realpathSync(world.folder);
  mkdirSync(join(folder, 'repository/deploy'), { recursive: true });
  mkdirSync(join(folder, 'repository/.git'));
  writeFileSync(join(folder, 'repository/deploy/policy.yaml'), policy);
  writeFileSync(join(folder, 'lonely.yaml'), policy);
});
afterAll(() => world.close());

const policy = 'version: 1\nname: p\nrules:\n\n  - {id: r, on: vulnerabilities, max: 0}\n';

const place = (log: string) => {
  const [first] = workflowCommands(log);
  return `${first?.properties.file}:${first?.properties.line}`;
};

test.each([
  { why: 'found by its .git', env: () => ({}), policy: 'repository/deploy/policy.yaml', at: 'deploy/policy.yaml:5' },
  {
    why: 'named by GitHub',
    env: () => ({ GITHUB_WORKSPACE: join(folder, 'repository/deploy') }),
    policy: 'repository/deploy/policy.yaml',
    at: 'policy.yaml:5',
  },
  {
    why: 'named by GitLab, though GitHub has another',
    env: () => ({ GITHUB_WORKSPACE: '/elsewhere', CI_PROJECT_DIR: folder }),
    policy: 'repository/deploy/policy.yaml',
    at: 'repository/deploy/policy.yaml:5',
  },
])(
  'annotations are at the line of the rule, in a file from the root of its repository: $why',
  async ({ env, policy, at }) => {
    const ran = await command(['gate', ...example, '--policy', join(folder, policy), '--format', 'github'], {
      env: env(),
    });

    expect(ran.code).toBe(1);
    expect(place(ran.stdout)).toBe(at);
  },
);

test('a policy that is in no repository is called what it was called', async () => {
  const path = join(folder, 'lonely.yaml');
  const ran = await command(['gate', ...example, '--policy', path, '--format', 'github']);

  expect(place(ran.stdout)).toBe(`${path}:5`);
});

test('a live report is shown at the policy of its source', async () => {
  const ran = await world.run([
    'gate',
    '--cluster',
    'prod-us',
    '--format',
    'github',
    '--now',
    new Date(worldNowMs).toISOString(),
  ]);

  expect(ran.code).toBe(1);
  expect(place(ran.stdout)).toBe(`${join(world.folder, 'production.yaml')}:4`);
});

test('all formats at once, from one look at the report', async () => {
  const files = {
    sarif: 'a.sarif',
    junit: 'a.xml',
    markdown: 'a.md',
    gitlab: 'a.json',
    'gitlab-container': 'b.json',
    json: 'c.json',
    table: 'c.txt',
  };
  const outs = Object.entries(files).flatMap(([format, file]) => ['--out', `${format}=${join(folder, file)}`]);
  const path = join(folder, 'repository/deploy/policy.yaml');
  const ran = await command(['gate', ...example, '--policy', path, '--format', 'github', ...outs]);
  const read = (file: string) => readFileSync(join(folder, file), 'utf8');

  expect({ code: ran.code, stderr: ran.stderr }).toEqual({ code: 1, stderr: '' });
  expect(ran.stdout).toMatch(/^FAIL .*\n::error file=deploy\/policy\.yaml,line=5,/);
  expect(sarifProblems(JSON.parse(read('a.sarif')))).toEqual([]);
  expect(await junitProblems(read('a.xml'))).toEqual([]);
  expect(read('a.md')).toMatch(/^## ❌ FAIL: /);
  expect(JSON.parse(read('a.json'))).toMatchObject([{ check_name: 'r', location: { path: 'deploy/policy.yaml' } }]);
  expect(JSON.parse(read('b.json')).vulnerabilities).toHaveLength(1);
  expect(JSON.parse(read('c.json')).verdict).toBe('fail');
});

test('a format is loaded when it is asked for', () => {
  const script = `
    import { registerHooks } from 'node:module';
    registerHooks({ load(url, context, next) { if (url.includes('/core/render/')) console.log(url.split('/').at(-1)); return next(url, context); } });
    const { loadFormat } = await import('./lib/cli/formats.ts');
    console.log('-');
    await loadFormat('json');`;
  const loaded = execFileSync('node', ['--input-type=module', '-e', script], { encoding: 'utf8' }).trim().split('\n');

  expect(loaded).toEqual(['-', 'json.ts', 'escape.ts', 'json-room.ts', 'words.ts']);
});
