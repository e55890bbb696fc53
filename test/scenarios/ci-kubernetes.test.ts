import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parse, parseAllDocuments, stringify } from 'yaml';
import { parseConfig } from '../../lib/config/parse.ts';
import { parsePolicy } from '../../lib/core/policy/parse.ts';
import { worldClusters } from '../../lib/simulator/clusters.ts';
import manifest from '../../package.json' with { type: 'json' };
import type { Ran } from '../support/command.ts';
import { root, shell } from '../support/pipelines.ts';
import { startWorld, type World } from '../support/world.ts';

const documents = parseAllDocuments(readFileSync(join(root, 'ci/kubernetes-gate.yaml'), 'utf8'));
const [configMap, job] = documents.map((document) => document.toJS());
const pod = job.spec.template.spec;
const [container] = pod.containers;
const dockerfile = readFileSync(join(root, 'ci/Dockerfile'), 'utf8');

let world: World;
beforeAll(async () => {
  world = await startWorld({ clusters: worldClusters(Date.now()) });
});
afterAll(() => world.close());

interface Given {
  readonly name: string;
  readonly args?: readonly string[];
  readonly secrets?: Readonly<Record<string, Readonly<Record<string, string>>>>;
}

/** What the kubelet does: volumes, variables, command; the volume's HSS is the simulated one. */
function runJob({ name, args = container.args, secrets = theSecret() }: Given): Promise<Ran> & { folder: string } {
  const folder = join(world.folder, name);
  mkdirSync(folder);
  for (const { name: volume, mountPath } of container.volumeMounts) {
    const { configMap: from } = pod.volumes.find((one: { name: string }) => one.name === volume);
    expect(from.name).toBe(configMap.metadata.name);
    mkdirSync(join(folder, mountPath), { recursive: true });
    for (const [file, text] of Object.entries(configMap.data as Record<string, string>))
      writeFileSync(join(folder, mountPath, file), file === 'portcullis.yaml' ? simulated(text) : text);
  }
  const env = Object.fromEntries(
    container.env.map(({ name, valueFrom }: { name: string; valueFrom: { secretKeyRef: KeyRef } }) => [
      name,
      secrets[valueFrom.secretKeyRef.name]?.[valueFrom.secretKeyRef.key] ?? '',
    ]),
  );
  const mounted = args.map((arg) => arg.replace('=/etc/', `=${folder}/etc/`));
  const node = join(root, 'node_modules/.bin/node');
  const command = container.command.map((word: string) => (word === 'portcullis' ? 'lib/cli/main.ts' : word));
  const main = join(root, command[0]);
  return Object.assign(shell(node, [main, ...command.slice(1), ...mounted], { cwd: folder, env }), { folder });
}

interface KeyRef {
  readonly name: string;
  readonly key: string;
}

function theSecret() {
  return { 'portcullis-hss': { ak: world.env.HSS_AK ?? '', sk: world.env.HSS_SK ?? '' } };
}

function simulated(text: string): string {
  const config = parse(text);
  const at = { endpoint: world.hss.url, iam_endpoint: world.hss.url, project_id: '0605768a2d80d5d52f91c00b7a6c1234' };
  return stringify({ ...config, sources: [{ ...config.sources[0], ...at }] });
}

