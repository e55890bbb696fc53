import { describe, expect, test } from 'vitest';
import { loadDeadLetters } from '../../lib/app/dead-letter-store.ts';
import { loadLooks, whole } from '../../lib/app/looks.ts';
import type { OwedTarget } from '../../lib/app/outbox.ts';
import { discardDeadLetters, replayDeadLetters } from '../../lib/app/replay.ts';
import { addSilence, expireSilence } from '../../lib/app/silences.ts';
import { type StateStore, StoreError } from '../../lib/app/state.ts';
import type { Alert } from '../../lib/core/alerts.ts';
import { DeliveryError, InputError } from '../../lib/core/errors.ts';
import { createMemoryStore } from '../../lib/stores/memory.ts';
import { crashing } from '../support/disturbances.ts';
import { policyOf } from '../support/evaluate.ts';
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

const minuteMs = 60_000;
const range = (length: number) => Array.from({ length }, (_, i) => i);

describe('routes that ask why an alert is told', () => {
  const by = (transition: string) =>
    scripted({
      receivers: { soc: 'summary', chat: 'summary' },
      routes: [{ when: `transition == "${transition}"`, receivers: ['soc'] }, { receivers: ['chat'] }],
    });

  test('new: what is not new goes elsewhere, from the first change on', async () => {
    const world = by('new');
    expect(await look(world, 0, vuls())).toEqual([]);
    expect(await look(world, 1, vuls(1))).toEqual(['soc: prod new r 1']);
    expect(await look(world, 2, vuls(1, 2))).toEqual(['chat: prod worse r 2']);
    expect(await look(world, 80, vuls(1, 2))).toEqual(['digest reminder chat: prod reminder r 2']);
    // Who heard that it fires hears that it is over, and so does who is asked for by the route.
    expect(await look(world, 81, vuls())).toEqual(['soc: prod resolved r 2', 'chat: prod resolved r 2']);
  });

  test('worse: who hears the rest goes on to hear it', async () => {
    const world = by('worse');
    await look(world, 0, vuls());
    expect(await look(world, 1, vuls(1))).toEqual(['chat: prod new r 1']);
    expect(await look(world, 2, vuls(1, 2))).toEqual(['soc: prod worse r 2']);
    expect(await look(world, 80, vuls(1, 2))).toEqual(['digest reminder chat: prod reminder r 2']);
  });

  test('reminder: it is heard, by whoever it is routed to', async () => {
    const world = by('reminder');
    await look(world, 0, vuls());
    expect(await look(world, 1, vuls(1))).toEqual(['chat: prod new r 1']);
    expect(await look(world, 80, vuls(1))).toEqual(['digest reminder soc: prod reminder r 1']);
  });

  test('worse: it puts off no reminder of those who do not hear it', async () => {
    const world = by('worse');
    await look(world, 0, vuls());
    const heard: string[] = [];
    const numbers: number[] = [];
    for (let day = 0; day < 12; day++) {
      numbers.push(day);
      heard.push(...(await look(world, 1 + 24 * day, vuls(...numbers))).map((line) => `${day} ${line}`));
    }
    expect(heard.filter((line) => line.includes('chat'))).toEqual([
      '0 chat: prod new r 1',
      '3 digest reminder chat: prod reminder r 4',
      '9 digest reminder chat: prod reminder r 10',
    ]);
    expect(heard.filter((line) => line.includes('soc: prod worse'))).toHaveLength(11);
  });

  test('resolved: it is heard by whoever heard nothing before', async () => {
    const world = by('resolved');
    await look(world, 0, vuls());
    expect(await look(world, 1, vuls(1))).toEqual(['chat: prod new r 1']);
    expect(await look(world, 2, vuls())).toEqual(['soc: prod resolved r 1', 'chat: prod resolved r 1']);
  });

  test('reopened: who was told that it is over, and not that it is back, is not told that it is over again', async () => {
    const world = by('reopened');
    await look(world, 0, vuls());
    expect(await look(world, 1, vuls(1))).toEqual(['chat: prod new r 1']);
    for (const hour of [2, 5, 8]) {
      expect(await look(world, hour, vuls())).toEqual([`${hour === 2 ? 'chat' : 'soc'}: prod resolved r 1`]);
      expect(await look(world, hour + 1, vuls(1))).toEqual(['soc: prod reopened r 1']);
    }
    // What comes after that is for it, and so is the end then.
    expect(await look(world, 10, vuls(1, 2))).toEqual(['chat: prod worse r 2']);
    expect(await look(world, 11, vuls())).toEqual(['soc: prod resolved r 2', 'chat: prod resolved r 2']);
    expect(await look(world, 300, vuls(1))).toEqual(['chat: prod new r 1']);
  });

  test('reopened: that it is back is told when it is routed here after all', async () => {
    const routes = [{ when: 'transition == "reopened"', receivers: ['soc'] }, { receivers: ['chat'] }];
    const before = scripted({ receivers: { soc: 'summary', chat: 'summary' }, routes });
    await look(before, 0, vuls());
    await look(before, 1, vuls(1));
    await look(before, 2, vuls());
    expect(await look(before, 3, vuls(1))).toEqual(['soc: prod reopened r 1']);
    const after = scripted({ receivers: { soc: 'summary', chat: 'summary' }, store: before.store });
    expect(await look(after, 4, vuls(1))).toEqual(['chat: prod reopened r 1']);
    expect(after.receivers.get('chat')?.accepted.at(-1)).toMatchObject({ news: [{ findings: [{}], omitted: 0 }] });
    expect(await look(after, 5, vuls(1))).toEqual([]);
  });

  test('standing: what stood at the first look is not new to others a run later', async () => {
    const world = by('standing');
    expect(await look(world, 0, vuls(1))).toEqual(['digest first soc: prod standing r 1']);
    expect(await look(world, 1, vuls(1))).toEqual([]);
    expect(await look(world, 2, vuls(1, 2))).toEqual(['chat: prod worse r 2']);
  });
});

describe.each(['standing', 'new'])('an end that was not taken before the alert came back, by %s', (transition) => {
  /** soc was told that it fires, and the end of that is lost or refused; the alert is back. */
  async function back(answer: 'refuse' | 'lost') {
    const routes = [{ when: `transition in ["${transition}", "worse"]`, receivers: ['soc'] }, { receivers: ['chat'] }];
    const world = scripted({ receivers: { soc: 'summary', chat: 'summary' }, routes });
    if (transition === 'new') await look(world, -1, vuls());
    expect(await look(world, 0, vuls(1))).toEqual([expect.stringContaining(`soc: prod ${transition} r 1`)]);
    world.receivers.get('soc')?.script.push(answer);
    await look(world, 1, vuls());
    expect(await look(world, 2, vuls(1))).toEqual(['chat: prod reopened r 1']);
    expect(await look(world, 3, vuls(1))).toEqual([]);
    return world;
  }

  test.each(['refuse', 'lost'] as const)('is told when it is over again: %s', async (answer) => {
    const world = await back(answer);
    expect(await look(world, 4, vuls())).toEqual(['soc: prod resolved r 1', 'chat: prod resolved r 1']);
    expect(await look(world, 5, vuls())).toEqual([]);
  });

  test('leaves what comes next to who it is for', async () => {
    const world = await back('refuse');
    expect(await look(world, 4, vuls(1, 2))).toEqual(['soc: prod worse r 2']);
    expect(await look(world, 5, vuls())).toEqual(['soc: prod resolved r 2', 'chat: prod resolved r 2']);
  });
});

