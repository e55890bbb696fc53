import { UndeterminedError } from '../core/errors.ts';
import type { FieldType, Finding, FindingKind, ListName } from '../core/report.ts';
import { fields, listOf } from '../core/report.ts';
import { findingSeverity } from '../core/severity.ts';
import { more, skipColon, skipSpace, skipString, skipValue, unexpected, WalkError } from './json-walk.ts';
import { wireNames } from './schema.ts';

/**
 * Where the wanted values of one row stand in the bytes. They are decoded when a rule asks for them, and only then:
 * most rows of a large report are judged by one field or two.
 */
export class Row {
  readonly #list: ListName | undefined;
  readonly #keys: readonly Buffer[];
  readonly #slots: ReadonlyMap<string, number>;
  readonly #begin: Int32Array;
  readonly #end: Int32Array;
  /** Which slot the key at each position had in the row before: rows of a list have their keys in one order. */
  readonly #order: number[] = [];
  readonly #memo: Memo[];
  #bytes: Buffer = Buffer.alloc(0);

  constructor(keys: readonly string[], list?: ListName) {
    this.#list = list;
    this.#keys = keys.map((key) => Buffer.from(`"${key}"`));
    this.#slots = new Map(keys.map((key, slot) => [key, slot]));
    this.#begin = new Int32Array(keys.length).fill(-1);
    this.#end = new Int32Array(keys.length);
    this.#memo = keys.map(() => ({ bytes: Buffer.alloc(longestMemo), length: -1, text: '' }));
  }

  /** A row without any value, for an element that is no object. */
  clear(): void {
    this.#begin.fill(-1);
  }

