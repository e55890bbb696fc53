import type { BrokenGroup, Enforce, KeptFinding, Reason, RuleResult, RuleStatus, Violation } from './evaluation.ts';
import { fingerprint, identityNumber, textNumber } from './fingerprint.ts';
import { Identities } from './identities.ts';
import { compareFindings, compareValues, copyFinding, shown } from './order.ts';
import type { PolicyRule, PolicyWaiver } from './policy/parse.ts';
import type { Finding } from './report.ts';
import { type FindingSeverity, severityRank } from './severity.ts';
import { WaiverIndex } from './waivers.ts';
import { Worst } from './worst.ts';

/** What a rule keeps of the findings it has seen: numbers, and the worst of them. */
export class RuleFold {
  readonly rule: PolicyRule;
  readonly waivers: WaiverIndex;
  readonly #compare: (a: Finding, b: Finding) => number;
  readonly #copy: (finding: Finding) => Finding;
  readonly #worst: Worst<Finding>;
  readonly #rank: number;
  readonly #groups = new Map<string, Group>();
  #count = 0;
  #waived = 0;
  #unevaluable = 0;
  #tooManyGroups = false;
  /** Of a rule without `per`, when it is tracked. */
  readonly #identities: Identities | undefined;

  readonly #known: ReadonlySet<number> | undefined;
  /** The worst of those that are not known. */
  readonly #fresh: Worst<Finding>;

  /** @param tracking note which findings there are, for alert memory */
  constructor(rule: PolicyRule, waivers: readonly PolicyWaiver[], nowMs: number, tracking: Tracking | undefined) {
    this.rule = rule;
    this.#identities = tracking === undefined ? undefined : new Identities();
    this.#known = tracking?.known;
    this.waivers = new WaiverIndex(waivers, nowMs);
    this.#compare = compareFindings(rule.on);
    this.#copy = (finding) => copyFinding(rule.on, finding);
    this.#worst = new Worst(keptFindings, this.#compare);
    this.#fresh = new Worst(namedFindings, this.#compare);
    this.#rank = rule.min_severity === undefined ? Number.POSITIVE_INFINITY : severityRank(rule.min_severity);
  }

