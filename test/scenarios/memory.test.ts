import { describe, expect, test } from 'vitest';
import { headKey } from '../../lib/app/cluster-state.ts';
import type { StateStore } from '../../lib/app/state.ts';
import { UndeterminedError } from '../../lib/core/errors.ts';
import { createMemoryStore } from '../../lib/stores/memory.ts';
import { dayMs, hourMs, type Operate, type Scripted, scripted, startMs, vuls } from '../support/scripted.ts';

/** Run once a day; what each day's report shows, and what is heard of it. */
async function days(
  world: Scripted,
  script: readonly (readonly [ReturnType<typeof vuls> | undefined, readonly string[]])[],
) {
  for (const [day, [vulnerabilities, says]] of script.entries()) {
    const nowMs = startMs + day * dayMs;
    if (vulnerabilities !== undefined)
      world.clusters.set('prod', { findings: { vulnerabilities }, scannedAtMs: nowMs - hourMs });
    await world.run(nowMs);
    expect(world.heard(), `day ${day}`).toEqual(says);
  }
}

describe('a receiver hears', () => {
  test('of each thing once, and of changes as they come', async () => {
    await days(scripted(), [
      [vuls(), []],
      [vuls(1, 2), ['chat: prod new r 2']],
      [vuls(1, 2), []],
      [vuls(1, 2, 3), ['chat: prod worse r 3']],
      [vuls(1, 2, 4), ['chat: prod worse r 3']],
      [vuls(1), []],
      [vuls(), ['chat: prod resolved r 1']],
      [vuls(), []],
      [vuls(1), ['chat: prod reopened r 1']],
    ]);
  });

  test('at the first look of what stands, in one message, and from then on of changes', async () => {
    await days(scripted(), [
      [vuls(1, 2), ['digest first chat: prod standing r 2']],
      [vuls(1, 2), []],
      [vuls(1, 2, 3), ['chat: prod worse r 3']],
    ]);
  });

  test.each([
    { announce: 'all', first: ['chat: prod new r 1'] },
    { announce: 'baseline', first: ['digest first chat: prod 1 uncalled'] },
  ] as const)('at the first look as it asked: $announce', async ({ announce, first }) => {
    await days(scripted({ receivers: { chat: announce } }), [
      [vuls(1), first],
      [vuls(1), []],
      [vuls(1, 2), ['chat: prod worse r 2']],
      [vuls(), ['chat: prod resolved r 2']],
    ]);
  });

  test('of what was counted at the first look, ended while a silence muted it and is another one since', async () => {
    const world = scripted({ receivers: { chat: 'baseline' } });
    const until = startMs + 12 * dayMs - hourMs;
    const silence = { id: 's', where: 'true', author: 'ops', comment: 'known', createdMs: startMs, untilMs: until };
    const days = [vuls(1), vuls(), ...Array.from({ length: 9 }, () => vuls()), vuls(1), vuls(1), vuls(1)];
    const heard: string[] = [];
    for (const [day, vulnerabilities] of days.entries()) {
      const nowMs = startMs + day * dayMs;
      world.clusters.set('prod', { findings: { vulnerabilities }, scannedAtMs: nowMs - hourMs });
      if (day === 1) await world.store.put('silences', { key: 's', value: silence }, 0, nowMs);
      await world.run(nowMs);
      heard.push(...world.heard().map((line) => `${day} ${line}`));
    }
    expect(heard.filter((line) => line.includes(': prod '))).toEqual([
      '0 digest first chat: prod 1 uncalled',
      '12 chat: prod new r 1',
    ]);
  });

  test('at the first look as new, where it asked for that, and that it is the first look', async () => {
    const world = scripted({ receivers: { chat: 'all' } });
    await days(world, [
      [vuls(1), ['chat: prod new r 1']],
      [vuls(1, 2), ['chat: prod worse r 2']],
    ]);
    // The memory is lost.
    world.store = createMemoryStore();
    await days(world, [[vuls(1, 2), ['chat: prod new r 2']]]);
    const said = (world.receivers.get('chat')?.accepted ?? []).map((notice) => 'isFirstLook' in notice);
    expect(said).toEqual([true, false, true]);
  });

  test('of what got better only beside other news, and from that number on', async () => {
    const policy =
      'rules:\n  - {id: r, on: vulnerabilities, max: 0, per: [image]}\n  - {id: all, on: vulnerabilities, max: 9}\n';
    const vulsOf = (image: string, ...numbers: number[]) => vuls(...numbers).map((one) => ({ ...one, image }));
    await days(scripted({ policy }), [
      [
        [...vulsOf('a', 1, 2, 3), ...vulsOf('b', 1)],
        ['digest first chat: prod standing r(a) 3', 'digest first chat: prod standing r(b) 1'],
      ],
      [[...vulsOf('a', 1, 2), ...vulsOf('b', 1)], []],
      [
        [...vulsOf('a', 1, 2), ...vulsOf('b', 1, 2)],
        ['chat: prod worse r(b) 2', 'chat: prod better r(a) 2'],
      ],
      [[...vulsOf('a', 1, 2, 3), ...vulsOf('b', 1, 2)], ['chat: prod worse r(a) 3']],
      [vulsOf('a', 1), ['chat: prod better r(a) 1', 'chat: prod resolved r(b) 2']],
      [[], ['chat: prod resolved r(a) 1']],
    ]);
  });

  test('again of what stands for long, less and less often, in one message', async () => {
    const world = scripted();
    world.clusters.set('prod', { findings: { vulnerabilities: vuls() }, scannedAtMs: startMs });
    await world.run(startMs);
    const heard: number[] = [];
    for (let day = 1; day < 60; day++) {
      const nowMs = startMs + day * dayMs;
      world.clusters.set('prod', { findings: { vulnerabilities: vuls(1) }, scannedAtMs: nowMs - hourMs });
      await world.run(nowMs);
      for (const line of world.heard()) if (line === 'digest reminder chat: prod reminder r 1') heard.push(day);
    }
    // High: after 3 days, then 6, 12, 24, 24, ...
    expect(heard).toEqual([4, 10, 22, 46]);
  });
});

