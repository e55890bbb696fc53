import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { answerFreshMs, type GateRequest } from '../../lib/app/gate.ts';
import type { Clock } from '../../lib/app/ports.ts';
import { type App, compose, loadConfig } from '../../lib/compose.ts';
import { baselineOf } from '../../lib/core/baseline.ts';
import { parseImagePattern } from '../../lib/core/images.ts';
import { renderJson } from '../../lib/core/render/json.ts';
import { type SimulatedCluster, worldClusters, worldNowMs } from '../../lib/simulator/clusters.ts';
import { type Hss, startHss } from '../../lib/simulator/hss-server.ts';
import type { WireReport, WireRow } from '../../lib/simulator/wire.ts';
import { type Dynamo, startDynamo } from '../support/dynamo.ts';
import { startWorld, type World, worldPolicy } from '../support/world.ts';

/** Time goes on by itself, and by what is slept at once. */
function leapingClock(): Clock {
  let leaptMs = 0;
  return {
    nowMs: () => Date.now() + leaptMs,
    async sleep(ms) {
      leaptMs += ms;
    },
  };
}

/** Where several wait for one another: waits are as short as they can be, time goes on as it does. */
const shortWaits: Clock = {
  nowMs: Date.now,
  sleep: (ms) => new Promise((resolve) => setTimeout(resolve, Math.min(ms, 3))),
};

/** Where it counts how long waits are beside one another. */
const realWaits: Clock = { nowMs: Date.now, sleep: (ms) => new Promise((resolve) => setTimeout(resolve, ms)) };

const hourMs = 3_600_000;

let world: World;
const apps: App[] = [];
beforeEach(async () => {
  world = await startWorld();
});
afterEach(async () => {
  await Promise.all(apps.splice(0).map((app) => app.close()));
  await world.close();
});

async function open(
  given: { freshMs?: number; env?: Readonly<Record<string, string>>; clock?: Clock } = {},
): Promise<App> {
  const { freshMs = answerFreshMs, env = {}, clock = leapingClock() } = given;
  const app = await compose(await loadConfig(world.configFile), {
    env: { ...world.env, ...env },
    log: () => {},
    clock,
    freshMs,
  });
  apps.push(app);
  return app;
}

const calls = (hss: Hss, api: string) => hss.calls.filter((call) => call.api === api).length;

/** The newest report of a cluster, scanned at another time and changed. */
function rescan(name: string, atMs: number, change: (report: WireReport) => Partial<WireReport> = () => ({})): void {
  world.hss.clusters = world.hss.clusters.map((cluster) => {
    const newest = cluster.reports.at(-1);
    if (cluster.name !== name || newest === undefined) return cluster;
    const report = newest.report as WireReport;
    const id = `${newest.id.slice(0, -4)}${(cluster.reports.length % 10_000).toString().padStart(4, '0')}`;
    return {
      ...cluster,
      reports: [...cluster.reports, { id, report: { ...report, scan_time: atMs, ...change(report) } }],
    };
  });
}

/** What the list says of the reports. */
function listSays(row: Partial<WireRow>): void {
  world.hss.clusters = world.hss.clusters.map((cluster) => ({
    ...cluster,
    reports: cluster.reports.slice(-1).map((one) => ({ ...one, row })),
  }));
}

