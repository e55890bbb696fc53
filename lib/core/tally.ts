import { noGrades } from './baseline.ts';
import { missingNames } from './fingerprint.ts';
import { graded, Identities } from './identities.ts';
import type { IdentityNumbers } from './identity-numbers.ts';
import { compareFindings, copyFinding } from './order.ts';
import type { PolicyRule } from './policy/parse.ts';
import { Remedies, type Room } from './remedies.ts';
import type { Finding } from './report.ts';
import { type FindingSeverity, severityRank } from './severity.ts';
import type { Loan } from './waivers.ts';
import { Worst } from './worst.ts';

/** Groups of a rule with `per` that alert memory follows. */
export interface FollowedGroups {
  /** One by one: `groupNumber` of each. */
  readonly single: ReadonlySet<number>;
  /** Beside them there are others, followed together. */
  readonly hasRest: boolean;
}

/** Which findings there are is noted, for alert memory or a baseline. */
export interface Tracking {
  /** Of the rule's findings. */
  readonly numbers: IdentityNumbers;
  /** Identities of the rule's findings that are known already; undefined: none was seen before. */
  readonly known: { has(identity: number): boolean } | undefined;
  /** How bad those were, for a baseline; 0 is the worst. */
  readonly ranks?: ReadonlyMap<number, number> | undefined;
  /** How the rule's groups have been followed so far. */
  readonly groups?: FollowedGroups | undefined;
  /** How many groups of the rule are followed one by one at most, each as an alert of its own. */
  readonly mostGroups: number;
  /** How many are told apart, and how many of those that are not known are named. */
  readonly keep: number;
  readonly named: number;
  /** What is new since then is added up too. */
  readonly isForBaseline: boolean;
}

/** Findings kept of a rule, the worst. */
export const keptFindings = 100;

/** Findings kept of a violation for alert memory: the worst, and as many of those that are not known. */
export const namedFindings = 20;

/** Groups that a rule with `per` may make. */
export const mostGroups = 20_000;

/** Of the findings of a rule that fall into one group of its `per`. */
export interface Group {
  readonly key: string;
  readonly values: readonly (string | number)[];
  count: number;
  worst: Finding | undefined;
  /** Which findings, when they are tracked. */
  readonly identities: Identities | undefined;
  readonly remedies: Remedies;
  /** Of those that are not known, for a baseline. */
  readonly fresh: Fresh | undefined;
  /** Waivers that would cover some of them, had they not expired; when they are tracked. */
  expired: Set<Loan> | undefined;
}

interface Fresh {
  count: number;
  readonly remedies: Remedies;
  /** Of all findings, known or not: how many of each severity, and how many failed rules they stand for. */
  readonly grades: number[];
  /** The same of those that are not known. */
  readonly own: number[];
  /** Whether one that is known is more severe than it was. */
  hasRisen: boolean;
  /** How many failed rules each baseline check stands for, by `identityNumber`. */
  readonly failed: Map<number, number>;
}

/** Findings of one rule added up: numbers, and the worst of them. What comes in any order, or by parts, comes to the same. */
export class Tally {
  readonly #rule: PolicyRule;
  readonly #tracking: Tracking | undefined;
  readonly #compare: (a: Finding, b: Finding) => number;
  readonly #copy: (finding: Finding) => Finding;
  readonly worst: Worst<Finding>;
  /** The worst of those that are not known. */
  readonly freshWorst: Worst<Finding>;
  readonly fresh: Fresh | undefined;
  readonly groups = new Map<string, Group>();
  readonly identities: Identities | undefined;
  readonly remedies: Remedies;
  count = 0;
  expired: Set<Loan> | undefined;
  hasTooManyGroups = false;
  /** Findings like one that is known, but for a field that would prove it: how many lack it. */
  readonly nameless = new Map<string, number>();

  readonly #room: Room;

