import type { WaiverResult } from './evaluation.ts';
import type { PolicyWaiver } from './policy/parse.ts';
import type { Finding } from './report.ts';

/** Waivers that cover a finding. */
export interface Cover {
  /** The first of those in force in the policy; undefined: none is. */
  readonly first: Loan | undefined;
  /**
   * Undefined: the finding is waived. Else all of them were granted for so many findings, and it is waived unless every
   * one turns out to cover more.
   */
  readonly loans: readonly Loan[] | undefined;
  /** Those that expired: without that it would be waived. */
  readonly expired: readonly Loan[];
}

/** A waiver, and what it was found to cover. */
export interface Loan {
  readonly waiver: PolicyWaiver;
  /** Its place in the policy. */
  readonly place: number;
  readonly inForce: boolean;
  readonly isExpired: boolean;
  count: number;
  fixable: number;
}

export function isOverBroad({ waiver, count }: Pick<Loan, 'waiver' | 'count'>): boolean {
  return waiver.max_findings !== undefined && count > waiver.max_findings;
}

/**
 * The waivers of one rule, looked up by what they ask for: with a thousand waivers of `image == "a" && vulnerability ==
 * "b"`, a finding is tested against the few that name its vulnerability.
 */
export class WaiverIndex {
  /** For a field that waivers compare with a text: from that text to those waivers. */
  readonly #byField = new Map<string, Map<string, Loan[]>>();
  readonly #others: Loan[] = [];
  readonly #loans: Loan[];
  readonly #nowMs: number;

  constructor(waivers: readonly PolicyWaiver[], nowMs: number) {
    this.#nowMs = nowMs;
    this.#loans = waivers.map((waiver, place) => {
      const inForce = waiver.expires > nowMs && (waiver.granted ?? 0) <= nowMs;
      return { waiver, place, inForce, isExpired: waiver.expires <= nowMs, count: 0, fixable: 0 };
    });
    const values = new Map<string, Set<string>>();
    for (const { waiver } of this.#loans) {
      for (const [field, value] of waiver.where?.equalities ?? []) {
        const known = values.get(field) ?? new Set();
        values.set(field, known.add(value));
      }
    }
    for (const loan of this.#loans) {
      // The field with the most different values tells waivers apart best.
      const [best] = [...(loan.waiver.where?.equalities ?? [])].sort(
        ([a], [b]) => (values.get(b)?.size ?? 0) - (values.get(a)?.size ?? 0),
      );
      if (best === undefined) this.#others.push(loan);
      else {
        const [field, value] = best;
        const byValue = this.#byField.get(field) ?? new Map<string, Loan[]>();
        this.#byField.set(field, byValue.set(value, [...(byValue.get(value) ?? []), loan]));
      }
    }
  }

  /**
   * The waivers that cover the finding, and are in force or were; undefined when there is none. Every waiver that covers it
   * counts it, those that are not in force yet too. A waiver that cannot be told to cover it does not.
   */
  covers(finding: Finding): Cover | undefined {
    let found: Loan[] | undefined;
    for (const [field, byValue] of this.#byField) {
      const candidates = byValue.get(finding[field] as string);
      if (candidates !== undefined) found = covering(candidates, finding, found);
    }
    if (this.#others.length > 0) found = covering(this.#others, finding, found);
    if (found === undefined) return undefined;
    const inForce = found.filter((loan) => loan.inForce).sort(byPlace);
    const expired = found.filter((loan) => loan.isExpired);
    const certain = inForce.find(({ waiver }) => waiver.max_findings === undefined);
    return { first: certain ?? inForce[0], loans: certain === undefined ? inForce : undefined, expired };
  }

  /** Waivers in force that cover more than they were granted for. */
  get overBroad(): readonly Loan[] {
    return this.#loans.filter((loan) => loan.inForce && isOverBroad(loan));
  }

  results(): WaiverResult[] {
    return this.#loans.map((loan) => {
      const { waiver, count, fixable } = loan;
      const { id, rule, owner, reason, ticket, expires, max_findings, line } = waiver;
      return {
        id,
        status: statusOf(loan),
        count,
        rule,
        owner,
        reason,
        ...(ticket !== undefined && { ticket }),
        expiresAtMs: expires,
        isExpiring: isExpiringAt(expires, waiver.granted, this.#nowMs),
        ...(max_findings !== undefined && { maxFindings: max_findings }),
        ...(fixable > 0 && { fixable }),
        line,
      };
    });
  }
}

/** A waiver that ends sooner is about to expire. */
const expiringMs = 14 * 86_400_000;

/** Whether a waiver is in force, but not for long. */
export function isExpiringAt(expiresMs: number, grantedMs: number | undefined, nowMs: number): boolean {
  return expiresMs > nowMs && (grantedMs ?? 0) <= nowMs && expiresMs - nowMs < expiringMs;
}

function statusOf(loan: Loan): WaiverResult['status'] {
  if (loan.isExpired) return 'expired';
  if (!loan.inForce) return 'pending';
  if (isOverBroad(loan)) return 'over-broad';
  return loan.count > 0 ? 'used' : 'unused';
}

function covering(loans: readonly Loan[], finding: Finding, found: Loan[] | undefined): Loan[] | undefined {
  let all = found;
  for (const loan of loans) {
    const { where, until_fix_available: untilFix } = loan.waiver;
    if (where !== undefined && where.test(finding) !== true) continue;
    if (untilFix === true && hasFix(finding)) {
      loan.fixable++;
      continue;
    }
    loan.count++;
    if (loan.inForce || loan.isExpired) {
      all ??= [];
      all.push(loan);
    }
  }
  return all;
}

/** Whether the report names a fix. */
export function hasFix({ solution }: Finding): boolean {
  return typeof solution === 'string' && solution.trim() !== '';
}

function byPlace(a: Loan, b: Loan): number {
  return a.place - b.place;
}
