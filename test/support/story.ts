import type { Announce } from '../../lib/core/deliveries.ts';
import { parseDuration } from '../../lib/core/duration.ts';
import type { Policy } from '../../lib/core/policy/parse.ts';
import { createMemoryStore } from '../../lib/stores/memory.ts';
import { policyOf } from './evaluate.ts';
import {
  hourMs,
  type Operate,
  type Scripted,
  type ScriptedCluster,
  type ScriptedOptions,
  scripted,
  startMs,
} from './scripted.ts';

/** What happens in the world, run by run, and what is heard of it. */
export interface Story {
  readonly name: string;
  readonly policy?: string;
  readonly receivers?: Readonly<Record<string, Announce>>;
  readonly routes?: ScriptedOptions['routes'];
  /** Runs are counted in what is heard, so more of them, or fewer, shift it. */
  readonly countsRuns?: boolean;
  /** What is heard depends on the times of its steps, not only on their order. */
  readonly isTimed?: boolean;
  /** What is known depends on so many earlier runs, so where they were lost it may lag behind. */
  readonly memory?: number;
  readonly options?: ScriptedOptions['options'];
  readonly steps: readonly Step[];
}

/** One run. What a step does not say stays as it was. */
export interface Step {
  /** When the run is, since the start: `3d`, `3d1h`. */
  readonly at: string;
  /** What HSS shows of a cluster since an hour ago; `gone`: it is in the list no more; `unchecked`: it has no report. */
  readonly shows?: Readonly<Record<string, Omit<ScriptedCluster, 'scannedAtMs'> | 'gone' | 'unchecked'>>;
  readonly policy?: string;
  readonly hss?: 'down' | 'up';
  /** The receivers that take nothing. */
  readonly down?: readonly string[];
  /** The clusters that no receiver takes a message about. */
  readonly faults?: readonly string[];
  readonly silence?: { readonly id: string; readonly where: string; readonly until: string };
  /** Receiver by receiver, in order. */
  readonly hears: readonly string[];
}

const policies = new Map<string, Policy>();

/** A policy as it is written, compiled once. */
export function cachedPolicy(text: string): Policy {
  const policy = policies.get(text) ?? policyOf(text);
  policies.set(text, policy);
  return policy;
}

const defaultPolicy = 'rules:\n  - {id: r, on: vulnerabilities, max: 0}\n';

export function timeOf(at: string): number {
  return startMs + (at === '0d' ? 0 : (parseDuration(at) as number));
}

/** A world in which a story is played. */
export interface Stage {
  readonly world: Scripted;
  /** Bring about what a step says, and all before it, as of its time or another one. May be called again. */
  enter(step: number, nowMs?: number): Promise<void>;
  run(nowMs: number, operate?: Operate): ReturnType<Scripted['run']>;
}

export function stageOf(story: Story, store = createMemoryStore()): Stage {
  const { receivers, routes, policy = defaultPolicy, options } = story;
  const world = scripted({
    store,
    policy: cachedPolicy(policy),
    ...(receivers !== undefined && { receivers }),
    ...(routes !== undefined && { routes }),
    ...(options !== undefined && { options }),
  });
  let entered = -1;

  async function enterOne(step: Step, nowMs = timeOf(step.at)): Promise<void> {
    for (const [name, shown] of Object.entries(step.shows ?? {})) {
      if (shown === 'gone') world.clusters.delete(name);
      else world.clusters.set(name, shown === 'unchecked' ? undefined : { ...shown, scannedAtMs: nowMs - hourMs });
    }
    if (step.policy !== undefined) world.policy = cachedPolicy(step.policy);
    if (step.hss !== undefined) world.isReachable = step.hss === 'up';
    for (const receiver of world.receivers.values()) {
      receiver.usual = step.down?.includes(receiver.receiver) ? 'refuse' : 'accept';
      receiver.faults = step.faults ?? [];
    }
    if (step.silence !== undefined) {
      const { id, where, until } = step.silence;
      const value = { id, where, author: 'ops', comment: 'known', createdMs: nowMs, untilMs: timeOf(until) };
      await world.store.put('silences', { key: id, value }, 0, nowMs);
    }
  }

  return {
    world,
    async enter(step, nowMs) {
      for (const one of story.steps.slice(entered + 1, step + 1)) await enterOne(one, nowMs);
      entered = Math.max(entered, step);
    },
    run: (nowMs, operate) => world.run(nowMs, operate),
  };
}