describe('nothing is called fixed', () => {
  test('nor better, by a report that looked at less', async () => {
    const world = scripted({ policy: 'rules:\n  - {id: r, on: vulnerabilities, max: 0, per: [image]}\n' });
    const at = async (hour: number, hosts: number, ...images: string[]) => {
      const vulnerabilities = images.map((image, n) => ({ ...vuls(n)[0], image })) as ReturnType<typeof vuls>;
      world.clusters.set('prod', { findings: { vulnerabilities }, scannedAtMs: startMs + hour * hourMs, hosts });
      await world.run(startMs + hour * hourMs);
      return world.heard();
    };
    await at(0, 10, 'a', 'a', 'a', 'b');
    expect(await at(1, 1, 'a')).toEqual(['chat: prod new coverage-dropped']);
    expect(await at(2, 10, 'a', 'a', 'a', 'b')).toEqual(['chat: prod resolved coverage-dropped']);
  });

  test('by a report that looked at less than the last that sufficed, whatever came between', async () => {
    const other = `{id: s, on: vulnerabilities, where: 'package == "q"', max: 0}`;
    const policy = `rules:\n  - {id: r, on: vulnerabilities, max: 0}\n  - ${other}\n`;
    const world = scripted({ policy });
    const at = async (hour: number, hosts: number, numbers: number[], reported?: number) => {
      const vulnerabilities = vuls(...numbers);
      const scannedAtMs = startMs + hour * hourMs;
      const counted = reported === undefined ? {} : { reported };
      world.clusters.set('prod', { findings: { vulnerabilities }, scannedAtMs, hosts, ...counted });
      await world.run(scannedAtMs);
      return world.heard();
    };
    await at(0, 10, [1]);
    expect(await at(1, 5, [1], 9)).toEqual(['chat: prod new count-mismatch']);
    expect(await at(2, 3, [])).toEqual(['chat: prod worse coverage-dropped']);
    // Those that do not suffice do not make the cluster a smaller one either.
    for (const hour of [3, 4, 5, 6]) await at(hour, 3, [], 9);
    expect((await at(7, 3, [])).filter((line) => line.includes('resolved r'))).toEqual([]);
  });

  test('by a report that does not suffice, and that it cannot be judged is told once', async () => {
    const world = scripted();
    const set = (day: number, changes: object) =>
      world.clusters.set('prod', {
        findings: { vulnerabilities: vuls() },
        scannedAtMs: startMs + day * dayMs - hourMs,
        ...changes,
      });
    const run = async (day: number) => {
      await world.run(startMs + day * dayMs);
      return world.heard();
    };
    set(0, {});
    expect(await run(0)).toEqual([]);
    set(1, { findings: { vulnerabilities: vuls(1, 2) } });
    expect(await run(1)).toEqual(['chat: prod new r 2']);
    set(2, { reported: 2 });
    // The count is evidence by itself for a rule that takes all rows: it still stands.
    expect(await run(2)).toEqual([]);
    set(3, {});
    expect(await run(3)).toEqual(['chat: prod resolved r 2']);
  });

  test('by a report that looked at much less, until it settles', async () => {
    const world = scripted();
    const say = async (day: number, hosts: number, ...numbers: number[]) => {
      const nowMs = startMs + day * dayMs;
      world.clusters.set('prod', {
        findings: { vulnerabilities: vuls(...numbers) },
        scannedAtMs: nowMs - hourMs,
        hosts,
      });
      await world.run(nowMs);
      return world.heard();
    };
    expect(await say(0, 10)).toEqual([]);
    expect(await say(1, 10, 1)).toEqual(['chat: prod new r 1']);
    expect(await say(2, 4)).toEqual(['chat: prod new coverage-dropped']);
    expect(await say(3, 4)).toEqual([]);
    expect(await say(4, 4)).toEqual(['chat: prod resolved r 1', 'chat: prod resolved coverage-dropped']);
  });

  test('by an old report, and an old report is told though nothing is fetched', async () => {
    const world = scripted();
    world.clusters.set('prod', { findings: { vulnerabilities: vuls() }, scannedAtMs: startMs });
    await world.run(startMs);
    world.clusters.set('prod', { findings: { vulnerabilities: vuls(1) }, scannedAtMs: startMs + hourMs });
    await world.run(startMs + 2 * hourMs);
    expect(world.heard()).toEqual(['chat: prod new r 1']);
    world.calls.length = 0;
    await world.run(startMs + 30 * hourMs);
    expect(world.heard()).toEqual(['chat: prod new report-stale']);
    expect(world.calls).toEqual(['list']);
  });

  test('nor is a waiver that ends forgotten when the report cannot be read at that time', async () => {
    const world = scripted({
      policy: `rules:
  - {id: r, on: vulnerabilities, max: 0}
waivers:
  - {id: W-1, rule: r, reason: later, owner: o, expires: 2026-01-06T05:00:00Z}
`,
    });
    world.clusters.set('prod', { findings: { vulnerabilities: vuls(1) }, scannedAtMs: startMs });
    await world.run(startMs);
    expect(world.heard()).toEqual([]);
    const failing: Operate = (name, effect) => {
      if (name !== 'read') return effect();
      throw new UndeterminedError('source-throttled', 'HSS allows no more calls now');
    };
    await world.run(startMs + dayMs, failing);
    expect(world.heard()).toEqual(['chat: prod new source-throttled']);
    expect((await world.run(startMs + 2 * dayMs)).verdicts.fail).toBe(1);
    expect(world.heard()).toContain('chat: prod waiver-expired r 1');
    // Nor is what it proves, once it is too old, by a read that failed after that.
    await world.run(startMs + 3 * dayMs, failing);
    expect((await world.run(startMs + 4 * dayMs)).verdicts.fail).toBe(1);
  });

  test('nor is anything told by a report that another run was faster than with a newer one', async () => {
    const store = createMemoryStore();
    // A run by a newer report, which begins before the alert is written, and ends after it.
    let overtake: (() => Promise<unknown>) | undefined;
    let write: (() => Promise<void>) | undefined;
    const put: StateStore['put'] = async (group, record, over, nowMs) => {
      if (record.key === headKey) await write?.();
      if (!record.key.startsWith('alert/') || overtake === undefined) return store.put(group, record, over, nowMs);
      const run = overtake;
      overtake = undefined;
      let version: number | undefined;
      write = async () => {
        write = undefined;
        version = await store.put(group, record, over, nowMs);
      };
      await run();
      return version;
    };
    const world = scripted({ receivers: { chat: 'all' }, store: { ...store, put } });
    const shows = (hour: number, ...numbers: number[]) =>
      world.clusters.set('prod', {
        findings: { vulnerabilities: vuls(...numbers) },
        scannedAtMs: startMs + hour * hourMs,
      });
    const run = (hour: number) => world.run(startMs + hour * hourMs);
    shows(0);
    await run(0);
    shows(1, 1);
    overtake = () => {
      shows(2);
      return run(2);
    };
    await run(2);
    await run(3);
    expect(world.heard()).toEqual([]);
    // Nothing was left behind that fires.
    expect((await run(3)).alerts.firing).toBe(0);
    shows(4, 1);
    await run(4);
    expect(world.heard()).toHaveLength(1);
  });

  test('and a report that was known before it grew old is judged as one that was not', async () => {
    const policy = `rules:
  - {id: r, on: vulnerabilities, max: 0}
  - {id: q, on: vulnerabilities, where: 'vulnerability == "CVE-9"', max: 0}
waivers:
  - {id: W-1, rule: q, reason: later, owner: o, expires: 2026-01-09}
`;
    const report = { findings: { vulnerabilities: vuls(1, 9) }, scannedAtMs: startMs };
    const known = scripted({ policy });
    known.clusters.set('prod', report);
    await known.run(startMs);
    expect(known.heard()).toEqual(['digest first chat: prod standing r 2']);
    const at = (days: number) => startMs + days * dayMs;
    known.calls.length = 0;
    const verdicts = [];
    for (const days of [2, 3]) verdicts.push((await known.run(at(days))).verdicts);
    // It is too old, and what it proves it proves still.
    expect(verdicts).toEqual(Array(2).fill({ pass: 0, fail: 1, undetermined: 0 }));
    expect(known.heard()).toEqual(['chat: prod new report-stale', 'digest reminder chat: prod reminder r 2']);
    expect(known.calls).toEqual(['list', 'list']);
    // A waiver that ends meanwhile is told.
    expect((await known.run(at(5))).verdicts).toEqual({ pass: 0, fail: 1, undetermined: 0 });
    expect(known.heard()).toEqual(['chat: prod waiver-expired q 1', 'chat: prod reminder report-stale']);
    const fresh = scripted({ policy });
    fresh.clusters.set('prod', report);
    expect((await fresh.run(at(5))).verdicts).toEqual({ pass: 0, fail: 1, undetermined: 0 });
  });

  test.each([
    { why: 'a report from the future', stored: false },
    { why: 'one that an earlier version took for true', stored: true },
  ])('and nothing newer is held up by $why', async ({ stored }) => {
    const world = scripted();
    const say = async (nowMs: number, scannedAtMs: number, ...numbers: number[]) => {
      world.clusters.set('prod', { findings: { vulnerabilities: vuls(...numbers) }, scannedAtMs });
      await world.run(nowMs);
      return world.heard();
    };
    expect(await say(startMs, startMs - hourMs, 1)).toEqual(['digest first chat: prod standing r 1']);
    const aheadMs = startMs + 300 * dayMs;
    // Its rows are there, whatever its clock says; what is not in it is not gone.
    expect(await say(startMs + hourMs, aheadMs, 2)).toEqual([
      'chat: prod new report-unreadable',
      'chat: prod worse r 1',
    ]);
    if (stored) {
      for (const { key, value, version } of await world.store.load('cluster/prod/id-prod', '', startMs)) {
        const timed = { ...(value as object), scannedAtMs: aheadMs };
        if (!key.startsWith('log/'))
          await world.store.put('cluster/prod/id-prod', { key, value: timed }, version, startMs);
      }
    }
    expect(await say(startMs + 3 * hourMs, startMs + 2 * hourMs, 1, 2, 3)).toEqual([
      'chat: prod worse r 3',
      'chat: prod resolved report-unreadable',
    ]);
    expect(await say(startMs + 5 * hourMs, startMs + 4 * hourMs)).toEqual(['chat: prod resolved r 3']);
  });

  test('at a first look either', async () => {
    const world = scripted();
    const say = async (nowMs: number, scannedAtMs: number, ...numbers: number[]) => {
      world.clusters.set('prod', { findings: { vulnerabilities: vuls(...numbers) }, scannedAtMs });
      await world.run(nowMs);
      return world.heard();
    };
    expect(await say(startMs, startMs + 3 * dayMs, 1)).toEqual([
      'digest first chat: prod standing r 1',
      'digest first chat: prod standing report-unreadable',
    ]);
    expect(await say(startMs + 2 * hourMs, startMs + hourMs)).toEqual([
      'chat: prod resolved r 1',
      'chat: prod resolved report-unreadable',
    ]);
  });

  test('by a cluster that is gone from the list', async () => {
    const world = scripted();
    world.clusters.set('prod', { findings: { vulnerabilities: vuls(1) }, scannedAtMs: startMs });
    await world.run(startMs);
    world.heard();
    world.clusters.delete('prod');
    await world.run(startMs + hourMs);
    expect(world.heard()).toEqual(['chat: prod new cluster-absent']);
    world.clusters.set('prod', { findings: { vulnerabilities: vuls(1) }, scannedAtMs: startMs + hourMs });
    await world.run(startMs + 2 * hourMs);
    expect(world.heard()).toEqual(['chat: prod resolved cluster-absent']);
  });
});

