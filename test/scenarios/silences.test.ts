import { describe, expect, test } from 'vitest';
import { addSilence } from '../../lib/app/silences.ts';
import { hourMs, type Scripted, scripted, startMs, vuls } from '../support/scripted.ts';

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
