import type { Evaluation, RuleResult } from './evaluation.ts';
import { compileWhere, type Expression, isProblem } from './expression.ts';
import { fingerprint } from './fingerprint.ts';
import { copyFinding, shown } from './order.ts';
import type { Policy, PolicyRule, PolicyWaiver } from './policy/parse.ts';
import type { Finding, FindingKind } from './report.ts';
import { type FindingSeverity, severityRank } from './severity.ts';
import { hasFix, isOverBroad } from './waivers.ts';

/** A condition, part by part: what it is of a finding, and by which values. */
export interface ExplainedTerm {
  readonly text: string;
  /** Undefined: it cannot be told. */
  readonly holds: boolean | undefined;
  /** The fields that it asks for; undefined: the report does not have it. */
  readonly values: Finding;
}

/** Whether a waiver covers a finding, and why or why not. */
export interface ExplainedWaiver {
  readonly waiver: PolicyWaiver;
  readonly terms: readonly ExplainedTerm[];
  readonly outcome: 'waives' | 'other' | 'untold' | 'fix-available' | 'expired' | 'pending' | 'over-broad';
  /** How many findings it covers in the whole report, where that matters. */
  readonly covers?: number;
}

/** Why a finding is a violation of a rule, or is none. */
export interface ExplainedFinding {
  readonly rule: PolicyRule;
  readonly finding: Finding;
  /** How often the report states it. */
  readonly times: number;
  /** Whether it is as bad as `min_severity` asks; undefined: the rule does not ask. */
  readonly severe: boolean | undefined;
  readonly terms: readonly ExplainedTerm[];
  readonly waivers: readonly ExplainedWaiver[];
  /** `counts`: it is one of those that the rule counts. */
  readonly outcome: 'counts' | 'waived' | 'not-severe' | 'no-match' | 'untold';
}

/** What became of all findings that a rule looked at. */
export interface ExplainedRule {
  readonly rule: PolicyRule;
  readonly seen: number;
  /** Less bad than `min_severity`. */
  readonly notSevere: number;
  /** Its `where` is false of them, or cannot be told. */
  readonly noMatch: number;
  readonly untold: number;
}

interface Tallied {
  seen: number;
  notSevere: number;
  noMatch: number;
  untold: number;
}

/** Looks at every finding of a report once more, to tell why a verdict is as it is. */
export class Explanation {
  readonly #policy: Policy;
  readonly #evaluation: Evaluation;
  readonly #target: string | undefined;
  readonly #rules: readonly { readonly rule: PolicyRule; readonly tally: Tallied }[];
  #found: { readonly rule: PolicyRule; readonly finding: Finding; times: number } | undefined;

  /**
   * @param evaluation of the same report by the same policy
   * @param target the fingerprint of a finding
   */
  constructor(policy: Policy, evaluation: Evaluation, target?: string) {
    this.#policy = policy;
    this.#evaluation = evaluation;
    this.#target = target;
    this.#rules = policy.rules.map((rule) => ({ rule, tally: { seen: 0, notSevere: 0, noMatch: 0, untold: 0 } }));
  }

  push(kind: FindingKind, finding: Finding): void {
    for (const { rule, tally } of this.#rules) {
      if (rule.on !== kind) continue;
      tally.seen++;
      if (isSevere(rule, finding) === false) tally.notSevere++;
      else {
        const holds = rule.where === undefined ? true : rule.where.test(finding);
        if (holds === undefined) tally.untold++;
        else if (!holds) tally.noMatch++;
      }
      if (this.#target !== undefined) this.#look(rule, finding);
    }
  }

  #look(rule: PolicyRule, finding: Finding): void {
    if (fingerprint(this.#evaluation.cluster.id, rule.id, rule.on, finding) !== this.#target) return;
    if (this.#found === undefined) this.#found = { rule, finding: copyFinding(rule.on, finding), times: 1 };
    else this.#found.times++;
  }

  rules(): readonly ExplainedRule[] {
    return this.#rules.map(({ rule, tally }) => ({ rule, ...tally }));
  }

  /** @returns undefined when the report does not state it */
  finding(): ExplainedFinding | undefined {
    if (this.#found === undefined) return undefined;
    const { rule, finding, times } = this.#found;
    const severe = isSevere(rule, finding);
    const terms = explainTerms(rule.on, rule.where, finding);
    const holds = rule.where === undefined ? true : rule.where.test(finding);
    const waivers = this.#policy.waivers
      .filter((waiver) => waiver.rule === rule.id)
      .map((waiver) => this.#explainWaiver(rule, waiver, finding));
    const isWaived = waivers.some(({ outcome }) => outcome === 'waives');
    const outcome =
      severe === false
        ? 'not-severe'
        : holds === undefined
          ? 'untold'
          : !holds
            ? 'no-match'
            : isWaived
              ? 'waived'
              : 'counts';
    return { rule, finding, times, severe, terms, waivers, outcome };
  }

  #explainWaiver(rule: PolicyRule, waiver: PolicyWaiver, finding: Finding): ExplainedWaiver {
    const terms = explainTerms(rule.on, waiver.where, finding);
    const holds = waiver.where === undefined ? true : waiver.where.test(finding);
    const { evaluatedAtMs, waivers } = this.#evaluation;
    const covers = waivers.find(({ id }) => id === waiver.id)?.count ?? 0;
    const outcome = (): ExplainedWaiver['outcome'] => {
      if (holds === undefined) return 'untold';
      if (!holds) return 'other';
      if (waiver.until_fix_available === true && hasFix(finding)) return 'fix-available';
      if (waiver.expires <= evaluatedAtMs) return 'expired';
      if ((waiver.granted ?? 0) > evaluatedAtMs) return 'pending';
      return isOverBroad({ waiver, count: covers }) ? 'over-broad' : 'waives';
    };
    return { waiver, terms, outcome: outcome(), covers };
  }
}

/** The result of a rule. */
export function resultOfRule({ rules }: Evaluation, id: string): RuleResult | undefined {
  return rules.find((rule) => rule.id === id);
}

function isSevere({ min_severity: least }: PolicyRule, finding: Finding): boolean | undefined {
  if (least === undefined) return undefined;
  return severityRank(finding.severity as FindingSeverity) <= severityRank(least);
}

function explainTerms(kind: FindingKind, where: Expression | undefined, finding: Finding): ExplainedTerm[] {
  return (where?.terms ?? []).map((text) => {
    const term = compileWhere(kind, text);
    if (isProblem(term)) return { text, holds: undefined, values: {} };
    const values = [...term.fields].map((field) => [field, shown(field, finding[field])] as const);
    return { text, holds: term.test(finding), values: Object.fromEntries(values) };
  });
}
