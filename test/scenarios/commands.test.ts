import { writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { clusterGroup, type LogRecord, loadCluster, putLog, type Versioned } from '../../lib/app/cluster-state.ts';
import { knownClusters } from '../../lib/app/known-clusters.ts';
import { type SimulatedCluster, worldClusters, worldNowMs } from '../../lib/simulator/clusters.ts';
import { openSqliteStore } from '../../lib/stores/sqlite.ts';
import { command } from '../support/command.ts';
import { startWorld, type World } from '../support/world.ts';

const at = (hours: number) => ['--now', new Date(worldNowMs + hours * 3_600_000).toISOString()];

let world: World;
beforeEach(async () => {
  world = await startWorld();
});
afterEach(() => world.close());

/** prod-eu, which was clean, with the report of prod-us. */
function worsened(): SimulatedCluster[] {
  const [eu, us] = worldClusters() as [SimulatedCluster, SimulatedCluster];
  const report = { ...us.reports[0]?.report, cluster_id: eu.id, cluster_name: eu.name, scan_time: worldNowMs };
  return [{ ...eu, reports: [{ id: 'worse', report }] }, ...worldClusters().slice(1)];
}

test('scan says of each cluster which rules are broken, by how much, and which of them only warn', async () => {
  const budget = 'on: vulnerabilities, max: 1, per: [image], enforce: warn';
  const policy = `version: 1\nname: production\nrules:\n  - {id: none, on: privileged_containers, max: 0}\n  - {id: budget, ${budget}}\n`;
  await writeFile(`${world.folder}/production.yaml`, policy);
  const { stdout } = await world.run(['scan']);
  expect(stdout).toMatch(
    /^prod: prod-us \| fail \| none: \d+ found, 0 allowed \| budget \(only warns\): \d+ found, \d+ groups? over the 1 allowed per image$/m,
  );
});

describe('a silence', () => {
  const add = ['silence', 'add', '--where', 'cluster == "prod-eu"', '--author', 'ops', '--comment', 'being rebuilt'];

  test('mutes what it matches, not the gate, is announced before its end, and then what it muted speaks', async () => {
    await world.run(['scan']);
    const added = await world.run([...add, '--for', '30h', ...at(0)]);
    expect(added.code).toBe(0);
    expect(added.stdout).toMatch(/^S-[0-9a-f]{8} {2}until 2026-11-03T14:00:00\.000Z {2}ops: being rebuilt/);
    world.hss.clusters = worsened();
    const heard = async (hours: number) => {
      const before = world.slack.received.length;
      const ran = await world.run(['scan', ...at(hours)]);
      expect(ran.code).toBe(0);
      return world.slack.received.slice(before).map(({ json }) => (json as { text: string }).text.split('\n')[0]);
    };
    expect(await heard(1)).toEqual([]);
    expect((await world.run(['gate', '--cluster', 'prod-eu', ...at(1)])).code).toBe(1);
    expect((await world.run(['routes', 'explain', ...at(1)])).stdout).toMatch(
      /prod-eu {2}no-high {2}critical\n.*\n {2}muted by silence S-/,
    );
    expect(await heard(7)).toEqual([expect.stringContaining('silence S-')]);
    expect((await heard(25)).join()).not.toContain('prod-eu');
    expect((await heard(31)).join()).toContain('prod-eu');
  });

  test.each([
    { where: 'true', isHeard: true },
    { where: 'source == "portcullis"', isHeard: false },
  ])('where $where mutes what is about ourselves only if it names the source', async ({ where, isHeard }) => {
    await world.run(['scan']);
    await world.run([
      'silence',
      'add',
      '--where',
      where,
      '--author',
      'ops',
      '--comment',
      'a move',
      '--for',
      '30h',
      ...at(0),
    ]);
    const before = world.slack.received.length;
    expect((await world.run(['scan', ...at(7)])).code).toBe(0);
    const heard = world.slack.received.slice(before).map(({ json }) => (json as { text: string }).text);
    expect(heard.join().includes('silence S-')).toBe(isHeard);
    expect(heard).toHaveLength(isHeard ? 1 : 0);
  });

  test('can be listed and ended', async () => {
    expect((await world.run(['silence', 'list'])).stdout).toBe('there are no silences\n');
    const id = (await world.run([...add, '--for', '7d'])).stdout.slice(0, 10);
    expect((await world.run(['silence', 'list'])).stdout).toContain(`${id}  until`);
    expect((await world.run(['silence', 'expire', id])).stdout).toContain(`${id}  over since`);
    expect((await world.run(['silence', 'expire', id])).stderr).toContain(`silence ${id} is over already`);
  });

  test.each([
    { args: ['silence'], says: 'what to do is missing; known: add, list, expire' },
    { args: ['silence', 'lst'], says: 'there is no lst; did you mean list?' },
    { args: ['silence', 'add', '--for', '1h'], says: 'needs --where' },
    { args: [...add], says: 'needs either --for or --until' },
    { args: [...add, '--for', '1h', '--until', '2026-12-01T00:00:00Z'], says: 'needs either --for or --until' },
    { args: [...add, '--until', '2020-01-01T00:00:00Z'], says: 'has to end in the future' },
    {
      args: ['silence', 'add', '--where', 'clustr == "a"', '--for', '1h', '--author', 'a', '--comment', 'c'],
      says: 'unknown field clustr; did you mean cluster?',
    },
    { args: ['silence', 'add', '--where', 'cluster == "a"', '--for', '1h', '--comment', 'c'], says: 'needs --author' },
    { args: ['silence', 'expire', 'S-1'], says: 'there is no silence S-1' },
    { args: ['silence', 'expire'], says: 'needs the ID' },
  ])('that cannot be meant is refused: $says', async ({ args, says }) => {
    const ran = await world.run(args);
    expect(ran.stderr).toContain(says);
    expect(ran.code).toBe(3);
  });
});

test('explain tells what numbers of the cluster a rule looked at', async () => {
  const policy = `${world.folder}/numbers.yaml`;
  await writeFile(
    policy,
    'version: 1\nname: p\nrules:\n  - {id: few, on: cluster, where: "vulnerabilities > 5", max: 0}\n',
  );
  const asked = [
    'explain',
    '--report',
    resolve('docs/examples/report.json'),
    '--policy',
    policy,
    '--now',
    '2026-11-02T08:00:00Z',
  ];
  const { stdout } = await command([...asked, '--rule', 'few']);
  expect(stdout).toContain('1 finding on cluster\n  0 of which this is false: vulnerabilities > 5');
  const [print = ''] = /[0-9a-f]{32}/.exec(stdout) ?? [];
  const told = (await command([...asked, print])).stdout;
  expect(told.slice(told.indexOf('vulnerabilities > 5'))).toContain('vulnerabilities is 9');
});

describe('routes explain', () => {
  test.each([
    { args: ['--severity', 'critical'], says: 'routes[0] (when severity == "critical"): soc, chat\n' },
    { args: ['--severity', 'low', '--cluster', 'x'], says: 'routes[1] (takes everything): chat\n' },
    { args: ['--source', 'portcullis', '--severity', 'low'], says: 'past all routes: chat, soc\n' },
    { args: ['--source', 'portcullis', '--cluster', 'receiver soc'], says: 'past all routes: chat\n' },
  ])('$args: $says', async ({ args, says }) => {
    expect(await world.run(['routes', 'explain', ...args])).toMatchObject({ code: 0, stdout: says });
  });

  test('tells where each alert that fires would go', async () => {
    expect((await world.run(['routes', 'explain'])).stdout).toBe('no alert fires\n');
    await world.run(['scan']);
    const { stdout } = await world.run(['routes', 'explain']);
    expect(stdout).toContain('prod-us  no-high  critical\n  routes[0] (when severity == "critical"): soc, chat\n');
    expect(stdout).toContain('prod-apac  cannot be judged  critical\n');
  });

  test.each([
    { args: ['explan'], says: 'did you mean explain?' },
    { args: ['explain', '--severity', 'High'], says: '--severity High: is not known; did you mean high?' },
  ])('$args is refused', async ({ args, says }) => {
    expect(await world.run(['routes', ...args])).toMatchObject({ code: 3, stderr: expect.stringContaining(says) });
  });
});

describe('deliveries', () => {
  /** Four days in which the webhook is gone: what it was owed on the first is given up on the last. */
  async function fourDays() {
    for (let day = 0; day <= 3; day++) {
      world.hook.script.splice(0, 99, ...Array(9).fill({ status: 410 }));
      await world.run(['scan', ...at(24 * day)]);
    }
    world.hook.script.splice(0);
  }

  test('lists what is owed and what was given up, and sends it again with the id it had', async () => {
    expect((await world.run(['deliveries', 'list'])).stdout).toBe('nothing is owed, and there are no dead letters\n');
    await fourDays();
    const sent = new Set(world.hook.received.map(({ headers }) => headers['webhook-id']));
    const { stdout } = await world.run(['deliveries', 'list', ...at(80)]);
    expect(stdout).toMatch(/owed {2}soc {2}about prod-eu, since 3d 8h ago, 1 attempt: .*410/);
    const [, id = ''] = /dead {2}soc {2}(pc_[\w-]+), given up 8h ago after 3 attempts: .*410/.exec(stdout) ?? [];
    expect(sent).toContain(id);
    const replay = (letter: string) => world.run(['deliveries', 'replay', letter, ...at(80)]);
    expect((await replay('pc_x')).stderr).toContain('there is no dead letter pc_x');
    expect((await replay(id)).stdout).toBe('1 delivered, 0 not\n');
    expect(world.hook.received.at(-1)?.headers['webhook-id']).toBe(id);
    expect((await world.run(['deliveries', 'list', ...at(80)])).stdout).not.toContain(id);
  });

  test.each([
    { untilMs: Number.MAX_SAFE_INTEGER, says: 'it is being sent' },
    { untilMs: 1, says: 'a run that sent it died, and the next one sends it again' },
  ])('lists what is sent just now, or was when a run died: $says', async ({ untilMs, says }) => {
    await world.run(['scan']);
    const store = await openSqliteStore(join(world.folder, 'state.db'));
    const [cluster] = await knownClusters(store, 'prod', worldNowMs);
    const group = clusterGroup('prod', cluster?.clusterId ?? '');
    const { value, version } = (await loadCluster(store, group, worldNowMs)).logs.get('soc') as Versioned<LogRecord>;
    const claim = { id: 'pc_x', message: 'pc_x', untilMs };
    await putLog(store, group, 'soc', { ...value, claim }, version, worldNowMs);
    await store.close();
    expect((await world.run(['deliveries', 'list'])).stdout).toBe(
      `owed  soc  about ${cluster?.clusterName}, whether it was taken is not known yet: ${says}\n`,
    );
  });

  test('that are not taken again stay', async () => {
    await fourDays();
    const dead = async () => (await world.run(['deliveries', 'list', ...at(80)])).stdout.match(/^dead/gm)?.length;
    const before = await dead();
    world.hook.script.push(...Array(9).fill({ status: 410 }));
    expect(await world.run(['deliveries', 'replay', ...at(80)])).toMatchObject({
      code: 2,
      stdout: expect.stringContaining(`0 delivered, ${before} not`),
    });
    expect(await dead()).toBe(before);
  });
});
