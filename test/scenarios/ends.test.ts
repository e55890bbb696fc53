import { describe, expect, test } from 'vitest';
import type { Notice } from '../../lib/core/notice.ts';
import { renderSlack } from '../../lib/core/render/slack.ts';
import { policyOf } from '../support/evaluate.ts';
import { hourMs, type Scripted, scripted, startMs, vuls } from '../support/scripted.ts';

type Rows = ReturnType<typeof vuls>;

/** One run for each step, an hour apart, and what is heard of it; without rows the report is the one before. */
function steps(world: Scripted) {
  let hours = 0;
  return async (vulnerabilities: Rows | undefined, policy?: string, after = 1) => {
    hours += after;
    const nowMs = startMs + hours * hourMs;
    if (policy !== undefined) world.policy = policyOf(policy);
    if (vulnerabilities !== undefined)
      world.clusters.set('prod', { findings: { vulnerabilities }, scannedAtMs: nowMs - hourMs / 2 });
    await world.run(nowMs);
    return world.heard();
  };
}

const rule = (rest: string) => `rules:\n  - {id: r, on: vulnerabilities, ${rest}}\n`;

describe('when the policy is edited and a newer report comes', () => {
  test.each([
    { why: 'more are allowed', edited: rule('max: 5'), says: ['chat: prod policy-changed r 2'] },
    {
      why: 'less is looked at',
      edited: rule(`max: 0, where: 'package == "other"'`),
      says: ['chat: prod policy-changed r 2'],
    },
    {
      why: 'it goes by groups',
      edited: rule('max: 0, per: [image]'),
      says: ['chat: prod new r(app) 2', 'chat: prod policy-changed r 2'],
    },
  ])('nothing is called resolved that is still there: $why', async ({ edited, says }) => {
    const step = steps(scripted({ policy: rule('max: 0') }));
    await step(vuls());
    expect(await step(vuls(1, 2))).toEqual(['chat: prod new r 2']);
    expect(await step(vuls(1, 2), edited)).toEqual(says);
    expect(await step(vuls(1, 2))).toEqual([]);
  });

  test.each([
    { why: 'another rule is added', edited: `${rule('max: 0')}  - {id: other, on: ports, max: 0}\n` },
    { why: 'its severity is another one', edited: rule('max: 0, severity: low') },
  ])('what was fixed is resolved, where the rule asks for the same: $why', async ({ edited }) => {
    const step = steps(scripted({ policy: rule('max: 0') }));
    await step(vuls());
    await step(vuls(1, 2));
    expect(await step(vuls(), edited)).toEqual(['chat: prod resolved r 2']);
  });
});

/** `granted` and `expires` are days of January; the first report is of the 5th, 6:30. */
const waivers = (...some: readonly (readonly [id: string, where: string, ends: string])[]) =>
  `waivers:\n${some.map(([id, where, ends]) => `  - {id: ${id}, rule: r, where: '${where}', reason: r, owner: o, ${ends}}\n`).join('')}`;

const image = (name: string, ...numbers: readonly number[]) => vuls(...numbers).map((row) => ({ ...row, image: name }));

describe('what a waiver covers is waived, and what is not there is resolved', () => {
  const perImage = rule('max: 0, per: [image]');

  test('of a group, when the waiver begins to count, and it is back when the waiver expired', async () => {
    const world = scripted({
      policy: perImage + waivers(['W-1', 'vulnerability == "CVE-1"', 'granted: 2026-01-06, expires: 2026-01-07']),
    });
    const step = steps(world);
    await step(vuls());
    expect(await step(vuls(1))).toEqual(['chat: prod new r(app) 1']);
    expect(await step(undefined, undefined, 20)).toEqual(['chat: prod waived r(app) 1']);
    expect(await step(vuls(1))).toEqual([]);
    expect(await step(vuls(1), undefined, 48)).toEqual(['chat: prod waiver-expired r(app) 1']);
  });

  test('group by group', async () => {
    const step = steps(scripted({ policy: perImage }));
    await step(vuls());
    await step([...image('web', 1), ...image('db', 2), ...image('api', 3)]);
    const edited = perImage + waivers(['W-1', 'image == "web"', 'expires: 2026-01-06']);
    expect(await step([...image('web', 1), ...image('api', 3)], edited)).toEqual([
      'chat: prod waived r(web) 1',
      'chat: prod resolved r(db) 1',
    ]);
    // W-1 has nothing to do with db.
    expect(await step([...image('web', 1), ...image('db', 2), ...image('api', 3)], undefined, 48)).toEqual([
      'chat: prod waiver-expired r(web) 1',
      'chat: prod reopened r(db) 1',
    ]);
  });

  test('where a part was waived before and the other part is fixed', async () => {
    const step = steps(scripted({ policy: rule('max: 0') }));
    await step(vuls());
    await step(vuls(1, 2));
    const edited = rule('max: 0') + waivers(['W-1', 'vulnerability == "CVE-1"', 'expires: 2026-01-06']);
    expect(await step(vuls(1, 2), edited)).toEqual([]);
    expect(await step(vuls(1))).toEqual(['chat: prod waived r 1']);
    expect(await step(vuls(1), undefined, 48)).toEqual(['chat: prod waiver-expired r 1']);
  });

  test('and without the waiver it is reopened, though another one expired long before', async () => {
    const old = ['W-0', 'true', 'expires: 2026-01-01'] as const;
    const step = steps(scripted({ policy: rule('max: 0') + waivers(old) }));
    await step(vuls());
    await step(vuls(1));
    const edited = rule('max: 0') + waivers(old, ['W-1', 'true', 'expires: 2026-01-20']);
    expect(await step(vuls(1), edited)).toEqual(['chat: prod waived r 1']);
    expect(await step(vuls(1), rule('max: 0') + waivers(old))).toEqual(['chat: prod reopened r 1']);
  });
});