  push(finding: Finding): void {
    const { where, per } = this.rule;
    if (this.#rank !== Number.POSITIVE_INFINITY && severityRank(finding.severity as FindingSeverity) > this.#rank)
      return;
    if (where !== undefined) {
      const matches = where.test(finding);
      if (matches === undefined) this.#unevaluable++;
      if (matches !== true) return;
    }
    const waived = this.waivers.covers(finding);
    const group = per === undefined ? undefined : this.#group(finding, per);
    if (waived) {
      this.#waived++;
      if (group !== undefined) group.waived++;
      return;
    }
    this.#count++;
    if (this.#identities !== undefined) {
      const identity = identityNumber(this.rule.on, finding);
      (group?.identities ?? this.#identities).add(identity);
      if (this.#known?.has(identity) === false) this.#fresh.add(finding, this.#copy);
    }
    if (per === undefined) this.#worst.add(finding, this.#copy);
    else if (group !== undefined) {
      group.count++;
      if (group.worst === undefined || this.#compare(finding, group.worst) < 0) group.worst = this.#copy(finding);
    }
  }

  #group(finding: Finding, per: readonly string[]): Group | undefined {
    const values = per.map((field) => finding[field] ?? '');
    const key = JSON.stringify(values);
    const known = this.#groups.get(key);
    if (known !== undefined) return known;
    if (this.#groups.size >= mostGroups) {
      this.#tooManyGroups = true;
      return undefined;
    }
    const group: Group = {
      values,
      count: 0,
      waived: 0,
      worst: undefined,
      identities: this.#identities && new Identities(),
    };
    this.#groups.set(key, group);
    return group;
  }

  /** Why the rule cannot be judged by what was pushed, the report's own reasons aside. */
  problem(): Reason | undefined {
    const rules = [this.rule.id];
    if (this.#tooManyGroups) {
      const message = `rule ${this.rule.id}: per makes more than ${mostGroups.toLocaleString('en')} groups; group by less`;
      return { kind: 'rule-unevaluable', message, rules };
    }
    if (this.#unevaluable > 0) {
      const asked = [...(this.rule.where?.fields ?? [])].join(', ');
      const count = `${this.#unevaluable} ${this.#unevaluable === 1 ? 'finding' : 'findings'}`;
      const message = `rule ${this.rule.id}: its where cannot be told of ${count}: a field that it asks for is absent or unknown, or a function fails on one (${asked})`;
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
    const brokenGroups = [...this.#groups.values()].filter((group) => group.count > rule.max);
    // A count is about all rows of a list: it proves something only for a rule that looks at all of them.
    const unfiltered = rule.where === undefined && rule.per === undefined && (rule.min_severity ?? 'Low') === 'Low';
    const counted = unfiltered ? Math.max(this.#count, evidence - this.#waived) : this.#count;
    const broken = rule.per === undefined ? counted > rule.max : brokenGroups.length > 0;
    const byCount = broken && rule.per === undefined && this.#count <= rule.max;
    const count = byCount ? counted : this.#count;
    const findings = rule.per === undefined ? this.#worst.items : this.#worstOf(brokenGroups);
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
      waivedFindings: [],
      evidence: byCount ? 'reported' : 'listed',
      ...(rule.message !== undefined && { message: rule.message }),
      ...(rule.per !== undefined && { per: rule.per, ...groupsOf(rule.per, brokenGroups) }),
      line: rule.line,
      ...(this.#identities !== undefined && {
        violations: broken ? this.#violations(clusterId, count, brokenGroups) : [],
      }),
    };
  }

  #violations(clusterId: string, count: number, groups: readonly Group[]): Violation[] {
    const keep = (finding: Finding) => this.#keep(clusterId, finding);
    const { per } = this.rule;
    if (per === undefined) {
      const worst = this.#named(this.#worst.items.slice(0, namedFindings), () => true).map(keep);
      return [{ group: {}, count, waived: this.#waived, worst, ...resultOf(this.#identities) }];
    }
    const { followed, rest } = followedGroups(groups);
    const violations: Violation[] = followed.map((group) => ({
      group: keyOf(per, group),
      count: group.count,
      waived: group.waived,
      worst: this.#named(group.worst === undefined ? [] : [group.worst], (finding) =>
        per.every((field, i) => (finding[field] ?? '') === group.values[i]),
      ).map(keep),
      ...resultOf(group.identities),
    }));
    if (rest.length > 0) {
      const [of, waived] = [sum(rest.map((group) => group.count)), sum(rest.map((group) => group.waived))];
      violations.push({ group: {}, isRest: true, count: of, waived, worst: [], identities: [], distinct: 0 });
    }
    return violations;
  }

  /** The worst, and those that are not known: worst first, each once. */
  #named(worst: readonly Finding[], isOf: (finding: Finding) => boolean): Finding[] {
    const named = [...worst];
    for (const finding of this.#fresh.items.filter(isOf)) {
      if (named.every((one) => this.#compare(one, finding) !== 0)) named.push(finding);
    }
    return named.sort(this.#compare);
  }

  #worstOf(groups: readonly Group[]): Finding[] {
    const worst = new Worst<Finding>(keptFindings, this.#compare);
    for (const group of groups) if (group.worst !== undefined) worst.add(group.worst, (finding) => finding);
    return [...worst.items];
  }

  #keep(clusterId: string, finding: Finding): KeptFinding {
    return { fingerprint: fingerprint(clusterId, this.rule.id, this.rule.on, finding), fields: finding };
  }
}

/** What alert memory knows of a rule. */
export interface Tracking {
  /** Identities of its findings; undefined: none was seen before. */
  readonly known: ReadonlySet<number> | undefined;
}

/** Findings kept of a rule, the worst. */
export const keptFindings = 100;

/** Findings kept of a violation for alert memory: the worst, and as many of those that are not known. */
export const namedFindings = 20;

/** Groups of a rule that are followed one by one, each as an alert of its own. */
export const mostFollowedGroups = 100;

/**
 * Which groups are followed does not depend on how many findings they have, so that a group does not come and go with
 * the others.
 */
function followedGroups(groups: readonly Group[]): { followed: readonly Group[]; rest: readonly Group[] } {
  if (groups.length <= mostFollowedGroups) return { followed: groups, rest: [] };
  const sorted = groups
    .map((group) => ({ group, place: textNumber(JSON.stringify(group.values)) }))
    .sort((a, b) => a.place - b.place)
    .map(({ group }) => group);
  return { followed: sorted.slice(0, mostFollowedGroups), rest: sorted.slice(mostFollowedGroups) };
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, one) => total + one, 0);
}

function resultOf(identities: Identities | undefined): Pick<Violation, 'identities' | 'distinct'> {
  return identities?.result() ?? { identities: [], distinct: 0 };
}

/** Groups shown of a rule with `per`, the largest. */
export const keptGroups = 50;

/** Groups that a rule with `per` may make. */
export const mostGroups = 20_000;

const brokenStatus: Readonly<Record<Enforce, RuleStatus>> = { block: 'fail', warn: 'warn', observe: 'observed' };

interface Group {
  readonly values: readonly (string | number)[];
  count: number;
  waived: number;
  worst: Finding | undefined;
  /** Of its findings, when they are tracked. */
  readonly identities: Identities | undefined;
}

function groupsOf(per: readonly string[], broken: readonly Group[]): { groups: BrokenGroup[]; omittedGroups: number } {
  const byCount = (a: Group, b: Group) => {
    if (a.count !== b.count) return b.count - a.count;
    const differing = a.values.findIndex((value, i) => value !== b.values[i]);
    return differing < 0 ? 0 : compareValues(a.values[differing], b.values[differing]);
  };
  const largest = [...broken].sort(byCount).slice(0, keptGroups);
  const groups = largest.map((group) => ({ key: keyOf(per, group), count: group.count, waived: group.waived }));
  return { groups, omittedGroups: broken.length - largest.length };
}

function keyOf(per: readonly string[], { values }: Group): Record<string, string | number> {
  return Object.fromEntries(per.map((field, i) => [field, shown(field, values[i]) as string | number]));
}