  /**
   * Walk an object and note where its wanted values stand. A key may occur twice with one value.
   * @param p at its opening brace @returns after its closing one, or `more`
   * @throws {UndeterminedError} a key occurs twice with two values
   */
  walk(bytes: Buffer, p: number, end: number, depth: number): number {
    if (depth <= 0) throw new WalkError(p, 'arrays and objects nested too deep');
    this.#bytes = bytes;
    this.#begin.fill(-1);
    p = skipSpace(bytes, p + 1, end);
    if (p >= end) return more;
    if (bytes[p] === 0x7d) return p + 1;
    for (let position = 0; ; position++) {
      let slot = this.#order[position] ?? -1;
      const guess = slot < 0 ? undefined : this.#keys[slot];
      let next = guess === undefined ? more : startsWith(bytes, p, end, guess);
      if (next === more) {
        if (bytes[p] !== 0x22) throw new WalkError(p, unexpected(bytes[p] as number, 'a key in quotes'));
        next = skipString(bytes, p + 1, end);
        if (next < 0) return more;
        slot = this.#slots.get(decodeString(bytes, p, next)) ?? -1;
        this.#order[position] = slot;
      }
      const value = skipColon(bytes, next, end);
      if (value < 0) return more;
      p = skipValue(bytes, value, end, depth - 1);
      if (p < 0) return more;
      if (slot >= 0) {
        if ((this.#begin[slot] as number) >= 0) this.#checkSame(slot, value, p);
        this.#begin[slot] = value;
        this.#end[slot] = p;
      }
      p = skipSpace(bytes, p, end);
      if (p >= end) return more;
      const c = bytes[p] as number;
      if (c === 0x7d) return p + 1;
      if (c !== 0x2c) throw new WalkError(p, unexpected(c, '"," or "}"'));
      p = skipSpace(bytes, p + 1, end);
      if (p >= end) return more;
    }
  }

  #checkSame(slot: number, begin: number, end: number): void {
    const before = this.#bytes.subarray(this.#begin[slot], this.#end[slot]);
    if (before.equals(this.#bytes.subarray(begin, end))) return;
    const message = `the report has a row that gives ${this.#keys[slot]} twice, and not the same`;
    throw new UndeterminedError('report-unreadable', message, { list: this.#list });
  }

  /** Where a value begins, -1 when it is absent or null. */
  begin(slot: number): number {
    const begin = this.#begin[slot] as number;
    return begin >= 0 && this.#bytes[begin] === 0x6e ? -1 : begin;
  }

  /** A string's text; of anything else its JSON text; undefined when absent or null. */
  text(slot: number): string | undefined {
    const begin = this.begin(slot);
    if (begin < 0) return undefined;
    const end = this.#end[slot] as number;
    const length = end - begin;
    if (length > longestMemo) return decode(this.#bytes, begin, end);
    const memo = this.#memo[slot] as Memo;
    if (memo.length === length && same(this.#bytes, begin, memo.bytes, length)) return memo.text;
    memo.text = decode(this.#bytes, begin, end);
    memo.length = length;
    memo.bytes.set(this.#bytes.subarray(begin, end));
    return memo.text;
  }

  /** A text that names something. What is no text, such as a number, and the empty one name nothing. */
  name(slot: number): string | undefined {
    const begin = this.begin(slot);
    return begin >= 0 && this.#bytes[begin] === 0x22 ? this.text(slot) || undefined : undefined;
  }

  /** A whole number of 0 or more, given as one or as a string of one; undefined otherwise: a negative one counts nothing. */
  int(slot: number): number | undefined {
    const value = wholeNumber(this.text(slot));
    return value !== undefined && value >= 0 ? value : undefined;
  }
}

/** The text of a slot in the last row that had one: images, versions and severities repeat from row to row. */
interface Memo {
  bytes: Buffer;
  length: number;
  text: string;
}

const longestMemo = 96;

function same(bytes: Uint8Array, begin: number, memo: Uint8Array, length: number): boolean {
  // From the end: what tells neighbouring rows apart, a version or a hash, is mostly there.
  for (let i = length - 1; i >= 0; i--) if (bytes[begin + i] !== memo[i]) return false;
  return true;
}

function startsWith(bytes: Uint8Array, p: number, end: number, wanted: Uint8Array): number {
  const stop = p + wanted.length;
  if (stop > end) return more;
  for (let i = 0; p < stop; i++, p++) if (bytes[p] !== wanted[i]) return more;
  return p;
}

function decode(bytes: Buffer, begin: number, end: number): string {
  return bytes[begin] === 0x22 ? decodeString(bytes, begin, end) : bytes.toString('utf8', begin, end);
}

/** @param begin at the opening quote @param end after the closing one */
export function decodeString(bytes: Buffer, begin: number, end: number): string {
  const text = bytes.toString('utf8', begin + 1, end - 1);
  return text.includes('\\') ? (JSON.parse(`"${text}"`) as string) : text;
}

/** @returns undefined for anything but a whole number that a double holds exactly */
export function wholeNumber(text: string | undefined): number | undefined {
  if (text === undefined || !/^-?\d+(\.\d+)?([eE][+-]?\d+)?$/.test(text)) return undefined;
  const value = Number(text);
  return Number.isSafeInteger(value) ? value : undefined;
}

/**
 * Make the finding of a kind over a row. One object serves all rows of a list.
 * @param extra wire keys to note beside those of the kind; their slots follow
 * @param outer for fields that the row takes from the row around it
 */
export function rowFinding(
  kind: Exclude<FindingKind, 'cluster'>,
  extra: readonly string[] = [],
  outer?: Finding,
): { finding: Finding; row: Row; slotOf: (key: string) => number } {
  const names: Readonly<Record<string, string>> = wireNames[kind];
  const types: Readonly<Record<string, FieldType>> = fields[kind];
  const keys = [...new Set([...Object.values(names), ...extra])];
  const row = new Row(keys, listOf(kind));
  const finding: Record<string, string | number | undefined> = {};
  for (const [field, type] of Object.entries(types)) {
    const key = names[field];
    const slot = key === undefined ? -1 : keys.indexOf(key);
    const get = slot < 0 ? () => outer?.[field] : getter(row, slot, type);
    Object.defineProperty(finding, field, { get, enumerable: true });
  }
  return { finding, row, slotOf: (key) => keys.indexOf(key) };
}

function getter(row: Row, slot: number, type: FieldType): () => string | number | undefined {
  switch (type) {
    case 'severity':
      return () => findingSeverity(row.text(slot));
    case 'string':
      return () => row.name(slot);
    case 'text':
      return () => row.text(slot) ?? '';
    case 'int':
      return () => row.int(slot);
    case 'time':
      return () => row.int(slot) || undefined; // 0 stands for "never"
  }
}
