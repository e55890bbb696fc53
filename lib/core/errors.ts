import type { Reason, ReasonKind } from './evaluation.ts';
import type { ListName } from './report.ts';

/**
 * A report or a source that cannot be judged. It becomes a reason of an undetermined verdict.
 * `message` is fit for people and chat: no secret, no signature, no raw text of a server.
 */
export class UndeterminedError extends Error {
  override readonly name = 'UndeterminedError';
  readonly kind: ReasonKind;
  /** For `source-throttled`: when it is worth trying again, from now. */
  readonly retryAfterMs: number | undefined;
  /** Who does not read this list of the report would not have seen it. */
  readonly list: ListName | undefined;

  constructor(
    kind: ReasonKind,
    message: string,
    options?: ErrorOptions & {
      readonly retryAfterMs?: number | undefined;
      readonly list?: ListName | undefined;
    },
  ) {
    super(message, options);
    this.kind = kind;
    this.retryAfterMs = options?.retryAfterMs;
    this.list = options?.list;
  }

  get reason(): Reason {
    const { kind, message, list, retryAfterMs } = this;
    return { kind, message, ...(list && { list }), ...(retryAfterMs !== undefined && { retryAfterMs }) };
  }
}

/** What the user wrote is wrong: a policy, a config, an argument, a secret that is not there. Exit code 3. */
export class InputError extends Error {
  override readonly name = 'InputError';
}

/** A receiver did not take a message. Holds no URL, header or body: those are secrets. */
export class DeliveryError extends Error {
  override readonly name = 'DeliveryError';
  readonly receiver: string;
  /** Whether the same message may be taken later. */
  readonly retryable: boolean;
  /** HTTP status, if there was an answer. */
  readonly status: number | undefined;
  /** It may have arrived all the same: once there was no answer, or one that says nothing of it. */
  readonly mayBeTaken: boolean;

  constructor(receiver: string, reason: string, retryable: boolean, status?: number, mayBeTaken = true) {
    super(`deliver to ${receiver}: ${reason}`);
    this.receiver = receiver;
    this.retryable = retryable;
    this.status = status;
    this.mayBeTaken = mayBeTaken;
  }

  /** What is wrong is the message, and not the receiver: another one, or a part of it, may be taken. */
  get isOfContent(): boolean {
    return !this.retryable && contentStatuses.has(this.status ?? 0);
  }
}

/** A message that was kept from a receiver: it says nothing of it. */
export class NotTriedError extends DeliveryError {
  /** @param why it was not sent */
  constructor(receiver: string, why: string) {
    super(receiver, why, true, undefined, false);
  }
}

const contentStatuses: ReadonlySet<number> = new Set([400, 413, 422]);