describe('fifty pipelines that ask at once', () => {
  test('cost one list call and one report call, in one instance', async () => {
    const app = await open();
    const answers = await Promise.all(
      Array.from({ length: 50 }, () => app.gate({ cluster: 'prod-us' }, worldNowMs).then(renderJson)),
    );
    expect([calls(world.hss, 'list'), calls(world.hss, 'report')]).toEqual([1, 1]);
    expect(new Set(answers).size).toBe(1);
    expect(JSON.parse(answers[0] ?? '').verdict).toBe('fail');
  });

  test('cost no more where their clocks differ', async () => {
    const app = await open();
    await Promise.all(Array.from({ length: 20 }, (_, i) => app.gate({ cluster: 'prod-us' }, worldNowMs - 37 * i)));
    const other = await open();
    for (let i = 0; i < 20; i++) await other.gate({ cluster: 'prod-us' }, worldNowMs - 100 * i);
    expect([calls(world.hss, 'list'), calls(world.hss, 'report')]).toEqual([1, 1]);
  });

  describe.each(['SQLite', 'DynamoDB'])('over %s', (store) => {
    let dynamo: Dynamo;
    beforeEach(async () => {
      dynamo = await startDynamo();
    });
    afterEach(() => {
      vi.unstubAllEnvs();
      return dynamo.close();
    });

    test('cost one list call and one report call, in fifty instances', async () => {
      const env = store === 'SQLite' ? {} : await dynamoEnv(dynamo);
      for (const [name, value] of Object.entries(env)) vi.stubEnv(name, value);
      const instances = await Promise.all(Array.from({ length: 50 }, () => open({ env, clock: shortWaits })));
      const answers = await Promise.all(
        instances.map((app) => app.gate({ cluster: 'prod-us' }, worldNowMs).then(renderJson)),
      );
      expect([calls(world.hss, 'list'), calls(world.hss, 'report')]).toEqual([1, 1]);
      expect(new Set(answers).size).toBe(1);
    }, 60_000);

    test('cost as much in fifty instances where each asks something else', async () => {
      const asked = await questions(50);
      const expected = await alone(asked);
      const env = store === 'SQLite' ? {} : await dynamoEnv(dynamo);
      for (const [name, value] of Object.entries(env)) vi.stubEnv(name, value);
      const instances = await Promise.all(asked.map(() => open({ env, clock: realWaits })));
      const before = [calls(world.hss, 'list'), calls(world.hss, 'report')] as const;
      const answers = await Promise.all(
        instances.map((app, i) => app.gate(asked[i] as GateRequest, worldNowMs).then(renderJson)),
      );
      expect(calls(world.hss, 'list') - before[0]).toBe(1);
      // A machine that is slow enough has some come while the report is read.
      expect(calls(world.hss, 'report') - before[1]).toBeLessThanOrEqual(2);
      expect(answers).toEqual(expected);
    }, 60_000);
  });

  test('cost one report call, in one instance, whatever each of them asks, and get what they alone would get', async () => {
    const asked = await questions(50);
    const expected = await alone(asked);
    const app = await open();
    const before = [calls(world.hss, 'list'), calls(world.hss, 'report')] as const;
    const answers = await Promise.all(asked.map((question) => app.gate(question, worldNowMs).then(renderJson)));
    expect([calls(world.hss, 'list') - before[0], calls(world.hss, 'report') - before[1]]).toEqual([1, 1]);
    expect(answers).toEqual(expected);
    expect(new Set(answers).size).toBe(50);
    expect(new Set(answers.map((text) => JSON.parse(text).verdict))).toEqual(new Set(['pass', 'fail', 'undetermined']));
  });

  test('cost one report call also where they compare with a previous result for the first time', async () => {
    const instances = await Promise.all(Array.from({ length: 20 }, () => open({ clock: shortWaits })));
    const ask = (app: App) => app.gate({ cluster: 'prod-us', baseline: 'previous' }, worldNowMs);
    const answers = await Promise.all(instances.map(ask));
    expect(calls(world.hss, 'report')).toBe(1);
    expect(new Set(answers.map(({ verdict }) => verdict))).toEqual(new Set(['fail']));
    expect((await ask(instances[0] as App)).verdict).toBe('fail');
  }, 60_000);

  test('cost one report call after a waiver that counts has expired, and one pipeline’s age is not that of all', async () => {
    const { writeFile } = await import('node:fs/promises');
    const until = new Date(worldNowMs + hourMs).toISOString().replace('.000', '');
    const waiver = `waivers:\n  - {id: W, rule: no-high, reason: x, owner: y, expires: "${until}"}\n`;
    await writeFile(`${world.folder}/production.yaml`, `${worldPolicy}${waiver}`);
    const app = await open();
    await app.gate({ cluster: 'prod-us' }, worldNowMs);
    const later = worldNowMs + 2 * hourMs;
    const hurried = await app.gate({ cluster: 'prod-us', maxReportAgeMs: 1 }, later);
    expect(hurried.reasons.map(({ kind }) => kind)).toEqual(['report-stale']);
    const answers = await Promise.all(Array.from({ length: 50 }, () => app.gate({ cluster: 'prod-us' }, later)));
    expect(calls(world.hss, 'report')).toBe(2);
    await world.forget();
    const fresh = renderJson(await (await open()).gate({ cluster: 'prod-us' }, later));
    expect(new Set(answers.map(renderJson))).toEqual(new Set([fresh]));
  }, 60_000);

  test('never ask for more than five lists a minute, whenever they come', async () => {
    const startMs = Date.now();
    let second = 0;
    const app = await open({ clock: { nowMs: () => startMs + second * 1_000, sleep: async () => {} } });
    const listed: number[] = [];
    for (; second < 180; second++) {
      const before = calls(world.hss, 'list');
      await app.gate({ cluster: 'prod-eu' }, worldNowMs);
      if (calls(world.hss, 'list') > before) listed.push(second);
    }
    expect(listed.length).toBeGreaterThan(10);
    for (const from of listed)
      expect(listed.filter((at) => at >= from && at <= from + 60).length).toBeLessThanOrEqual(5);
  });

  test('stay within five calls a minute where each asks something else, and none of them hangs', async () => {
    const throttling = await startHss({
      clusters: worldClusters(),
      credentials: world.hss.credentials,
      projectId: '0605768a2d80d5d52f91c00b7a6c1234',
      nowMs: Date.now,
      limitPerMinute: 5,
    });
    await using _ = throttling;
    const { writeFile, readFile } = await import('node:fs/promises');
    const text = await readFile(world.configFile, 'utf8');
    await writeFile(world.configFile, text.replaceAll(world.hss.url, throttling.url));
    const app = await open();
    const answers = await Promise.all(Array.from({ length: 50 }, () => app.gate({ cluster: 'prod-eu' }, worldNowMs)));
    expect(answers.map(({ verdict }) => verdict)).toEqual(Array(50).fill('pass'));
    expect(throttling.calls.filter(({ status }) => status === 429)).toEqual([]);
    expect([calls(throttling, 'list'), calls(throttling, 'report')]).toEqual([1, 1]);
  });
});