  constructor(rule: PolicyRule, tracking: Tracking | undefined, room: Room) {
    this.#rule = rule;
    this.#room = room;
    this.#tracking = tracking;
    this.#compare = compareFindings(rule.on);
    this.#copy = (finding) => copyFinding(rule.on, finding);
    this.worst = new Worst(keptFindings, this.#compare);
    this.freshWorst = new Worst(tracking?.named ?? 0, this.#compare);
    this.fresh = this.#newFresh();
    this.identities = tracking && new Identities(tracking.keep);
    this.remedies = new Remedies(rule.on, room);
  }

  add(finding: Finding, expired: readonly Loan[] = none): void {
    const { per } = this.#rule;
    this.count++;
    const group = per === undefined ? undefined : this.#group(per.map((field) => finding[field] ?? ''));
    if (this.identities !== undefined && this.#tracking !== undefined) {
      if (expired.length > 0) note(group ?? this, expired);
      const identity = this.#tracking.numbers.of(finding);
      const rank = rankOf(finding);
      const fresh = group === undefined ? this.fresh : group.fresh;
      (group?.identities ?? this.identities).add(fresh === undefined ? identity : graded(identity, rank));
      if (fresh !== undefined) {
        grade(fresh.grades, finding);
        fresh.hasRisen ||= rank < (this.#tracking.ranks?.get(identity) ?? 0);
        if (typeof finding.rules_failed === 'number') addTo(fresh.failed, identity, finding.rules_failed);
      }
      if (this.#isNew(identity, finding)) {
        if (fresh !== undefined) {
          fresh.count++;
          fresh.remedies.add(finding);
          grade(fresh.own, finding);
        }
        this.freshWorst.add(finding, this.#copy);
      }
    }
    if (per === undefined) {
      this.worst.add(finding, this.#copy);
      this.remedies.add(finding);
    } else if (group !== undefined) {
      group.count++;
      group.remedies.add(finding);
      if (group.worst === undefined || this.#compare(finding, group.worst) < 0) group.worst = this.#copy(finding);
    }
  }

  /** For a baseline nobody answers for a finding that may be another one than the one that is known. */
  #isNew(identity: number, finding: Finding): boolean {
    const { known, isForBaseline } = this.#tracking ?? {};
    if (known === undefined) return false;
    if (!known.has(identity)) return true;
    const missing = isForBaseline === true ? missingNames(this.#rule.on, finding) : [];
    for (const field of missing) addTo(this.nameless, field, 1);
    return missing.length > 0;
  }

  /** All of another tally of the same rule. */
  merge(other: Tally): void {
    this.count += other.count;
    for (const [field, count] of other.nameless) addTo(this.nameless, field, count);
    this.hasTooManyGroups ||= other.hasTooManyGroups;
    if (other.expired !== undefined) note(this, other.expired);
    for (const finding of other.worst.items) this.worst.add(finding, same);
    for (const finding of other.freshWorst.items) this.freshWorst.add(finding, same);
    mergeFresh(this.fresh, other.fresh);
    if (other.identities !== undefined) this.identities?.merge(other.identities);
    this.remedies.merge(other.remedies);
    for (const { values, count, worst, identities, remedies, fresh, expired } of other.groups.values()) {
      const group = this.#group(values);
      if (group === undefined) continue;
      group.count += count;
      if (worst !== undefined && (group.worst === undefined || this.#compare(worst, group.worst) < 0))
        group.worst = worst;
      if (identities !== undefined) group.identities?.merge(identities);
      group.remedies.merge(remedies);
      mergeFresh(group.fresh, fresh);
      if (expired !== undefined) note(group, expired);
    }
  }

  #newFresh(): Fresh | undefined {
    if (this.#tracking?.isForBaseline !== true) return undefined;
    return {
      count: 0,
      remedies: new Remedies(this.#rule.on, this.#room),
      grades: [...noGrades],
      own: [...noGrades],
      hasRisen: false,
      failed: new Map(),
    };
  }

  #group(values: readonly (string | number)[]): Group | undefined {
    const key = JSON.stringify(values);
    const known = this.groups.get(key);
    if (known !== undefined) return known;
    if (this.groups.size >= mostGroups) {
      this.hasTooManyGroups = true;
      return undefined;
    }
    const group: Group = {
      key,
      values,
      count: 0,
      worst: undefined,
      identities: this.#tracking && new Identities(this.#tracking.keep),
      remedies: new Remedies(this.#rule.on, this.#room),
      fresh: this.#newFresh(),
      expired: undefined,
    };
    this.groups.set(key, group);
    return group;
  }
}

const none: readonly Loan[] = [];

function note(of: Group | Tally, expired: Iterable<Loan>): void {
  of.expired ??= new Set();
  for (const loan of expired) of.expired.add(loan);
}

/** 0 is the worst; what has no severity is like Low. */
function rankOf({ severity }: Finding): number {
  return severity === undefined ? 4 : severityRank(severity as FindingSeverity);
}

function grade(grades: number[], finding: Finding): void {
  const rank = rankOf(finding);
  grades[rank] = (grades[rank] ?? 0) + 1;
  if (typeof finding.rules_failed === 'number') grades[5] = (grades[5] ?? 0) + finding.rules_failed;
}

function mergeFresh(into: Fresh | undefined, other: Fresh | undefined): void {
  if (into === undefined || other === undefined) return;
  into.count += other.count;
  into.hasRisen ||= other.hasRisen;
  for (const [i, count] of other.grades.entries()) into.grades[i] = (into.grades[i] ?? 0) + count;
  for (const [i, count] of other.own.entries()) into.own[i] = (into.own[i] ?? 0) + count;
  for (const [identity, count] of other.failed) addTo(into.failed, identity, count);
  into.remedies.merge(other.remedies);
}

function addTo<K>(counts: Map<K, number>, key: K, count: number): void {
  counts.set(key, (counts.get(key) ?? 0) + count);
}

function same(finding: Finding): Finding {
  return finding;
}
