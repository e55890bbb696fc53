import type { Finding, FindingKind, ListName } from './report.ts';
import type { RuleSeverity } from './severity.ts';

export type Verdict = 'pass' | 'fail' | 'undetermined';

export type Enforce = 'block' | 'warn' | 'observe';

/** `warn` and `observed`: the rule is broken, but its `enforce` does not stop a deploy. */
export type RuleStatus = 'pass' | 'fail' | 'warn' | 'observed' | 'undetermined';

export type ReasonKind =
  | 'report-missing'
  | 'report-stale'
  | 'report-unreadable'
  | 'report-truncated'
  | 'count-mismatch'
  | 'count-missing'
  | 'cluster-absent'
  | 'image-absent'
  | 'source-unreachable'
  | 'source-throttled'
  | 'coverage-dropped'
  | OwnKind
  | 'rule-unevaluable';

/** Of alerts about ourselves, never of a verdict. */
export const ownKinds = [
  'receiver-failing',
  'message-refused',
  'message-given-up',
  'memory-unreadable',
  'silence-ending',
  'gate-bypassed',
  'source-poisoned',
] as const;
export type OwnKind = (typeof ownKinds)[number];

/** Why a verdict is undetermined. */
export interface Reason {
  readonly kind: ReasonKind;
  /** One sentence for people: what, where, and what to do. Holds no secret and no raw text of a server. */
  readonly message: string;
  /** What mends it, to be copied: of ours, never of a report. */
  readonly command?: string;
  readonly list?: ListName;
  /** The rules that cannot be judged because of it; absent: all of them. */
  readonly rules?: readonly string[];
  /** When it may be worth while to ask again, from the evaluation on. */
  readonly retryAfterMs?: number;
  /** What it stands for, one by one, where that is more than its kind: one more is news, and fewer are none. */
  readonly of?: readonly string[];
}

/** Something that is odd but decides nothing: a mismatch no rule depends on, a check the policy relaxed. */
export interface Note {
  readonly message: string;
  readonly list?: ListName;
}

/** A finding as it is kept and shown: a plain copy, its command line masked. */
export interface KeptFinding {
  /** Identity within its cluster and rule, 32 hex digits; the same in every report that states it. */
  readonly fingerprint: string;
  readonly fields: Finding;
}

/** A finding that does not count, and the waiver that covers it. */
export interface WaivedFinding extends KeptFinding {
  readonly waiver: string;
}

/** A group of a rule with `per` that is over the threshold. */
export interface BrokenGroup {
  /** Field to value, in the order of `per`. */
  readonly key: Readonly<Record<string, string | number>>;
  readonly count: number;
  readonly waived: number;
}

/** A broken rule, or a group over the threshold of a rule with `per`, with what tells its findings apart. */
export interface Violation {
  /** Field to value, in the order of `per`; empty for a rule without. */
  readonly group: Readonly<Record<string, string | number>>;
  readonly count: number;
  readonly waived: number;
  /** Of its different findings the `identity`, ascending; at most `keptIdentities`, the smallest. */
  readonly identities: readonly number[];
  /** How many different findings there are. */
  readonly distinct: number;
  /** Worst first, a few. */
  readonly worst: readonly KeptFinding[];
  /** Waivers that would cover some of its findings, had they not expired; those that did last come first. */
  readonly expired?: readonly { readonly waiver: string; readonly atMs: number }[];
  /** It stands for the groups of a rule with `per` beyond those that are followed one by one: which, by `groupNumber`. */
  readonly rest?: Pick<Violation, 'identities' | 'distinct'>;
}

export interface RuleResult {
  readonly id: string;
  readonly on: FindingKind;
  readonly severity: RuleSeverity;
  readonly enforce: Enforce;
  readonly status: RuleStatus;
  /** Findings that match and are not waived; with `evidence: reported`, by the count beside the list. */
  readonly count: number;
  readonly max: number;
  /** Findings that match and are waived. */
  readonly waived: number;
  /** Worst first, at most `keptFindings` of them. */
  readonly findings: readonly KeptFinding[];
  /** `count` less the findings shown. */
  readonly omitted: number;
  /** Of those that are not shown, where `findings` are what is new since a baseline: the worst that it knows. */
  readonly knownFindings?: readonly KeptFinding[];
  /** Of the findings that are waived, worst first, at most `keptFindings`. */
  readonly waivedFindings: readonly WaivedFinding[];
  /** `reported`: the rows do not show the violation, the count beside them does. */
  readonly evidence: 'listed' | 'reported';
  /** The policy author's sentence for this rule. */
  readonly message?: string;
  /** For rules with `per`: the groups over the threshold, largest first, at most `keptGroups` of them. */
  readonly per?: readonly string[];
  readonly groups?: readonly BrokenGroup[];
  readonly omittedGroups?: number;
  /** Where the rule stands in the policy file, from 1. */
  readonly line: number;
  /** For alert memory, when the evaluation was asked to `track`: `definitionOf` the rule. */
  readonly definition?: string;
  /** For alert memory, when the evaluation was asked to `track`: the rule's violations, of all groups. */
  readonly violations?: readonly Violation[];
  /** For alert memory too, of a rule with `per`: the groups that would break it, were it not for waivers. */
  readonly waivedGroups?: readonly Violation['group'][];
  /** For a baseline, when the evaluation was asked to `track`: the findings that the rule counts, of all groups. */
  readonly breaking?: Pick<Violation, 'count' | 'identities' | 'distinct'> & {
    readonly grades: readonly number[];
    /** Failed rules of each baseline check, by `identityNumber`. */
    readonly failed?: readonly (readonly [number, number])[];
    readonly groups?: Readonly<Record<string, readonly number[]>>;
  };
  /** Against a baseline, where the rule can be compared. `findings` are then those that are new. */
  readonly since?: {
    readonly new: number;
    readonly fixed: number;
    /** Findings before. */
    readonly before: number;
  };
}