describe('a report that looked much less far than the one that a scan followed', () => {
  const emptied = (host_num: number) => () => ({
    host_num,
    local_image_vul_list: [],
    local_image_vul_num: 0,
    privileged_container_list: [],
    privileged_container_num: 0,
  });

  test('does not pass, live or stored, and a violation in it still fails', async () => {
    const app = await open({ freshMs: 0 });
    await app.scan(worldNowMs);
    rescan('prod-us', worldNowMs - 1000, emptied(1));
    const { verdict, reasons, rules } = await app.gate({ cluster: 'prod-us' }, worldNowMs);
    expect(verdict).toBe('undetermined');
    expect(reasons).toMatchObject([{ kind: 'coverage-dropped', message: expect.stringContaining('hosts from') }]);
    expect(new Set(rules.map(({ status }) => status))).toEqual(new Set(['undetermined']));
    for (let i = 0; i < 4; i++) world.hss.fail({ kind: 'status', status: 500 }, { api: 'list' });
    const kept = await app.gate({ cluster: 'prod-us' }, worldNowMs);
    expect([kept.verdict, kept.stored === undefined]).toEqual(['undetermined', false]);
    expect(kept.reasons.map(({ kind }) => kind)).toEqual(['coverage-dropped']);
  });

  test('passes once so many reports in a row say so that the cluster is taken for smaller', async () => {
    const clock = leapingClock();
    const app = await open({ freshMs: 0, clock });
    await app.scan(worldNowMs);
    const verdicts: string[] = [];
    for (const minutes of [1, 2, 3]) {
      await clock.sleep(60_000);
      rescan('prod-us', worldNowMs + minutes * 60_000, emptied(1));
      const nowMs = worldNowMs + minutes * 60_000 + 1000;
      const before = (await app.gate({ cluster: 'prod-us' }, nowMs)).verdict;
      await app.scan(nowMs);
      // The scan has read the same report: it is as doubtful as it was.
      const after = (await app.gate({ cluster: 'prod-us' }, nowMs)).verdict;
      verdicts.push(`${before} ${after}`);
    }
    expect(verdicts).toEqual(['undetermined undetermined', 'undetermined undetermined', 'pass pass']);
  });

  test('fails by what it shows, and nothing that it does not show is fixed or accepted', async () => {
    const clock = leapingClock();
    const app = await open({ freshMs: 0, clock });
    const ask = { cluster: 'prod-us', baseline: 'previous' } as const;
    await app.gate({ ...ask, writePrevious: true }, worldNowMs);
    await app.scan(worldNowMs);
    await clock.sleep(1000);
    rescan('prod-us', worldNowMs - 1000, ({ privileged_container_list }) => ({
      ...emptied(1)(),
      privileged_container_list,
      privileged_container_num: privileged_container_list?.length ?? 0,
    }));
    expect(await app.gate({ cluster: 'prod-us' }, worldNowMs)).toMatchObject({
      verdict: 'fail',
      reasons: [{ kind: 'coverage-dropped' }],
    });
    const { verdict, rules } = await app.gate(ask, worldNowMs);
    expect(verdict).toBe('undetermined');
    expect(rules.map(({ since }) => since?.fixed)).toEqual(rules.map(() => 0));
    await clock.sleep(1000);
    const { notes } = await app.gate({ ...ask, writePrevious: true }, worldNowMs);
    expect(JSON.stringify(notes)).toContain('not kept');
  });

  test('is not kept for baseline: previous', async () => {
    const app = await open({ freshMs: 0 });
    await app.scan(worldNowMs);
    rescan('prod-us', worldNowMs - 1000, emptied(1));
    await app.gate({ cluster: 'prod-us', baseline: 'previous' }, worldNowMs);
    const { notes } = await app.gate({ cluster: 'prod-us', baseline: 'previous' }, worldNowMs);
    expect(JSON.stringify(notes)).toContain('there is no earlier result to compare with');
  });

  test('nor does an older report where no scan runs, as long as a gate has seen the newer one listed', async () => {
    const before = world.hss.clusters;
    rescan('prod-eu', worldNowMs - 1000, ({ privileged_container_list }) => ({
      privileged_container_list: [...privileged_container_list, ...privileged_container_list].slice(0, 1),
      host_num: 500,
    }));
    const clock = leapingClock();
    const app = await open({ freshMs: 0, clock });
    await app.gate({ cluster: 'prod-us' }, worldNowMs);
    world.hss.clusters = before;
    for (let i = 0; i < 3; i++) {
      await clock.sleep(1000);
      expect(await app.gate({ cluster: 'prod-eu' }, worldNowMs)).toMatchObject({
        verdict: 'undetermined',
        reasons: [{ kind: 'report-stale', message: expect.stringContaining('HSS has listed a newer report') }],
      });
      // A scan lists too.
      if (i === 1) await app.scan(worldNowMs);
    }
    rescan('prod-eu', worldNowMs - 500);
    await clock.sleep(1000);
    expect((await app.gate({ cluster: 'prod-eu' }, worldNowMs)).verdict).toBe('pass');
  });

  test.each<[string, (newer: readonly SimulatedCluster[]) => readonly SimulatedCluster[]]>([
    ['without the cluster', (newer) => newer.filter(({ name }) => name !== 'prod-eu')],
    ['without any', () => []],
    [
      'that does not say which report it is',
      (newer) =>
        newer.map((one) => ({
          ...one,
          reports: one.reports.map((report) => ({ ...report, row: { report_id: null as never } })),
        })),
    ],
  ])('nor where a list came between, %s', async (_, between) => {
    const before = world.hss.clusters;
    rescan('prod-eu', worldNowMs - 1000);
    const newer = world.hss.clusters;
    const clock = leapingClock();
    const app = await open({ freshMs: 0, clock });
    const verdict = async (clusters: readonly SimulatedCluster[]) => {
      world.hss.clusters = clusters;
      await clock.sleep(1000);
      return (await app.gate({ cluster: 'prod-eu' }, worldNowMs)).verdict;
    };
    expect(await verdict(newer)).toBe('pass');
    for (const clusters of [between(newer), between(newer), before])
      expect(await verdict(clusters)).toBe('undetermined');
    expect(await verdict(newer)).toBe('pass');
  });

  test('nor where a newer row may be of the cluster, since it names none', async () => {
    const clock = leapingClock();
    const app = await open({ freshMs: 0, clock });
    rescan('prod-us', worldNowMs - 1000);
    const named = world.hss.clusters;
    world.hss.clusters = named.map((cluster) => ({
      ...cluster,
      reports: cluster.reports.map((one, i) =>
        cluster.name === 'prod-us' && i === cluster.reports.length - 1
          ? { ...one, row: { cluster_id: null as never, cluster_name: null as never } }
          : one,
      ),
    }));
    expect(await app.gate({ cluster: 'prod-eu' }, worldNowMs)).toMatchObject({
      verdict: 'undetermined',
      reasons: [{ kind: 'report-unreadable', message: expect.stringContaining('a newer row that names no cluster') }],
    });
    // What is newer than that row is not of it.
    rescan('prod-eu', worldNowMs - 500);
    await clock.sleep(1000);
    expect((await app.gate({ cluster: 'prod-eu' }, worldNowMs)).verdict).toBe('pass');
  });

  test('nor where two reports are of one time', async () => {
    rescan('prod-eu', worldNowMs - 3 * hourMs);
    expect(await (await open()).gate({ cluster: 'prod-eu' }, worldNowMs)).toMatchObject({
      verdict: 'undetermined',
      reasons: [{ message: expect.stringContaining('does not tell which report is the newest') }],
    });
  });

  test('a report of the future that is listed no more is no newer one', async () => {
    const before = world.hss.clusters;
    rescan('prod-eu', worldNowMs + 48 * hourMs);
    const clock = leapingClock();
    const app = await open({ freshMs: 0, clock });
    expect((await app.gate({ cluster: 'prod-eu' }, worldNowMs)).verdict).toBe('undetermined');
    world.hss.clusters = before;
    await clock.sleep(1000);
    expect((await app.gate({ cluster: 'prod-eu' }, worldNowMs)).verdict).toBe('pass');
  });

  test('nor does an older report, where the list has lost the newer one', async () => {
    const clock = leapingClock();
    const app = await open({ freshMs: 0, clock });
    const before = world.hss.clusters;
    rescan('prod-eu', worldNowMs - 1000);
    // A list knows of the older one only, all the time.
    listSays({ scan_time: worldNowMs - 3 * hourMs });
    await app.scan(worldNowMs);
    await clock.sleep(1000);
    expect((await app.gate({ cluster: 'prod-eu' }, worldNowMs)).verdict).toBe('pass');
    world.hss.clusters = before;
    await clock.sleep(1000);
    expect(await app.gate({ cluster: 'prod-eu' }, worldNowMs)).toMatchObject({
      verdict: 'undetermined',
      reasons: [{ kind: 'report-stale', message: expect.stringContaining('a scan has seen a newer report') }],
    });
  });

  test('passes where no scan has followed the cluster', async () => {
    const app = await open({ freshMs: 0 });
    await app.gate({ cluster: 'prod-us' }, worldNowMs);
    rescan('prod-us', worldNowMs - 1000, emptied(1));
    expect((await app.gate({ cluster: 'prod-us' }, worldNowMs)).verdict).toBe('pass');
  });
});

