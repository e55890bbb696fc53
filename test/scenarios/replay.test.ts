import { hash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import type { LogRecord } from '../../lib/app/cluster-state.ts';
import { loadDeadLetters } from '../../lib/app/dead-letter-store.ts';
import type { Notifier } from '../../lib/app/ports.ts';
import { discardDeadLetters, replayDeadLetters } from '../../lib/app/replay.ts';
import { addSilence } from '../../lib/app/silences.ts';
import type { StateStore } from '../../lib/app/state.ts';
import {
  dayMs,
  hourMs,
  look,
  type Operate,
  type Scripted,
  type ScriptedReceiver,
  scripted,
  startMs,
  vuls,
} from '../support/scripted.ts';

describe('a message that was given up', () => {
  /** A week in which soc takes nothing; on its last day the second of two findings is new. */
  async function week() {
    const world = scripted({
      receivers: { chat: 'all', soc: 'all' },
      policy: 'rules:\n  - {id: r, on: vulnerabilities, per: [image], max: 0}\n',
    });
    const soc = world.receivers.get('soc');
    if (soc !== undefined) soc.usual = 'unknown';
    const image = (name: string) => ({ ...vuls(1)[0], image: name });
    for (let day = 0; day < 5; day++) await look(world, day * 24, [image('a'), image('b')]);
    const letters = await world.store.load('dead-letters', '', startMs);
    expect(letters.length).toBeGreaterThan(0);
    if (soc !== undefined) soc.usual = 'accept';
    world.heard();
    return { world, image, soc };
  }
  const replay = (world: Scripted, day: number) =>
    replayDeadLetters(world.store, world.receivers, [], startMs + day * dayMs);

  test('is sent again without what is over since', async () => {
    const { world, image, soc } = await week();
    await look(world, 5 * 24, [image('b')]);
    world.heard();
    expect(await replay(world, 6)).toMatchObject({ delivered: 1, outdated: 0, failures: [] });
    expect(soc?.accepted.at(-1)).toMatchObject({ news: [{ group: { image: 'b' } }] });
    expect(await replay(world, 6)).toMatchObject({ delivered: 0 });
  });

  test('is not sent at all when nothing of it is so any more', async () => {
    const { world, soc } = await week();
    await look(world, 5 * 24, []);
    const sent = soc?.sent.length;
    expect(await replay(world, 6)).toEqual({ delivered: 0, outdated: 1, failures: [] });
    expect(soc?.sent).toHaveLength(sent ?? 0);
  });

  test('is not sent once what it told has come back as another matter', async () => {
    const { world, image } = await week();
    await look(world, 5 * 24, []);
    await look(world, 20 * 24, [image('a'), image('b')]);
    expect(world.heard()).toEqual([]);
    expect(await replay(world, 21)).toEqual({ delivered: 0, outdated: 1, failures: [] });
  });

  test('tells what the receiver has not heard of since, as it is now', async () => {
    const world = scripted({ receivers: { chat: 'all', soc: 'all' } });
    const soc = world.receivers.get('soc') as ScriptedReceiver;
    soc.usual = 'unknown';
    for (let day = 0; day < 5; day++) await look(world, day * 24, vuls(1, 2, 3));
    soc.usual = 'accept';
    // That some are gone is told beside other news only.
    expect((await look(world, 5 * 24, vuls(2))).filter((line) => line.includes(' r '))).toEqual([]);
    expect(await replay(world, 5)).toEqual({ delivered: 1, outdated: 0, failures: [] });
    expect(world.heard()).toEqual(['soc: prod new r 1']);
    expect(soc.accepted.at(-1)).toMatchObject({
      news: [{ findings: [{ fields: { vulnerability: 'CVE-2' } }], omitted: 0 }],
    });
  });

  test('is not sent when the receiver has heard more of it since', async () => {
    const world = scripted({ receivers: { chat: 'all', soc: 'all' } });
    const soc = world.receivers.get('soc') as ScriptedReceiver;
    soc.usual = 'unknown';
    for (let day = 0; day < 5; day++) await look(world, day * 24, vuls(1));
    soc.usual = 'accept';
    const heard = await look(world, 5 * 24, vuls(1, 2));
    expect(heard.filter((line) => line.includes(' r '))).toEqual(['chat: prod worse r 2', 'soc: prod new r 2']);
    expect(await replay(world, 5)).toEqual({ delivered: 0, outdated: 1, failures: [] });
  });

  test('has room in records however much it tells', async () => {
    const world = scripted({
      receivers: { chat: 'all', soc: 'summary' },
      policy: 'rules:\n  - {id: r, on: vulnerabilities, per: [image], max: 0}\n',
    });
    const soc = world.receivers.get('soc') as ScriptedReceiver;
    soc.usual = 'unknown';
    const text = (length: number, ...of: unknown[]) => hash('shake256', of.join(), { outputLength: length / 2 });
    const names = Array.from({ length: 12 }, (_, i) => `c${String(i).padStart(2, '0')}`);
    for (const day of [0, 1, 2, 3, 4]) {
      for (const name of names) {
        const rows = Array.from({ length: 100 }, (_, i) => ({
          ...vuls(i)[0],
          image: text(200, name, i),
          package: text(800, name, i, 'p'),
        }));
        world.clusters.set(name, { findings: { vulnerabilities: rows }, scannedAtMs: startMs + day * dayMs });
      }
      await world.run(startMs + day * dayMs);
    }
    const letters = await loadDeadLetters(world.store, startMs);
    const about = letters.flatMap(({ notice }) => (notice.about === 'digest' ? [notice] : []));
    expect(about.length).toBeGreaterThan(1);
    expect(about.flatMap(({ clusters }) => clusters.map(({ cluster }) => cluster.name)).sort()).toEqual(names);
    expect(new Set(letters.map(({ notice }) => notice.id)).size).toBe(letters.length);
    soc.usual = 'accept';
    world.heard();
    expect(await replay(world, 5)).toMatchObject({ delivered: letters.length, failures: [] });
    expect(world.heard()).toHaveLength(1200);
  });

  test('that told the number of what stands is sent again as long as something does', async () => {
    const world = scripted({ receivers: { chat: 'all', soc: 'baseline' } });
    const soc = world.receivers.get('soc');
    if (soc !== undefined) soc.usual = 'unknown';
    for (let day = 0; day < 5; day++) await look(world, day * 24, vuls(1));
    if (soc !== undefined) soc.usual = 'accept';
    expect(await replay(world, 6)).toEqual({ delivered: 1, outdated: 0, failures: [] });
    expect(soc?.accepted.at(-1)).toMatchObject({ about: 'digest', clusters: [{ news: [], standing: 1 }] });
  });

  test('is kept and sent however large it is', async () => {
    const world = scripted({
      receivers: { chat: 'all', soc: 'summary' },
      policy: 'rules:\n  - {id: r, on: vulnerabilities, per: [image, package], max: 0}\n',
    });
    const soc = world.receivers.get('soc');
    if (soc !== undefined) soc.usual = 'unknown';
    const rows = Array.from({ length: 90 }, (_, i) => ({ ...vuls(1)[0], image: `image-${i}`.padEnd(200, 'x') }));
    for (let day = 0; day < 5; day++) {
      for (const name of ['a', 'b', 'c', 'd', 'e', 'f'])
        world.clusters.set(name, { findings: { vulnerabilities: rows }, scannedAtMs: startMs + day * dayMs });
      await world.run(startMs + day * dayMs);
    }
    const [letter] = await world.store.load('dead-letters', '', startMs);
    expect(letter?.value).toMatchObject({ gzip: expect.any(String) });
    if (soc !== undefined) soc.usual = 'accept';
    expect(await replay(world, 6)).toMatchObject({ delivered: 1 });
    const told = soc?.accepted.at(-1);
    expect(told?.about === 'digest' && told.clusters.flatMap(({ news }) => news)).toHaveLength(540);
  });

  test('is sent once by two who send it again at once', async () => {
    const { world, soc } = await week();
    const sent = soc?.sent.length ?? 0;
    const both = await Promise.all([replay(world, 6), replay(world, 6)]);
    expect(both.map(({ delivered }) => delivered).sort()).toEqual([0, 1]);
    expect(both.flatMap(({ failures }) => failures)).toEqual([expect.stringContaining('somebody else is sending it')]);
    expect(soc?.sent).toHaveLength(sent + 1);
  });

  test('stays when it is refused again', async () => {
    const { world, soc } = await week();
    if (soc !== undefined) soc.usual = 'refuse';
    expect(await replay(world, 6)).toMatchObject({ delivered: 0, failures: [expect.stringContaining('refuse')] });
    if (soc !== undefined) soc.usual = 'accept';
    expect(await replay(world, 6)).toMatchObject({ delivered: 1 });
  });
});

/** A pager, and day by day what the report shows and the pager hears. */
function paged(options: Parameters<typeof scripted>[0] = {}) {
  const policy = 'rules:\n  - {id: r, on: vulnerabilities, max: 0, severity: low}\n';
  const world = scripted({ policy, receivers: { pager: 'summary' }, ...options });
  const pager = world.receivers.get('pager') as ScriptedReceiver;
  let day = -1;
  const known = (lines: readonly string[]) => lines.filter((line) => !line.includes('given-up'));
  const heard = () => known(world.heard());
  return {
    world,
    pager,
    heard,
    nowMs: () => startMs + day * dayMs,
    /** Each number of findings for a day, in each of which nothing is new but that. @returns what is heard */
    async days(...counts: readonly number[]) {
      const lines: string[] = [];
      for (const count of counts)
        lines.push(...(await look(world, ++day * 24, vuls(...Array.from({ length: count }, (_, i) => i + 1)))));
      return known(lines);
    },
    letters: () => loadDeadLetters(world.store, startMs),
    async replay() {
      const replayed = await replayDeadLetters(world.store, world.receivers, [], startMs + day * dayMs + hourMs);
      return [replayed, heard()];
    },
  };
}

const sent = { delivered: 1, outdated: 0, failures: [] };
const outdated = { delivered: 0, outdated: 1, failures: [] };

describe('what a receiver was not told is told by a replay', () => {
  test('that it fires, though it was over meanwhile: once', async () => {
    const { pager, days, replay } = paged();
    await days(0);
    pager.usual = 'unknown';
    await days(1, 1, 1, 1, 0, 1);
    pager.usual = 'accept';
    expect(await replay()).toEqual([sent, ['pager: prod new r 1']]);
    expect(await days(...Array<number>(20).fill(1))).toEqual([]);
  });

  test('that it is over, though it was back meanwhile: once', async () => {
    const { pager, days, replay } = paged();
    expect(await days(0, 1)).toEqual(['pager: prod new r 1']);
    pager.usual = 'unknown';
    await days(0, 0, 0, 0, 1, 0);
    pager.usual = 'accept';
    expect(await replay()).toEqual([sent, ['pager: prod resolved r 1']]);
    expect(await days(0, 0, 0)).toEqual([]);
  });

  test('of two letters of one alert by the first, as it is now', async () => {
    const { pager, days, letters, replay } = paged();
    await days(0);
    pager.usual = 'unknown';
    await days(...Array<number>(4).fill(1), ...Array<number>(4).fill(2));
    expect((await letters()).filter(({ notice }) => notice.source === 'prod')).toHaveLength(2);
    pager.usual = 'accept';
    expect(await replay()).toEqual([{ ...sent, outdated: 1 }, ['pager: prod new r 2']]);
  });

  test('though what came after it is routed elsewhere', async () => {
    const { world, pager, days, replay } = paged({
      receivers: { pager: 'summary', chat: 'summary' },
      routes: [{ when: 'transition == "new"', receivers: ['pager'] }, { receivers: ['chat'] }],
    });
    await days(0);
    pager.usual = 'unknown';
    await days(1, 1, 1, 1);
    world.heard();
    await days(2);
    pager.usual = 'accept';
    expect(await replay()).toEqual([sent, ['pager: prod new r 2']]);
  });

  test('when it is not over after all: nothing, since that it fires it has heard', async () => {
    const { pager, days, replay } = paged();
    await days(0, 1);
    pager.usual = 'unknown';
    await days(0, 0, 0, 0);
    pager.usual = 'accept';
    expect(await days(1)).toEqual([]);
    expect(await replay()).toEqual([outdated, []]);
  });
});

describe('what was given up is not said to have been told', () => {
  test('by a reminder', async () => {
    const { pager, days } = paged();
    await days(0);
    pager.usual = 'unknown';
    await days(1, 1, 1, 1);
    pager.usual = 'accept';
    expect(await days(...Array<number>(29).fill(1))).toEqual([]);
    expect(await days(1, 1)).toEqual(['pager: prod new r 1']);
    const about = pager.accepted.findLast(({ source }) => source === 'prod');
    expect(about?.about === 'alerts' && about.news).not.toMatchObject([{ before: expect.anything() }]);
  });

  test('by what is worse: that is more than it was told of', async () => {
    const { pager, days } = paged();
    await days(0, 1);
    pager.usual = 'unknown';
    await days(2, 2, 2, 2);
    pager.usual = 'accept';
    expect(await days(3)).toEqual(['pager: prod worse r 3']);
    expect(pager.accepted.findLast(({ source }) => source === 'prod')).toMatchObject({
      news: [{ before: 1, findings: [{}, {}] }],
    });
  });

  test.each([
    { answer: 'unknown', hears: [] },
    { answer: 'refuse', hears: ['pager: prod resolved r 1'] },
  ] as const)('by an end, unless it may have arrived: $answer', async ({ answer, hears }) => {
    const { pager, days } = paged();
    await days(0);
    pager.usual = answer;
    await days(1, 1, 1, 1);
    pager.usual = 'accept';
    expect(await days(0)).toEqual(hears);
    expect(await days(0, 0)).toEqual([]);
  });

  test('by the end of a silence, which speaks at once', async () => {
    const { world, pager, days, nowMs } = paged();
    await days(0);
    pager.usual = 'unknown';
    await days(1, 1, 1, 1);
    pager.usual = 'accept';
    const untilMs = nowMs() + 1.5 * dayMs;
    await addSilence(world.store, { where: 'rule == "r"', author: 'a', comment: 'c', untilMs }, nowMs());
    await days(1);
    expect(await days(1)).toContain('pager: prod new r 1');
  });

  test('and what stood at the first look comes in one message', async () => {
    const { world, pager, heard } = paged();
    pager.usual = 'unknown';
    const run = (day: number) => {
      const scannedAtMs = startMs + day * dayMs;
      for (const name of ['a', 'b']) world.clusters.set(name, { findings: { vulnerabilities: vuls(1) }, scannedAtMs });
      return world.run(scannedAtMs);
    };
    for (let day = 0; day < 4; day++) await run(day);
    pager.usual = 'accept';
    for (let day = 4; day < 34; day++) await run(day);
    expect(heard()).toEqual(['digest first pager: a standing r 1', 'digest first pager: b standing r 1']);
  });
});

describe('a replay while a run tells of the same', () => {
  test('leaves it to the run', async () => {
    const { world, pager, days, letters, nowMs } = paged();
    await days(0);
    pager.usual = 'unknown';
    await days(1, 1, 1, 1);
    pager.usual = 'accept';
    const replayed: unknown[] = [];
    const operate: Operate = async (name, effect) => {
      if (name === 'deliver' && replayed.length === 0)
        replayed.push(await replayDeadLetters(world.store, world.receivers, [], nowMs() + dayMs));
      return effect();
    };
    world.clusters.set('prod', { findings: { vulnerabilities: vuls(1, 2) }, scannedAtMs: nowMs() + dayMs });
    await world.run(nowMs() + dayMs, operate);
    expect(replayed).toMatchObject([{ delivered: 0, failures: [expect.stringContaining('somebody else')] }]);
    expect(world.heard()).toContain('pager: prod new r 2');
    expect(await letters()).toHaveLength(1);
  });

  test('keeps the run from telling it twice', async () => {
    const { world, pager, days, nowMs } = paged();
    await days(0);
    pager.usual = 'unknown';
    await days(1, 1, 1, 1);
    pager.usual = 'accept';
    const atMs = nowMs() + dayMs;
    world.clusters.set('prod', { findings: { vulnerabilities: vuls(1, 2) }, scannedAtMs: atMs });
    const slow: Notifier = {
      ...pager,
      async deliver(notice, ms) {
        await world.run(atMs);
        return pager.deliver(notice, ms);
      },
    };
    expect(await replayDeadLetters(world.store, new Map([['pager', slow]]), [], atMs)).toMatchObject({ delivered: 1 });
    await world.run(atMs + hourMs);
    const heard = world.heard().filter((line) => line.includes(' r '));
    expect(heard).toEqual(['pager: prod new r 1', 'pager: prod worse r 2']);
  });
});

test('of a receiver that is gone for a year few letters are left, none about them, and nothing is lost', async () => {
  const { pager, days, letters } = paged({ policy: 'rules:\n  - {id: r, on: vulnerabilities, max: 0}\n' });
  await days(0);
  pager.usual = 'unknown';
  await days(...Array<number>(365).fill(1));
  expect(await letters()).toMatchObject([{ notice: { source: 'prod' } }]);
  pager.usual = 'accept';
  await days(...Array<number>(24).fill(1));
  const told = new Set(pager.accepted.slice(1).map(({ source }) => source));
  expect([...told].sort()).toEqual(['portcullis', 'prod']);
});

describe('that a cluster cannot be judged, when that was given up', () => {
  async function stale() {
    const { world, pager, days, replay } = paged();
    await days(0);
    pager.usual = 'unknown';
    for (let day = 2; day < 7; day++) await world.run(startMs + day * dayMs);
    pager.usual = 'accept';
    return { world, pager, days, replay };
  }
  const reasons = (pager: ScriptedReceiver) => {
    const notice = pager.accepted.at(-1);
    return notice?.about === 'alerts' ? notice.news.flatMap((one) => one.reasons.map(({ message }) => message)) : [];
  };

  test('is told by the reasons of now', async () => {
    const { world, pager } = await stale();
    const atMs = startMs + 7 * dayMs;
    world.clusters.set('prod', { findings: { vulnerabilities: [] }, scannedAtMs: atMs, hosts: 0 });
    pager.usual = 'unknown';
    await world.run(atMs);
    pager.usual = 'accept';
    expect(await replayDeadLetters(world.store, world.receivers, [], atMs + hourMs)).toEqual(sent);
    expect(pager.accepted.at(-1)).toMatchObject({
      atMs: atMs + hourMs,
      news: [{ reasons: [{ kind: 'coverage-dropped' }] }],
    });
  });

  test('is told with no age that is past', async () => {
    const { world, pager } = await stale();
    pager.usual = 'unknown';
    await world.run(startMs + 8 * dayMs);
    pager.usual = 'accept';
    await replayDeadLetters(world.store, world.receivers, [], startMs + 8 * dayMs);
    expect(reasons(pager)).toEqual([
      'the report was scanned 2026-01-05 06:00 UTC, longer ago than the 26h that are allowed',
    ]);
  });
});

test('an end that comes after one that was given up is told, though other news of the cluster was refused in between', async () => {
  const world = scripted({
    policy: 'rules:\n  - {id: r, on: vulnerabilities, max: 0}\n  - {id: q, on: vulnerabilities, max: 1}\n',
    options: { owedForMs: hourMs },
  });
  const chat = world.receivers.get('chat') as ScriptedReceiver;
  await look(world, 0, vuls());
  expect(await look(world, 1, vuls(1))).toEqual(['chat: prod new r 1']);
  chat.usual = 'unknown';
  for (const hour of [2, 3]) await look(world, hour, vuls());
  expect(await loadDeadLetters(world.store, startMs)).toHaveLength(1);
  // It is back, which is what chat believes, and there is more that chat does not take.
  await look(world, 4, vuls(1, 2));
  await look(world, 4.5, vuls());
  chat.usual = 'accept';
  expect(await look(world, 5, vuls())).toContain('chat: prod resolved r 2');
});

test('what was given up speaks when a silence ends, though other news of the cluster was refused meanwhile', async () => {
  const world = scripted({
    policy: 'rules:\n  - {id: r, on: vulnerabilities, max: 0}\n  - {id: q, on: vulnerabilities, max: 1}\n',
    receivers: { chat: 'all' },
    options: { owedForMs: hourMs },
  });
  const chat = world.receivers.get('chat') as ScriptedReceiver;
  await look(world, 0, vuls());
  chat.usual = 'unknown';
  for (const hour of [1, 3]) await look(world, hour, vuls(1));
  expect(await loadDeadLetters(world.store, startMs)).toHaveLength(1);
  const given = { where: 'rule == "r"', author: 'ops', comment: 'c', untilMs: startMs + 8 * hourMs };
  await addSilence(world.store, given, startMs + 3 * hourMs);
  for (const hour of [4, 4.5]) await look(world, hour, vuls(1, 2));
  chat.usual = 'accept';
  expect(await look(world, 8, vuls(1))).toContain('chat: prod new r 1');
});

test.each(['replay', 'discard'] as const)(
  'an end is told after a long silence, whose earlier one was given up: %s',
  async (how) => {
    const world = scripted({ options: { owedForMs: hourMs } });
    const chat = world.receivers.get('chat') as ScriptedReceiver;
    await look(world, 0, vuls());
    await look(world, 1, vuls(1));
    chat.usual = 'unknown';
    for (const hour of [2, 4]) await look(world, hour, vuls());
    expect(await loadDeadLetters(world.store, startMs)).toHaveLength(1);
    chat.usual = 'accept';
    const given = { where: 'rule == "r"', author: 'ops', comment: 'c', untilMs: startMs + 60 * dayMs };
    await addSilence(world.store, given, startMs + 4 * hourMs);
    await look(world, 5, vuls(1));
    if (how === 'replay') await replayDeadLetters(world.store, world.receivers, [], startMs + 5 * hourMs);
    else await discardDeadLetters(world.store, [], startMs + 5 * hourMs);
    const heard: string[] = [];
    for (let day = 1; day <= 61; day++) heard.push(...(await look(world, day * 24, day < 3 ? vuls(1) : vuls())));
    expect(heard).toContain('chat: prod resolved r 1');
  },
);

test('each message more that is given up is told, those of a run at once, and fewer are not', async () => {
  const world = scripted({ receivers: { pager: 'summary', chat: 'summary' } });
  const pager = world.receivers.get('pager') as ScriptedReceiver;
  const told: [number, string, number | undefined][] = [];
  const run = async (day: number, shows: Readonly<Record<string, number>>) => {
    const scannedAtMs = startMs + day * dayMs;
    for (const [name, fromDay] of Object.entries(shows))
      world.clusters.set(name, { findings: { vulnerabilities: vuls(...(day >= fromDay ? [1] : [])) }, scannedAtMs });
    await world.run(scannedAtMs);
    for (const line of world.heard())
      if (line.startsWith('chat: messages given up of pager'))
        told.push([day, line.split(' ')[6] ?? '', (await loadDeadLetters(world.store, scannedAtMs)).length]);
  };
  const shows = { a: 1, b: 2, c: 3, d: 3 };
  await run(0, shows);
  pager.usual = 'unknown';
  for (let day = 1; day < 7; day++) await run(day, shows);
  expect(told).toEqual([
    [4, 'new', 1],
    [5, 'worse', 2],
    [6, 'worse', 4],
  ]);
  const [first] = await loadDeadLetters(world.store, startMs);
  await discardDeadLetters(world.store, [first?.notice.id ?? ''], startMs);
  await run(7, shows);
  expect(told).toHaveLength(3);
});

describe('letters from before it was written down what was given up', () => {
  /** The log as it was: what was given up is told. */
  async function olden(store: StateStore) {
    const group = 'cluster/prod/id-prod';
    for (const { key, value, version } of await store.load(group, 'log/', startMs)) {
      const { givenUp = {}, told, ...log } = value as LogRecord;
      const old = Object.entries(givenUp).map(([fingerprint, { cause: _, ...one }]) => [fingerprint, one]);
      await store.put(
        group,
        { key, value: { ...log, told: { ...told, ...Object.fromEntries(old) } } },
        version,
        startMs,
      );
    }
  }

  test.each([
    { why: 'it fires', before: [0], down: [1, 1, 1, 1], since: [], says: ['pager: prod new r 1'] },
    { why: 'it is worse', before: [0, 1], down: [2, 2, 2, 2], since: [], says: ['pager: prod worse r 2'] },
    { why: 'it is over', before: [0, 1], down: [0, 0, 0, 0], since: [], says: ['pager: prod resolved r 1'] },
    { why: 'it is over since, which was told', before: [0], down: [1, 1, 1, 1], since: [0], says: [] },
    { why: 'there was more since, which was told', before: [0], down: [1, 1, 1, 1], since: [2], says: [] },
  ])('are sent by what they say: $why', async ({ before, down, since, says }) => {
    const { world, pager, days, replay } = paged();
    await days(...before);
    pager.usual = 'unknown';
    await days(...down);
    await olden(world.store);
    pager.usual = 'accept';
    await days(...since);
    expect(await replay()).toEqual([says.length > 0 ? sent : outdated, says]);
    expect(await days([...down, ...since].at(-1) ?? 0)).toEqual([]);
  });
});

test('a digest is sent again as far as it is one: ends and what is new are messages of their own', async () => {
  const world = scripted({ receivers: { pager: 'all' } });
  const pager = world.receivers.get('pager') as ScriptedReceiver;
  const counts: Record<string, number> = { a: 1, b: 1, c: 1 };
  const run = async (day: number) => {
    const scannedAtMs = startMs + day * dayMs;
    for (const [name, count] of Object.entries(counts))
      world.clusters.set(name, { findings: { vulnerabilities: vuls(...Array(count).keys()) }, scannedAtMs });
    await world.run(scannedAtMs);
    return world.heard();
  };
  await run(0);
  pager.usual = 'unknown';
  for (const day of [3, 4, 5, 6]) await run(day);
  Object.assign(counts, { b: 0, c: 2 });
  await run(7);
  pager.usual = 'accept';
  const replayed = await replayDeadLetters(world.store, world.receivers, [], startMs + 7 * dayMs + hourMs);
  expect([replayed, world.heard()]).toEqual([sent, ['digest reminder pager: a reminder r 1']]);
  expect((await run(8)).filter((line) => line.includes(' r '))).toEqual([
    'pager: b resolved r 1',
    'pager: c worse r 2',
  ]);
});

test('of a receiver that is in the config no more letters stay', async () => {
  const { world, pager, days, letters } = paged();
  await days(0);
  pager.usual = 'unknown';
  await days(1, 1, 1, 1);
  const replayed = await replayDeadLetters(world.store, new Map(), [], startMs + 5 * dayMs);
  expect(replayed.failures).toEqual([expect.stringContaining('there is no receiver pager in the config any more')]);
  expect(await letters()).toHaveLength(1);
});
