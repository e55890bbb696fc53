import { type GradeCounts, type KnownFindings, noGrades } from './baseline.ts';
import { definitionOf } from './definition.ts';
import type {
  BrokenGroup,
  Enforce,
  KeptFinding,
  Reason,
  RuleResult,
  RuleStatus,
  Violation,
  WaivedFinding,
} from './evaluation.ts';
import { fingerprint, groupNumber, identityNumber, releaseFields } from './fingerprint.ts';
import { gradedParts, Identities, keptIdentities } from './identities.ts';
import { compareFindings, compareValues, copyFinding, shown } from './order.ts';
import type { PolicyRule, PolicyWaiver } from './policy/parse.ts';
import type { Excess, Room } from './remedies.ts';
import { type FieldType, type Finding, fields } from './report.ts';
import { type FindingSeverity, severityRank } from './severity.ts';
import { type Group, keptFindings, mostGroups, namedFindings, Tally, type Tracking } from './tally.ts';
import { isOverBroad, type Loan, WaiverIndex } from './waivers.ts';
import { moreOf, worseThan } from './worse.ts';
import { Worst } from './worst.ts';

/** What a rule keeps of the findings it has seen: numbers, and the worst of them. */
export class RuleFold {
  readonly rule: PolicyRule;
  readonly waivers: WaiverIndex;
  readonly #tracking: Tracking | undefined;
  readonly #room: Room;
  readonly #compare: (a: Finding, b: Finding) => number;
  readonly #rank: number;
  /** Findings that no waiver covers. */
  readonly #counted: Tally;
  /** Findings that are waived, if the waivers that cover them do not cover too much: by those waivers. */
  readonly #lent = new Map<string, Lent>();
  #waived = 0;
  readonly #waivedByGroup = new Map<string, number>();
  readonly #waivedWorst: Worst<Waived>;
  /** Of those that a baseline knows, by `identityNumber`: they are still there. */
  readonly #waivedKnown = new Set<number>();
  #unevaluable = 0;

  /** @param tracking note which findings there are, for alert memory */
  constructor(
    rule: PolicyRule,
    waivers: readonly PolicyWaiver[],
    nowMs: number,
    tracking: Tracking | undefined,
    room: Room,
  ) {
    this.#room = room;
    this.rule = rule;
    this.#tracking = tracking;
    this.waivers = new WaiverIndex(waivers, nowMs);
    this.#compare = compareFindings(rule.on);
    this.#counted = new Tally(rule, tracking, room);
    this.#waivedWorst = new Worst(keptFindings, (a, b) => this.#compare(a.finding, b.finding) || a.place - b.place);
    this.#rank = rule.min_severity === undefined ? Number.POSITIVE_INFINITY : severityRank(rule.min_severity);
  }