describe('what was found before', () => {
  test('answers while the newest row is unchanged, with the bytes that a fresh look gives', async () => {
    const app = await open({ freshMs: 0 });
    await app.gate({ cluster: 'prod-eu' }, worldNowMs);
    const later = await app.gate({ cluster: 'prod-eu' }, worldNowMs + hourMs);
    expect([calls(world.hss, 'list'), calls(world.hss, 'report')]).toEqual([2, 1]);
    await world.forget();
    const fresh = await (await open()).gate({ cluster: 'prod-eu' }, worldNowMs + hourMs);
    expect(renderJson(later)).toBe(renderJson(fresh));
  });

  test('is that of a scan too', async () => {
    const app = await open({ freshMs: 0 });
    await app.scan(worldNowMs);
    const before = calls(world.hss, 'report');
    expect((await app.gate({ cluster: 'prod-us' }, worldNowMs)).verdict).toBe('fail');
    expect(calls(world.hss, 'report')).toBe(before);
  });

  test('does not answer for a newer report', async () => {
    const app = await open({ freshMs: 0 });
    expect((await app.gate({ cluster: 'prod-us' }, worldNowMs)).verdict).toBe('fail');
    rescan('prod-us', worldNowMs - 1000, () => ({
      local_image_vul_list: [],
      local_image_vul_num: 0,
      privileged_container_list: [],
      privileged_container_num: 0,
    }));
    expect((await app.gate({ cluster: 'prod-us' }, worldNowMs)).verdict).toBe('pass');
  });

  test('does not answer for another policy, other images or strictness', async () => {
    const app = await open();
    const questions: GateRequest[] = [
      { cluster: 'prod-us' },
      { cluster: 'prod-us', strict: true },
      { cluster: 'prod-us', images: [parseImagePattern('*')] },
    ];
    for (const question of questions) for (let i = 0; i < 2; i++) await app.gate(question, worldNowMs);
    expect(calls(world.hss, 'report')).toBe(questions.length);
  });

  test('is not what could not be read', async () => {
    const app = await open({ freshMs: 0 });
    world.hss.fail({ kind: 'empty' }, { api: 'report' });
    expect((await app.gate({ cluster: 'prod-eu' }, worldNowMs)).verdict).toBe('undetermined');
    expect((await app.gate({ cluster: 'prod-eu' }, worldNowMs)).verdict).toBe('pass');
  });

  test('is never an older report than the row tells of, and the next question asks again', async () => {
    const app = await open({ freshMs: 0 });
    rescan('prod-us', worldNowMs - 1000, () => ({ local_image_vul_list: [], local_image_vul_num: 0 }));
    world.hss.fail({ kind: 'stale', ageMs: 20 * hourMs }, { api: 'report' });
    const first = await app.gate({ cluster: 'prod-us' }, worldNowMs);
    expect(first.verdict).toBe('undetermined');
    expect(first.reasons).toMatchObject([{ kind: 'report-unreadable' }]);
    const message = first.reasons[0]?.message ?? '';
    for (const ms of [worldNowMs - 1000, worldNowMs - 1000 - 20 * hourMs])
      expect(message).toContain(new Date(ms).toISOString());
    expect(await app.gate({ cluster: 'prod-us' }, worldNowMs)).toMatchObject({
      verdict: 'fail',
      report: { scannedAtMs: worldNowMs - 1000 },
    });
    expect(calls(world.hss, 'report')).toBe(2);
  });

  test('is no older report for a scan either: it ends no alert, and the next scan looks again', async () => {
    const app = await open({ freshMs: 0 });
    expect((await app.scan(worldNowMs)).alerts.firing).toBe(6);
    const clean = { local_image_vul_list: [], local_image_vul_num: 0 };
    rescan('prod-us', worldNowMs + 1000, () => clean);
    world.hss.fail({ kind: 'stale', ageMs: hourMs }, { api: 'report' });
    const second = await app.scan(worldNowMs + 2000);
    expect(second).toMatchObject({ verdicts: { pass: 2, fail: 1, undetermined: 2 } });
    expect(second.alerts.firing + second.alerts.held).toBeGreaterThanOrEqual(6);
    const third = await app.scan(worldNowMs + 3000);
    expect(third.verdicts).toMatchObject({ fail: 2, undetermined: 1 });
  });

  test('is a newer report than the row tells of, and is not kept for that row', async () => {
    const app = await open({ freshMs: 0 });
    listSays({ scan_time: worldNowMs - 9 * hourMs });
    for (let i = 1; i <= 2; i++) {
      const { verdict, report } = await app.gate({ cluster: 'prod-eu' }, worldNowMs);
      expect([verdict, report.scannedAtMs]).toEqual(['pass', worldNowMs - 3 * hourMs]);
      expect(calls(world.hss, 'report')).toBe(i);
    }
  });

  test.each([
    ['in seconds', (ms: number) => ms / 1000],
    ['cut to seconds', (ms: number) => ms - (ms % 1000)],
  ])('is one whose row gives the same time %s', async (_unit, of) => {
    const app = await open({ freshMs: 0 });
    rescan('prod-eu', worldNowMs - 1234);
    listSays({ scan_time: Math.floor(of(worldNowMs - 1234)) });
    for (let i = 0; i < 2; i++) expect((await app.gate({ cluster: 'prod-eu' }, worldNowMs)).verdict).toBe('pass');
    expect(calls(world.hss, 'report')).toBe(1);
  });

  test('is judged anew when a waiver that counted has expired', async () => {
    const { writeFile } = await import('node:fs/promises');
    const until = new Date(worldNowMs + hourMs).toISOString().replace('.000', '');
    const waivers = ['no-high', 'no-privileged']
      .map((rule) => `  - {id: W-${rule}, rule: ${rule}, reason: x, owner: y, expires: "${until}"}\n`)
      .join('');
    await writeFile(`${world.folder}/production.yaml`, `${worldPolicy}waivers:\n${waivers}`);
    const app = await open({ freshMs: 0 });
    expect((await app.gate({ cluster: 'prod-us' }, worldNowMs)).verdict).toBe('pass');
    expect((await app.gate({ cluster: 'prod-us' }, worldNowMs + 2 * hourMs)).verdict).toBe('fail');
    expect((await app.gate({ cluster: 'prod-us' }, worldNowMs + 2 * hourMs)).verdict).toBe('fail');
    expect(calls(world.hss, 'report')).toBe(2);
  });
});