test('a run over clusters that did not change costs one list call and no report call', async () => {
  const world = scripted();
  for (const name of ['a', 'b', 'c'])
    world.clusters.set(name, { findings: { vulnerabilities: vuls(1) }, scannedAtMs: startMs });
  await world.run(startMs);
  expect(world.calls).toEqual(['list', 'a', 'b', 'c']);
  world.calls.length = 0;
  const summary = await world.run(startMs + hourMs);
  expect(world.calls).toEqual(['list']);
  expect(summary).toMatchObject({ clusters: 3, unchanged: 3, verdicts: { fail: 3 } });
});

describe('a message that was not taken', () => {
  test('is owed until it is, with the same id, and another receiver does not wait for it', async () => {
    const world = scripted({ receivers: { chat: 'summary', soc: 'summary' } });
    world.clusters.set('prod', { findings: { vulnerabilities: vuls() }, scannedAtMs: startMs });
    await world.run(startMs);
    world.receivers.get('soc')?.script.push('refuse', 'refuse');
    world.clusters.set('prod', { findings: { vulnerabilities: vuls(1) }, scannedAtMs: startMs + hourMs });
    const heard: string[][] = [];
    for (let i = 1; i < 5; i++) {
      await world.run(startMs + i * hourMs);
      heard.push(world.heard());
    }
    expect(heard).toEqual([['chat: prod new r 1'], [], ['soc: prod new r 1'], []]);
    const ids = world.receivers.get('soc')?.sent.flatMap(({ id, about }) => (about === 'alerts' ? [id] : [])) ?? [];
    expect(ids).toHaveLength(3);
    expect(new Set(ids).size).toBe(1);
  });

  test('though it was, since the answer got lost, comes again with the same id', async () => {
    const world = scripted();
    world.clusters.set('prod', { findings: { vulnerabilities: vuls() }, scannedAtMs: startMs });
    await world.run(startMs);
    world.receivers.get('chat')?.script.push('lost');
    world.clusters.set('prod', { findings: { vulnerabilities: vuls(1) }, scannedAtMs: startMs + hourMs });
    for (let i = 1; i < 4; i++) await world.run(startMs + i * hourMs);
    const sent = world.receivers.get('chat')?.sent ?? [];
    expect(sent.map(({ about }) => about)).toEqual(['digest', 'alerts', 'alerts']);
    expect(sent[2]?.id).toBe(sent[1]?.id);
  });

  test('for days goes to the dead letters, and what comes after it is told', async () => {
    const world = scripted();
    world.clusters.set('prod', { findings: { vulnerabilities: vuls() }, scannedAtMs: startMs });
    await world.run(startMs);
    const chat = world.receivers.get('chat');
    chat?.script.push(...Array<'refuse'>(4).fill('refuse'));
    for (let day = 1; day < 6; day++) {
      world.clusters.set('prod', {
        findings: { vulnerabilities: vuls(1) },
        scannedAtMs: startMs + day * dayMs - hourMs,
      });
      await world.run(startMs + day * dayMs);
    }
    const letters = await world.store.load('dead-letters', '', startMs);
    expect(letters).toHaveLength(1);
    expect(letters[0]?.value).toMatchObject({ receiver: 'chat', attempts: 4, notice: { about: 'alerts' } });
    expect(world.heard()).toEqual(['chat: messages given up of chat new message-given-up']);
    world.clusters.set('prod', { findings: { vulnerabilities: vuls(1, 2) }, scannedAtMs: startMs + 6 * dayMs });
    await world.run(startMs + 6 * dayMs + hourMs);
    expect(world.heard()).toEqual(['chat: prod new r 2']);
  });

  test('in several runs is announced through the other receivers, and its end too', async () => {
    const world = scripted({ receivers: { chat: 'summary', soc: 'summary' } });
    world.clusters.set('prod', { findings: { vulnerabilities: vuls() }, scannedAtMs: startMs });
    await world.run(startMs);
    world.receivers.get('soc')?.script.push(...Array<'refuse'>(6).fill('refuse'));
    world.clusters.set('prod', { findings: { vulnerabilities: vuls(1) }, scannedAtMs: startMs + hourMs });
    const heard: string[][] = [];
    for (let i = 1; i <= 8; i++) {
      await world.run(startMs + i * hourMs);
      heard.push(world.heard().filter((line) => line.startsWith('chat')));
    }
    expect(heard.flat()).toEqual([
      'chat: prod new r 1',
      'chat: receiver soc new receiver-failing',
      'chat: receiver soc resolved receiver-failing',
    ]);
  });
});

