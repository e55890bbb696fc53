import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { worldNowMs } from '../../lib/simulator/clusters.ts';
import { type Dynamo, startDynamo } from '../support/dynamo.ts';
import { startWorld, type World } from '../support/world.ts';

let world: World;
let dynamo: Dynamo;
beforeEach(async () => {
  [world, dynamo] = await Promise.all([startWorld(), startDynamo()]);
});
afterEach(() => Promise.all([world.close(), dynamo.close()]));

const at = (minutes: number) => ['--now', new Date(worldNowMs + minutes * 60_000).toISOString()];

/** A scan in a process of its own. */
function scan(minutes: number, env: Readonly<Record<string, string>>): ChildProcess {
  const args = ['lib/cli/main.ts', 'scan', '--config', world.configFile, ...at(minutes)];
  return spawn(process.execPath, args, { env: { ...world.env, ...env }, stdio: 'ignore' });
}

/** Where alerts are remembered, as a process is told. */
async function stateOf(store: string): Promise<Readonly<Record<string, string>>> {
  if (store === 'SQLite') return {};
  const { endpoint, region, credentials } = dynamo.access;
  return {
    PORTCULLIS_STATE: `dynamodb:${await dynamo.createTable()}`,
    AWS_ENDPOINT_URL_DYNAMODB: endpoint,
    AWS_REGION: region,
    AWS_ACCESS_KEY_ID: credentials.accessKeyId,
    AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey,
  };
}

describe.each(['SQLite', 'DynamoDB'])('with %s, a process that is killed (kill -9)', (store) => {
  test('while a receiver takes its message costs one duplicate with the same id, and loses nothing', async () => {
    const env = await stateOf(store);
    const never = new Promise(() => {});
    // The webhook has the message, and its answer never comes.
    world.hook.script.push({ after: never });
    const killed = scan(0, env);
    await vi.waitFor(() => expect([world.hook.received.length, world.slack.received.length]).toEqual([1, 1]), 20_000);
    killed.kill('SIGKILL');
    expect(await once(killed, 'exit')).toEqual([null, 'SIGKILL']);

    const exits: unknown[] = [];
    // Sooner than the claim ends nothing is sent, and it is said so; after that what was not written down is.
    for (const minutes of [1, 6, 12]) exits.push(...(await once(scan(minutes, env), 'exit')).slice(0, 1));
    expect(exits).toEqual([2, 0, 0]);
    const ids = world.hook.received.map(({ headers }) => headers['webhook-id']);
    expect(ids).toHaveLength(2);
    expect(new Set(ids).size).toBe(1);
    const clusters = world.hook.received.map(({ json }) => (json as { clusters: unknown }).clusters);
    expect(clusters[1]).toEqual(clusters[0]);
    // Of the other receiver at most what was under way when the process died comes again.
    expect(world.slack.received.length).toBeLessThanOrEqual(2);
  }, 60_000);

  test('before anything was sent loses nothing', async () => {
    const env = await stateOf(store);
    world.hss.fail({ kind: 'hang' }, { api: 'report' });
    const killed = scan(0, env);
    await vi.waitFor(() => expect(world.hss.calls.some(({ api }) => api === 'report')).toBe(true), 20_000);
    killed.kill('SIGKILL');
    await once(killed, 'exit');
    expect(world.hook.received).toEqual([]);
    expect((await once(scan(1, env), 'exit'))[0]).toBe(0);
    expect([world.hook.received.length, world.slack.received.length]).toEqual([1, 1]);
  }, 60_000);
});
