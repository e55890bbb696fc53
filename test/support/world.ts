import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type SimulatedCluster, worldClusters, worldNowMs } from '../../lib/simulator/clusters.ts';
import { type Hss, startHss } from '../../lib/simulator/hss-server.ts';
import { type Receiver, startReceiver } from '../../lib/simulator/receivers.ts';
import { type Around, command, type Ran } from './command.ts';

const keys = { ak: 'AKWORLD0000000000001', sk: 'world/secret/key/canary' };

/** The policy of `configOf`, unless a test has its own. */
export const worldPolicy = `version: 1
name: production
rules:
  - {id: no-high, on: vulnerabilities, min_severity: High, max: 0, severity: critical}
  - {id: no-privileged, on: privileged_containers, where: 'status == "running"', max: 0}
`;

export interface World {
  readonly hss: Hss;
  readonly slack: Receiver;
  readonly hook: Receiver;
  readonly folder: string;
  readonly configFile: string;
  /** The keys and the secrets that the config refers to. */
  readonly env: Readonly<Record<string, string>>;
  /** Run a command with the keys and the secrets in its environment, at the world's time. */
  run(args: readonly string[], around?: Around): Promise<Ran>;
  /** Lose all that was remembered. */
  forget(): Promise<void>;
  close(): Promise<void>;
}

export interface WorldOptions {
  readonly clusters?: readonly SimulatedCluster[];
  readonly config?: (world: { hss: string; hook: string }) => string;
  readonly policy?: string;
  /** Of HSS, which takes no request from another time; default: Date.now. */
  readonly nowMs?: () => number;
}

/** A simulated HSS, a Slack, a webhook receiver, and a folder with a config and a policy that lead to them. */
export async function startWorld(options: WorldOptions = {}): Promise<World> {
  const hss = await startHss({
    clusters: options.clusters ?? worldClusters(),
    credentials: keys,
    projectId: '0605768a2d80d5d52f91c00b7a6c1234',
    nowMs: options.nowMs ?? Date.now,
  });
  const slack = await startReceiver({ kind: 'slack' });
  const hook = await startReceiver();
  const folder = await mkdtemp(join(tmpdir(), 'portcullis-test-'));
  const configFile = join(folder, 'portcullis.yaml');
  await writeFile(configFile, (options.config ?? configOf)({ hss: hss.url, hook: hook.url }));
  await writeFile(join(folder, 'production.yaml'), options.policy ?? worldPolicy);
  const env = {
    HSS_AK: keys.ak,
    HSS_SK: keys.sk,
    SLACK_URL: `${slack.url}/services/T0/B0/canary`,
    HOOK_SECRET: `whsec_${Buffer.from('a signing secret of 32 bytes....').toString('base64')}`,
  };
  return {
    hss,
    slack,
    hook,
    folder,
    configFile,
    env,
    run([name = '', ...given], around = {}) {
      const now = given.includes('--now') ? [] : ['--now', new Date(worldNowMs).toISOString()];
      return command([name, ...given, '--config', configFile, ...now], { ...around, env: { ...env, ...around.env } });
    },
    async forget() {
      for (const suffix of ['', '-wal', '-shm']) await rm(join(folder, `state.db${suffix}`), { force: true });
    },
    async close() {
      await Promise.all([hss.close(), slack.close(), hook.close(), rm(folder, { recursive: true, force: true })]);
    },
  };
}

export function configOf({ hss, hook }: { hss: string; hook: string }): string {
  return `version: 1
sources:
  - name: prod
    region: ap-southeast-1
    project_id: 0605768a2d80d5d52f91c00b7a6c1234
    credentials: env://HSS
    endpoint: ${hss}
    iam_endpoint: ${hss}
    policy: production.yaml
receivers:
  - name: chat
    slack: { webhook: env://SLACK_URL }
    insecure: true
  - name: soc
    webhook: { url: ${hook}/in, signing_secret: env://HOOK_SECRET }
    insecure: true
routes:
  - when: severity == "critical"
    receivers: [soc, chat]
  - receivers: [chat]
state: sqlite:state.db
limits: { calls_per_minute: 10000 }
`;
}