describe('when a waiver expires while other findings fire', () => {
  const policy = (...ids: readonly string[]) =>
    rule('max: 0') +
    waivers(...ids.map((id) => [id, 'vulnerability == "CVE-2"', 'expires: 2026-01-06'] as const), [
      'V-1',
      'vulnerability == "CVE-3"',
      'expires: 2026-01-08',
    ]);

  /** On the 5th CVE-1 fires, and CVE-2 and CVE-3 are waived. */
  async function expiring(...ids: readonly string[]) {
    const world = scripted({ policy: policy(...ids), receivers: { chat: 'all' } });
    const step = steps(world);
    expect(await step(vuls(1, 2, 3))).toEqual(['chat: prod new r 1']);
    return { world, step };
  }
  const last = ({ receivers }: Scripted) => receivers.get('chat')?.accepted.at(-1) as Notice;

  test('the news names it, and does not call new what it covered', async () => {
    const { world, step } = await expiring('W-1');
    expect(await step(vuls(1, 2, 3), undefined, 48)).toEqual(['chat: prod worse r 2']);
    expect(last(world)).toMatchObject({ news: [{ expired: { waivers: ['W-1'], omitted: 0 } }] });
    const text = JSON.stringify(renderSlack(last(world)).payload);
    expect(text).toContain('worse, and a waiver expired (W-1)');
    expect(text).toContain('1 new or not waived any more:');
    // Each is named once.
    expect(await step(vuls(1, 2, 3), undefined, 48)).toEqual(['chat: prod worse r 3']);
    expect(last(world)).toMatchObject({ news: [{ expired: { waivers: ['V-1'], omitted: 0 } }] });
    expect(await step(vuls(1, 2, 3, 4))).toEqual(['chat: prod worse r 4']);
    expect(last(world)).not.toMatchObject({ news: [{ expired: expect.anything() }] });
  });

  test('of those that expired since a receiver heard of it, and many are counted', async () => {
    const ids = Array.from({ length: 12 }, (_, i) => `W-${i + 1}`);
    const { world, step } = await expiring(...ids);
    world.receivers.get('chat')?.script.push('refuse');
    expect(await step(vuls(1, 2, 3), undefined, 48)).toEqual([]);
    expect(await step(vuls(1, 2, 3), undefined, 48)).toEqual(['chat: prod worse r 3']);
    expect(last(world)).toMatchObject({ news: [{ expired: { waivers: ['V-1', ...ids.slice(0, 9)], omitted: 3 } }] });
  });
});

