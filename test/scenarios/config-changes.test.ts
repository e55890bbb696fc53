import { readFile, writeFile } from 'node:fs/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type SimulatedCluster, worldClusters, worldNowMs } from '../../lib/simulator/clusters.ts';
import { startWorld, type World } from '../support/world.ts';

let world: World;
beforeEach(async () => {
  world = await startWorld();
});
afterEach(() => world.close());

async function edit(...changes: readonly (readonly [string, string])[]): Promise<void> {
  let text = await readFile(world.configFile, 'utf8');
  for (const [from, to] of changes) {
    expect(text).toContain(from);
    text = text.replace(from, to);
  }
  await writeFile(world.configFile, text);
}

/** What the webhook hears in a scan: cluster, and cause and kind or rule of each alert. */
async function heard(hours: number): Promise<string[]> {
  const before = world.hook.received.length;
  const ran = await world.run(['scan', '--now', new Date(worldNowMs + hours * 3_600_000).toISOString()]);
  expect(ran.code, ran.stderr).toBeLessThan(3);
  type Body = { cluster?: { name: string }; alerts?: { cause: string; rule: string | null; kind: string }[] };
  return world.hook.received.slice(before).flatMap(({ json, status }) => {
    const { cluster, alerts = [] } = json as Body;
    return status === 200 ? alerts.map(({ cause, rule, kind }) => `${cluster?.name} ${cause} ${rule ?? kind}`) : [];
  });
}

const everything = ['  - receivers: [chat]', '  - receivers: [soc]'] as const;

test('a cluster that is expected no more is told so, not resolved', async () => {
  await edit(['    policy: production.yaml', '    policy: production.yaml\n    expect: [prod-mars]']);
  await heard(0);
  expect((await world.run(['scan', '--dry-run'])).stdout).toContain('prod-mars');
  await edit(['    expect: [prod-mars]\n', '']);
  expect(await heard(1)).toEqual(['prod-mars policy-changed undetermined']);
  expect(await heard(2)).toEqual([]);
});

test('of a source that is in the config no more all that was told is over, and not resolved', async () => {
  await edit(everything);
  await heard(0);
  await edit(['- name: prod\n', '- name: production\n']);
  world.hook.script.push({ status: 404 });
  const first = await heard(1);
  const second = await heard(2);
  const ends = [...first, ...second].filter((line) => line.includes('policy-changed'));
  expect(ends.toSorted()).toEqual([
    'analytics policy-changed no-high',
    'analytics policy-changed no-privileged',
    'analytics policy-changed undetermined',
    'prod-apac policy-changed undetermined',
    'prod-us policy-changed no-high',
    'prod-us policy-changed no-privileged',
  ]);
  expect([...first, ...second].filter((line) => line.includes('resolved'))).toEqual([]);
  expect(await heard(3)).toEqual([]);
});

test('a receiver that fails and is taken out of the config is over for the others', async () => {
  await edit(
    ['receivers:\n', 'receivers:\n  - {name: lost, webhook: {url: "http://127.0.0.1:1/in"}, insecure: true}\n'],
    ['    receivers: [soc, chat]', '    receivers: [soc, chat, lost]'],
  );
  const before = [...(await heard(0)), ...(await heard(1)), ...(await heard(2)), ...(await heard(3))];
  expect(before).toContain('receiver lost new receiver-failing');
  await edit(
    ['  - {name: lost, webhook: {url: "http://127.0.0.1:1/in"}, insecure: true}\n', ''],
    ['    receivers: [soc, chat, lost]', '    receivers: [soc, chat]'],
  );
  expect(await heard(4)).toContain('receiver lost resolved receiver-failing');
  expect(await heard(5)).toEqual([]);
});

test('a receiver that said it is gone is asked again as soon as its URL is another one', async () => {
  await edit(everything);
  world.hook.script.push({ status: 410 });
  expect(await heard(0)).toEqual([]);
  expect(await heard(1)).toEqual([]);
  const asked = world.hook.received.length;
  await heard(2);
  expect(world.hook.received).toHaveLength(asked);
  await edit([`${world.hook.url}/in`, `${world.hook.url}/new`]);
  await heard(3);
  expect(world.hook.received.slice(asked).map(({ path, status }) => [path, status])).toContainEqual(['/new', 200]);
});

/** The world with its cluster prod-us under another id. */
function renewed(id: string): SimulatedCluster[] {
  return worldClusters().map((cluster) =>
    cluster.name === 'prod-us'
      ? {
          ...cluster,
          id,
          reports: cluster.reports.map((one) => ({
            id: `${id}-${one.id}`.slice(0, 64),
            report: { ...one.report, cluster_id: id },
          })),
        }
      : cluster,
  );
}

test('a cluster that was made anew under its name takes the place of the old one, which is not resolved', async () => {
  await edit(everything);
  await heard(0);
  world.hss.clusters = renewed('a-new-id');
  const before = world.hook.received.length;
  const told = await heard(1);
  expect(told.filter((line) => line.startsWith('prod-us ')).toSorted()).toEqual([
    'prod-us policy-changed no-high',
    'prod-us policy-changed no-privileged',
  ]);
  // What stands in the new one is the summary of a first look.
  expect(JSON.stringify(world.hook.received.slice(before))).toContain('a-new-id');
  expect(await heard(2)).toEqual([]);
});

test('of two clusters of one name the one that is gone is absent, until its id is excluded', async () => {
  await edit(everything);
  const twin = { ...(renewed('a-twin').find(({ name }) => name === 'prod-us') as SimulatedCluster) };
  world.hss.clusters = [...worldClusters(), twin];
  await heard(0);
  world.hss.clusters = worldClusters();
  expect(await heard(1)).toEqual(['prod-us new undetermined']);
  await edit(['    policy: production.yaml', '    clusters: {exclude: [a-twin]}\n    policy: production.yaml']);
  const left = await heard(2);
  expect(left.toSorted()).toEqual([
    'prod-us policy-changed no-high',
    'prod-us policy-changed no-privileged',
    'prod-us policy-changed undetermined',
  ]);
  expect(await heard(3)).toEqual([]);
});

test('a source that is in the config no more is told however long nothing ran since nobody took it', async () => {
  await edit(everything);
  await heard(0);
  await edit(['- name: prod\n', '- name: production\n']);
  world.hook.script.push(...Array(9).fill({ status: 404 }));
  expect((await heard(1)).filter((line) => line.includes('policy-changed'))).toEqual([]);
  world.hook.script.splice(0);
  const ends = (await heard(24 * 20)).filter((line) => line.includes('policy-changed'));
  expect(ends).toContain('prod-us policy-changed no-high');
});