describe('where HSS cannot be asked', () => {
  const throttle = () => world.hss.fail({ kind: 'status', status: 429 }, { api: 'list', times: 8 });

  test('what is known of the cluster answers, and says since when it is known', async () => {
    const app = await open({ freshMs: 0 });
    const before = await app.gate({ cluster: 'prod-us' }, worldNowMs);
    throttle();
    const evaluation = await app.gate({ cluster: 'prod-us' }, worldNowMs + 60_000);
    expect(evaluation).toMatchObject({ verdict: before.verdict, stored: { reason: { kind: 'source-throttled' } } });
    const result = JSON.parse(renderJson(evaluation));
    expect(result).toMatchObject({ verdict: 'fail', source: 'stored', stored_age_seconds: expect.any(Number) });
    expect(result.notes[0].message).toMatch(/^HSS could not be asked \(.*\): this is what was found .* ago$/);
  });

  test('a report that has grown too old meanwhile does not', async () => {
    const app = await open({ freshMs: 0 });
    await app.gate({ cluster: 'prod-eu' }, worldNowMs);
    throttle();
    const evaluation = await app.gate({ cluster: 'prod-eu' }, worldNowMs + 40 * hourMs);
    expect(evaluation).toMatchObject({ verdict: 'undetermined', reasons: [{ kind: 'source-throttled' }] });
    expect(evaluation.stored).toBeUndefined();
  });

  test('what was asked of it never before has no answer', async () => {
    const app = await open({ freshMs: 0 });
    await app.gate({ cluster: 'prod-eu' }, worldNowMs);
    throttle();
    const evaluation = await app.gate({ cluster: 'prod-eu', images: [parseImagePattern('app')] }, worldNowMs);
    expect(evaluation).toMatchObject({ verdict: 'undetermined', reasons: [{ kind: 'source-throttled' }] });
  });

  test('a newer report that cannot be read is not answered for by the older one', async () => {
    const app = await open({ freshMs: 0 });
    expect((await app.gate({ cluster: 'prod-eu' }, worldNowMs)).verdict).toBe('pass');
    rescan('prod-eu', worldNowMs - 1000);
    world.hss.fail({ kind: 'status', status: 503 }, { api: 'report', times: 8 });
    expect((await app.gate({ cluster: 'prod-eu' }, worldNowMs)).verdict).toBe('undetermined');
  });
});

describe('a report that shows less than its row of the list says', () => {
  const clean = {
    local_image_vul_list: [],
    local_image_vul_num: 0,
    privileged_container_list: [],
    privileged_container_num: 0,
  };
  const empty = { ...clean, baseline_detection_list: [], risk_config_num: 0 };
  const risky = 'the list of reports says that the cluster has risks, and the report shows none';

  test.each<{ row: Partial<WireRow>; body?: Partial<WireReport>; says: string }>([
    {
      row: { local_image_vul_num: 9 },
      says: 'the list of reports counts 9 vulnerabilities and the report lists 0: 9 not shown',
    },
    {
      row: { local_image_vul_num: 9 },
      body: { ...clean, local_image_vul_list: null as never },
      says: 'the report has no list of vulnerabilities, and the list of reports counts 9',
    },
    { row: { severity: 'Insecurity' }, body: empty, says: risky },
  ])('is undetermined: $row, $body', async ({ row, body = clean, says }) => {
    rescan('prod-eu', worldNowMs - hourMs, () => body);
    listSays(row);
    const { verdict, reasons } = await (await open()).gate({ cluster: 'prod-eu' }, worldNowMs);
    expect([verdict, reasons.map(({ message }) => message)]).toEqual(['undetermined', [says]]);
  });

  test('is the newer one, and judged, where the row is of an older check', async () => {
    rescan('prod-eu', worldNowMs - hourMs, () => empty);
    listSays({ scan_time: worldNowMs - 2 * hourMs, local_image_vul_num: 9, severity: 'Insecurity' });
    expect((await (await open()).gate({ cluster: 'prod-eu' }, worldNowMs)).verdict).toBe('pass');
  });

  test('is judged where the row says that the cluster has no risk, or nothing', async () => {
    rescan('prod-eu', worldNowMs - hourMs, () => empty);
    listSays({ severity: undefined as never, local_image_vul_num: undefined as never });
    expect((await (await open()).gate({ cluster: 'prod-eu' }, worldNowMs)).verdict).toBe('pass');
  });
});