test('who may have heard that it fires, and that it is over, and not that it is back, is told that it is over', async () => {
  const world = scripted({
    receivers: { soc: 'summary', chat: 'summary' },
    routes: [{ when: 'transition == "standing"', receivers: ['soc'] }, { receivers: ['chat'] }],
  });
  world.receivers.get('soc')?.script.push('lost', 'refuse');
  for (const [hour, findings] of [vuls(1), vuls(), vuls(1)].entries()) await look(world, hour, findings);
  const heard = [...(await look(world, 3, vuls(1))), ...(await look(world, 4, vuls()))];
  expect(heard.filter((line) => line.includes('soc')).at(-1)).toBe('soc: prod resolved r 1');
});

describe('a log', () => {
  const policy = 'rules:\n  - {id: r, on: vulnerabilities, per: [image, image_version], max: 0}\n';
  const images = (count: number, tag: number) =>
    Array.from({ length: count }, (_, i) => ({ ...vuls(1)[0], image: `registry/app-${i}`, image_version: `${tag}` }));

  /** How large the largest record is that was written. */
  function measured(): { store: StateStore; largest: () => number } {
    const store = createMemoryStore();
    let largest = 0;
    const put: StateStore['put'] = (group, record, over, nowMs) => {
      largest = Math.max(largest, JSON.stringify(record.value).length);
      return store.put(group, record, over, nowMs);
    };
    return { store: { ...store, put }, largest: () => largest };
  }

  test('stays small though every day brings other alerts, and what came last is known', async () => {
    const { store, largest } = measured();
    const world = scripted({ policy, store, options: { forgetAfterMs: 37 * dayMs } });
    await look(world, 0, []);
    for (let day = 1; day < 40; day++) {
      expect(await look(world, day * 24, images(90, day)), `day ${day}`).toHaveLength(day === 1 ? 90 : 180);
    }
    expect(largest()).toBeLessThan(200_000);
    expect(await look(world, 40 * 24, images(90, 39))).toEqual([]);
    // Of yesterday's it is known that they were told to be over.
    expect((await look(world, 41 * 24, images(90, 38))).filter((one) => one.includes('reopened'))).toHaveLength(90);
  });

  test('holds what many rules find at once', async () => {
    const { store, largest } = measured();
    const rules = Array.from(
      { length: 12 },
      (_, i) => `  - {id: r${i}, on: vulnerabilities, per: [image, image_version], max: 0}\n`,
    );
    const world = scripted({ policy: `rules:\n${rules.join('')}`, store });
    await look(world, 0, []);
    expect(await look(world, 1, images(95, 1))).toHaveLength(12 * 95);
    expect(await look(world, 2, images(95, 2))).toHaveLength(2 * 12 * 95);
    expect(await look(world, 3, images(95, 2))).toEqual([]);
    expect(largest()).toBeLessThan(350_000);
  });
});

describe('two runs at once', () => {
  test('send a message once though the first began long ago', async () => {
    const world = scripted();
    await look(world, 0, vuls());
    world.clusters.set('prod', { findings: { vulnerabilities: vuls(1) }, scannedAtMs: startMs + hourMs });
    const startedMs = startMs + hourMs;
    const summaries: unknown[] = [];
    // Seven minutes after the first began, and while it is sending, the second begins.
    await world.run(startedMs, async (name, effect) => {
      if (name === 'put' && world.passedMs === 0) world.passedMs = 7 * minuteMs;
      if (name !== 'deliver' || summaries.length > 0) return effect();
      summaries.push(await world.run(startedMs + 7 * minuteMs));
      return effect();
    });
    expect(world.receivers.get('chat')?.sent.map(({ about }) => about)).toEqual(['digest', 'alerts']);
    expect(world.heard()).toEqual(['chat: prod new r 1']);
    // It does not know whether the first one is alive.
    expect(summaries).toMatchObject([
      { exitCode: 2, failures: [expect.stringMatching(/^chat: another run is telling it of 1 cluster, or was/)] },
    ]);
  });
});

describe('a clock that was wrong', () => {
  test('far ahead once does not keep reminders back', async () => {
    const world = scripted();
    await look(world, 0, vuls());
    await look(world, 1, vuls(1));
    await world.run(startMs + 400 * dayMs);
    world.heard();
    const heard: string[] = [];
    for (let day = 1; day < 12; day++) {
      heard.push(...(await look(world, day * 24, vuls(1))));
    }
    expect(heard).toContain('digest reminder chat: prod reminder r 1');
  });

  test('far ahead when a receiver said that it is gone does not switch it off until then', async () => {
    const world = scripted({ receivers: { chat: 'summary', soc: 'summary' } });
    await look(world, 0, vuls());
    const soc = world.receivers.get('soc');
    soc?.script.push('gone');
    world.clusters.set('prod', { findings: { vulnerabilities: vuls(1) }, scannedAtMs: startMs + hourMs });
    await world.run(startMs + 365 * dayMs);
    world.heard();
    const sent = soc?.sent.length ?? 0;
    await look(world, 2, vuls(1));
    expect(soc?.sent.length).toBeGreaterThan(sent);
    expect(soc?.accepted.at(-1)).toMatchObject({ about: 'alerts', news: [{ rule: 'r' }] });
  });

  test('ahead in a run that died holds nothing back', async () => {
    const world = scripted();
    await look(world, 0, vuls());
    world.clusters.set('prod', { findings: { vulnerabilities: vuls(1) }, scannedAtMs: startMs + 1 });
    const died = world.run(startMs + 18 * hourMs, async (name, effect) => {
      if (name === 'deliver') throw new TypeError('killed');
      return effect();
    });
    await expect(died).rejects.toThrow('killed');
    await world.run(startMs + hourMs);
    expect(world.heard()).toEqual(['chat: prod new r 1']);
  });
});

describe('a receiver', () => {
  test('that for certain did not get the first message is not told that things of it are over', async () => {
    const world = scripted();
    const chat = world.receivers.get('chat');
    if (chat !== undefined) chat.usual = 'unknown';
    for (const name of ['a', 'b', 'c'])
      world.clusters.set(name, { findings: { vulnerabilities: vuls(1, 2) }, scannedAtMs: startMs });
    await world.run(startMs);
    if (chat !== undefined) chat.usual = 'accept';
    for (const name of ['a', 'b', 'c'])
      world.clusters.set(name, {
        findings: { vulnerabilities: name === 'a' ? [] : vuls(1) },
        scannedAtMs: startMs + 1,
      });
    await world.run(startMs + hourMs);
    expect(world.heard()).toEqual(['digest first chat: b standing r 1', 'digest first chat: c standing r 1']);
  });

  test('that answers nothing is left alone after three messages, and owed the rest', async () => {
    const world = scripted({ receivers: { chat: 'all', soc: 'all' } });
    const chat = world.receivers.get('chat');
    if (chat !== undefined) chat.usual = 'refuse';
    const names = ['a', 'b', 'c', 'd', 'e'];
    for (const name of names)
      world.clusters.set(name, { findings: { vulnerabilities: vuls(1) }, scannedAtMs: startMs });
    const summary = await world.run(startMs);
    expect(chat?.sent).toHaveLength(3);
    expect(summary.failures.join()).toContain('chat: 5 messages not taken');
    expect(world.heard()).toEqual(names.map((name) => `soc: ${name} new r 1`));
    if (chat !== undefined) chat.usual = 'accept';
    await world.run(startMs + hourMs);
    // Those first that were not tried.
    expect(world.heard()).toEqual(['d', 'e', 'a', 'b', 'c'].map((name) => `chat: ${name} new r 1`));
  });
});

