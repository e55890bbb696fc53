import type { Reason } from './evaluation.ts';
import type { PolicyFile } from './policy/schema.ts';
import type { FindingKind, ListFacts, ListName, ReportFacts } from './report.ts';
import { listOf } from './report.ts';

/** What the count beside a list says against what is in the list, for rules of one kind. */
export interface Reconciled {
  /** Why such rules cannot be judged by the rows alone. */
  readonly problem?: Reason;
  /** What would have been a problem, had the policy not relaxed it. */
  readonly relaxed?: string;
  /** At least so many rows there are, by the count, though fewer are listed. */
  readonly evidence: number;
}

/**
 * A list is believed only as far as its count agrees with it.
 *
 * - `strict`: fewer rows than counted, none counted in a row that lists some, no count, or no list is a problem
 * - `empty`: only where no row is listed
 * - `off`: only where there is no list at all, and what is counted is not 0
 */
export function reconcile(kind: FindingKind, facts: ReportFacts, mode: PolicyFile['reconcile']): Reconciled {
  const list = listOf(kind);
  if (list === undefined) return { evidence: 0 };
  const at = facts.lists[list];
  if (at.shape === 'other') {
    return {
      problem: {
        kind: 'report-unreadable',
        message: `the report gives ${name(list)} as something that is no list`,
        list,
      },
      evidence: 0,
    };
  }
  if (at.repeated !== undefined && at.listed > 0) {
    return {
      problem: { kind: 'report-unreadable', message: `the report gives ${name(list)} ${at.repeated} times`, list },
      evidence: 0,
    };
  }
  const found = mismatch(kind, list, at);
  if (found === undefined) return { evidence: 0 };
  const listIsAbsent = at.shape === 'absent' || at.shape === 'null';
  // Where the policy relaxes it, a list that is not there is believed when nothing is counted either.
  const isMissed = listIsAbsent && claimed(at) !== 0;
  const counts = mode === 'strict' || (mode === 'empty' && found.empty) || isMissed;
  return counts ? { problem: found.reason, evidence: found.evidence } : { relaxed: found.reason.message, evidence: 0 };
}

interface Mismatch {
  readonly reason: Reason;
  readonly empty: boolean;
  readonly evidence: number;
}

function mismatch(kind: FindingKind, list: ListName, at: ListFacts): Mismatch | undefined {
  if (at.reported === undefined) {
    const message = `the report does not say how many ${name(list)} there are, so the ${at.listed} listed may not be all`;
    return { reason: { kind: 'count-missing', message, list }, empty: at.listed === 0, evidence: 0 };
  }
  const counted = claimed(at) ?? 0;
  const isTold = counted > at.reported;
  if (at.shape === 'absent' || at.shape === 'null') {
    const who = isTold ? 'the list of reports counts' : 'counts';
    const message = `the report has no list of ${name(list)}, and ${who} ${counted}`;
    const evidence = list === 'baseline_checks' ? Math.min(1, counted) : counted;
    return { reason: { kind: 'count-mismatch', message, list }, empty: counted > 0, evidence };
  }
  const isBaseline = list === 'baseline_checks';
  const there = at.listed;
  // The baseline count may be of failed rules or of items rather than of rows: it is one of these then.
  const isOfRows = !isBaseline || (counted !== at.items && counted !== at.failed);
  if (counted > there && isOfRows) {
    const lists = isTold ? 'the list of reports counts' : 'the report counts';
    const message = `${lists} ${counted} ${name(list)} and ${isTold ? 'the report ' : ''}lists ${there}: ${counted - there} not shown`;
    const evidence = isBaseline ? (at.listed === 0 ? 1 : 0) : counted;
    return { reason: { kind: 'count-mismatch', message, list }, empty: at.listed === 0, evidence };
  }
  if (isBaseline && (at.deniedRows ?? 0) > 0) {
    const message = `${at.deniedRows} baseline checks list items and say that no rule was checked, or that none failed`;
    return { reason: { kind: 'count-mismatch', message, list }, empty: false, evidence: 0 };
  }
  if (kind === 'baseline_items' && (at.shortRows ?? 0) > 0) {
    const message = `${at.shortRows} baseline checks list fewer items than the rules they say failed, or do not say how many failed`;
    return { reason: { kind: 'count-mismatch', message, list }, empty: (at.items ?? 0) === 0, evidence: 0 };
  }
  return undefined;
}

/** The most that is said to be there; undefined where the report itself says nothing. */
function claimed({ reported, told = 0 }: ListFacts): number | undefined {
  return reported === undefined ? undefined : Math.max(reported, told);
}

/** For people: `privileged containers`. */
function name(list: ListName): string {
  return list === 'baseline_checks' ? 'baseline risks' : list.replaceAll('_', ' ');
}

/** More rows than counted: odd, but every row there is was judged. */
export function surplus(list: ListName, facts: ReportFacts): string | undefined {
  const { reported, listed } = facts.lists[list];
  if (list === 'baseline_checks' || reported === undefined || listed <= reported) return undefined;
  return `the report counts ${reported} ${name(list)} and lists ${listed}`;
}

/**
 * More rows than counted, for a rule that asks for the count. That of the baselines may be of those that failed, so rows that
 * failed nothing need not be in it; where they were not read it is not known which these are.
 */
export function understated(list: ListName, facts: ReportFacts): string | undefined {
  const { reported, listed, failing = listed } = facts.lists[list];
  if (list !== 'baseline_checks') return surplus(list, facts);
  if (reported === undefined || failing <= reported) return undefined;
  return `the report counts ${reported} ${name(list)} and lists ${failing}`;
}

/** The report counts less than the list of reports does, for a rule that asks for the count. */
export function undercounted(list: ListName, facts: ReportFacts): string | undefined {
  const { reported, told = 0 } = facts.lists[list];
  if (reported === undefined || told <= reported) return undefined;
  return `the list of reports counts ${told} ${name(list)} and the report counts ${reported}`;
}

/** Fewer rows than counted, for a list that no rule reads. */
export function deficit(list: ListName, facts: ReportFacts): string | undefined {
  const { reported, listed } = facts.lists[list];
  if (list === 'baseline_checks' || reported === undefined || listed >= reported) return undefined;
  return `the report counts ${reported} ${name(list)} and lists ${listed}; no rule reads them`;
}