describe('a receiver that answers 410', () => {
  test('is told of elsewhere at once, asked again once a day, and told what it is owed when it is back', async () => {
    const world = scripted({ receivers: { chat: 'summary', soc: 'summary' }, options: { owedForMs: 9 * dayMs } });
    world.clusters.set('prod', { findings: { vulnerabilities: vuls() }, scannedAtMs: startMs });
    await world.run(startMs);
    const soc = world.receivers.get('soc');
    soc?.script.push('gone', 'gone');
    const sent: number[] = [];
    for (let i = 1; i <= 60; i++) {
      world.clusters.set('prod', { findings: { vulnerabilities: vuls(1) }, scannedAtMs: startMs + i * hourMs });
      const { exitCode, failures } = await world.run(startMs + i * hourMs);
      sent.push(soc?.sent.length ?? 0);
      expect(exitCode).toBe(i < 49 ? 2 : 0);
      if (i === 2) expect(failures).toEqual([expect.stringContaining('switched off since it answered 410')]);
    }
    // In the hours 1, 25 and 49.
    expect(sent.map((n, i) => (n > (sent[i - 1] ?? 0) ? i + 1 : 0)).filter(Boolean)).toEqual([1, 25, 49]);
    expect(world.heard().filter((line) => !line.includes('reminder'))).toEqual([
      'chat: prod new r 1',
      'chat: receiver soc new receiver-failing',
      'chat: receiver soc resolved receiver-failing',
      'soc: prod new r 1',
    ]);
  });
});

