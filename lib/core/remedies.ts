import { ByValues, type Value } from './by-values.ts';
import type { Remedy, WayToGreen } from './evaluation.ts';
import { workload } from './fingerprint.ts';
import type { Finding, FindingKind } from './report.ts';
import { cutText } from './text.ts';

/**
 * What all findings share that one change clears: the package of an image for its vulnerabilities, the container of a
 * workload for what it may do. `workload` stands for the pod's name without what Kubernetes appends to it.
 */
const changes: Readonly<Record<FindingKind, readonly string[]>> = {
  vulnerabilities: ['image', 'image_version', 'package'],
  baseline_checks: ['check', 'check_type', 'standard'],
  baseline_items: ['check', 'check_type', 'standard', 'item'],
  privileged_containers: ['container', 'workload'],
  ports: ['container', 'workload', 'port'],
  packages: ['container', 'package'],
  processes: ['container', 'user', 'hash'],
  cluster: [],
};

/** What the report advises, where it does. */
const adviceField: Readonly<Partial<Record<FindingKind, string>>> = {
  vulnerabilities: 'solution',
  baseline_items: 'remediation',
};

/** How many different changes may be counted: of a rule, all its groups together, so that memory is bounded. */
export interface Room {
  left: number;
}

/** Beyond so many different changes no way is worked out. */
export const mostChanges = 5_000;

interface Change {
  /** Of the fields that it is known by. */
  readonly values: readonly Value[];
  clears: number;
}

/** Counts how many of the findings that are added each change would clear. */
export class Remedies {
  readonly on: FindingKind;
  isWhole = true;
  readonly #changes = new ByValues<Change>();
  readonly #fields: readonly string[];
  readonly #room: Room;

  get changes(): readonly Change[] {
    return this.#changes.entries;
  }

  constructor(on: FindingKind, room: Room) {
    this.on = on;
    this.#fields = changes[on];
    this.#room = room;
  }

  add(finding: Finding): void {
    if (!this.isWhole) return;
    const change = this.#find((i) => {
      const field = this.#fields[i] as string;
      return field === 'workload' ? workload(finding.pod) : finding[field];
    });
    if (change !== undefined) change.clears++;
  }

  merge(other: Remedies): void {
    if (!this.isWhole) return;
    if (!other.isWhole) this.#giveUp();
    for (const { values, clears } of other.changes) {
      const change = this.#find((i) => values[i]);
      if (change !== undefined) change.clears += clears;
    }
  }

  /** What is to be changed, by field. */
  subjectOf({ values }: Change): Finding {
    const entries = this.#fields.flatMap((field, i) => {
      const value = values[i];
      return value === undefined ? [] : [[field, typeof value === 'string' ? cutText(value) : value] as const];
    });
    return Object.fromEntries(entries);
  }

  #find(pick: (i: number) => Value): Change | undefined {
    return this.#changes.find(pick) ?? this.#made(pick);
  }

  #made(pick: (i: number) => Value): Change | undefined {
    if (--this.#room.left < 0) {
      this.#giveUp();
      return undefined;
    }
    const change: Change = { values: this.#fields.map((_, i) => pick(i)), clears: 0 };
    this.#changes.add(change);
    return change;
  }

  /** Of some changes no way is worked out: none of them takes memory. */
  #giveUp(): void {
    this.isWhole = false;
    this.#changes.clear();
  }
}

/** Whether a change clears a finding. */
export function isCleared(
  { on, subject }: Pick<Remedy, 'on' | 'subject'>,
  kind: FindingKind,
  finding: Finding,
): boolean {
  return (
    on === kind &&
    changes[on].every((field) => subject[field] === (field === 'workload' ? workload(finding.pod) : finding[field]))
  );
}

/** Findings that have to go: of a broken rule, or of one of its groups. */
export interface Excess {
  readonly rule: string;
  readonly count: number;
  readonly max: number;
  readonly remedies: Remedies;
  /** The worst of them. */
  readonly worst: readonly Finding[];
}

/** Steps of the way to green that are kept. */
export const shownRemedies = 50;

interface Candidate {
  readonly remedies: Remedies;
  readonly key: string;
  readonly change: Change;
  /** What it clears: by place in the list of excesses. */
  readonly of: { readonly place: number; readonly clears: number }[];
  /** How much it brings at most; what others clear makes it less. */
  gain: number;
}

/**
 * The fewest changes after which no rule has more than its max. The change that clears most of what is over comes first, and
 * none of them is for nothing: what the others make unnecessary is left out.
 *
 * @param left what has to be done besides, for people
 * @returns undefined when nothing has to go, or no changes are known by which it could
 */
