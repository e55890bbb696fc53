import type { ExpiredWaivers } from './alerts.ts';
import type { KeptFinding, Reason } from './evaluation.ts';
import type { Origin } from './named-finding.ts';
import type { FindingKind } from './report.ts';
import type { RuleSeverity } from './severity.ts';
import type { Cause } from './told.ts';

/** What became of one alert since the receiver last heard of it. */
export interface AlertNews {
  /** Of the alert; the same in all messages about it. */
  readonly fingerprint: string;
  readonly cause: Cause;
  /** Empty: the cluster cannot be judged, and `reasons` say why. */
  readonly rule: string;
  readonly on: FindingKind;
  readonly severity: RuleSeverity;
  /** Others, under which the receiver may take it to fire. */
  readonly severitiesBefore?: readonly RuleSeverity[];
  /** Field to value, in the order of `per`; empty for a rule without. */
  readonly group: Readonly<Record<string, string | number>>;
  /** The policy author's sentence for the rule. */
  readonly message?: string;
  /** How many findings there are now; of an alert that is over, how many there were. */
  readonly count: number;
  readonly max: number;
  readonly waived: number;
  /** How many the receiver was last told of; undefined: it was not. */
  readonly before?: number;
  /** A finding is of a higher severity than the receiver was told of. */
  readonly risen?: { readonly from: string; readonly to: string };
  /** The waivers that expired, when it is back for that, or worse. */
  readonly expired?: ExpiredWaivers;
  /** It was one of the groups that are followed together, which was told. */
  readonly isOfRest?: true;
  /** A silence muted it until now. */
  readonly wasSilenced?: true;
  /** When it began to fire; epoch milliseconds. */
  readonly sinceMs: number;
  /** When it came back last, if it was over since; epoch milliseconds. */
  readonly backMs?: number;
  /** When it was over; epoch milliseconds. */
  readonly overMs?: number;
  /** The findings that are news, worst first: all of one that is new, those added to one that is worse. A few of them. */
  readonly findings: readonly NewFinding[];
  /** Findings that are news beyond those named. */
  readonly omitted: number;
  /**
   * How many findings are known to have gone since the receiver last heard of it, and the worst of them by name. Of an
   * alert that is over, and of which some findings are allowed, it is not known.
   */
  readonly gone: number;
  readonly goneFindings: readonly KeptFinding[];
  /** Why the cluster cannot be judged. */
  readonly reasons: readonly Reason[];
  /** Why the newest report does not tell whether it still stands. */
  readonly held?: string;
}

export interface NewFinding extends KeptFinding {
  /** Undefined where it is not known. */
  readonly origin?: Origin;
}

export interface ClusterNews {
  readonly cluster: { readonly id: string; readonly name: string };
  readonly policy: string;
  /** The scan time of the report that it stands on; epoch milliseconds. */
  readonly scannedAtMs: number | undefined;
  readonly reportId: string;
  /** The URL of the whole result as a page; absent: there is none. */
  readonly page?: string;
  /** Most urgent first. */
  readonly news: readonly AlertNews[];
  /** Alerts of the cluster that fire as the receiver was told, or was told the number of, and are not told here. */
  readonly standing: number;
}

/** What one message tells. */
export type Notice = {
  /** The same on every attempt to deliver it; 1 to 64 characters of `A-Z a-z 0-9 _ -`. */
  readonly id: string;
  readonly source: string;
  /** Epoch milliseconds. */
  readonly atMs: number;
} /** What changed in one cluster. */ & (
  | ({
      readonly about: 'alerts';
      /** Nothing is known of earlier messages about the cluster: it is told for the first time, or the memory was lost. */
      readonly isFirstLook?: true;
    } & ClusterNews)
  /**
   * What stands in several clusters: `first`, at the first look at them or after the memory of earlier looks was lost;
   * `reminder`, since it has stood for a while.
   */
  | { readonly about: 'digest'; readonly why: 'first' | 'reminder'; readonly clusters: readonly ClusterNews[] }
);