describe('a message that is taken in plain words only', () => {
  test('is delivered, and told of as a fault of ours until one is taken as it should look', async () => {
    const world = scripted({ receivers: { chat: 'summary', soc: 'summary' } });
    const say = async (hour: number, ...numbers: number[]) => {
      world.clusters.set('prod', {
        findings: { vulnerabilities: vuls(...numbers) },
        scannedAtMs: startMs + hour * hourMs,
      });
      await world.run(startMs + hour * hourMs);
      return world.heard();
    };
    await say(0);
    world.receivers.get('chat')?.script.push('plain');
    expect(await say(1, 1)).toEqual([
      'chat: prod new r 1',
      'chat: messages to chat new message-refused',
      'soc: prod new r 1',
      'soc: messages to chat new message-refused',
    ]);
    expect(await say(2, 1)).toEqual([]);
    expect(await say(3, 1, 2)).toEqual([
      'chat: prod worse r 2',
      'chat: messages to chat resolved message-refused',
      'soc: prod worse r 2',
      'soc: messages to chat resolved message-refused',
    ]);
  });
});

describe('a receiver that forgets, as an Alertmanager does', () => {
  test('is sent with every run what fires, held or not, in one message', async () => {
    const world = scripted({ receivers: { chat: 'summary', am: 'all' }, reposts: ['am'] });
    const show = (day: number, given: object = {}) => {
      for (const name of ['eu', 'us'])
        world.clusters.set(name, {
          findings: { vulnerabilities: vuls(1) },
          scannedAtMs: startMs + day * dayMs,
          ...given,
        });
    };
    const hear = async (ms: number) => {
      await world.run(startMs + ms);
      return world.heard().filter((line) => line.startsWith('am') || line.startsWith('digest reminder am'));
    };
    show(0);
    expect(await hear(0)).toEqual(['am: eu new r 1', 'am: us new r 1']);
    for (let i = 1; i < 6; i++)
      expect(await hear(i * hourMs)).toEqual([
        'digest reminder am: eu reminder r 1',
        'digest reminder am: us reminder r 1',
      ]);
    expect(world.receivers.get('am')?.accepted).toHaveLength(2 + 5);
    show(1, { findings: { vulnerabilities: [] }, hosts: 0 });
    const held = await hear(dayMs + 1);
    expect(held.filter((line) => line.includes(' r 1'))).toHaveLength(2);
    show(2, { findings: { vulnerabilities: [] } });
    expect((await hear(2 * dayMs)).filter((line) => line.includes('resolved r'))).toHaveLength(2);
    expect(await hear(2 * dayMs + hourMs)).toEqual([]);
  });
});

