import type { Reason } from '../core/evaluation.ts';
import type { Notice } from '../core/notice.ts';
import type { ClusterListing, ClusterRow, Finding, FindingKind, ReportFacts } from '../core/report.ts';

/** A body as bytes, read once, in order. */
export type Bytes = AsyncIterable<Uint8Array>;

/** What became of a body. */
export interface ReadReport {
  /** What the report states; as far as it was read, if there is a problem. */
  readonly facts: ReportFacts;
  /** Why it could not be read, or not to its end. The findings before that point were pushed. */
  readonly problem?: Reason;
  /** `sha256:` and hex digits, over the bytes as they were read, unpacked. */
  readonly digest: string;
  readonly byteLength: number;
}

/** Takes each finding of the kinds that were asked for. The object is reused: copy what outlives the call. */
export type Push = (kind: FindingKind, finding: Finding) => void;

/** Bytes of a report to findings and facts. A broken report is a problem in what it gives back. */
export type ReportReader = (body: Bytes, read: ReadonlySet<FindingKind>, push: Push) => Promise<ReadReport>;

/** Where reports come from: one project of one region, with its credentials. */
export interface ReportSource {
  readonly name: string;
  /**
   * The newest row of every cluster.
   * @throws {UndeterminedError} source-unreachable, source-throttled
   */
  list(signal?: AbortSignal): Promise<ClusterListing>;
  /**
   * Read a report. `consume` is called anew for every attempt, so it must start from nothing each time; an
   * UndeterminedError that it throws is final, a body that breaks off on the way is tried again.
   * @throws {UndeterminedError} source-unreachable, source-throttled, report-missing, report-truncated
   */
  read<T>(row: ClusterRow, consume: (body: Bytes) => Promise<T>, signal?: AbortSignal): Promise<T>;
}

/** Delivers to one receiver. */
export interface Notifier {
  readonly receiver: string;
  /** Another one when its URL is another one; tells nothing of it. Absent: its URL is not known to change. */
  readonly address?: () => Promise<string | undefined>;
  /** @throws {DeliveryError} the receiver did not take it */
  deliver(notice: Notice, nowMs: number, signal?: AbortSignal): Promise<Taken | undefined>;
}

/** How a receiver took a message that it did not take as it was sent. */
export interface Taken {
  /** Why it refused the message as it should look, and then took it in plain words. */
  readonly refusal: string;
}

/** One line for whoever operates this: a fixed message, with fields. Never a secret. */
export type Log = (level: 'info' | 'warn' | 'error', msg: string, fields?: Readonly<Record<string, unknown>>) => void;

/** When calls went out, as far as other processes have to know. */
export interface Paced {
  /** Oldest first; epoch milliseconds. */
  readonly sentAtMs: readonly number[];
  /** No call before this time. */
  readonly heldUntilMs: number;
}

/** Where processes that share a limit write down their calls. */
export interface PaceBook {
  /** @returns undefined: it cannot be read now, and nobody waits for it */
  read(key: string): Promise<{ readonly paced: Paced; readonly version: number } | undefined>;
  /** @returns false: somebody else was faster */
  write(key: string, paced: Paced, version: number): Promise<boolean>;
}

/** Time as the edges need it; tests bring their own. */
export interface Clock {
  nowMs(): number;
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}