test('a receiver that is sent what fires with every run is owed an end for as long as it takes', async () => {
  const world = scripted({ receivers: { am: 'summary' }, reposts: ['am'] });
  await look(world, 0, vuls(1));
  const am = world.receivers.get('am') as ScriptedReceiver;
  am.usual = 'unknown';
  for (let day = 1; day < 9; day++) await look(world, day * 24, []);
  am.usual = 'accept';
  expect(await look(world, 9 * 24, [])).toContain('am: prod resolved r 1');
  expect(await loadDeadLetters(world.store, startMs)).toEqual([]);
});

test('what is owed is sent while HSS gives no list', async () => {
  const world = scripted({ receivers: { chat: 'all', soc: 'all' } });
  world.receivers.get('soc')?.script.push('refuse');
  expect(await look(world, 0, vuls(1))).toEqual(['chat: prod new r 1']);
  world.isReachable = false;
  await world.run(startMs + hourMs);
  expect(world.heard()).toContain('soc: prod new r 1');
});

test('what is owed is sent while the policy cannot be used', async () => {
  const world = scripted({ receivers: { chat: 'all', soc: 'all' } });
  world.receivers.get('soc')?.script.push('refuse');
  expect(await look(world, 0, vuls(1))).toEqual(['chat: prod new r 1']);
  world.policyProblem = new InputError('policies/p.yaml:1: it is no policy');
  expect(await world.run(startMs + hourMs)).toMatchObject({ exitCode: 3, hasInvalidSource: true });
  expect(world.heard()).toEqual([
    'chat: source prod new source-unreachable',
    'soc: source prod new source-unreachable',
    'soc: prod new r 1',
  ]);
});

test('a receiver fails by runs that the schedule asked for, however often it is tried within one', async () => {
  const world = scripted({ receivers: { chat: 'all', soc: 'all' } });
  const soc = world.receivers.get('soc') as ScriptedReceiver;
  soc.usual = 'refuse';
  const isTold = () => world.heard().includes('chat: receiver soc new receiver-failing');
  world.clusters.set('prod', { findings: { vulnerabilities: vuls(1) }, scannedAtMs: startMs });
  for (let run = 0; run < 3; run++) {
    const nowMs = startMs + run * hourMs;
    const { owed } = await world.run(nowMs);
    expect(isTold()).toBe(run === 2);
    for (const minutes of [1, 6, 11]) await world.retry(nowMs + minutes * minuteMs, owed);
    expect(soc.sent).toHaveLength(4 * (run + 1));
    expect(isTold()).toBe(false);
  }
});

describe('a cluster whose memory cannot be read', () => {
  test('keeps no other one from being watched, also where there are many', async () => {
    const store = createMemoryStore();
    let isBroken = false;
    const load: StateStore['load'] = (group, prefix, nowMs) => {
      if (isBroken && /^cluster\/prod\/id-[a-d]$/.test(group)) throw new StoreError('what is stored is no JSON');
      return store.load(group, prefix, nowMs);
    };
    const world = scripted({ store: { ...store, load } });
    const scan = async (hour: number, ...numbers: number[]) => {
      for (const name of ['a', 'b', 'c', 'd', 'e', 'f'])
        world.clusters.set(name, { findings: { vulnerabilities: vuls(...numbers) }, scannedAtMs: startMs + hour });
      return world.run(startMs + hour * hourMs).catch((error: Error) => error);
    };
    await scan(0);
    isBroken = true;
    for (let hour = 1; hour < 4; hour++) expect(await scan(hour, 1)).toBeInstanceOf(StoreError);
    expect(world.heard().filter((line) => line.includes(' r '))).toEqual(['chat: e new r 1', 'chat: f new r 1']);
  });

  test('is not said to be readable again by a run that did not get so far', async () => {
    const store = createMemoryStore();
    let isBroken = false;
    const load: StateStore['load'] = (group, prefix, nowMs) => {
      if (isBroken && /^cluster\/prod\/id-[ab]$/.test(group)) throw new StoreError('what is stored is no JSON');
      return store.load(group, prefix, nowMs);
    };
    const world = scripted({ store: { ...store, load } });
    const scan = async (hour: number, mayStart?: () => boolean) => {
      for (const name of ['a', 'b', 'c'])
        world.clusters.set(name, { findings: {}, scannedAtMs: startMs + hour * hourMs });
      const scope = mayStart === undefined ? {} : { mayStart };
      await world.run(startMs + hour * hourMs, undefined, scope).catch(() => {});
      return world.heard();
    };
    await scan(0);
    isBroken = true;
    await scan(1);
    expect(await scan(2)).toEqual([
      'chat: memory of a new memory-unreadable',
      'chat: memory of b new memory-unreadable',
    ]);
    let starts = 1;
    expect(await scan(3, () => starts-- > 0)).toEqual([]);
    expect(await scan(4)).toEqual([]);
    isBroken = false;
    expect(await scan(5)).toEqual([
      'chat: memory of a resolved memory-unreadable',
      'chat: memory of b resolved memory-unreadable',
    ]);
  });

  test('is not looked for one after the other where the store gives nothing any more', async () => {
    const store = createMemoryStore();
    let isAway = false;
    let asked = 0;
    const load: StateStore['load'] = (group, prefix, nowMs) => {
      if (!isAway) return store.load(group, prefix, nowMs);
      if (group.startsWith('cluster/prod/id-')) asked++;
      // It goes away when the run is under way.
      if (asked > 0) throw new StoreError('it is away');
      return store.load(group, prefix, nowMs);
    };
    const world = scripted({ store: { ...store, load } });
    for (const name of ['a', 'b', 'c', 'd', 'e', 'f']) world.clusters.set(name, { findings: {}, scannedAtMs: startMs });
    await world.run(startMs);
    isAway = true;
    await expect(world.run(startMs + hourMs)).rejects.toThrow(StoreError);
    expect(asked).toBe(3);
  });

  test('keeps no other one from being watched, is told of, and so is the end of it', async () => {
    const store = createMemoryStore();
    let isBroken = false;
    const load: StateStore['load'] = (group, prefix, nowMs) => {
      if (isBroken && group === 'cluster/prod/id-a') throw new StoreError('record of it: what is stored is no JSON');
      return store.load(group, prefix, nowMs);
    };
    const world = scripted({ store: { ...store, load } });
    const scan = async (hour: number, ...numbers: number[]) => {
      for (const name of ['a', 'b'])
        world.clusters.set(name, { findings: { vulnerabilities: vuls(...numbers) }, scannedAtMs: startMs + hour });
      return world.run(startMs + hour * hourMs).catch((error: Error) => error);
    };
    await scan(0);
    isBroken = true;
    expect(await scan(1, 1)).toBeInstanceOf(StoreError);
    expect(world.heard()).toEqual(['chat: b new r 1']);
    expect(await scan(2, 1)).toBeInstanceOf(StoreError);
    expect(world.heard()).toEqual(['chat: memory of a new memory-unreadable']);
    expect(await scan(3, 1)).toBeInstanceOf(StoreError);
    expect(world.heard()).toEqual([]);
    isBroken = false;
    expect(await scan(4, 1)).toMatchObject({ exitCode: 0 });
    expect(world.heard()).toEqual(['chat: a new r 1', 'chat: memory of a resolved memory-unreadable']);
  });
});