test('what stood already is not repeated to a receiver that asked for changes only', async () => {
  const world = scripted({ receivers: { chat: 'baseline' } });
  for (let day = 0; day < 100; day++) {
    const numbers = day < 50 ? [1] : [1, 2];
    world.clusters.set('prod', {
      findings: { vulnerabilities: vuls(...numbers) },
      scannedAtMs: startMs + day * dayMs,
    });
    await world.run(startMs + day * dayMs);
    if (day === 49) expect(world.heard()).toEqual(['digest first chat: prod 1 uncalled']);
    if (day === 50) expect(world.heard()).toEqual(['chat: prod worse r 2']);
  }
  expect(new Set(world.heard())).toEqual(new Set(['digest reminder chat: prod reminder r 2']));
});

test('of a cluster that the config leaves out receivers hear that nothing is asked for any more', async () => {
  const world = scripted();
  for (const name of ['eu', 'us'])
    world.clusters.set(name, { findings: { vulnerabilities: vuls(1) }, scannedAtMs: startMs });
  await world.run(startMs);
  world.heard();
  world.exclude = ['us'];
  await world.run(startMs + hourMs);
  expect(world.heard()).toEqual(['chat: us policy-changed r 1']);
  await world.run(startMs + 2 * hourMs);
  expect(world.heard()).toEqual([]);
  world.exclude = [];
  await world.run(startMs + 3 * hourMs);
  expect(world.heard()).toEqual(['chat: us reopened r 1']);
});