describe('the Job', () => {
  test.each([
    ['prod-eu', 0, 'PASS prod-eu'],
    ['prod-us', 1, 'FAIL prod-us'],
    ['prod-apac', 2, 'UNDETERMINED prod-apac'],
  ])('judges %s and ends with exit code %i, writing nothing', async (cluster, code, says) => {
    const args = container.args.map((arg: string) => arg.replace('prod-eu', cluster));
    const job = runJob({ name: cluster, args });
    const ran = await job;
    expect(ran.stdout).toContain(says);
    expect(ran.code).toBe(code);
    expect(ran.stdout + ran.stderr).not.toContain('canary');
    expect(readdirSync(job.folder)).toEqual(['etc']);
    expect(readdirSync(join(job.folder, 'etc/portcullis')).sort()).toEqual(Object.keys(configMap.data).sort());
  });

  test('does not pass without its Secret', async () => {
    const ran = await runJob({ name: 'keyless', secrets: {} });
    expect(ran).toMatchObject({ code: 3, stdout: '' });
    expect(ran.stderr).toContain('HUAWEICLOUD_SDK_AK and HUAWEICLOUD_SDK_SK not set in the environment');
  });

  test('cannot let anything through unseen: its state does not last', async () => {
    const args = [...container.args, '--max-age=1s', '--on-undetermined=pass'];
    const ran = await runJob({ name: 'let-through', args });
    expect(ran).toMatchObject({ code: 3, stdout: '' });
    expect(ran.stderr).toContain('state memory: is lost when the gate ends');
  });

  test('runs once, within the time that Helm waits', () => {
    expect(job).toMatchObject({ apiVersion: 'batch/v1', kind: 'Job', spec: { backoffLimit: 0 } });
    expect(job.spec.activeDeadlineSeconds).toBeGreaterThan(120);
    expect(job.spec.activeDeadlineSeconds).toBeLessThan(300);
    expect(pod.restartPolicy).toBe('Never');
  });

  test('is let do as little as the restricted level of pod security asks for, and less', () => {
    expect(pod.securityContext).toEqual({
      runAsNonRoot: true,
      runAsUser: 1000,
      runAsGroup: 1000,
      seccompProfile: { type: 'RuntimeDefault' },
    });
    expect(container.securityContext).toEqual({
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
    });
    expect(pod.automountServiceAccountToken).toBe(false);
    expect(Object.keys(pod).filter((key) => key.startsWith('host'))).toEqual([]);
    expect(container.volumeMounts.every(({ readOnly }: { readOnly: boolean }) => readOnly)).toBe(true);
    expect(container.resources).toMatchObject({ requests: { cpu: '100m' }, limits: { memory: '256Mi' } });
  });

  test('has its secrets from a Secret alone', () => {
    for (const { value, valueFrom } of container.env) {
      expect(value).toBeUndefined();
      expect(Object.keys(valueFrom)).toEqual(['secretKeyRef']);
    }
  });
});

test.each([
  ['Helm', 'helm.sh/hook', 'pre-install,pre-upgrade', 'helm.sh/hook-weight', 'before-hook-creation'],
  ['Argo CD', 'argocd.argoproj.io/hook', 'PreSync', 'argocd.argoproj.io/sync-wave', 'BeforeHookCreation'],
])('%s runs both before a release, the ConfigMap first, and makes them anew', (_, hook, when, weight, deletion) => {
  for (const { metadata } of [configMap, job]) {
    expect(metadata.annotations).toMatchObject({ [hook]: when, [`${hook}-delete-policy`]: deletion });
    // Annotations are texts.
    expect(Object.values(metadata.annotations).every((value) => typeof value === 'string')).toBe(true);
  }
  const [first, second] = [configMap, job].map(({ metadata }) => Number(metadata.annotations[weight]));
  expect(first).toBeLessThan(second as number);
});

test('the manifest is YAML without an error, and nothing in it is a template of Helm', () => {
  expect(documents.flatMap(({ errors, warnings }) => [...errors, ...warnings])).toEqual([]);
  expect(documents).toHaveLength(2);
  expect(readFileSync(join(root, 'ci/kubernetes-gate.yaml'), 'utf8')).not.toContain('{{');
});

test('the config and the policy in the ConfigMap are valid', () => {
  const { config, issues } = parseConfig(configMap.data['portcullis.yaml'], '/etc/portcullis/portcullis.yaml');
  expect(issues).toEqual([]);
  expect(config).toMatchObject({ state: 'memory:', sources: [{ policy: '/etc/portcullis/production.yaml' }] });
  expect(parsePolicy(configMap.data['production.yaml'], 'production.yaml').issues).toEqual([]);
});

test('the image holds the command that the Job runs, for the user that it runs as', () => {
  expect(dockerfile).toContain(
    `RUN ln -s /opt/portcullis/${manifest.bin.portcullis} /usr/local/bin/${container.command[0]}\n`,
  );
  expect(dockerfile).toContain(`USER ${pod.securityContext.runAsUser}:${pod.securityContext.runAsGroup}\n`);
  expect(dockerfile).toContain(`ENTRYPOINT ["${container.command[0]}"]`);
  const images = [...dockerfile.matchAll(/^FROM (\S+)/gm)].map(([, image]) => image);
  expect(images).toEqual(['node:24', 'node:24-slim']);
});