  push(finding: Finding): void {
    const { where } = this.rule;
    if (this.#rank !== Number.POSITIVE_INFINITY && severityRank(finding.severity as FindingSeverity) > this.#rank)
      return;
    if (where !== undefined) {
      const matches = where.test(finding);
      if (matches === undefined) this.#unevaluable++;
      if (matches !== true) return;
    }
    // Whose it is decides in which group it counts.
    if (this.rule.per?.some((field) => this.#isNameless(finding[field], field))) this.#unevaluable++;
    const cover = this.waivers.covers(finding);
    if (cover?.first !== undefined) this.#noteKnown(finding);
    if (cover?.first === undefined) this.#counted.add(finding, cover?.expired);
    else if (cover.loans === undefined) this.#waive(finding, cover.first);
    else this.#lend(finding, cover.loans, cover.expired);
  }

  #noteKnown(finding: Finding): void {
    if (this.#tracking?.known === undefined || !this.#tracking.isForBaseline) return;
    const { known, numbers } = this.#tracking;
    const identity = numbers.of(finding);
    if (known.has(identity)) this.#waivedKnown.add(identity);
  }

  #isNameless(value: string | number | undefined, field: string): boolean {
    if (value === undefined) return true;
    return value === '' && (fields[this.rule.on] as Readonly<Record<string, FieldType>>)[field] === 'string';
  }

  #waive(finding: Finding, { waiver, place }: Loan): void {
    this.#waived++;
    const copy = (one: Waived) => ({ ...one, finding: copyFinding(this.rule.on, one.finding) });
    this.#waivedWorst.add({ finding, waiver: waiver.id, place }, copy);
    const { per } = this.rule;
    if (per !== undefined) this.#waiveInGroup(JSON.stringify(per.map((field) => finding[field] ?? '')), 1);
  }

  #waiveInGroup(key: string, count: number): void {
    const known = this.#waivedByGroup.get(key);
    if (known !== undefined || this.#waivedByGroup.size < mostGroups)
      this.#waivedByGroup.set(key, (known ?? 0) + count);
    else this.#counted.hasTooManyGroups = true;
  }

  #lend(finding: Finding, loans: readonly Loan[], expired: readonly Loan[]): void {
    const key = loans.map(({ place }) => place).join();
    let lent = this.#lent.get(key);
    if (lent === undefined) {
      const worst = new Worst(keptFindings, this.#compare);
      lent = { loans, tally: new Tally(this.rule, this.#tracking, this.#room), worst };
      this.#lent.set(key, lent);
    }
    lent.tally.add(finding, expired);
    lent.worst.add(finding, (one) => copyFinding(this.rule.on, one));
  }

  /** Now that it is known how much each waiver covers. */
  settle(): void {
    for (const { loans, tally, worst } of this.#lent.values()) {
      const loan = loans.find((one) => !isOverBroad(one));
      if (loan === undefined) {
        this.#counted.merge(tally);
        continue;
      }
      this.#waived += tally.count;
      for (const { key, count } of tally.groups.values()) this.#waiveInGroup(key, count);
      const { place, waiver } = loan;
      for (const finding of worst.items) this.#waivedWorst.add({ finding, waiver: waiver.id, place }, (one) => one);
    }
    this.#lent.clear();
  }

  /** Why the rule cannot be judged by what was pushed, the report's own reasons aside. */
  problem(): Reason | undefined {
    const rules = [this.rule.id];
    if (this.#counted.hasTooManyGroups) {
      const message = `rule ${this.rule.id}: per makes more than ${mostGroups.toLocaleString('en')} groups; group by less`;
      return { kind: 'rule-unevaluable', message, rules };
    }
    if (this.#unevaluable > 0) {
      const asked = [...new Set([...(this.rule.where?.fields ?? []), ...(this.rule.per ?? [])])].join(', ');
      const count = `${this.#unevaluable} ${this.#unevaluable === 1 ? 'finding' : 'findings'}`;
      const message = `rule ${this.rule.id}: ${this.rule.per === undefined ? 'its where' : 'its where or per'} cannot be told of ${count}: a field that it asks for is absent or unknown, or a function fails on one (${asked})`;
      return { kind: 'rule-unevaluable', message, rules };
    }
    return undefined;
  }

  /**
   * @param undetermined something about the report or the rule keeps it from being a pass
   * @param evidence at least so many findings there are by the report's count, listed or not
   */
  result(clusterId: string, undetermined: boolean, evidence: number): RuleResult {
    const { rule } = this;
    const { worst, count: listed } = this.#counted;
    const brokenGroups = this.#brokenGroups();
    // A count is about all rows of a list: it proves something only for a rule that looks at all of them.
    const unfiltered = rule.where === undefined && rule.per === undefined && (rule.min_severity ?? 'Low') === 'Low';
    const counted = unfiltered ? Math.max(listed, evidence - this.#waived) : listed;
    const isOver = rule.per === undefined ? counted > rule.max : brokenGroups.length > 0;
    // Whoever granted a waiver for so many findings did not mean more.
    const broken = isOver || this.waivers.overBroad.length > 0;
    const byCount = isOver && rule.per === undefined && listed <= rule.max;
    const count = byCount ? counted : listed;
    const findings = rule.per === undefined ? worst.items : this.#worstOf(brokenGroups);
    const kept = broken || rule.per === undefined ? findings.map((fields) => this.#keep(clusterId, fields)) : [];
    return {
      id: rule.id,
      on: rule.on,
      severity: rule.severity,
      enforce: rule.enforce,
      status: broken ? brokenStatus[rule.enforce] : undetermined ? 'undetermined' : 'pass',
      count,
      max: rule.max,
      waived: this.#waived,
      findings: kept,
      omitted: count - kept.length,
      waivedFindings: this.#waivedWorst.items.map(
        ({ finding, waiver }): WaivedFinding => ({ ...this.#keep(clusterId, finding), waiver }),
      ),
      evidence: byCount ? 'reported' : 'listed',
      ...(rule.message !== undefined && { message: rule.message }),
      ...(rule.per !== undefined && { per: rule.per, ...this.#groupsOf(rule.per, brokenGroups) }),
      line: rule.line,
      ...(this.#tracking !== undefined && {
        definition: definitionOf(rule),
        violations: broken ? this.#violations(clusterId, count, brokenGroups, this.#tracking) : [],
        ...(rule.per !== undefined && { waivedGroups: this.#waivedGroups(rule.per) }),
        ...(this.#tracking.isForBaseline && { breaking: this.#counts() }),
      }),
    };
  }

  /** What has to go for the rule to hold, as far as it is listed. @param ratchet only what is not known has to go */
  excesses(ratchet: boolean): Excess[] {
    const { id, max } = this.rule;
    const broken = this.#broken();
    const worstOf = (of: Group | Tally) =>
      of instanceof Tally ? of.worst.items : of.worst === undefined ? [] : [of.worst];
    if (!ratchet)
      return broken.map((of) => ({ rule: id, count: of.count, max, remedies: of.remedies, worst: worstOf(of) }));
    return broken.flatMap((of) => {
      const { fresh } = of;
      if (fresh === undefined) return [];
      if (this.#isSoonerBelow(of))
        return [{ rule: id, count: of.count, max, remedies: of.remedies, worst: worstOf(of) }];
      if (fresh.count === 0) return [];
      const { count, remedies } = fresh;
      return [{ rule: id, count, max: 0, remedies, worst: this.#counted.freshWorst.items }];
    });
  }

  /** Whether fewer findings have to go for it to be within its threshold than for it to be as it was. */
  #isSoonerBelow({ count, fresh }: Group | Tally): boolean {
    return fresh !== undefined && count - this.rule.max < fresh.count;
  }

  /** Whether it is worse than what is known also when all is gone that is not known. */
  staysWorse({ grades, groups, failed }: KnownFindings): boolean {
    return this.#broken().some((of) => {
      const { count, fresh } = of;
      if (fresh === undefined || this.#isSoonerBelow(of) || count - fresh.count <= this.rule.max) return false;
      const were = 'key' in of ? groups[this.#lastingKey(of)] : grades;
      if (were === undefined) return true;
      const left = { ...fresh, grades: fresh.grades.map((n, i) => n - (fresh.own[i] ?? 0)) };
      return worseThan(left, { grades: were, failed }, () => undefined).length > 0;
    });
  }

  /** What is like something that is known, and counts as new since it does not say that it is that. */
  get nameless(): readonly string[] {
    return [...this.#counted.nameless].map(([field, count]) => `${count} without ${field}`).sort();
  }

  /** What the rule counts, against what is known; the worst of what is not. */
  compare(clusterId: string, { grades, groups, failed, identities: known }: KnownFindings): Comparison {
    const broken = this.#broken();
    const { identities, distinct } = this.#counts();
    const isWhole = distinct <= identities.length;
    const present = new Set(identities.map((number) => gradedParts(number).identity));
    const isGone = (identity: number) => !present.has(identity) && !this.#waivedKnown.has(identity);
    const keys = new Set(broken.flatMap((group) => ('key' in group ? [group.key] : [])));
    const { per } = this.rule;
    const isBreaking = (finding: Finding) =>
      per === undefined || keys.has(JSON.stringify(per.map((field) => finding[field] ?? '')));
    const fresh = this.#counted.freshWorst.items.filter(isBreaking);
    // A group that was within its threshold was not accepted as it is now.
    const before = (of: Group | Tally) => ('key' in of ? groups[this.#lastingKey(of)] : grades);
    return {
      new: sum(broken.map((group) => group.fresh?.count ?? 0)),
      worse: [
        ...new Set(
          broken.flatMap((group) => {
            const were = before(group);
            if (were === undefined) return [`${this.#called(group)} was within its threshold`];
            return worseThan(group.fresh ?? nothingFresh, { grades: were, failed }, (identity) =>
              this.#checkOf(identity),
            );
          }),
        ),
      ],
      fixed: isWhole ? [...known.keys()].filter(isGone).length : 0,
      findings: fresh.map((finding) => this.#keep(clusterId, finding)),
    };
  }

  #called(group: Group | Tally): string {
    if (!('key' in group)) return 'the rule';
    return (this.rule.per ?? []).map((field, i) => `${field}=${shown(field, group.values[i])}`).join(' ');
  }

  /** The name of a baseline check, if it is among the worst. */
  #checkOf(identity: number): string | undefined {
    const groups = [...this.#counted.groups.values()].flatMap(({ worst }) => (worst === undefined ? [] : [worst]));
    const found = [...this.#counted.worst.items, ...groups].find(
      (finding) => identityNumber(this.rule.on, finding) === identity,
    );
    return found?.check === undefined ? undefined : `check ${shown('check', found.check)}`;
  }

  /** What tells the findings apart that the rule counts, of all groups, and how bad they are. */
  #counts(): NonNullable<RuleResult['breaking']> {
    const { per } = this.rule;
    const { count, identities, fresh } = this.#counted;
    if (per === undefined)
      return { count, ...resultOf(identities), grades: fresh?.grades ?? noGrades, ...failedOf(fresh?.failed) };
    const all = new Identities(this.#tracking?.keep);
    const grades = [...noGrades];
    const failed = new Map<number, number>();
    for (const group of this.#counted.groups.values()) {
      if (group.identities !== undefined) all.merge(group.identities);
      for (const [i, one] of (group.fresh?.grades ?? []).entries()) grades[i] = (grades[i] ?? 0) + one;
      for (const [identity, n] of group.fresh?.failed ?? []) failed.set(identity, (failed.get(identity) ?? 0) + n);
    }
    const groups: Record<string, GradeCounts> = {};
    for (const group of this.#brokenGroups()) {
      const key = this.#lastingKey(group);
      const of = group.fresh?.grades ?? noGrades;
      if (moreOf(of, groups[key] ?? noGrades).length > 0) groups[key] = of;
    }
    return { count, ...all.result(), grades, ...failedOf(failed), groups };
  }

  /** Of its versions an image is as bad as the worst, so that the next one is compared with that; a version alone is nobody's. */
  #lastingKey({ values }: Group): string {
    const { per = [] } = this.rule;
    const isLasting = (field = '') => !per.includes(releaseFields.get(field) ?? '');
    return JSON.stringify(values.filter((_, i) => isLasting(per[i])));
  }

  /** What is over the threshold: groups, or all that counts. */
  #broken(): readonly (Group | Tally)[] {
    if (this.rule.per !== undefined) return this.#brokenGroups();
    return this.#counted.count > this.rule.max ? [this.#counted] : [];
  }

  #brokenGroups(): Group[] {
    return [...this.#counted.groups.values()].filter((group) => group.count > this.rule.max);
  }

  #waivedOf({ key }: Group): number {
    return this.#waivedByGroup.get(key) ?? 0;
  }

  /** Groups that hold only by waivers. */
  #waivedGroups(per: readonly string[]): Violation['group'][] {
    const found: Violation['group'][] = [];
    for (const [key, waived] of this.#waivedByGroup) {
      const count = this.#counted.groups.get(key)?.count ?? 0;
      if (count > this.rule.max || count + waived <= this.rule.max) continue;
      found.push(keyOf(per, { values: JSON.parse(key) }));
    }
    return found;
  }

  #violations(clusterId: string, count: number, groups: readonly Group[], tracking: Tracking): Violation[] {
    const keep = (finding: Finding) => this.#keep(clusterId, finding);
    const { per } = this.rule;
    if (per === undefined) {
      const worst = this.#named(this.#counted.worst.items.slice(0, namedFindings), () => true).map(keep);
      const of = { group: {}, count, waived: this.#waived, worst };
      return [{ ...of, ...resultOf(this.#counted.identities), ...expiredOf(this.#counted.expired) }];
    }
    const { followed, rest } = followedGroups(per, groups, tracking);
    const violations: Violation[] = followed.map((group) => ({
      group: keyOf(per, group),
      count: group.count,
      waived: this.#waivedOf(group),
      worst: this.#named(group.worst === undefined ? [] : [group.worst], (finding) =>
        per.every((field, i) => (finding[field] ?? '') === group.values[i]),
      ).map(keep),
      ...resultOf(group.identities),
      ...expiredOf(group.expired),
    }));
    if (rest.length > 0) violations.push(this.#restOf(per, rest, keep));
    return violations;
  }

  /** All groups that are not followed one by one, as one. */
  #restOf(per: readonly string[], groups: readonly Group[], keep: (finding: Finding) => KeptFinding): Violation {
    const identities = new Identities(keptIdentities);
    const numbers = new Identities(keptGroupNumbers);
    const keys = new Set<string>();
    for (const group of groups) {
      if (group.identities !== undefined) identities.merge(group.identities);
      numbers.add(groupNumber(keyOf(per, group)));
      keys.add(group.key);
    }
    const worst = this.#named(this.#worstOf(groups).slice(0, namedFindings), (finding) =>
      keys.has(JSON.stringify(per.map((field) => finding[field] ?? ''))),
    );
    return {
      group: {},
      rest: numbers.result(),
      count: sum(groups.map((group) => group.count)),
      waived: sum(groups.map((group) => this.#waivedOf(group))),
      worst: worst.map(keep),
      ...identities.result(),
    };
  }

  /** The worst, and those that are not known: worst first, each once. */
  #named(worst: readonly Finding[], isOf: (finding: Finding) => boolean): Finding[] {
    const named = [...worst];
    for (const finding of this.#counted.freshWorst.items.filter(isOf)) {
      if (named.every((one) => this.#compare(one, finding) !== 0)) named.push(finding);
    }
    return named.sort(this.#compare);
  }

  #worstOf(groups: readonly Group[]): Finding[] {
    const worst = new Worst<Finding>(keptFindings, this.#compare);
    for (const group of groups) if (group.worst !== undefined) worst.add(group.worst, (finding) => finding);
    return [...worst.items];
  }

  #groupsOf(per: readonly string[], broken: readonly Group[]): { groups: BrokenGroup[]; omittedGroups: number } {
    const largest = [...broken].sort(byCount).slice(0, keptGroups);
    const groups = largest.map((group) => ({
      key: keyOf(per, group),
      count: group.count,
      waived: this.#waivedOf(group),
    }));
    return { groups, omittedGroups: broken.length - largest.length };
  }

  #keep(clusterId: string, finding: Finding): KeptFinding {
    return { fingerprint: fingerprint(clusterId, this.rule.id, this.rule.on, finding), fields: finding };
  }
}

const nothingFresh = { grades: noGrades, failed: new Map<number, number>(), hasRisen: false };

function failedOf(
  failed: ReadonlyMap<number, number> = new Map(),
): Pick<NonNullable<RuleResult['breaking']>, 'failed'> {
  return failed.size > 0 ? { failed: [...failed].sort(([a], [b]) => a - b) } : {};
}

/** What became of a rule since a baseline. */
export interface Comparison {
  /** Findings that are not known. */
  readonly new: number;
  /** What is known and has become more, or worse: phrases, none when nothing has. */
  readonly worse: readonly string[];
  /** Findings that were known and are not there. */
  readonly fixed: number;
  /** The worst of the new ones. */
  readonly findings: readonly KeptFinding[];
}

interface Lent {
  readonly loans: readonly Loan[];
  readonly tally: Tally;
  /** A tally by group keeps the worst of each group only. */
  readonly worst: Worst<Finding>;
}

interface Waived {
  readonly finding: Finding;
  readonly waiver: string;
  readonly place: number;
}

/** Groups of the rest that are told apart. */
const keptGroupNumbers = 1000;

/**
 * Which groups are followed does not depend on how many findings they have, so that a group does not come and go with
 * the others. Those that are followed stay so, and none comes out of the rest as long as there is one.
 */
function followedGroups(
  per: readonly string[],
  groups: readonly Group[],
  { mostGroups, groups: before = { single: new Set(), hasRest: false } }: Pick<Tracking, 'groups' | 'mostGroups'>,
): { followed: readonly Group[]; rest: readonly Group[] } {
  if (groups.length <= mostGroups) return { followed: groups, rest: [] };
  const sorted = groups
    .map((group) => ({ group, place: groupNumber(keyOf(per, group)) }))
    .map((one) => ({ ...one, isNew: !before.single.has(one.place) }))
    .sort((a, b) => Number(a.isNew) - Number(b.isNew) || a.place - b.place);
  const stay = sorted.filter(({ isNew }) => !isNew).length;
  const single = Math.min(mostGroups, before.hasRest ? stay : mostGroups);
  const ordered = sorted.map(({ group }) => group);
  return { followed: ordered.slice(0, single), rest: ordered.slice(single) };
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, one) => total + one, 0);
}

function resultOf(identities: Identities | undefined): Pick<Violation, 'identities' | 'distinct'> {
  return identities?.result() ?? { identities: [], distinct: 0 };
}

/** Groups shown of a rule with `per`, the largest. */
export const keptGroups = 50;

const brokenStatus: Readonly<Record<Enforce, RuleStatus>> = { block: 'fail', warn: 'warn', observe: 'observed' };

function byCount(a: Group, b: Group): number {
  if (a.count !== b.count) return b.count - a.count;
  const differing = a.values.findIndex((value, i) => value !== b.values[i]);
  return differing < 0 ? 0 : compareValues(a.values[differing], b.values[differing]);
}

/** Those that expired last come first. */
function expiredOf(loans: ReadonlySet<Loan> | undefined): Pick<Violation, 'expired'> {
  if (loans === undefined) return {};
  const sorted = [...loans].sort((a, b) => b.waiver.expires - a.waiver.expires || a.place - b.place);
  return { expired: sorted.map(({ waiver }) => ({ waiver: waiver.id, atMs: waiver.expires })) };
}

function keyOf(per: readonly string[], { values }: Pick<Group, 'values'>): Record<string, string | number> {
  return Object.fromEntries(per.map((field, i) => [field, shown(field, values[i]) as string | number]));
}