test('what was told to others only is not told to stand as this one was told', async () => {
  const world = scripted({
    receivers: { soc: 'summary', chat: 'summary' },
    routes: [{ when: 'transition == "worse"', receivers: ['soc'] }, { receivers: ['chat'] }],
    policy: 'rules:\n  - {id: r, on: vulnerabilities, per: [image], max: 0}\n',
  });
  const row = (image: string, n: number) => ({ ...vuls(n)[0], image }) as ReturnType<typeof vuls>[number];
  await look(world, 0, []);
  await look(world, 1, [row('a', 1), row('b', 1), row('c', 1)]);
  expect(await look(world, 2, [row('a', 1), row('a', 2), row('b', 1), row('c', 1)])).toEqual([
    'soc: prod worse r(a) 2',
  ]);
  expect(world.receivers.get('soc')?.accepted.at(-1)).toMatchObject({ standing: 0 });
});

describe('a memory that was lost', () => {
  /** What the digests of first looks said: of each cluster how many alerts. */
  const firstLooks = (world: Scripted, receiver = 'chat') =>
    (world.receivers.get(receiver)?.accepted ?? []).flatMap((notice) =>
      notice.about === 'digest' && notice.why === 'first'
        ? [notice.clusters.map(({ cluster, news }) => `${cluster.name} ${news.length}`).join(', ')]
        : [],
    );

  test('is never silent, though nothing stands any more', async () => {
    const world = scripted();
    await look(world, 0, vuls(1));
    world.store = createMemoryStore();
    await look(world, 1, vuls());
    await look(world, 2, vuls());
    expect(firstLooks(world)).toEqual(['prod 1', 'prod 0']);
  });

  test('is told under other ids than the first look was, though the same stands', async () => {
    const world = scripted();
    await look(world, 0, vuls(1));
    world.store = createMemoryStore();
    await look(world, 1, vuls(1));
    const ids = world.receivers.get('chat')?.accepted.map(({ id }) => id) ?? [];
    expect(new Set(ids).size).toBe(2);
  });

  test('is told also where each alert is told as new, and where they are counted', async () => {
    const world = scripted({ receivers: { chat: 'all', soc: 'baseline' } });
    await look(world, 0, vuls());
    expect([firstLooks(world), firstLooks(world, 'soc')]).toEqual([['prod 0'], ['prod 0']]);
  });

  test('is told to nobody who would not hear of the cluster; and to who would not hear of it in this way, as nothing', async () => {
    const routes = [
      { when: 'cluster == "other"', receivers: ['others'] },
      { when: 'transition == "new"', receivers: ['onlyNew'] },
      { receivers: ['chat'] },
    ];
    const world = scripted({ receivers: { chat: 'summary', others: 'summary', onlyNew: 'summary' }, routes });
    await look(world, 0, vuls(1));
    expect(['chat', 'others', 'onlyNew'].map((name) => firstLooks(world, name))).toEqual([['prod 1'], [], ['prod 0']]);
  });

  test('is told of a cluster that cannot be judged as that only', async () => {
    const policy = `rules:\n  - {id: r, on: vulnerabilities, where: 'package == "q"', max: 0}\n`;
    const world = scripted({ policy, routes: [{ when: 'rule != ""', receivers: ['chat'] }, { receivers: [] }] });
    world.clusters.set('prod', { findings: { vulnerabilities: vuls() }, scannedAtMs: startMs, reported: 3 });
    expect((await world.run(startMs)).verdicts).toMatchObject({ undetermined: 1 });
    expect(firstLooks(world)).toEqual([]);
  });

  test('differs from a cluster that came to others: of that nothing is said as long as nothing stands', async () => {
    const world = scripted();
    await look(world, 0, vuls());
    world.clusters.set('later', { findings: { vulnerabilities: vuls() }, scannedAtMs: startMs });
    await look(world, 1, vuls());
    expect(firstLooks(world)).toEqual(['prod 0']);
  });

  test('differs from a cluster that came to others, also where there was no time for those', async () => {
    const world = scripted();
    await look(world, 0, vuls());
    world.clusters.set('later', { findings: { vulnerabilities: vuls() }, scannedAtMs: startMs });
    let begun = 0;
    const summary = await world.run(startMs + hourMs, undefined, { mayStart: () => begun++ < 1 });
    expect(summary.left).toBe(1);
    expect(firstLooks(world)).toEqual(['prod 0']);
  });

  test('is told after the source could not be reached at first', async () => {
    const world = scripted();
    await look(world, 0, vuls(1));
    world.store = createMemoryStore();
    world.isReachable = false;
    await world.run(startMs + hourMs);
    world.isReachable = true;
    world.heard();
    expect(await look(world, 2, vuls())).toContainEqual(expect.stringContaining('resolved source-unreachable'));
    expect(firstLooks(world).at(-1)).toBe('prod 0');
  });

  test('is told again under the same id when it was not taken', async () => {
    const world = scripted();
    world.receivers.get('chat')?.script.push('lost', 'refuse');
    for (const day of [0, 1, 2, 3]) await look(world, day, vuls());
    const sent = world.receivers.get('chat')?.sent ?? [];
    expect(sent).toHaveLength(3);
    expect(firstLooks(world)).toEqual(['prod 0', 'prod 0']);
  });

  test.each([
    { since: vuls(), replayed: { delivered: 1, outdated: 0 }, looks: ['prod 0'] },
    { since: vuls(1), replayed: { delivered: 0, outdated: 1 }, looks: [] },
  ])('is told from the dead letters as long as it is so (%#)', async ({ since, replayed, looks }) => {
    const world = scripted();
    const chat = world.receivers.get('chat') as ScriptedReceiver;
    chat.usual = 'refuse';
    for (const hour of [0, 80]) await look(world, hour, vuls());
    chat.usual = 'accept';
    await look(world, 81, since);
    expect(await replayDeadLetters(world.store, world.receivers, [], startMs + 82 * hourMs)).toMatchObject(replayed);
    expect(firstLooks(world)).toEqual(looks);
  });
});

test('that an alert is over is told though a silence muted that for longer than what is over is remembered', async () => {
  const world = scripted({ options: { forgetAfterMs: 5 * dayMs } });
  await look(world, 0, vuls());
  expect(await look(world, 1, vuls(1))).toEqual(['chat: prod new r 1']);
  const silence = { where: 'cluster == "prod"', comment: 'quiet', untilMs: startMs + 40 * dayMs };
  await addSilence(world.store, { ...silence, author: 'ops' }, startMs + 2 * hourMs);
  const heard: string[] = [];
  for (let day = 1; day <= 42; day++) heard.push(...(await look(world, 24 * day, vuls())));
  expect(heard.filter((line) => line.includes(' r '))).toEqual(['chat: prod resolved r 1']);
  // Once it is told, it is forgotten like any other.
  await look(world, 24 * 60, vuls(2));
  await look(world, 24 * 61, vuls(2));
  const alerts = await world.store.load('cluster/prod/id-prod', 'alert/', startMs + 61 * dayMs);
  expect(alerts.map(({ value }) => (value as Alert).episode)).toEqual([1]);
});

test('by a lower number that may have arrived, more than that is worse', async () => {
  const policy = 'rules:\n  - {id: r, on: vulnerabilities, max: 0, per: [image]}\n';
  const vulsOf = (image: string, ...numbers: number[]) => vuls(...numbers).map((one) => ({ ...one, image }));
  const world = scripted({ policy });
  await look(world, 0, [...vulsOf('a', 1, 2, 3, 4, 5), ...vulsOf('b', 1)]);
  world.receivers.get('chat')?.script.push('lost');
  await look(world, 1, [...vulsOf('a', 1, 2), ...vulsOf('b', 1, 2)]);
  // The message that may have arrived said that of a there are 2.
  expect(await look(world, 2, [...vulsOf('a', 1, 2, 3), ...vulsOf('b', 1, 2)])).toEqual([
    'chat: prod worse r(a) 3',
    'chat: prod worse r(b) 2',
  ]);
  expect(await look(world, 3, [...vulsOf('a', 1, 2, 3), ...vulsOf('b', 1, 2)])).toEqual([]);
});