test('a finding that is of a higher severity than was told is worse', async () => {
  const world = scripted({ policy: 'rules:\n  - {id: r, on: vulnerabilities, min_severity: Medium, max: 0}\n' });
  const say = async (hour: number, severity: string) => {
    const findings = { vulnerabilities: vuls(1, 2).map((one) => ({ ...one, severity })) };
    world.clusters.set('prod', { findings, scannedAtMs: startMs + hour * hourMs });
    await world.run(startMs + hour * hourMs);
    return world.heard();
  };
  await say(0, 'Medium');
  expect(await say(1, 'High')).toEqual(['chat: prod worse r 2']);
  expect(world.receivers.get('chat')?.accepted.at(-1)).toMatchObject({
    news: [{ risen: { from: 'Medium', to: 'High' }, before: 2, count: 2 }],
  });
  expect(await say(2, 'High')).toEqual([]);
  expect(await say(3, 'Medium')).toEqual([]);
  expect(await say(4, 'Critical')).toEqual(['chat: prod worse r 2']);
});

describe('two runs at once', () => {
  test('send each message once, whoever is faster', async () => {
    const world = scripted();
    world.clusters.set('prod', { findings: { vulnerabilities: vuls() }, scannedAtMs: startMs });
    await world.run(startMs);
    for (let i = 1; i < 20; i++) {
      world.clusters.set('prod', {
        findings: { vulnerabilities: vuls(...Array.from({ length: i }, (_, n) => n)) },
        scannedAtMs: startMs + i * hourMs,
      });
      await Promise.all([
        world.run(startMs + i * hourMs + 1),
        world.run(startMs + i * hourMs + 2),
        world.run(startMs + i * hourMs + 3),
      ]);
      expect(world.heard()).toEqual([`chat: prod ${i === 1 ? 'new' : 'worse'} r ${i}`]);
    }
  });
});

