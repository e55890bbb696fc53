import type { Alert } from '../../lib/core/alerts.ts';
import { type ClonedStore, clonedStore } from './cloned-store.ts';
import { type Collector, collectorOf, type Heard } from './collector.ts';
import { noting, type Operations } from './disturbances.ts';
import { type Stage, type Story, stageOf, timeOf } from './story.ts';

const minuteMs = 60_000;
/** Beyond the claim of a run that died. */
const beyondClaimMs = 6 * minuteMs;

/** A story as it goes when nothing disturbs it. */
export interface Course {
  readonly story: Story;
  readonly steps: readonly CourseStep[];
  readonly heard: readonly Heard[];
}

export interface CourseStep {
  readonly nowMs: number;
  /** The store before the step. */
  readonly store: ClonedStore;
  readonly operations: Operations;
  /** How many messages are sent in it. */
  readonly sends: number;
  /** The alerts after it, as the collector names them. */
  readonly alerts: ReadonlyMap<string, { readonly isOver: boolean; readonly count: number }>;
}

/** Play a story with nothing in its way, and to the end of all that it has to say. */
export async function courseOf(story: Story): Promise<Course> {
  const store = clonedStore();
  const stage = stageOf(story, store);
  const collector = collectorOf(stage.world);
  const steps: CourseStep[] = [];
  for (const [step, { at }] of story.steps.entries()) {
    const nowMs = timeOf(at);
    const before = await store.clone();
    await stage.enter(step);
    const operations: Operations = [];
    await stage.run(nowMs, noting(operations));
    collector.collect(step);
    const sends = operations.filter((name) => name === 'deliver').length;
    steps.push({ nowMs, store: before, operations, sends, alerts: await alertsOf(store, nowMs) });
  }
  await quietRuns(stage, collector, steps);
  return { story, steps, heard: collector.heard };
}

/** Every alert that is remembered. */
async function alertsOf(store: ClonedStore, nowMs: number): Promise<CourseStep['alerts']> {
  const alerts = new Map<string, { isOver: boolean; count: number }>();
  for (const group of store.groups) {
    const [, source, ...cluster] = group.split('/');
    const name = cluster.join('/').replace(/^id-/, '') || `source ${source}`;
    for (const { value } of await store.load(group, 'alert/', nowMs)) {
      const { rule, group: values, state, count } = value as Alert;
      alerts.set([name, rule, ...Object.values(values)].join(' '), { isOver: state === 'over', count });
    }
  }
  return alerts;
}

/** A world that departs from its story's course at a step. */
export interface Departure {
  readonly step: number;
  /** What happens instead of the step's one run. */
  readonly play: (stage: Stage, nowMs: number, step: number) => Promise<unknown>;
  /** How many steps are played so, each by itself; default 1. */
  readonly played?: number;
  /** How many steps `play` goes through at once; default 1. */
  readonly taken?: number;
  /**
   * The runs after it: at once, while its claims may still stand, and again when they are over; only when they are over;
   * or none until the story goes on.
   */
  readonly sequel: 'at once' | 'later' | 'none';
  /** How many messages may come again at most. */
  readonly repeated: number;
}

/** What became of a world. */
export interface Outcome {
  readonly heard: readonly Heard[];
  readonly problems: readonly string[];
}

export async function depart(course: Course, departure: Departure): Promise<Outcome> {
  const { story, steps } = course;
  const { step: first, sequel, played = 1, taken = 1 } = departure;
  const stage = stageOf(story, await (steps[first] as CourseStep).store.clone());
  const collector = collectorOf(stage.world);
  for (let step = first; step < steps.length; step++) {
    const { nowMs } = steps[step] as CourseStep;
    await stage.enter(step);
    if (step >= first + played) await stage.run(nowMs);
    else {
      await departure.play(stage, nowMs, step);
      step += taken - 1;
      if (sequel === 'at once') await stage.run(nowMs + minuteMs);
      if (sequel !== 'none') await stage.run(nowMs + beyondClaimMs);
    }
    collector.collect(step);
  }
  const silent = await quietRuns(stage, collector, steps);
  const problems = [...collector.problems, ...silent];
  if (collector.repeated > departure.repeated) problems.push(`${collector.repeated} messages came again`);
  return { heard: collector.heard, problems };
}

/** When all is told, more runs say nothing. */
async function quietRuns(stage: Stage, collector: Collector, steps: readonly CourseStep[]): Promise<string[]> {
  const last = steps.length - 1;
  const { nowMs } = steps[last] as CourseStep;
  // What a last run that died has left is told by the next.
  await stage.run(nowMs + 2 * beyondClaimMs);
  collector.collect(last);
  const before = collector.heard.length;
  await stage.run(nowMs + 3 * beyondClaimMs);
  await stage.run(nowMs + 4 * beyondClaimMs);
  collector.collect(last);
  return collector.heard.slice(before).map(({ line }) => `said when all was told: ${line}`);
}