describe('a body without the id of its cluster', () => {
  test.each([
    { cluster_name: 'prod-eu', verdict: 'pass' },
    { cluster_name: 'other', verdict: 'undetermined' },
  ])('that is called $cluster_name is $verdict', async ({ cluster_name, verdict }) => {
    rescan('prod-eu', worldNowMs - hourMs, () => ({ cluster_id: undefined as never, cluster_name }));
    const app = await open();
    const answer = await app.gate({ cluster: 'prod-eu' }, worldNowMs);
    expect(answer.verdict).toBe(verdict);
    if (verdict !== 'pass') expect(answer.reasons[0]?.message).toContain('is about another cluster');
  });
});

describe('a state that cannot be used', () => {
  test('costs calls, and no verdict; what needs it is refused', async () => {
    const { writeFile, readFile } = await import('node:fs/promises');
    const text = await readFile(world.configFile, 'utf8');
    await writeFile(world.configFile, text.replace('sqlite:state.db', 'sqlite:production.yaml/state.db'));
    const app = await open();
    const { verdict, notes } = await app.gate({ cluster: 'prod-eu' }, worldNowMs);
    expect(verdict).toBe('pass');
    // It is said what nobody can know then.
    expect(notes).toEqual([{ message: expect.stringMatching(/^whether the report looked as far .*state\.db/) }]);
    await expect(app.gate({ cluster: 'prod-eu', baseline: 'previous' }, worldNowMs)).rejects.toThrow(/need it/);
    await expect(app.gate({ cluster: 'prod-eu', writePrevious: true }, worldNowMs)).rejects.toThrow(/need it/);
    const stale = { cluster: 'prod-eu', maxReportAgeMs: 1, letUndetermined: true };
    await expect(app.gate(stale, worldNowMs)).rejects.toThrow(/letting an undetermined verdict through/);
  });
});

describe('a state in memory', () => {
  test('gives a verdict, and remembers nothing that somebody has to find later', async () => {
    const app = await open({ env: { PORTCULLIS_STATE: 'memory:' } });
    expect(await app.gate({ cluster: 'prod-eu' }, worldNowMs)).toMatchObject({ verdict: 'pass', notes: [] });
    await expect(app.gate({ cluster: 'prod-eu', baseline: 'previous' }, worldNowMs)).rejects.toThrow(/memory: is lost/);
    const stale = { cluster: 'prod-eu', maxReportAgeMs: 1, letUndetermined: true };
    await expect(app.gate(stale, worldNowMs)).rejects.toThrow(/memory: is lost .* letting an undetermined/);
  });
});

describe('compared with the previous result', () => {
  test('a failing one counts in full however often it is asked for, until somebody accepts it', async () => {
    const app = await open({ freshMs: 0 });
    const ask = (more: Partial<GateRequest> = {}) =>
      app.gate({ cluster: 'prod-us', baseline: 'previous', ...more }, worldNowMs);
    for (let i = 0; i < 2; i++) {
      const evaluation = await ask();
      expect(evaluation).toMatchObject({ verdict: 'fail', baseline: 'none' });
      expect(evaluation.notes[0]?.message).toBe(
        'there is no earlier result to compare with, so all findings count; to accept what stands, ask once with --write-baseline previous (write_baseline in a request)',
      );
    }
    expect((await ask({ baseline: undefined, writePrevious: true })).verdict).toBe('fail');
    expect(await ask()).toMatchObject({ verdict: 'pass', baseline: { digest: expect.any(String) } });
    expect((await ask({ baseline: undefined })).verdict).toBe('fail');
    expect((await ask({ images: [parseImagePattern('*')] })).verdict).toBe('fail');
  });

  test('a first one that passes is remembered by itself', async () => {
    const app = await open({ freshMs: 0 });
    const first = await app.gate({ cluster: 'prod-eu', baseline: 'previous' }, worldNowMs);
    expect(first).toMatchObject({ verdict: 'pass', baseline: 'none' });
    expect(first.notes.map(({ message }) => message)).toContain(
      'from now on baseline: previous compares with this result',
    );
    const second = await app.gate({ cluster: 'prod-eu', baseline: 'previous' }, worldNowMs);
    expect(second).toMatchObject({ verdict: 'pass', baseline: { digest: first.report.digest } });
  });

  test('what is accepted once more replaces what was', async () => {
    const app = await open({ freshMs: 0 });
    const ask = (writePrevious = false) =>
      app.gate({ cluster: 'prod-us', baseline: 'previous', writePrevious }, worldNowMs);
    await ask(true);
    expect((await ask()).verdict).toBe('pass');
    rescan('prod-us', worldNowMs - 1000, ({ local_image_vul_list: rows }) => {
      const more = { ...rows[0], vul_name: 'CVE-2099-1', severity_level: 'High' as const };
      return { local_image_vul_list: [...rows, more] as typeof rows, local_image_vul_num: rows.length + 1 };
    });
    expect((await ask()).verdict).toBe('fail');
    expect((await ask(true)).verdict).toBe('fail');
    expect((await ask()).verdict).toBe('pass');
  });

  test.each<Partial<GateRequest>>([{ cluster: 'prod-apac' }, { cluster: 'no-such' }, { maxReportAgeMs: 1 }])(
    'nothing is accepted where nobody can tell, which is said: %j',
    async (more) => {
      const app = await open({ freshMs: 0 });
      const evaluation = await app.gate({ cluster: 'prod-eu', writePrevious: true, ...more }, worldNowMs);
      expect(evaluation.verdict).toBe('undetermined');
      expect(evaluation.notes[0]?.message).toContain('this result was not kept for baseline: previous');
    },
  );

  test('only what is new fails, and what was accepted once does not grow', async () => {
    const app = await open({ freshMs: 0 });
    const ask = () => app.gate({ cluster: 'prod-us', baseline: 'previous' }, worldNowMs);
    await app.gate({ cluster: 'prod-us', writePrevious: true }, worldNowMs);
    expect(await ask()).toMatchObject({ verdict: 'pass', rules: [{ status: 'observed' }, { status: 'observed' }] });

    const add = (name: string) => (report: WireReport) => {
      const [row] = report.local_image_vul_list;
      const list = [...report.local_image_vul_list, { ...row, vul_name: name, severity_level: 'High' as const }];
      return { local_image_vul_list: list as WireReport['local_image_vul_list'], local_image_vul_num: list.length };
    };
    rescan('prod-us', worldNowMs - 2000, add('CVE-2099-1'));
    for (let i = 0; i < 2; i++) {
      const evaluation = await ask();
      expect(evaluation).toMatchObject({ verdict: 'fail', rules: [{ since: { new: 1 } }, { status: 'observed' }] });
      expect(evaluation.rules[0]?.findings.map(({ fields }) => fields.vulnerability)).toEqual(['CVE-2099-1']);
    }
    rescan('prod-us', worldNowMs - 1000, (report) => ({
      local_image_vul_list: report.local_image_vul_list.slice(5),
      local_image_vul_num: report.local_image_vul_list.length - 5,
    }));
    const worse = await ask();
    expect(worse.verdict).toBe('fail');
  });

  test('what is fixed cannot come back unseen', async () => {
    const app = await open({ freshMs: 0 });
    const ask = () => app.gate({ cluster: 'prod-us', baseline: 'previous' }, worldNowMs);
    await app.gate({ cluster: 'prod-us', writePrevious: true }, worldNowMs);
    const newest = world.hss.clusters.find(({ name }) => name === 'prod-us')?.reports.at(-1)?.report as WireReport;
    rescan('prod-us', worldNowMs - 2000, () => ({ privileged_container_list: [], privileged_container_num: 0 }));
    const fixed = await ask();
    expect(fixed.verdict).toBe('pass');
    expect(fixed.rules[1]?.since?.fixed).toBeGreaterThan(0);
    rescan('prod-us', worldNowMs - 1000, () => ({
      privileged_container_list: newest.privileged_container_list,
      privileged_container_num: newest.privileged_container_num,
    }));
    expect(await ask()).toMatchObject({ verdict: 'fail', rules: [{ status: 'observed' }, { status: 'fail' }] });
  });
});