export interface WaiverResult {
  readonly id: string;
  /**
   * - `used`, `unused`: in force, whether or not it covers a finding
   * - `expired`: it waives nothing any more
   * - `pending`: it waives nothing yet (`granted`)
   * - `over-broad`: it covers more than its `max_findings`, and so waives nothing
   */
  readonly status: 'used' | 'unused' | 'expired' | 'pending' | 'over-broad';
  /** Findings that it covers; where it waives nothing, that it would have covered. */
  readonly count: number;
  readonly rule: string;
  readonly owner: string;
  readonly reason: string;
  readonly ticket?: string;
  /** When it stops waiving; epoch milliseconds. */
  readonly expiresAtMs: number;
  /** In force, but for less than two weeks. */
  readonly isExpiring: boolean;
  /** So many findings it was granted for. */
  readonly maxFindings?: number;
  /** Findings that it covers no more, since a fix is there for them (`until_fix_available`). */
  readonly fixable?: number;
  /** Where the waiver stands in the policy file, from 1. */
  readonly line: number;
}

/** One change that would clear findings of broken rules. */
export interface Remedy {
  readonly on: FindingKind;
  /** What to change: the fields that all findings it clears share, such as image, image_version and package. */
  readonly subject: Finding;
  /** What the report advises, where it advises anything. */
  readonly advice?: string;
  /** How many findings it clears, all broken rules together. */
  readonly clears: number;
  /** By rule. */
  readonly rules: Readonly<Record<string, number>>;
}

/** The fewest changes that would make all broken rules hold. */
export interface WayToGreen {
  /** In this order; the first clears the most. At most `shownRemedies`. */
  readonly steps: readonly Remedy[];
  /** Steps beyond those. */
  readonly omitted: number;
  /** Violating findings of the rules that the steps are for, each counted for each rule that it breaks. */
  readonly of: number;
  /** What the steps do not bring about: a sentence for each rule that needs something else. */
  readonly left?: readonly string[];
}

/** A policy applied to a report at a time. The same report, policy and time give the same evaluation. */
export interface Evaluation {
  readonly verdict: Verdict;
  readonly cluster: { readonly id: string; readonly name: string; readonly category: string };
  readonly report: {
    /** The id in the list of reports; empty for a report at hand, whose body does not carry it. */
    readonly id: string;
    readonly scannedAtMs: number | undefined;
    readonly ageSeconds: number | undefined;
    /** `sha256:` and the hex digest of the report's bytes, unpacked; empty when there are none. */
    readonly digest: string;
  };
  readonly policy: { readonly name: string; readonly digest: string };
  /** Of vulnerabilities only those of these images count, sorted; absent: all. */
  readonly images?: readonly string[];
  /** The report that it was compared with, if it was to be; `none`: there was nothing to compare it with. */
  readonly baseline?: { readonly reportId: string; readonly scannedAtMs: number; readonly digest: string } | 'none';
  readonly evaluatedAtMs: number;
  /** HSS could not be asked, for this reason: the answer is one that was worked out then. */
  readonly stored?: { readonly atMs: number; readonly reason: Reason };
  /** Undetermined, and let through all the same, as whoever asked wanted. */
  readonly isLetThrough?: true;
  /** That is written down nowhere, since there is no state. */
  readonly isUnrecorded?: true;
  readonly rules: readonly RuleResult[];
  readonly reasons: readonly Reason[];
  readonly notes: readonly Note[];
  readonly waivers: readonly WaiverResult[];
  /** How to get the rules to hold; absent where none is broken by findings that are listed. */
  readonly wayToGreen?: WayToGreen;
  readonly counts: Readonly<Record<ListName, { readonly reported: number | undefined; readonly listed: number }>>;
  /** When there is a report. */
  readonly looked?: Looked;
  /** For alert memory, when the evaluation was asked to `track` and there is a report. */
  readonly seen?: Seen;
}

/** How far a report looked: whether a finding that is gone can be gone because nobody looked. */
export interface Looked {
  readonly hosts: number | undefined;
  readonly pods: number | undefined;
  readonly containers: number | undefined;
}

export interface Seen extends Looked {
  /** Image versions with a vulnerability, as numbers, ascending; undefined: more than `keptIdentities`. */
  readonly images: readonly number[] | undefined;
}

/** A violation that is proven stays one: fail beats undetermined. */
export function verdictOf(rules: readonly RuleResult[], reasons: readonly Reason[], strict: boolean): Verdict {
  if (rules.some(({ status }) => stops(status, strict))) return 'fail';
  return reasons.length > 0 ? 'undetermined' : 'pass';
}

/** Whether a rule fails the verdict. @param strict broken rules that only warn do too */
export function stops(status: RuleStatus, strict: boolean): boolean {
  return status === 'fail' || (strict && status === 'warn');
}

/** 0 pass, 1 fail, 2 undetermined. 3 (invalid input) and 4 (internal error) are not verdicts. */
export const exitCodes = { pass: 0, fail: 1, undetermined: 2 } as const satisfies Record<Verdict, number>;

export const httpStatuses = { pass: 200, fail: 409, undetermined: 503 } as const satisfies Record<Verdict, number>;