test('since when something is owed does not begin anew with other news, and ends where nothing is owed any more', async () => {
  const world = scripted();
  await look(world, 0, vuls());
  const chat = world.receivers.get('chat') as ScriptedReceiver;
  // It is certain that nothing arrived.
  chat.usual = 'unknown';
  const since = async (hour: number, ...numbers: number[]) => {
    const nowMs = startMs + hour * hourMs;
    world.clusters.set('prod', { findings: { vulnerabilities: vuls(...numbers) }, scannedAtMs: nowMs });
    const { owedSinceMs } = await world.run(nowMs);
    return owedSinceMs === undefined ? undefined : (owedSinceMs - startMs) / hourMs;
  };
  expect([await since(1, 1), await since(2, 1, 2), await since(3, 1, 2, 3)]).toEqual([1, 1, 1]);
  // All of it is over before it could be told.
  expect([await since(4), await since(5, 4)]).toEqual([undefined, 5]);
  // Each is given as long as is set: the newest is a dead letter no sooner.
  expect([await since(70, 4, 5), await since(79, 4, 5)]).toEqual([5, 5]);
  expect(await world.store.load('dead-letters', '', startMs)).toEqual([]);
  // Then that is owed.
  expect(await since(143, 4, 5)).toBe(143);
  expect(await world.store.load('dead-letters', '', startMs)).toHaveLength(1);
});

describe('of a cluster that is left out', () => {
  const ofRule = (lines: readonly string[]) => lines.filter((line) => line.includes(' r '));

  test('it is told however long nothing ran, or nobody took it', async () => {
    const world = scripted();
    await look(world, 0, vuls());
    await look(world, 1, vuls(1));
    world.exclude = ['prod'];
    world.receivers.get('chat')?.script.push('refuse');
    const { exitCode } = await world.run(startMs + 2 * hourMs);
    world.heard();
    expect(exitCode).toBe(2);
    await world.run(startMs + 20 * dayMs);
    expect(ofRule(world.heard())).toEqual(['chat: prod policy-changed r 1']);
    for (const day of [21, 22]) await world.run(startMs + day * dayMs);
    expect(await world.store.load('source/prod', 'clusters', startMs)).toMatchObject([{ value: [] }]);
  });

  test('it is told when a silence is over that muted it', async () => {
    const world = scripted();
    await look(world, 0, vuls());
    await look(world, 1, vuls(1));
    const silence = { where: 'cluster == "prod"', comment: 'quiet', untilMs: startMs + 10 * dayMs };
    await addSilence(world.store, { ...silence, author: 'ops' }, startMs + hourMs);
    world.exclude = ['prod'];
    world.heard();
    for (let day = 1; day <= 12; day++) await world.run(startMs + day * dayMs);
    expect(ofRule(world.heard())).toEqual(['chat: prod policy-changed r 1']);
  });
});

test('of several numbers that may have arrived the lowest is what more is measured by', async () => {
  const policy = 'rules:\n  - {id: r, on: vulnerabilities, max: 0, per: [image]}\n';
  const numbers = (n: number) => Array.from({ length: n }, (_, i) => i + 1);
  const both = (a: number, b: number) => [
    ...vuls(...numbers(a)).map((one) => ({ ...one, image: 'a' })),
    ...vuls(...numbers(b)).map((one) => ({ ...one, image: 'b' })),
  ];
  const world = scripted({ policy });
  await look(world, 0, both(5, 1));
  world.receivers.get('chat')?.script.push('lost', 'refuse');
  await look(world, 1, both(2, 2));
  await look(world, 2, both(4, 3));
  expect(await look(world, 3, both(3, 3))).toContain('chat: prod worse r(a) 3');
});

