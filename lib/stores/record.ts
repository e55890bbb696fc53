import { type NewRecord, type StoredRecord, StoreError } from '../app/state.ts';

/** A record as a store writes it down. */
export interface RecordText {
  readonly key: string;
  /** The value as JSON. */
  readonly text: string;
  readonly expiresAtMs: number | undefined;
}

const maxKeyLength = 512;
/** In UTF-8. Leaves DynamoDB's limit of 400 KiB for an item 50 KiB for all that is not the value. */
const maxTextBytes = 350 * 1024;

/**
 * What is to be written, the same for every store: a value that one of them could not hold is refused by all.
 * @throws {StoreError} the record is none that may be stored
 */
export function recordText(group: string, { key, value, expiresAtMs }: NewRecord): RecordText {
  checkNames(group, key);
  const text: string | undefined = JSON.stringify(value);
  if (text === undefined) throw new StoreError(`record of ${group}: its value is no JSON`);
  const bytes = Buffer.byteLength(text);
  if (bytes > maxTextBytes) throw new StoreError(`record of ${group}: ${bytes} bytes, more than ${maxTextBytes}`);
  if (expiresAtMs !== undefined && !Number.isFinite(expiresAtMs)) {
    throw new StoreError(`record of ${group}: the time it is over is no number`);
  }
  return { key, text, expiresAtMs: expiresAtMs === undefined ? undefined : Math.ceil(expiresAtMs) };
}

function checkNames(group: string, key: string): void {
  if (group.length < 1 || group.length > maxKeyLength) throw new StoreError('record: its group is no name');
  if (key.length < 1 || key.length > maxKeyLength) {
    throw new StoreError(`record of ${group}: a key of ${key.length} characters, not 1 to ${maxKeyLength}`);
  }
}

/** @throws {StoreError} what was stored is no JSON; a parser would quote it, so its message is not passed on */
export function storedRecord(group: string, { key, text, expiresAtMs }: RecordText, version: number): StoredRecord {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new StoreError(`record of ${group}: what is stored is no JSON`);
  }
  return { key, value, version, ...(expiresAtMs !== undefined && { expiresAtMs }) };
}

/** By code unit: the same in every store, whatever it sorts by itself. */
export function byKey(a: StoredRecord, b: StoredRecord): number {
  if (a.key === b.key) return 0;
  return a.key < b.key ? -1 : 1;
}