export function wayToGreen(excesses: readonly Excess[], left: readonly string[] = []): WayToGreen | undefined {
  if (excesses.length === 0 && left.length === 0) return undefined;
  if (excesses.some(({ remedies }) => !remedies.isWhole)) return undefined;
  const over = excesses.map(({ count, max }) => count - max);
  let taken = mostFirst(candidatesOf(excesses, over), over);
  if (taken === undefined) return undefined;
  const needed = withoutNeedless(taken, over);
  if (needed.length < taken.length) {
    for (const one of needed) one.gain = gainOf(one, over);
    taken = mostFirst(needed, over) ?? needed;
  }
  const steps = taken.slice(0, shownRemedies).map((one) => remedyOf(one, excesses));
  const of = excesses.reduce((sum, { count }) => sum + count, 0);
  return { steps, omitted: taken.length - steps.length, of, ...(left.length > 0 && { left }) };
}

/** @returns undefined: all of them together do not suffice */
function mostFirst(candidates: readonly Candidate[], excess: readonly number[]): Candidate[] | undefined {
  const over = [...excess];
  const taken: Candidate[] = [];
  const queue = [...candidates].sort(byGain);
  for (let at = 0; at < queue.length && over.some((left) => left > 0); ) {
    const best = queue[at] as Candidate;
    const gain = gainOf(best, over);
    if (gain === 0) {
      at++;
      continue;
    }
    const next = queue[at + 1];
    if (gain < best.gain && next !== undefined && byGain({ ...best, gain }, next) > 0) {
      best.gain = gain;
      reinsert(queue, at);
      continue;
    }
    for (const { place, clears } of best.of) over[place] = (over[place] ?? 0) - clears;
    taken.push(best);
    at++;
  }
  return over.some((left) => left > 0) ? undefined : taken;
}

/** Those that clear least are given up first. */
function withoutNeedless(taken: readonly Candidate[], excess: readonly number[]): Candidate[] {
  const over = [...excess];
  for (const { of } of taken) for (const { place, clears } of of) over[place] = (over[place] ?? 0) - clears;
  const needed = new Set(taken);
  for (const one of [...taken].reverse()) {
    if (one.of.some(({ place, clears }) => (over[place] ?? 0) + clears > 0)) continue;
    needed.delete(one);
    for (const { place, clears } of one.of) over[place] = (over[place] ?? 0) + clears;
  }
  return [...needed];
}

function candidatesOf(excesses: readonly Excess[], over: readonly number[]): Candidate[] {
  const found = new Map<string, Candidate>();
  for (const [place, { remedies }] of excesses.entries()) {
    for (const change of remedies.changes) {
      const key = JSON.stringify([remedies.on, ...change.values.map((value) => value ?? null)]);
      const known = found.get(key) ?? { remedies, key, change: { ...change, clears: 0 }, of: [], gain: 0 };
      known.of.push({ place, clears: change.clears });
      known.change.clears += change.clears;
      found.set(key, known);
    }
  }
  for (const one of found.values()) one.gain = gainOf(one, over);
  return [...found.values()];
}

function gainOf({ of }: Candidate, over: readonly number[]): number {
  return of.reduce((sum, { place, clears }) => sum + Math.min(clears, Math.max(0, over[place] ?? 0)), 0);
}

function byGain(a: Candidate, b: Candidate): number {
  return b.gain - a.gain || b.change.clears - a.change.clears || (a.key < b.key ? -1 : 1);
}

/** Move what stands at `at` to where its gain belongs. */
function reinsert(queue: Candidate[], at: number): void {
  const [moved] = queue.splice(at, 1);
  let low = at;
  let high = queue.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (byGain(queue[middle] as Candidate, moved as Candidate) <= 0) low = middle + 1;
    else high = middle;
  }
  queue.splice(low, 0, moved as Candidate);
}

function remedyOf({ remedies, change, of }: Candidate, excesses: readonly Excess[]): Remedy {
  // A rule may be called like a member of an object.
  const rules: Record<string, number> = Object.create(null);
  for (const { place, clears } of of) {
    const { rule } = excesses[place] as Excess;
    rules[rule] = (rules[rule] ?? 0) + clears;
  }
  const subject = remedies.subjectOf(change);
  const advice = adviceOf({ on: remedies.on, subject }, excesses);
  return { on: remedies.on, subject, ...(advice !== undefined && { advice }), clears: change.clears, rules };
}

/** As far as the worst findings show it. */
function adviceOf(remedy: Pick<Remedy, 'on' | 'subject'>, excesses: readonly Excess[]): string | undefined {
  const field = adviceField[remedy.on];
  if (field === undefined) return undefined;
  for (const { remedies, worst } of excesses) {
    if (remedies.on !== remedy.on) continue;
    const found = worst.find((finding) => finding[field] && isCleared(remedy, remedy.on, finding));
    if (found !== undefined) return String(found[field]);
  }
  return undefined;
}
