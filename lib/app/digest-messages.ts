import { messageId } from '../core/deliveries.ts';
import type { Attempt, LogRecord } from './cluster-state.ts';

/**
 * Which message the part of a digest that is about one cluster is in, for one receiver. What was sent before is sent again in
 * the message it was in; what is new is in the message of this run and its source, which has the id of its first part.
 */
export class DigestMessages {
  readonly #ours = new Map<string, string>();
  /** Of messages that were not taken: how many of their parts are here. */
  readonly #here = new Map<string, number>();
  /** What a part of such a message is sent as. */
  readonly #splits = new Map<string, string>();

  /** @param logs what is known of the clusters that there is time for */
  constructor(logs: Iterable<LogRecord | undefined>) {
    for (const log of logs) {
      const message = log?.owed?.message;
      if (message !== undefined) this.#here.set(message, (this.#here.get(message) ?? 0) + 1);
    }
  }

  /** The id of the message. @param owed the id of what is owed @param before what is known of the cluster */
  of(source: string, owed: string, before: LogRecord = {}): string {
    const attempt = attemptAt(owed, before);
    if (attempt === undefined) return this.#ours.get(source) ?? owed;
    // A run that died may have sent all of it; of what was refused the rest would not be told from what is taken now.
    const isWhole = before.claim !== undefined || (this.#here.get(attempt.message) ?? 0) >= (before.owed?.parts ?? 1);
    if (isWhole) return attempt.message;
    const part = this.#splits.get(attempt.message) ?? messageId([attempt.message, owed]);
    this.#splits.set(attempt.message, part);
    return part;
  }

  /** The part is claimed: what is new and comes after it is in the same message. */
  claimed(source: string, owed: string, before: LogRecord | undefined, message: string): void {
    if (attemptAt(owed, before) === undefined) this.#ours.set(source, message);
  }
}

/** What was sent before, if it is what is owed now. */
function attemptAt(owed: string, { claim, owed: refused }: LogRecord = {}): Attempt | undefined {
  const attempt = claim ?? refused;
  return attempt?.id === owed ? attempt : undefined;
}