test('a lenient result is not what a strict one is compared with', async () => {
  const { writeFile } = await import('node:fs/promises');
  await writeFile(
    `${world.folder}/production.yaml`,
    'version: 1\nname: production\nrules:\n  - {id: w, on: vulnerabilities, max: 0, enforce: warn}\n',
  );
  const app = await open({ freshMs: 0 });
  const ask = (strict: boolean, writePrevious = false) =>
    app.gate({ cluster: 'prod-us', baseline: 'previous', strict, writePrevious }, worldNowMs);
  for (const strict of [true, false]) await ask(strict, true);
  rescan('prod-us', worldNowMs - 1000, (report) => {
    const [row] = report.local_image_vul_list;
    const list = [...report.local_image_vul_list, { ...row, vul_name: 'CVE-2099-1' }];
    return { local_image_vul_list: list as WireReport['local_image_vul_list'], local_image_vul_num: list.length };
  });
  expect((await ask(true)).verdict).toBe('fail');
  expect((await ask(false)).verdict).toBe('pass');
  expect((await ask(true)).verdict).toBe('fail');
});

test('a question with the previous result costs no report call while the report is the same', async () => {
  await (await open()).gate({ cluster: 'prod-us', writePrevious: true }, worldNowMs);
  const asked = [];
  for (let i = 0; i < 5; i++) {
    const before = calls(world.hss, 'report');
    const app = await open();
    expect((await app.gate({ cluster: 'prod-us', baseline: 'previous' }, worldNowMs + i)).verdict).toBe('pass');
    asked.push(calls(world.hss, 'report') - before);
  }
  expect(asked.slice(1)).toEqual([0, 0, 0, 0]);
});

test('what was found by a good look stays known though a scan cannot look', async () => {
  const app = await open({ freshMs: 0, clock: leapingClock() });
  expect((await app.gate({ cluster: 'prod-eu' }, worldNowMs)).verdict).toBe('pass');
  world.hss.fail({ kind: 'status', status: 503 }, { api: 'report', times: 400 });
  await app.scan(worldNowMs + 1000);
  expect((await app.gate({ cluster: 'prod-eu' }, worldNowMs + 2000)).verdict).toBe('pass');
});

test('a report that is from the future by the clock of who asks does not pass, whatever another clock found', async () => {
  const minuteMs = 60_000;
  rescan('prod-eu', worldNowMs + 24 * minuteMs);
  const ahead = await open({ freshMs: 0 });
  expect((await ahead.gate({ cluster: 'prod-eu' }, worldNowMs + 13.5 * minuteMs)).verdict).toBe('pass');
  const { verdict, reasons } = await (await open({ freshMs: 0 })).gate({ cluster: 'prod-eu' }, worldNowMs);
  expect([verdict, reasons.map(({ kind }) => kind)]).toEqual(['undetermined', ['report-unreadable']]);
});

test('a question with the previous result is answered when HSS is down, too', async () => {
  const app = await open({ freshMs: 0 });
  const ask = (ms = 0) => app.gate({ cluster: 'prod-us', baseline: 'previous' }, worldNowMs + ms);
  await app.gate({ cluster: 'prod-us', writePrevious: true }, worldNowMs);
  expect((await ask(1)).verdict).toBe('pass');
  world.hss.fail({ kind: 'status', status: 503 }, { api: 'list', times: 8 });
  expect(await ask(2)).toMatchObject({ verdict: 'pass', stored: { reason: { kind: 'source-unreachable' } } });
});