test('of a receiver that is gone its own word is told, also while it is not asked', async () => {
  const remindMs = { critical: hourMs, high: hourMs, medium: hourMs, low: hourMs };
  const world = scripted({ receivers: { chat: 'summary', soc: 'summary' }, options: { remindMs } });
  const [chat, soc] = ['chat', 'soc'].map((name) => world.receivers.get(name)) as [ScriptedReceiver, ScriptedReceiver];
  await look(world, 0, vuls());
  chat.usual = 'gone';
  await look(world, 1, vuls(1));
  chat.sent.length = 0;
  for (const hour of [2, 4]) {
    await look(world, hour, vuls(1));
    const [said] = soc.accepted
      .flatMap((notice) => JSON.stringify(notice).match(/says that it is gone.*?"/) ?? [])
      .slice(-1);
    expect(said).toMatch(
      /asked once a day only, when it is owed something: deliver to chat: answered by the script: gone"/,
    );
  }
  expect(soc.accepted.at(-1)).toMatchObject({ source: 'portcullis', why: 'reminder' });
  expect(chat.sent).toEqual([]);
});

test('what there was no time to send is known to nobody, and says nothing of the receiver', async () => {
  const world = scripted({
    receivers: { chat: 'summary', soc: 'summary' },
    options: { owedForMs: hourMs, failingAfterRuns: 1 },
  });
  const chat = world.receivers.get('chat') as ScriptedReceiver;
  const names = ['a', 'b', 'c', 'd', 'e'];
  const show = async (hour: number, ...rows: readonly number[]) => {
    const scannedAtMs = startMs + hour * hourMs;
    for (const name of names) world.clusters.set(name, { findings: { vulnerabilities: vuls(...rows) }, scannedAtMs });
    await world.run(scannedAtMs);
    return world.heard();
  };
  await show(0);
  chat.sent.length = 0;
  chat.usual = 'untried';
  await show(1, 1);
  expect(await show(3, 1)).toEqual([]);
  // Each was ready to go, in both runs.
  expect(chat.sent).toHaveLength(2 * names.length);
  expect(await loadDeadLetters(world.store, startMs + 3 * hourMs)).toEqual([]);

  chat.usual = 'accept';
  expect(await show(4)).toEqual(names.map((name) => `soc: ${name} resolved r 1`));
});

test('that a receiver takes messages again is told also when all it was sent was news about ourselves', async () => {
  const world = scripted({
    receivers: { chat: 'summary', soc: 'summary' },
    options: { owedForMs: dayMs, failingAfterRuns: 1 },
  });
  await look(world, 0, vuls());
  const chat = world.receivers.get('chat') as ScriptedReceiver;
  chat.usual = 'unknown';
  expect(await look(world, 1, vuls(1))).toContain('soc: receiver chat new receiver-failing');
  chat.usual = 'accept';
  chat.script.push('unknown');
  const heard = await look(world, 26, vuls(1));
  expect(heard.filter((line) => line.startsWith('chat'))).toHaveLength(1);
  expect(heard).toContain('soc: receiver chat resolved receiver-failing');
});

test('a digest that was refused is sent under its id as a whole only: parts of it are messages of their own', async () => {
  const world = scripted();
  const chat = world.receivers.get('chat') as ScriptedReceiver;
  const names = ['a', 'b', 'c', 'd'];
  const show = (hour: number) => {
    for (const name of names)
      world.clusters.set(name, { findings: { vulnerabilities: vuls(1) }, scannedAtMs: startMs + hour * hourMs });
  };
  show(0);
  chat.script.push('refuse', 'refuse');
  await world.run(startMs);
  await world.run(startMs + hourMs / 2);
  // All of it again is the same message.
  expect(chat.sent[1]?.id).toBe(chat.sent[0]?.id);
  show(1);
  let begun = 0;
  const tick = { sinceMs: startMs + hourMs };
  await world.run(startMs + hourMs, undefined, { ...tick, mayStart: () => begun++ < 3 });
  await world.run(startMs + hourMs + minuteMs, undefined, tick);
  const told = chat.accepted.map((notice) =>
    notice.about === 'digest' ? notice.clusters.map(({ cluster }) => cluster.name) : [],
  );
  expect(told.map(({ length }) => length)).toEqual([3, 1]);
  expect(told.flat().sort()).toEqual(names);
  expect(new Set(chat.sent.map(({ id }) => id)).size).toBe(3);
});

describe('messages that a receiver cannot take', () => {
  /** It answers 500 to whatever is of these clusters. */
  function poisoned(world: Scripted, clusters: ReadonlySet<string>): string[] {
    const chat = world.receivers.get('chat') as ScriptedReceiver;
    const { deliver } = chat;
    const tried: string[] = [];
    chat.deliver = async (notice, ...rest) => {
      const names =
        notice.about === 'alerts' ? [notice.cluster.name] : notice.clusters.map(({ cluster }) => cluster.name);
      tried.push(...names);
      if (names.some((name) => clusters.has(name))) throw new DeliveryError('chat', 'answered 500', true, 500, true);
      return deliver(notice, ...rest);
    };
    return tried;
  }

  test.each([
    ['the same news', () => 1],
    ['other news in every run', (hour: number) => hour],
  ])('keep none of the others from being taken, however many they are: %s', async (_, count) => {
    const world = scripted();
    const names = ['a', 'b', 'c', 'd', 'e', 'f'];
    const run = async (hour: number, ...findings: number[]) => {
      const nowMs = startMs + hour * hourMs;
      for (const name of names)
        world.clusters.set(name, { findings: { vulnerabilities: vuls(...findings) }, scannedAtMs: nowMs });
      await world.run(nowMs);
      return world.heard();
    };
    await run(0);
    const tried = poisoned(world, new Set(['a', 'b', 'c', 'd']));
    const heard: string[] = [];
    for (let hour = 1; hour <= 4; hour++)
      heard.push(...(await run(hour, ...Array.from({ length: count(hour) }, (_, i) => i))));
    for (const name of ['e', 'f'])
      expect(heard.filter((line) => line.startsWith(`chat: ${name} new r`))).toHaveLength(1);
    expect(new Set(tried)).toEqual(new Set(names));
  });

  test('hold up no news about Portcullis itself', async () => {
    const world = scripted({ receivers: { chat: 'summary', other: 'summary' } });
    const names = ['a', 'b', 'c', 'd'];
    const run = async (hour: number, count: number) => {
      const nowMs = startMs + hour * hourMs;
      const vulnerabilities = vuls(...Array.from({ length: count }, (_, i) => i));
      for (const name of names) world.clusters.set(name, { findings: { vulnerabilities }, scannedAtMs: nowMs });
      await world.run(nowMs);
      return world.heard();
    };
    await run(0, 0);
    poisoned(world, new Set(names));
    (world.receivers.get('other') as ScriptedReceiver).usual = 'refuse';
    const heard: string[] = [];
    for (let hour = 1; hour < 6; hour++) heard.push(...(await run(hour, hour)));
    expect(heard).toContain('chat: receiver other new receiver-failing');
  });

  test('hold up nothing else where they are reminders that fall due one after the other', async () => {
    const world = scripted({ policy: 'rules:\n  - {id: r, on: vulnerabilities, max: 0, severity: critical}\n' });
    const chat = world.receivers.get('chat') as ScriptedReceiver;
    const at = (hour: number) => startMs + hour * hourMs;
    const shows = (name: string, hour: number, ...numbers: number[]) =>
      world.clusters.set(name, { findings: { vulnerabilities: vuls(...numbers) }, scannedAtMs: at(hour) });
    shows('z', 0);
    // One a run, so that one a run falls due a day later.
    for (let hour = 0; hour < 24; hour++) {
      shows(`c${hour}`, hour, 1);
      await world.run(at(hour));
    }
    const { deliver } = chat;
    let isFirst = true;
    chat.deliver = async (notice, ...rest) => {
      const isReminder = notice.about === 'digest' && notice.why === 'reminder';
      const isRefused = isReminder || (isFirst && notice.about === 'alerts' && notice.cluster.name === 'z');
      if (isRefused && !isReminder) isFirst = false;
      if (isRefused) throw new DeliveryError('chat', 'answered 500', true, 500, true);
      return deliver(notice, ...rest);
    };
    world.heard();
    const heard: string[] = [];
    for (let hour = 24; hour < 36; hour++) {
      if (hour === 30) shows('z', hour, 1);
      await world.run(at(hour));
      heard.push(...world.heard());
    }
    expect(heard).toContain('chat: z new r 1');
  });

  test('are given up by what was tried, and not by what there was no trying of', async () => {
    const world = scripted();
    const names = ['a', 'b', 'c', 'd', 'e', 'f'];
    const at = (hour: number) => startMs + hour * hourMs;
    for (const name of names) world.clusters.set(name, { findings: {}, scannedAtMs: at(0) });
    await world.run(at(0));
    const tried = poisoned(world, new Set(names));
    for (let day = 0; day < 5; day++) {
      for (const name of names)
        world.clusters.set(name, { findings: { vulnerabilities: vuls(1) }, scannedAtMs: at(24 * day + 1) });
      await world.run(at(24 * day + 1));
    }
    const letters = await loadDeadLetters(world.store, at(200));
    const given = letters.flatMap(({ notice, attempts, reason }) =>
      notice.about === 'alerts' ? [[notice.cluster.name, attempts, reason]] : [],
    );
    for (const [name, attempts, reason] of given) {
      expect(attempts).toBe(tried.filter((one) => one === name).length);
      expect(reason).toBe('deliver to chat: answered 500');
    }
    expect(given.map(([name]) => name).sort()).toEqual(names);
  });

  test('of one that is gone are not tried one after the other', async () => {
    const world = scripted();
    for (const name of ['a', 'b', 'c']) world.clusters.set(name, { findings: {}, scannedAtMs: startMs });
    await world.run(startMs);
    const chat = world.receivers.get('chat') as ScriptedReceiver;
    chat.usual = 'gone';
    const before = chat.sent.length;
    for (const name of ['a', 'b', 'c'])
      world.clusters.set(name, { findings: { vulnerabilities: vuls(1) }, scannedAtMs: startMs + hourMs });
    await world.run(startMs + hourMs);
    expect(chat.sent.length - before).toBe(1);
  });
});

describe('news about Portcullis itself, whenever a run dies', () => {
  /** What chat hears of it, when the run of some hour dies at its n-th operation. @returns undefined: it has not so many */
  async function heardWhen(dying: number, n: number, fails: 'gone' | 'unknown'): Promise<string[] | undefined> {
    const failing = ['lake', 'pager', 'soc'];
    const receivers = Object.fromEntries(['chat', ...failing].map((name) => [name, 'summary' as const]));
    const world = scripted({ receivers, options: { owedForMs: hourMs } });
    let count = 0;
    for (const [i, hour] of [0, 1, 2, 3, 30, 31, 32].entries()) {
      const nowMs = startMs + hour * hourMs;
      world.clusters.set('prod', {
        findings: { vulnerabilities: vuls(...range(i > 0 && hour < 30 ? 1 : i)) },
        scannedAtMs: nowMs,
      });
      for (const name of failing)
        (world.receivers.get(name) as ScriptedReceiver).usual = i > 0 && hour <= dying ? fails : 'accept';
      if (hour > dying) await discardDeadLetters(world.store, [], nowMs);
      const { died, operate } = crashing(n, 'after');
      const counting: Operate = (name, effect) => {
        count++;
        return operate(name, effect);
      };
      await (hour === dying ? Promise.race([died, world.run(nowMs, counting)]) : world.run(nowMs));
    }
    return count < n ? undefined : world.heard();
  }

  test.each([
    ['gone', 'chat: receiver lake CAUSE receiver-failing'],
    ['unknown', 'chat: messages given up of lake CAUSE message-given-up'],
  ] as const)('ends where it was heard: of one that is %s', async (fails, line) => {
    let told = 0;
    for (const hour of [1, 2, 3]) {
      for (let n = 1; ; n++) {
        const heard = await heardWhen(hour, n, fails);
        if (heard === undefined) break;
        const [begun, ended] = ['new', 'resolved'].map((cause) => heard.includes(line.replace('CAUSE', cause)));
        // Who may have heard of it hears of its end too.
        if (!begun) continue;
        told++;
        expect(ended, `hour ${hour}, dies at ${n}`).toBe(true);
      }
    }
    expect(told).toBeGreaterThan(20);
  });
});

test('a receiver that takes its time keeps no digest from another one', async () => {
  const world = scripted({ receivers: { slow: 'all', chat: 'summary' } });
  const [slow, chat] = [world.receivers.get('slow'), world.receivers.get('chat')] as [
    ScriptedReceiver,
    ScriptedReceiver,
  ];
  const { promise: isHeard, resolve: hear } = Promise.withResolvers<void>();
  const { deliver: take } = slow;
  // It takes what it is sent when the other one has heard.
  slow.deliver = async (...message) => {
    await isHeard;
    return take(...message);
  };
  const { deliver } = chat;
  chat.deliver = async (...message) => {
    const taken = await deliver(...message);
    hear();
    return taken;
  };
  world.clusters.set('prod', { findings: { vulnerabilities: vuls(1) }, scannedAtMs: startMs });
  await world.run(startMs);
  expect(world.heard()).toEqual(['slow: prod new r 1', 'digest first chat: prod standing r 1']);
});

describe('what is asked for to be tried again', () => {
  const at = (hour: number) => startMs + hour * hourMs;
  /** Retries that wait. */
  function asking(world: Scripted): OwedTarget[][] {
    const waiting: OwedTarget[][] = [];
    world.askAgain = async (targets) => {
      waiting.push([...targets]);
    };
    return waiting;
  }

  test('is one chain for each receiver, though another one of the cluster fails now and then', async () => {
    const world = scripted({ receivers: { dead: 'summary', flaps: 'summary' } });
    const [dead, flaps] = ['dead', 'flaps'].map((name) => world.receivers.get(name)) as [
      ScriptedReceiver,
      ScriptedReceiver,
    ];
    const waiting = asking(world);
    await look(world, 0, vuls());
    dead.usual = 'refuse';
    for (let hour = 1; hour <= 12; hour++) {
      flaps.script.push('refuse');
      await look(world, hour, vuls(...range(hour)));
      for (const minutes of [15, 30, 45])
        for (const targets of waiting.splice(0)) await world.retry(at(hour) + minutes * minuteMs, targets);
      expect(waiting.map((targets) => targets.map(({ receiver }) => receiver))).toEqual([['dead']]);
    }
    expect(dead.sent.length - dead.accepted.length).toBe(12 * 4);
  });

  test('goes on for others where the memory of a cluster cannot be read, and for that one', async () => {
    const world = scripted();
    const chat = world.receivers.get('chat') as ScriptedReceiver;
    const waiting = asking(world);
    const names = ['a', 'b', 'c'];
    for (const name of names) world.clusters.set(name, { findings: {}, scannedAtMs: at(0) });
    await world.run(at(0));
    for (const name of names) world.clusters.set(name, { findings: { vulnerabilities: vuls(1) }, scannedAtMs: at(1) });
    chat.usual = 'refuse';
    await world.run(at(1));
    const [targets = []] = waiting.splice(0);
    expect(targets).toHaveLength(3);
    const { store } = world;
    const isBroken = (group: string) => group.endsWith('/id-a');
    world.store = {
      ...store,
      load: async (group, ...rest) => {
        if (isBroken(group)) throw new StoreError('no JSON');
        return store.load(group, ...rest);
      },
    };
    chat.usual = 'accept';
    await world.retry(at(1.25), targets);
    expect(world.heard().sort()).toEqual(['chat: b new r 1', 'chat: c new r 1']);
    expect(waiting.flat().map(({ clusterName }) => clusterName)).toEqual(['a']);
    world.store = store;
    await world.retry(at(1.5), waiting.flat());
    expect(world.heard()).toEqual(['chat: a new r 1']);
  });
});

test('a part of a digest that comes again after a crash has the id it had', async () => {
  const world = scripted();
  const chat = world.receivers.get('chat') as ScriptedReceiver;
  for (const name of ['a', 'b', 'c', 'd'])
    world.clusters.set(name, { findings: { vulnerabilities: vuls(1) }, scannedAtMs: startMs });
  chat.faults = ['d'];
  for (let n = 1; ; n++) {
    world.store = createMemoryStore();
    chat.accepted.length = 0;
    let count = 0;
    const { died, operate } = crashing(n, 'after');
    const counting: Operate = (name, effect) => {
      count++;
      return operate(name, effect);
    };
    await Promise.race([died, world.run(startMs, counting)]);
    await world.run(startMs + hourMs);
    const ids = new Map<string, Set<string>>();
    for (const notice of chat.accepted) {
      const clusters = notice.about === 'digest' ? notice.clusters : [];
      const about = clusters.map(({ cluster }) => cluster.name).join();
      ids.set(about, (ids.get(about) ?? new Set()).add(notice.id));
    }
    for (const [about, of] of ids) expect(of.size, `${about}, dies at ${n}`).toBe(1);
    if (count < n) break;
  }
});

describe('a digest that a receiver finds fault with', () => {
  const names = Array.from({ length: 9 }, (_, i) => `c${i}`);
  const at = (hour: number) => startMs + hour * hourMs;
  function many(): { readonly world: Scripted; readonly chat: ScriptedReceiver } {
    const world = scripted();
    for (const name of names)
      world.clusters.set(name, { findings: { vulnerabilities: vuls(1) }, scannedAtMs: startMs });
    return { world, chat: world.receivers.get('chat') as ScriptedReceiver };
  }

  test.each([[['c0']], [['c4']], [['c8']], [['c2', 'c3', 'c7']]])('for %j tells all others at once', async (faults) => {
    const { world, chat } = many();
    chat.faults = faults;
    const { refused } = await world.run(at(0));
    const others = names.filter((name) => !faults.includes(name));
    expect(world.heard().sort()).toEqual(others.map((name) => `digest first chat: ${name} standing r 1`));
    expect(refused).toEqual({ chat: faults.length });
    for (let day = 1; day <= 3; day++) {
      for (const name of names)
        world.clusters.set(name, { findings: { vulnerabilities: vuls(1) }, scannedAtMs: at(24 * day) });
      await world.run(at(24 * day));
    }
    expect(world.heard().filter((line) => line.includes('standing'))).toEqual([]);
    const letters = await loadDeadLetters(world.store, at(200));
    const given = letters.map(({ notice }) => notice.about === 'digest' && notice.clusters.map((c) => c.cluster.name));
    expect(given.sort()).toEqual(faults.map((name) => [name]));
    const ids = chat.sent.map(({ id }) => id);
    const taken = chat.accepted.map(({ id }) => id);
    expect(taken.filter((id) => ids.indexOf(id) !== ids.lastIndexOf(id))).toEqual([]);
  });

  test('whatever is in it stays one digest, and is not asked for cluster by cluster', async () => {
    const { world, chat } = many();
    for (let i = 9; i < 40; i++)
      world.clusters.set(`c${i}`, { findings: { vulnerabilities: vuls(1) }, scannedAtMs: startMs });
    const all = [...world.clusters.keys()];
    chat.faults = all;
    for (let hour = 0; hour < 3; hour++) {
      const before = chat.sent.length;
      await world.run(at(hour));
      expect(chat.sent.length - before).toBeLessThanOrEqual(20);
    }
    chat.faults = [];
    const { delivered, refused } = await world.run(at(4));
    expect(world.heard().sort()).toEqual(all.map((name) => `digest first chat: ${name} standing r 1`).sort());
    expect(chat.accepted).toHaveLength(1);
    expect([delivered, refused]).toEqual([{ chat: 1 }, { chat: 0 }]);
  });
});

test('that a receiver takes messages as they look again is told to who did not take that at first', async () => {
  const world = scripted({ receivers: { chat: 'summary', soc: 'summary' } });
  const chat = world.receivers.get('chat') as ScriptedReceiver;
  await look(world, 0, vuls());
  world.receivers.get('soc')?.script.push('plain');
  expect(await look(world, 1, vuls(1))).toContain('chat: messages to soc new message-refused');
  chat.script.push('accept', 'refuse');
  expect(await look(world, 2, vuls(1, 2))).toContain('soc: messages to soc resolved message-refused');
  expect(await look(world, 3, vuls(1, 2))).toEqual(['chat: messages to soc resolved message-refused']);
  expect(await look(world, 4, vuls(1, 2))).toEqual([]);
  const logs = await world.store.load('cluster/portcullis/messages to soc', 'log/', startMs);
  expect(logs.filter(({ value }) => Object.hasOwn(value as object, 'owed'))).toEqual([]);
});

describe('what no silence muted is not told to have been silenced', () => {
  test('by one that was there between two runs only', async () => {
    const world = scripted();
    await look(world, 0, vuls(1));
    const silence = { where: 'true', author: 'ops', comment: 'by mistake', untilMs: startMs + 40 * dayMs };
    const { id } = await addSilence(world.store, silence, startMs + 10 * minuteMs);
    await expireSilence(world.store, id, startMs + 50 * minuteMs);
    expect(await look(world, 1, vuls(1))).toEqual([]);
  });

  test('by one that did not match it as long as it lasted', async () => {
    const policy = (severity: string) => `rules:\n  - {id: r, on: vulnerabilities, max: 0, severity: ${severity}}\n`;
    const remindMs = { critical: 30 * dayMs, high: 30 * dayMs, medium: 30 * dayMs, low: 30 * dayMs };
    const world = scripted({ policy: policy('critical'), options: { remindMs } });
    await look(world, 0, vuls(1));
    const silence = { where: 'severity == "high"', author: 'ops', comment: 'c', untilMs: startMs + 10 * hourMs };
    await addSilence(world.store, silence, startMs + hourMs);
    await look(world, 5, vuls(1));
    world.policy = policyOf(policy('high'));
    expect((await look(world, 11, vuls(1))).filter((line) => line.includes(' r '))).toEqual([]);
  });

  test('and what one muted is told when it does not match it any more', async () => {
    const policy = (severity: string) => `rules:\n  - {id: r, on: vulnerabilities, max: 0, severity: ${severity}}\n`;
    const world = scripted({ policy: policy('high') });
    await look(world, 0, vuls(1));
    const silence = { where: 'severity == "high"', author: 'ops', comment: 'c', untilMs: startMs + 10 * dayMs };
    await addSilence(world.store, silence, startMs + hourMs);
    expect(await look(world, 2, vuls(1))).toEqual([]);
    world.policy = policyOf(policy('medium'));
    expect(await look(world, 3, vuls(1))).toEqual(['digest reminder chat: prod reminder r 1']);
    expect(await look(world, 4, vuls(1))).toEqual([]);
  });
});

describe('what the schedule asked for long ago and comes only now, as a dead letter that was moved back,', () => {
  const at = (hour: number) => startMs + hour * hourMs;

  test('does not end what is told of a source by a list that is remembered', async () => {
    const world = scripted();
    world.clusters.set('prod', { findings: { vulnerabilities: [] }, scannedAtMs: at(0) });
    await world.run(at(1), undefined, { sinceMs: at(1) });
    world.isReachable = false;
    await world.run(at(2), undefined, { sinceMs: at(2) });
    expect(world.heard()).toContainEqual(expect.stringContaining('source prod'));
    const late = await world.run(at(2) + 30 * minuteMs, undefined, { sinceMs: at(0) });
    expect([late.failures, late.failingSinceMs, world.heard()]).toEqual([[], at(2), []]);
    world.isReachable = true;
    await world.run(at(3), undefined, { sinceMs: at(3) });
    expect(world.heard()).toContainEqual(expect.stringContaining('resolved'));
  });

  test('is no run of its own to a receiver that takes nothing', async () => {
    const world = scripted({ receivers: { chat: 'all', soc: 'all' } });
    const soc = world.receivers.get('soc') as ScriptedReceiver;
    soc.usual = 'refuse';
    const says = () => world.heard().filter((line) => line.includes('receiver soc'));
    for (const name of ['a', 'b', 'c', 'd', 'e', 'f'])
      world.clusters.set(name, { findings: { vulnerabilities: vuls(1) }, scannedAtMs: at(5) });
    for (const [i, tick] of [5, 1, 5, 2, 5, 3].entries()) {
      let begun = 0;
      await world.run(at(5) + i * minuteMs, undefined, { sinceMs: at(tick), mayStart: () => begun++ < 1 });
      expect(soc.sent.length).toBeGreaterThan(i);
    }
    expect(says()).toEqual([]);
    for (const tick of [6, 7]) await world.run(at(tick), undefined, { sinceMs: at(tick) });
    expect(says()).toHaveLength(1);
  });
});

test('a source is scanned as a whole where all was looked at, and nothing failed that should not', async () => {
  const world = scripted({ receivers: { chat: 'all' } });
  const chat = world.receivers.get('chat') as ScriptedReceiver;
  const { deliver } = chat;
  const at = (hour: number) => startMs + hour * hourMs;
  const last = async () => (await loadLooks(world.store, 'prod', at(9)))[whole];
  world.clusters.set('prod', { findings: { vulnerabilities: vuls(1) }, scannedAtMs: at(0) });
  chat.deliver = () => Promise.reject(new TypeError('a fault of ours'));
  await expect(world.run(at(0))).rejects.toThrow('a fault of ours');
  expect(await last()).toBeUndefined();
  chat.deliver = deliver;
  // No time for it.
  await world.run(at(1), undefined, { sinceMs: at(1), mayStart: () => false });
  expect(await last()).toBeUndefined();
  await world.run(at(2), undefined, { sinceMs: at(2) });
  expect(await last()).toBe(at(2));
});