describe('waivers', () => {
  test('that end what fires are told apart from a fix, and back when they expire', async () => {
    const policy = (more: string) => `rules:\n  - {id: r, on: vulnerabilities, max: 0}\n${more}`;
    const waiver = 'waivers:\n  - {id: W, rule: r, reason: x, owner: y, expires: 2026-01-08}\n';
    const { policyOf } = await import('../support/evaluate.ts');
    const world = scripted({ policy: policy('') });
    const say = async (day: number) => {
      world.clusters.set('prod', {
        findings: { vulnerabilities: day === 0 ? vuls() : vuls(1) },
        scannedAtMs: startMs + day * dayMs - hourMs,
      });
      await world.run(startMs + day * dayMs);
      return world.heard();
    };
    expect(await say(0)).toEqual([]);
    expect(await say(1)).toEqual(['chat: prod new r 1']);
    world.policy = policyOf(policy(waiver));
    expect(await say(2)).toEqual(['chat: prod waived r 1']);
    expect(await say(3)).toEqual([]);
    expect(await say(4)).toEqual(['chat: prod waiver-expired r 1']);
  });

  test('that expire are noticed on a report that did not change', async () => {
    const world = scripted({
      policy:
        'rules:\n  - {id: r, on: vulnerabilities, max: 0}\nwaivers:\n  - {id: W, rule: r, reason: x, owner: y, expires: 2026-01-05T08:00:00Z}\n',
    });
    world.clusters.set('prod', { findings: { vulnerabilities: vuls(1) }, scannedAtMs: startMs });
    await world.run(startMs);
    expect(world.heard()).toEqual([]);
    await world.run(startMs + hourMs);
    expect(world.heard()).toEqual([]);
    await world.run(startMs + 2 * hourMs);
    expect(world.heard()).toEqual(['chat: prod waiver-expired r 1']);
  });
});
