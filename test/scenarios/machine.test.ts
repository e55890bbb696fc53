import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { parseConfig } from '../../lib/config/parse.ts';
import { parsePolicy } from '../../lib/core/policy/parse.ts';
import { worldClusters } from '../../lib/simulator/clusters.ts';
import { shell } from '../support/pipelines.ts';
import { startWorld, type World } from '../support/world.ts';

const unit = readFileSync('deploy/portcullis.service', 'utf8');
const documents = parseAllDocuments(readFileSync('deploy/kubernetes-cronjob.yaml', 'utf8'));
const [configMap, claim, cronJob] = documents.map((document) => document.toJS());
const pod = cronJob.spec.jobTemplate.spec.template.spec;
const [container] = pod.containers;

let world: World;
beforeAll(async () => {
  world = await startWorld({ clusters: worldClusters(Date.now()) });
});
afterAll(() => world.close());

const setting = (name: string) => new RegExp(`^${name}=(.*)$`, 'm').exec(unit)?.[1] ?? '';

/** A scan as something else starts it, in a folder that stands for the root. */
async function run(args: readonly string[], env: Readonly<Record<string, string>>, config: string, policy: string) {
  const root = mkdtempSync(join(tmpdir(), 'portcullis-machine-'));
  try {
    for (const folder of ['etc/portcullis', 'var/lib/portcullis']) mkdirSync(join(root, folder), { recursive: true });
    const inside = (text: string) => text.replaceAll('/etc/', `${root}/etc/`).replaceAll('/var/', `${root}/var/`);
    const simulated = config
      .replace(/^( *)region:/m, `$1endpoint: ${world.hss.url}\n$1iam_endpoint: ${world.hss.url}\n$1region:`)
      .replace(/^( *)- name: security-chat/m, '$1- name: security-chat\n$1  insecure: true');
    writeFileSync(
      join(root, 'etc/portcullis/portcullis.yaml'),
      `${inside(simulated)}\nlimits: {calls_per_minute: 10000}\n`,
    );
    writeFileSync(join(root, 'etc/portcullis/production.yaml'), policy);
    const all = Object.fromEntries(Object.entries(env).map(([name, value]) => [name, inside(value)]));
    const node = join(process.cwd(), 'node_modules/.bin/node');
    const main = join(process.cwd(), 'lib/cli/main.ts');
    return await shell(node, [main, ...args.map(inside)], { cwd: root, env: all });
  } finally {
    rmSync(root, { recursive: true });
  }
}

const secrets = () => ({
  HUAWEICLOUD_SDK_AK: world.env.HSS_AK ?? '',
  HUAWEICLOUD_SDK_SK: world.env.HSS_SK ?? '',
  SLACK_WEBHOOK_URL: world.env.SLACK_URL ?? '',
});

test('the config of the CronJob is valid, and its scan tells the chat, with its memory on the volume', async () => {
  const data = configMap.data as Record<string, string>;
  expect(parseConfig(data['portcullis.yaml'] ?? '', 'portcullis.yaml').issues).toEqual([]);
  expect(parsePolicy(data['production.yaml'] ?? '', 'production.yaml').issues).toEqual([]);
  expect(container.command).toEqual(['portcullis']);
  expect(container.volumeMounts.map(({ mountPath }: { mountPath: string }) => mountPath)).toEqual([
    '/etc/portcullis',
    '/var/lib/portcullis',
  ]);
  expect(pod.volumes.at(-1).persistentVolumeClaim.claimName).toBe(claim.metadata.name);
  const before = world.slack.received.length;
  const ran = await run(container.args, secrets(), data['portcullis.yaml'] ?? '', data['production.yaml'] ?? '');
  expect(ran).toMatchObject({ code: 0 });
  expect(world.slack.received.length).toBe(before + 1);
}, 60_000);

test('the CronJob may do no more than it has to, and runs once at a time', () => {
  expect(cronJob.spec).toMatchObject({ concurrencyPolicy: 'Forbid', jobTemplate: { spec: { backoffLimit: 0 } } });
  expect(pod).toMatchObject({ automountServiceAccountToken: false, securityContext: { runAsNonRoot: true } });
  expect(container.securityContext).toEqual({
    allowPrivilegeEscalation: false,
    readOnlyRootFilesystem: true,
    capabilities: { drop: ['ALL'] },
  });
});

test('the command of the unit scans, with the environment that the unit gives it', async () => {
  const [bin, ...args] = setting('ExecStart').split(' ');
  expect(bin).toBe('/usr/local/bin/portcullis');
  const [name = '', value = ''] = setting('Environment').split(/=(.*)/);
  const { 'portcullis.yaml': config = '', 'production.yaml': policy = '' } = configMap.data;
  const before = world.slack.received.length;
  const ran = await run(args, { ...secrets(), [name]: value }, config.replace(/^state:.*$/m, ''), policy);
  expect(ran).toMatchObject({ code: 0 });
  expect(world.slack.received.length).toBe(before + 1);
}, 60_000);

const hasSystemd = spawnSync('systemd-analyze', ['--version']).status === 0;
test.skipIf(!hasSystemd)('systemd takes the unit and the timer', () => {
  const verified = spawnSync('systemd-analyze', ['verify', '--man=no', 'deploy/portcullis.timer'], {
    encoding: 'utf8',
  });
  // The command itself is not installed here.
  expect(
    verified.stderr.split('\n').filter((line) => line !== '' && !line.includes('/usr/local/bin/portcullis')),
  ).toEqual([]);
});