describe('an undetermined verdict that is let through', () => {
  test('is told by the next scan, however late that comes, and each time anew', async () => {
    const app = await open({ freshMs: 0 });
    await app.scan(worldNowMs);
    const before = world.slack.received.length;
    const through = (ms: number) =>
      app.gate({ cluster: 'prod-eu', maxReportAgeMs: 1, letUndetermined: true }, worldNowMs + ms);
    const told = () =>
      world.slack.received
        .slice(before)
        .map(({ json }) => JSON.stringify(json))
        .filter((text) => text.includes('gate of prod-eu') && text.includes('went through'));
    await through(hourMs);
    await app.scan(worldNowMs + 60 * hourMs);
    expect(told()).toHaveLength(1);
    for (const hours of [61, 63, 65]) {
      await through(hours * hourMs);
      await app.scan(worldNowMs + (hours + 1) * hourMs);
    }
    expect(told()).toHaveLength(4);
    // Of a clock that is behind.
    await through(-1000 * hourMs);
    await app.scan(worldNowMs + 67 * hourMs);
    expect(told()).toHaveLength(5);
  });

  test('is written down, told by the next scan, and told to be over a day later', async () => {
    const app = await open({ freshMs: 0 });
    await app.scan(worldNowMs);
    const before = world.slack.received.length;
    const request = { cluster: 'prod-eu', maxReportAgeMs: 1, letUndetermined: true };
    const evaluation = await app.gate(request, worldNowMs);
    expect(evaluation).toMatchObject({ verdict: 'undetermined', isLetThrough: true });
    expect(JSON.parse(renderJson(evaluation))).toMatchObject({ verdict: 'undetermined', let_through: true });
    expect((await app.gate({ ...request, letUndetermined: false }, worldNowMs)).isLetThrough).toBeUndefined();

    const told = () => world.slack.received.slice(before).map(({ json }) => JSON.stringify(json));
    await app.scan(worldNowMs + 60_000);
    expect(told()).toEqual([expect.stringContaining('a deploy to prod-eu went through on an undetermined verdict')]);
    await app.scan(worldNowMs + 120_000);
    expect(told()).toHaveLength(1);
    await app.scan(worldNowMs + 25 * hourMs);
    expect(told().filter((text) => text.includes('gate of prod-eu'))).toEqual([
      expect.stringContaining('gate of prod-eu'),
      expect.stringContaining('let nothing more through'),
    ]);
  });

  test('a verdict that is none is not touched by it', async () => {
    const app = await open();
    const request = { cluster: 'prod-us', letUndetermined: true };
    expect(await app.gate(request, worldNowMs)).toMatchObject({ verdict: 'fail' });
    await app.scan(worldNowMs);
    expect(world.slack.received.some(({ json }) => JSON.stringify(json).includes('went through'))).toBe(false);
  });
});

/** So many different ones about one cluster: other images, policies, strictness and baselines. */
async function questions(count: number): Promise<readonly GateRequest[]> {
  const { readFile, writeFile } = await import('node:fs/promises');
  const config = await readFile(world.configFile, 'utf8');
  const other = `version: 1
name: other
rules:
  - {id: shells, on: processes, where: 'user == "root"', max: 0, enforce: warn}
  - {id: checks, on: baseline_checks, max: 3}
  - {id: risks, on: cluster, where: 'baseline_risks > 1', max: 0}
waivers:
  - {id: W, rule: shells, reason: x, owner: y, expires: 2027-01-31}
`;
  await writeFile(`${world.folder}/other.yaml`, other);
  const second = / {2}- name: prod\n(?: {4}.*\n)+/.exec(config)?.[0] ?? '';
  const also = second.replace('name: prod', 'name: also').replace('production.yaml', 'other.yaml');
  await writeFile(world.configFile, config.replace('receivers:', `${also}receivers:`));
  const report = world.hss.clusters.find(({ name }) => name === 'prod-us')?.reports.at(-1)?.report as WireReport;
  const rows = report.local_image_vul_list;
  const images = [...new Set(rows.map((row) => `${row.local_image_name}:${row.local_image_version}`))];
  const imagesOf = (i: number) => [
    ...images.filter((_, bit) => (i >> bit) % 2 === 1),
    ...(i % 3 === 0 ? [`team-${i}/*`] : []),
  ];
  const app = await open({ env: { PORTCULLIS_STATE: 'memory:' } });
  const made = await app.gate({ cluster: 'prod-us', source: 'prod', forBaseline: true }, worldNowMs);
  const baseline = baselineOf(made, app.rules(made) ?? []);
  return Array.from({ length: count }, (_, i) => ({
    cluster: 'prod-us',
    source: 'prod',
    ...(i % 5 === 1 && { policy: 'other' }),
    ...(i % 4 === 2 && { strict: true }),
    ...(i % 7 === 3 && { baseline }),
    ...(i > 0 && { images: imagesOf(i).map(parseImagePattern) }),
  }));
}

/** What each gets that nobody else asks beside. */
async function alone(asked: readonly GateRequest[]): Promise<readonly string[]> {
  const app = await open({ env: { PORTCULLIS_STATE: 'memory:' } });
  const answers: string[] = [];
  for (const question of asked) answers.push(renderJson(await app.gate(question, worldNowMs)));
  return answers;
}

async function dynamoEnv(dynamo: Dynamo): Promise<Readonly<Record<string, string>>> {
  const { endpoint, region, credentials } = dynamo.access;
  return {
    PORTCULLIS_STATE: `dynamodb:${await dynamo.createTable()}`,
    AWS_ENDPOINT_URL_DYNAMODB: endpoint,
    AWS_REGION: region,
    AWS_ACCESS_KEY_ID: credentials.accessKeyId,
    AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey,
  };
}
