import { afterAll, describe, expect, test } from 'vitest';
import type { Heard } from '../support/collector.ts';
import {
  anyOf,
  crashing,
  dice,
  failing,
  failures,
  handover,
  interleaved,
  type Moment,
  notDelivering,
  storeOperations,
  type Waiting,
} from '../support/disturbances.ts';
import { type Course, courseOf, type Departure, depart } from '../support/explorer.ts';
import { judgeEffect, judgeExact } from '../support/judge-world.ts';
import type { Operate } from '../support/scripted.ts';
import type { Stage, Story } from '../support/story.ts';
import { stories } from './stories.ts';

/** How many worlds were explored, by what disturbed them. */
const explored = new Map<string, number>();
const courses = new Map<Story, Promise<Course>>();

function course(story: Story): Promise<Course> {
  const played = courses.get(story) ?? courseOf(story);
  courses.set(story, played);
  return played;
}

/** A world, with what is asked of it: each step as in the story, or that it comes to the same. */
interface World extends Departure {
  readonly name: string;
  readonly asks: 'each step' | 'the same effect';
  /** News may be as old as so many steps; default 0. */
  readonly late?: number;
  /** That a receiver fails is told by how many runs there were, and that it does no more when it is sent something. */
  readonly isAboutClusters?: boolean;
}

/** Play worlds. @returns what is wrong with them */
async function explore(what: string, story: Story, worlds: Iterable<World>): Promise<string[]> {
  const wrong: string[] = [];
  const played = await course(story);
  let count = 0;
  for (const world of worlds) {
    count++;
    const { heard, problems } = await depart(played, world);
    const { step: from, repeated, asks } = world;
    const late = (world.late ?? 0) + (story.memory ?? 0);
    const isAsked = ({ alert }: Heard) => !(world.isAboutClusters && alert.startsWith('receiver '));
    const expected = { ...played, heard: played.heard.filter(isAsked) };
    const told = heard.filter(isAsked);
    const isExact = asks === 'each step' && story.countsRuns !== true;
    const found = isExact ? judgeExact(expected, told, from) : judgeEffect(expected, told, { from, repeated, late });
    wrong.push(...[...problems, ...found].map((problem) => `${world.name}: ${problem}`));
  }
  explored.set(what, (explored.get(what) ?? 0) + count);
  return wrong;
}

const moments: readonly Moment[] = ['before', 'after'];

/** A run that dies, and one that comes sooner than its claims are over or not, or only the next one of the story. */
function* deaths({ steps }: Course): Generator<World> {
  for (const [step, { operations }] of steps.entries()) {
    for (const [i, operation] of operations.entries()) {
      for (const moment of moments) {
        for (const sequel of [(i + step) % 2 === 0 ? 'at once' : 'later', 'none'] as const) {
          yield {
            name: `step ${step} dies ${moment} ${operation} ${i + 1}, then ${sequel}`,
            asks: sequel === 'none' ? 'the same effect' : 'each step',
            step,
            sequel,
            repeated: 1,
            async play(stage, nowMs) {
              const { died, operate } = crashing(i + 1, moment);
              await Promise.race([died, stage.run(nowMs, operate)]);
            },
          };
        }
      }
    }
  }
}

function* refusals({ steps }: Course): Generator<World> {
  for (const [step, { sends }] of steps.entries()) {
    if (sends === 0) continue;
    for (const n of [...Array.from({ length: sends }, (_, i) => i + 1), 'all'] as const) {
      for (const failure of failures) {
        for (const sequel of ['at once', 'later', 'none'] as const) {
          yield {
            name: `step ${step}, delivery ${n}: ${failure}, then ${sequel}`,
            asks: sequel === 'none' ? 'the same effect' : 'each step',
            step,
            sequel,
            repeated: failure === 'lost' ? (n === 'all' ? sends : 1) : 0,
            async play(stage, nowMs) {
              const ran = await outcome(stage, nowMs, notDelivering(n, failure));
              expect(ran).toBe(failure === 'break' ? 'TypeError' : 'exit code 2');
            },
          };
        }
      }
    }
  }
}

function* storeFailures({ steps }: Course): Generator<World> {
  for (const [step, { operations }] of steps.entries()) {
    for (const [i, operation] of operations.entries()) {
      if (!storeOperations.includes(operation)) continue;
      for (const moment of moments) {
        const sequel = (['at once', 'later', 'none'] as const)[(i + step) % 3] ?? 'none';
        yield {
          name: `step ${step}, store fails ${moment} ${operation} ${i + 1}, then ${sequel}`,
          asks: sequel === 'none' ? 'the same effect' : 'each step',
          step,
          sequel,
          repeated: 1,
          async play(stage, nowMs) {
            // What is left for gates is no part of the run.
            const expected = operation.startsWith('shared ') ? 'exit code' : 'StoreError';
            expect(await outcome(stage, nowMs, failing(i + 1, moment))).toContain(expected);
          },
        };
      }
    }
  }
}

/** What becomes of a run. */
function outcome(stage: Stage, nowMs: number, operate: Operate): Promise<string> {
  return stage.run(nowMs, operate).then(
    ({ exitCode }) => `exit code ${exitCode}`,
    (error: Error) => error.name,
  );
}

function twice(name: string, step: number, choose: (waiting: readonly Waiting[]) => Waiting): World {
  return {
    name: `step ${step} twice at once, ${name}`,
    asks: 'each step',
    step,
    sequel: 'none',
    repeated: 0,
    async play(stage, nowMs) {
      const runs = [0, 1_000].map((delayMs) => (operate: Operate) => stage.run(nowMs + delayMs, operate));
      for (const { status } of await interleaved(runs, choose)) expect(status).toBe('fulfilled');
    },
  };
}

