import { describe, expect, test } from 'vitest';
import { addSilence, expireSilence } from '../../lib/app/silences.ts';
import type { Notice } from '../../lib/core/notice.ts';
import { renderSlack } from '../../lib/core/render/slack.ts';
import { hourMs, type Scripted, type ScriptedReceiver, scripted, startMs, vuls } from '../support/scripted.ts';

/** The report of a cluster at an hour shows these; what is heard of it. */
async function look(world: Scripted, hour: number, ...numbers: readonly number[]) {
  const nowMs = startMs + hour * hourMs;
  world.clusters.set('prod', { findings: { vulnerabilities: vuls(...numbers) }, scannedAtMs: nowMs });
  await world.run(nowMs);
  return world.heard();
}

function silence(world: Scripted, hours: number, author = 'ops', fromHour = 0) {
  const given = { where: 'cluster == "prod"', author, comment: 'c', untilMs: startMs + hours * hourMs };
  return addSilence(world.store, given, startMs + fromHour * hourMs);
}

/** What the announcements say of how many alerts will speak. */
function announced(world: Scripted): readonly string[] {
  const accepted = world.receivers.get('chat')?.accepted ?? [];
  const reasons = accepted.flatMap((notice) =>
    notice.about === 'alerts' ? notice.news.flatMap(({ cause, reasons }) => (cause === 'new' ? reasons : [])) : [],
  );
  return reasons.flatMap(({ kind, message }) => (kind === 'silence-ending' ? message.replace(/^.*: /, '') : []));
}

describe('of silences that mute the same', () => {
  test.each([
    { why: 'the longer one came later', hours: [24, 30 * 24] },
    { why: 'the longer one came first', hours: [30 * 24, 24] },
  ])('only the end of the last is announced: $why', async ({ hours }) => {
    // Their ids are drawn, and with them the order in which they are read.
    for (const author of ['a', 'b', 'c', 'd']) {
      const world = scripted();
      await look(world, 0, 1);
      for (const one of hours) await silence(world, one, author);
      expect(await look(world, 3, 1, 2)).toEqual([]);
      expect(await look(world, 27, 1, 2)).toEqual([]);
      expect(await look(world, 29.5 * 24, 1, 2)).toEqual([expect.stringContaining('silence-ending')]);
      expect(announced(world)).toEqual(['1 alert where cluster == "prod" will speak']);
    }
  });
});

test('that one ends is told with how many will speak, at least, where a run looked at a part of the clusters', async () => {
  const world = scripted();
  const run = async (hour: number, hasTime: () => boolean) => {
    const nowMs = startMs + hour * hourMs;
    for (const name of ['prod', 'prod-b'])
      world.clusters.set(name, { findings: { vulnerabilities: vuls(1) }, scannedAtMs: nowMs });
    await world.run(nowMs, undefined, { sinceMs: nowMs, mayStart: hasTime });
  };
  await run(0, () => true);
  const where = 'cluster.startsWith("prod")';
  await addSilence(world.store, { where, author: 'ops', comment: 'c', untilMs: startMs + 40 * hourMs }, startMs);
  let looked = 0;
  await run(20, () => looked++ < 1);
  expect(announced(world)).toEqual([`at least 1 alert where ${where} will speak`]);
});

test('that one ends is told by the run before it, though that comes a moment late', async () => {
  const world = scripted();
  await look(world, 0, 1);
  await silence(world, 48.01);
  expect(await look(world, 23.5, 1)).toEqual([expect.stringContaining('silence-ending')]);
});

test('that one ends is told to every receiver, whatever the routes say', async () => {
  const world = scripted({
    receivers: { soc: 'summary', chat: 'summary' },
    routes: [{ when: 'severity == "critical"', receivers: ['soc'] }, { receivers: ['chat'] }],
  });
  await look(world, 0, 1);
  await silence(world, 10);
  expect(await look(world, 1, 1)).toEqual([
    expect.stringMatching(/^soc: silence S-\w+ new silence-ending$/),
    expect.stringMatching(/^chat: silence S-\w+ new silence-ending$/),
  ]);
});