describe('where the rule asks for something else, nothing is called waived that is not', () => {
  const versions = (...rows: readonly (readonly [version: string, n: number])[]) =>
    rows.map(([image_version, n]) => ({ ...vuls(n)[0], image_version })) as Rows;
  const perVersion = rule('max: 0, per: [image, image_version]');

  test('without waivers, when it goes by groups no more', async () => {
    const step = steps(scripted({ policy: rule('max: 0, per: [image]') }));
    await step(vuls());
    expect(await step(vuls(1, 2))).toEqual(['chat: prod new r(app) 2']);
    expect(await step(undefined, rule('max: 0'))).toEqual(['chat: prod new r 2', 'chat: prod policy-changed r(app) 2']);
  });

  test.each([
    {
      why: 'another finding, of all',
      before: rule('max: 0'),
      edited: rule(`max: 0, where: 'vulnerability == "CVE-9"'`) + waivers(['W', 'true', 'expires: 2026-01-20']),
      shown: [vuls(1, 2), vuls(9)],
      says: ['chat: prod policy-changed r 2'],
    },
    {
      why: 'another finding, of a larger group',
      before: perVersion,
      edited: rule('max: 0, per: [image]') + waivers(['W', 'image_version == "2"', 'expires: 2026-01-20']),
      shown: [versions(['1', 1]), versions(['2', 2])],
      says: ['chat: prod policy-changed r(app 1) 1'],
    },
  ])('with a waiver of something else: $why', async ({ before, edited, shown: [first, second], says }) => {
    const step = steps(scripted({ policy: before }));
    await step(vuls());
    await step(first);
    expect(await step(second, edited)).toEqual(says);
  });
});

describe('of more groups than are followed one by one', () => {
  const perImage = rule('max: 0, per: [image]');
  const images = (from: number, to: number) =>
    Array.from({ length: to - from }, (_, i) => image(`svc-${from + i}`, from + i)).flat();
  const brief = (lines: readonly string[]) => {
    const counts = new Map<string, number>();
    for (const line of lines) {
      const [, , cause = '', of = ''] = line.replace('digest first ', '').split(' ');
      const key = `${cause} ${of.includes('(') ? 'group' : 'rest'}`;
      counts.set(key, (counts.get(key) ?? 0) + 1);
    }
    return Object.fromEntries(counts);
  };

  test('those that are stay so, and what is fixed is told, and nothing else', async () => {
    const world = scripted({ policy: perImage });
    const step = steps(world);
    expect(brief(await step(images(0, 130)))).toEqual({ 'standing group': 100, 'standing rest': 1 });
    const told = world.receivers.get('chat')?.accepted ?? [];
    const followed = told.flatMap((notice) =>
      notice.about === 'digest'
        ? notice.clusters.flatMap(({ news }) => news.flatMap(({ group }) => group.image ?? []))
        : [],
    );
    const [first = ''] = followed;
    const left = images(0, 130).filter((row) => row.image !== first);
    expect(await step(left)).toEqual([`chat: prod resolved r(${first}) 1`]);
    expect(await step([...left].reverse())).toEqual([]);
    // One more, and one of the others fixed: as many, and yet not the same.
    const other = left.find((row) => !followed.includes(row.image as string))?.image;
    const changed = [...left.filter((row) => row.image !== other), ...image('new', 1000)];
    expect(await step(changed)).toEqual(['chat: prod worse r 30']);
    // Few enough again: those of the rest are not new, and what stood for them is not resolved.
    const few = changed.filter((row) => !followed.includes(row.image as string));
    const heard = await step(few);
    expect(brief(heard)).toEqual({ 'resolved group': 99, 'standing group': 30, 'regrouped rest': 1 });
    expect(heard).toContain('chat: prod standing r(new) 1');
    expect(await step(few)).toEqual([]);
    expect(brief(await step([]))).toEqual({ 'resolved group': 30 });
  });

  test('what was told while they were few has room when they are many', async () => {
    const step = steps(scripted({ policy: perImage }));
    const many = (count: number) =>
      Array.from({ length: count }, (_, i) =>
        Array.from({ length: 2000 }, (_, n) => image(`svc-${i}`, n)).flat(),
      ).flat();
    await step([]);
    for (const count of [15, 30, 45, 60]) {
      expect(brief(await step(many(count)))).toEqual({ 'new group': 15 });
      expect(await step(many(count))).toEqual([]);
    }
  });

  test('of many rules fewer of each are, so that what is told of all has room', async () => {
    const ids = Array.from({ length: 40 }, (_, i) => `r${i}`);
    const policy = `rules:\n${ids.map((id) => `  - {id: ${id}, on: vulnerabilities, max: 0, per: [image]}\n`).join('')}`;
    const step = steps(scripted({ policy }));
    expect(brief(await step(images(0, 130)))).toEqual({ 'standing group': 2000, 'standing rest': 40 });
    expect(await step(images(0, 130))).toEqual([]);
  });

  test('those together are resolved when all of them are, though others stand', async () => {
    const world = scripted({ policy: perImage });
    const step = steps(world);
    await step([]);
    const said = await step(images(0, 101));
    const followed = images(0, 101).filter(({ image: name }) => said.includes(`chat: prod new r(${name}) 1`));
    expect(followed).toHaveLength(100);
    expect(await step(followed)).toEqual(['chat: prod resolved r 1']);
  });
});