/** Of two runs the first is held up after so many operations, and the second after so many of its own. */
function* handovers({ steps }: Course): Generator<World> {
  for (const [step, { operations }] of steps.entries()) {
    for (let first = 1; first < operations.length; first += 2) {
      for (let second = 1 + (first % 3); second <= operations.length; second += 3) {
        yield twice(`${first} and ${second} operations`, step, handover(first, second));
      }
    }
  }
}

function* shuffles({ steps }: Course): Generator<World> {
  for (const step of steps.keys()) {
    for (let seed = 0; seed < 10; seed++) yield twice(`seed ${seed}`, step, anyOf(dice(seed)));
  }
}

/** A run that is not done when the next report is there and the next run comes. */
function* overtakings({ steps }: Course): Generator<World> {
  for (let step = 0; step < steps.length - 1; step++) {
    for (let seed = 0; seed < 20; seed++) {
      yield {
        name: `step ${step} and the next at once, seed ${seed}`,
        asks: 'the same effect',
        step,
        taken: 2,
        late: 1,
        sequel: 'later',
        repeated: 0,
        async play(stage, nowMs) {
          const laterMs = nowMs + 60_000;
          const first = (operate: Operate) => stage.run(nowMs, operate);
          const second = async (operate: Operate) => {
            await operate('enter', () => stage.enter(step + 1, laterMs));
            await stage.run(laterMs, operate);
          };
          await interleaved([first, second], anyOf(dice(seed)));
        },
      };
    }
  }
}

/** Anything that can go wrong, in any run. */
function* mischief(): Generator<World> {
  for (let seed = 0; seed < 40; seed++) {
    const roll = dice(seed);
    let faults = 0;
    yield {
      name: `mischief ${seed}`,
      asks: 'the same effect',
      isAboutClusters: true,
      step: 0,
      played: Number.POSITIVE_INFINITY,
      sequel: (['at once', 'later', 'none'] as const)[seed % 3] ?? 'none',
      get repeated() {
        return faults;
      },
      async play(stage, nowMs) {
        const n = 1 + roll(16);
        const moment = moments[roll(2)] ?? 'before';
        const what = roll(5);
        if (what > 0) faults++;
        if (what <= 1) await stage.run(nowMs);
        if (what === 2) {
          const { died, operate } = crashing(n, moment);
          await Promise.race([died, stage.run(nowMs, operate)]);
        }
        if (what === 3) await outcome(stage, nowMs, notDelivering(1 + roll(2), failures[roll(4)] ?? 'lost'));
        if (what === 4) {
          // Of two runs at once the first one dies.
          const { died, operate } = crashing(n, moment);
          await interleaved(
            [
              (wait) =>
                Promise.race([died, stage.run(nowMs, (name, effect) => operate(name, () => wait(name, effect)))]),
              (wait) => stage.run(nowMs + 1_000, wait),
            ],
            anyOf(roll),
          );
        }
      },
    };
  }
}

describe.each(stories.map((story) => [story.name, story] as const))('%s:', (_name, story) => {
  test('as the story says, when nothing disturbs it', async () => {
    const { heard } = await course(story);
    const told = story.steps.map(({ at }, step) => ({
      at,
      hears: heard.filter((one) => one.step === step).map(({ line }) => line),
    }));
    expect(told).toEqual(story.steps.map(({ at, hears }) => ({ at, hears })));
  });

  test('a run dies at any of its operations', async () => {
    expect(await explore('with a crash', story, deaths(await course(story)))).toEqual([]);
  });

  test('a message is not taken, or its answer gets lost', async () => {
    expect(await explore('with a failing receiver', story, refusals(await course(story)))).toEqual([]);
  });

  test('the store fails at any of its operations', async () => {
    expect(await explore('with a failing store', story, storeFailures(await course(story)))).toEqual([]);
  });

  test('every run comes twice in a row', async () => {
    const twiceInARow = [...(await course(story)).steps.keys()].map(
      (step): World => ({
        name: `step ${step} twice`,
        asks: 'each step',
        step,
        sequel: 'none',
        repeated: 0,
        async play(stage, nowMs) {
          await stage.run(nowMs);
          await stage.run(nowMs + 1_000);
        },
      }),
    );
    expect(await explore('with a second run', story, twiceInARow)).toEqual([]);
  });

  test('every run comes twice at once', async () => {
    const played = await course(story);
    expect(await explore('with two runs at once', story, handovers(played))).toEqual([]);
    expect(await explore('with two runs at once', story, shuffles(played))).toEqual([]);
  });

  test.skipIf(story.isTimed)('a run is overtaken by the next one', async () => {
    expect(await explore('with a run overtaken', story, overtakings(await course(story)))).toEqual([]);
  });

  test('anything goes wrong, in any run', async () => {
    expect(await explore('with several faults', story, mischief())).toEqual([]);
  });
});

afterAll(() => {
  const total = [...explored.values()].reduce((sum, count) => sum + count, 0);
  const each = [...explored].map(([what, count]) => `${count.toLocaleString('en')} ${what}`).join(', ');
  console.log(`${total.toLocaleString('en')} worlds explored: ${each}`);
  // Unless only some of the tests were asked for.
  if (explored.size === 7) expect(total).toBeGreaterThan(10_000);
});