describe('what a silence muted and still fires is told once when it ends, who knew it before', () => {
  test('also where other news of the cluster was refused all the while', async () => {
    const world = scripted({
      policy: 'rules:\n  - {id: r, on: vulnerabilities, max: 0}\n  - {id: q, on: vulnerabilities, max: 1}\n',
    });
    const chat = world.receivers.get('chat') as ScriptedReceiver;
    await look(world, 0);
    expect(await look(world, 1, 1)).toEqual(['chat: prod new r 1']);
    const given = { where: 'rule == "r"', author: 'ops', comment: 'c', untilMs: startMs + 5 * hourMs };
    await addSilence(world.store, given, startMs + hourMs);
    chat.usual = 'refuse';
    for (const hour of [2, 3, 4]) expect(await look(world, hour, 1, 2)).toEqual([]);
    chat.usual = 'accept';
    expect(await look(world, 5, 1)).toContain('chat: prod reminder r 1');
  });

  test('by time, and then as seldom as any reminder', async () => {
    const world = scripted();
    await look(world, 0);
    expect(await look(world, 1, 1)).toEqual(['chat: prod new r 1']);
    await silence(world, 31, 'ops', 1);
    expect(await look(world, 2, 1)).toEqual([]);
    expect(await look(world, 10, 1)).toEqual([expect.stringContaining('silence-ending')]);
    expect(announced(world)).toEqual(['1 alert where cluster == "prod" will speak']);
    expect(await look(world, 31, 1)).toEqual([
      'digest reminder chat: prod reminder r 1',
      expect.stringContaining('resolved silence-ending'),
    ]);
    const reminder = world.receivers.get('chat')?.accepted.at(-2);
    expect(reminder).toMatchObject({ clusters: [{ news: [{ wasSilenced: true }] }] });
    expect(JSON.stringify(renderSlack(reminder as Notice).payload)).toContain('firing for 30h, silenced until now');
    expect(await look(world, 32, 1)).toEqual([]);
    expect(await look(world, 31 + 6 * 24 - 1, 1)).toEqual([]);
    expect(await look(world, 31 + 6 * 24, 1)).toEqual(['digest reminder chat: prod reminder r 1']);
    expect(world.receivers.get('chat')?.accepted.at(-1)).not.toMatchObject({
      clusters: [{ news: [{ wasSilenced: true }] }],
    });
  });

  test('by hand, under the same id until it is taken', async () => {
    const world = scripted({ receivers: { chat: 'all' } });
    await look(world, 0, 1);
    const { id } = await silence(world, 30 * 24);
    expect(await look(world, 2, 1)).toEqual([]);
    await expireSilence(world.store, id, startMs + 3 * hourMs);
    const chat = world.receivers.get('chat');
    chat?.script.push('refuse');
    expect(await look(world, 4, 1)).toEqual([]);
    expect(await look(world, 5, 1)).toEqual(['digest reminder chat: prod reminder r 1']);
    const ids = chat?.sent.slice(-2).map((notice) => notice.id) ?? [];
    expect(new Set(ids).size).toBe(1);
    expect(await look(world, 6, 1)).toEqual([]);
  });

  test('also where the newest report does not tell of it', async () => {
    const world = scripted({ receivers: { chat: 'all' } });
    const hosts = async (hour: number, count: number, ...numbers: readonly number[]) => {
      const nowMs = startMs + hour * hourMs;
      world.clusters.set('prod', { findings: { vulnerabilities: vuls(...numbers) }, scannedAtMs: nowMs, hosts: count });
      await world.run(nowMs);
      return world.heard();
    };
    await hosts(0, 10, 1);
    await silence(world, 3);
    expect(await hosts(2, 1)).toEqual([expect.stringContaining('new silence-ending')]);
    expect((await hosts(4, 1)).slice(0, 2)).toEqual(['chat: prod new coverage-dropped', 'chat: prod reminder r 1']);
    expect(world.receivers.get('chat')?.accepted.at(-2)).toMatchObject({ news: [{}, { held: 'coverage-dropped' }] });
  });

  test('and it is not announced of what this receiver asked to be told of by changes only', async () => {
    const world = scripted({ receivers: { chat: 'baseline' } });
    await look(world, 0, 1);
    world.heard();
    await silence(world, 10);
    expect(await look(world, 2, 1)).toEqual([]);
    expect(await look(world, 11, 1)).toEqual([]);
    expect(await look(world, 12, 1, 2)).toEqual(['chat: prod worse r 2']);
  });
});
