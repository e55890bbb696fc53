/**
 * Where alerts, delivery logs and what else outlives a run are kept: records in groups, each written only over the
 * version that was read. There are no transactions over several records, so the order of writes has to be right by
 * itself.
 */
export interface StateStore {
  /** Every record of a group whose key begins so, sorted by key; what is over (`expiresAtMs`) is as if it were not there. */
  load(group: string, prefix: string, nowMs: number): Promise<readonly StoredRecord[]>;
  /**
   * Write a record over the version that was read; 0 for a record that was not there.
   * @returns the version it has now, or undefined when somebody else wrote, and nothing was written
   */
  put(group: string, record: NewRecord, over: number, nowMs: number): Promise<number | undefined>;
  /** @returns whether it was removed: false when somebody else wrote, or removed it */
  remove(group: string, key: string, over: number): Promise<boolean>;
  close(): Promise<void>;
}

export interface NewRecord {
  /** 1 to 512 characters; any text. */
  readonly key: string;
  /** JSON, at most 350 kB as text. */
  readonly value: unknown;
  /** When it is over; epoch milliseconds. */
  readonly expiresAtMs?: number | undefined;
}

export interface StoredRecord extends NewRecord {
  /** 1 or more. A removed record that comes again may begin anew. */
  readonly version: number;
}

/** The store could not be reached or did not answer rightly. Its message holds no value of a record. */
export class StoreError extends Error {
  override readonly name = 'StoreError';
}
