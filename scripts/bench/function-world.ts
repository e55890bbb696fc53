import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { SimulatedCluster } from '../../lib/simulator/clusters.ts';
import { startHss } from '../../lib/simulator/hss-server.ts';
import { startReceiver } from '../../lib/simulator/receivers.ts';
import { buildReport } from '../../lib/simulator/reports.ts';
import { startDynamo } from '../../test/support/dynamo.ts';
import { startQueues } from '../../test/support/queues.ts';
import { startSecretsManager } from '../../test/support/secrets-manager.ts';
import { readService } from '../../test/support/service.ts';
import type { Bench } from './bench.ts';
import { type Run, runChild } from './child.ts';

export type FunctionName = 'schedule' | 'scan' | 'deliver' | 'gate';

export interface Invoked extends Run {
  readonly heapMiB: number;
}

/** What `programs/invoke.ts` says. */
interface Answer {
  /** Of the functions that a queue starts, and of `gate`. */
  readonly value: { readonly batchItemFailures?: readonly unknown[]; readonly statusCode?: number };
  readonly heapMiB: number;
}

/** Nothing was given back to a queue, and a gate knows its verdict. */
function isFailure({ batchItemFailures = [], statusCode = 200 }: Answer['value']): boolean {
  return batchItemFailures.length > 0 || (statusCode !== 200 && statusCode !== 409);
}

/** What the functions need around them, on loopback: 60 sources, of which the first two have clusters. */
export interface FunctionWorld {
  /**
   * A new instance. `NOW` in the event is the time of each invocation.
   * @param times how often it is invoked; default once
   * @throws {Error} it failed, with what it said
   */
  invoke(name: FunctionName, event: unknown, times?: number): Promise<Invoked>;
  /** The next delivery is refused for good. */
  refuseNext(): void;
  /** The next report that is asked for of the cluster `large` has so many megabytes. */
  enlargeNext(megabytes: number): void;
  close(): Promise<void>;
}

export const smallClusters = 20;
const keys = { ak: 'AKBENCH0000000000001', sk: 'bench' };
const projectId = '0605768a2d80d5d52f91c00b7a6c1234';

export async function startFunctionWorld(bench: Bench): Promise<FunctionWorld> {
  const [queues, dynamo, secrets, receiver, small, large] = await Promise.all([
    startQueues(),
    startDynamo(),
    startSecretsManager({ 'portcullis/hss': JSON.stringify(keys) }),
    startReceiver(),
    hssWith(Array.from({ length: smallClusters }, (_, i) => clusterOf(`small-${i}`))),
    hssWith([clusterOf('large')]),
  ]);
  const config = join(bench.folder, 'functions.yaml');
  await writeFile(config, configOf([small.url, large.url], receiver.url));
  await writeFile(join(bench.folder, 'functions-policy.yaml'), policy);
  const env = {
    ...queues.env,
    AWS_ENDPOINT_URL_SECRETS_MANAGER: secrets.url,
    AWS_ENDPOINT_URL_DYNAMODB: dynamo.access.endpoint,
    PORTCULLIS_CONFIG: config,
    PORTCULLIS_STATE: `dynamodb:${await dynamo.createTable()}`,
    PORTCULLIS_SOURCE_QUEUE_URL: queues.sourcesUrl,
    PORTCULLIS_RETRY_QUEUE_URL: queues.retriesUrl,
    PORTCULLIS_DEAD_LETTER_QUEUE_URL: queues.deadLettersUrl,
  };
  const service = readService();
  return {
    async invoke(name, event, times = 1) {
      const seconds = service.timeoutOf(name);
      const command = bench.command('invoke', bench.module(name), JSON.stringify(event), seconds, times);
      const run = await runChild({ ...command, env });
      if (run.exitCode !== 0) throw new Error(`${name}: exit code ${run.exitCode ?? 'none'}\n${run.stderr}`);
      const said = run.stdout.trimEnd().split('\n').at(-1) ?? '';
      const { value, heapMiB } = JSON.parse(said) as Answer;
      if (isFailure(value)) throw new Error(`${name}: ${said}\n${run.stdout}`);
      return { ...run, heapMiB };
    },
    refuseNext: () => receiver.script.push({ status: 404 }),
    enlargeNext: (megabytes) => large.fail({ kind: 'huge', totalBytes: megabytes * 1e6 }, { clusterId: 'id-large' }),
    async close() {
      await Promise.all([queues, dynamo, secrets, receiver, small, large].map((one) => one.close()));
    },
  };
}

function hssWith(clusters: readonly SimulatedCluster[]) {
  return startHss({ clusters, credentials: keys, projectId, nowMs: Date.now });
}

function clusterOf(name: string): SimulatedCluster {
  const id = `id-${name}`;
  const report = buildReport({
    clusterId: id,
    clusterName: name,
    category: 'CCE',
    scannedAtMs: Date.now() - 3_600_000,
    seed: name,
    rows: { vulnerabilities: 40 },
  });
  return { id, name, category: 'CCE', enterpriseProjectId: '0', reports: [{ id: `report-${name}`, report }] };
}

const policy = `version: 1
name: bench
rules:
  - {id: no-high, on: vulnerabilities, min_severity: High, max: 0, severity: critical}
  - {id: no-privileged, on: privileged_containers, where: 'status == "running"', max: 0}
`;

function configOf(endpoints: readonly string[], receiver: string): string {
  const sources = Array.from({ length: 60 }, (_, i) => {
    const endpoint = endpoints[i] ?? endpoints[0];
    return `  - {name: s${i}, region: ap-southeast-1, project_id: ${projectId}, credentials: 'aws-sm://portcullis/hss', endpoint: '${endpoint}', iam_endpoint: '${endpoint}', policy: functions-policy.yaml}`;
  });
  return `version: 1
sources:
${sources.join('\n')}
receivers: [{name: soc, webhook: {url: '${receiver}/in'}, insecure: true}]
routes: [{receivers: [soc]}]
limits: {calls_per_minute: 10000}
`;
}

/** A message as the queue brings it. */
export function queueEvent(body: unknown): object {
  return {
    Records: [
      { messageId: 'm-1', receiptHandle: 'r-1', body: JSON.stringify(body), attributes: {}, eventSource: 'aws:sqs' },
    ],
  };
}
