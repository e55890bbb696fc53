import { isUtf8 } from 'node:buffer';
import type { Push } from '../app/ports.ts';
import { UndeterminedError } from '../core/errors.ts';
import type { FindingKind, ListFacts, ListName, ListShape, ReportFacts } from '../core/report.ts';
import { listNames } from '../core/report.ts';
import { more, skipColon, skipSpace, skipString, skipValue, unexpected, WalkError } from './json-walk.ts';
import { decodeString, rowFinding, wholeNumber } from './row-view.ts';
import { bareCounts, baselineItemsKey, listKeys } from './schema.ts';

/** What a report may cost. Beyond it the report is unreadable, with the limit's name in the message. */
export interface ReportLimits {
  /** The whole body, unpacked. */
  readonly reportBytes: number;
  /** One row of a list, or one value beside the lists. */
  readonly rowBytes: number;
  /** Arrays and objects inside one another. */
  readonly depth: number;
}

export const defaultLimits: ReportLimits = { reportBytes: 4 * 2 ** 30, rowBytes: 16 * 2 ** 20, depth: 32 };

type Step = 'start' | 'key-or-end' | 'key' | 'value' | 'after-value' | 'row-or-end' | 'row' | 'after-row' | 'done';

interface ListState {
  listed: number;
  shape: ListShape;
  times: number;
  items: number;
  failed: number;
  shortRows: number;
  deniedRows: number;
  failing: number;
}

/**
 * Bytes of a report, in pieces cut anywhere, to findings and facts.
 *
 * Rows of the kinds in `read` are pushed as they come; other lists are walked and counted. What is kept is one row
 * and the piece at hand, whatever the size of the report. The rows are those of `JSON.parse`, with two differences,
 * both away from "clean": a list given twice has the rows of both, and an element that is no object is a row without
 * fields.
 *
 * @throws {UndeterminedError} report-unreadable (invalid JSON, no report, over a limit) or report-truncated (the bytes
 *   end inside it), with the byte offset, unpacked and from 0
 */
export class ReportStream {
  readonly #read: ReadonlySet<FindingKind>;
  readonly #push: Push;
  readonly #limits: ReportLimits;

  /** Bytes not walked yet are `#bytes[#from, #to)`; the first of them is byte `#offset` of the report. */
  #bytes = Buffer.allocUnsafe(256 * 1024);
  #from = 0;
  #to = 0;
  #offset = 0;
  /** Do not look again before there are this many bytes: a row that grows by pieces is walked a few times, not often. */
  #enough = 1;

  #step: Step = 'start';
  #key = '';
  #keyAt = 0;
  /** The list whose rows are being read; undefined inside an unknown array. */
  #list: ListName | undefined;

  readonly #rows = new Map<ListName, ReturnType<typeof rowFinding>>();
  #item: ReturnType<typeof rowFinding> | undefined;
  readonly #lists = new Map<ListName, ListState>();
  readonly #scalars = new Map<string, string | undefined>();
  readonly #unknownKeys: string[] = [];
  #known = 0;

  constructor(read: ReadonlySet<FindingKind>, push: Push, limits: ReportLimits = defaultLimits) {
    this.#read = read;
    this.#push = push;
    this.#limits = limits;
    for (const list of listNames) {
      this.#lists.set(list, {
        listed: 0,
        shape: 'absent',
        times: 0,
        items: 0,
        failed: 0,
        shortRows: 0,
        deniedRows: 0,
        failing: 0,
      });
      if (list !== 'baseline_checks' && read.has(list)) this.#rows.set(list, rowFinding(list));
    }
    if (read.has('baseline_checks') || read.has('baseline_items')) {
      const checks = rowFinding('baseline_checks', [baselineItemsKey]);
      this.#rows.set('baseline_checks', checks);
      this.#item = rowFinding('baseline_items', [], checks.finding);
    }
  }

  /** Bytes taken so far, unpacked. */
  get byteLength(): number {
    return this.#offset + this.#to - this.#from;
  }

  write(piece: Uint8Array): void {
    if (this.byteLength + piece.length > this.#limits.reportBytes) {
      throw unreadable(`is larger than the limit of ${this.#limits.reportBytes.toLocaleString('en')} bytes`);
    }
    this.#append(piece);
    if (this.#to - this.#from >= this.#enough) this.#walk(false);
  }

  /** The report is over. */
  end(): ReportFacts {
    this.#walk(true);
    if (this.#known === 0) throw unreadable("is no cluster report: it has none of a report's keys");
    return this.facts();
  }

  #append(piece: Uint8Array): void {
    const held = this.#to - this.#from;
    if (held + piece.length > this.#bytes.length) {
      const larger = Buffer.allocUnsafe(Math.max(2 * held, held + piece.length));
      this.#bytes.copy(larger, 0, this.#from, this.#to);
      this.#bytes = larger;
      this.#from = 0;
      this.#to = held;
    } else if (this.#to + piece.length > this.#bytes.length) {
      this.#bytes.copyWithin(0, this.#from, this.#to);
      this.#from = 0;
      this.#to = held;
    }
    this.#bytes.set(piece, this.#to);
    this.#to += piece.length;
  }

  #walk(ended: boolean): void {
    let p = this.#from;
    try {
      for (;;) {
        // A piece of white space or of a row: come back when there is more.
        const next = this.#advance(p);
        if (next === more) break;
        p = next;
      }
    } catch (error) {
      if (error instanceof WalkError)
        throw unreadable(`is not valid JSON, byte ${this.#byte(error.at)}: ${error.message}`);
      throw error;
    }
    p = skipSpace(this.#bytes, p, this.#to);
    // What was walked ends between two tokens, so it holds whole characters only.
    if (!isUtf8(this.#bytes.subarray(this.#from, p))) {
      throw unreadable(`is not valid UTF-8, between bytes ${this.#offset} and ${this.#byte(p)}`);
    }
    const held = this.#to - p;
    if (held > this.#limits.rowBytes) this.#tooLarge(p);
    this.#offset += p - this.#from;
    this.#from = p;
    this.#enough = held > 64 * 1024 ? 2 * held : 1;
    if (ended && this.#step !== 'done') this.#truncated();
  }

  /** One step from `p`, white space before it included; `more` when the bytes end before it is whole. */
  #advance(start: number): number {
    const bytes = this.#bytes;
    const end = this.#to;
    let p = skipSpace(bytes, start, end);
    if (this.#step === 'start') {
      p = this.#skipByteOrderMark(p);
      if (p < 0) return more;
    }
    if (p >= end) return more;
    const c = bytes[p] as number;
    switch (this.#step) {
      case 'start':
        if (c === 0x3c) throw unreadable('is HTML or XML, not JSON');
        if (c !== 0x7b) throw new WalkError(p, unexpected(c, 'the "{" of a report'));
        this.#step = 'key-or-end';
        return p + 1;
      case 'key-or-end':
        if (c === 0x7d) return this.#close(p);
        return this.#readKey(p);
      case 'key':
        return this.#readKey(p);
      case 'value':
        return this.#readValue(p);
      case 'after-value':
        if (c === 0x7d) return this.#close(p);
        if (c !== 0x2c) throw new WalkError(p, unexpected(c, '"," or "}"'));
        this.#step = 'key';
        return p + 1;
      case 'row-or-end':
        if (c === 0x5d) return this.#closeList(p);
        return this.#readRow(p);
      case 'row':
        return this.#readRow(p);
      case 'after-row':
        if (c === 0x5d) return this.#closeList(p);
        if (c !== 0x2c) throw new WalkError(p, unexpected(c, '"," or "]"'));
        this.#step = 'row';
        return p + 1;
      case 'done':
        throw new WalkError(p, 'something after the end of the report');
    }
  }

  #skipByteOrderMark(p: number): number {
    const mark = [0xef, 0xbb, 0xbf];
    if (this.#offset + p - this.#from > 0 || this.#bytes[p] !== mark[0]) return p;
    for (const [i, byte] of mark.entries()) {
      if (p + i >= this.#to) return more;
      if (this.#bytes[p + i] !== byte) throw new WalkError(p, unexpected(mark[0] as number, 'the "{" of a report'));
    }
    return skipSpace(this.#bytes, p + 3, this.#to);
  }

  #close(p: number): number {
    this.#step = 'done';
    return p + 1;
  }

  #closeList(p: number): number {
    this.#step = 'after-value';
    this.#list = undefined;
    return p + 1;
  }

  #readKey(p: number): number {
    if (this.#bytes[p] !== 0x22) throw new WalkError(p, unexpected(this.#bytes[p] as number, 'a key in quotes'));
    const after = skipString(this.#bytes, p + 1, this.#to);
    if (after < 0) return more;
    const value = skipColon(this.#bytes, after, this.#to);
    if (value < 0) return more;
    this.#key = decodeString(this.#bytes, p, after);
    this.#keyAt = this.#byte(p);
    this.#step = 'value';
    return value;
  }

  #readValue(p: number): number {
    const list = listOfKey.get(this.#key);
    if (list === undefined && !scalarKeys.has(this.#key)) {
      // An unknown array is walked element by element, since it may be long.
      if (this.#bytes[p] === 0x5b) return this.#openList(p, undefined);
      return this.#readScalar(p);
    }
    if (list === undefined) return this.#readScalar(p);
    const state = this.#state(list);
    const c = this.#bytes[p] as number;
    if (c === 0x5b) {
      this.#note(state, 'array');
      return this.#openList(p, list);
    }
    if (c === 0x7b) {
      this.#list = list;
      const after = this.#readRow(p);
      this.#list = undefined;
      if (after === more) return more;
      this.#note(state, 'object');
      this.#step = 'after-value';
      return after;
    }
    const after = skipValue(this.#bytes, p, this.#to, this.#limits.depth);
    if (after === more) return more;
    this.#note(state, c === 0x6e ? 'null' : 'other');
    this.#step = 'after-value';
    return after;
  }

  /** Of a list given twice the more telling shape stays. */
  #note(state: ListState, shape: ListShape): void {
    this.#known++;
    state.times++;
    const telling: readonly ListShape[] = ['absent', 'null', 'object', 'array', 'other'];
    if (telling.indexOf(shape) > telling.indexOf(state.shape)) state.shape = shape;
  }

  #openList(p: number, list: ListName | undefined): number {
    if (list === undefined) this.#noteUnknown();
    this.#list = list;
    this.#step = 'row-or-end';
    return p + 1;
  }

  #readScalar(p: number): number {
    const after = skipValue(this.#bytes, p, this.#to, this.#limits.depth);
    if (after === more) return more;
    if (after - p > this.#limits.rowBytes) this.#tooLarge(p);
    if (scalarKeys.has(this.#key)) {
      this.#known++;
      const isString = this.#bytes[p] === 0x22;
      const isNull = this.#bytes[p] === 0x6e;
      const text = isString ? decodeString(this.#bytes, p, after) : this.#bytes.toString('utf8', p, after);
      const value = isNull ? undefined : text;
      if (this.#scalars.has(this.#key) && this.#scalars.get(this.#key) !== value) {
        throw unreadable(`gives ${JSON.stringify(this.#key)} twice, and not the same, byte ${this.#keyAt}`);
      }
      this.#scalars.set(this.#key, value);
    } else this.#noteUnknown();
    this.#step = 'after-value';
    return after;
  }

  #noteUnknown(): void {
    if (this.#unknownKeys.length < 20 && !this.#unknownKeys.includes(this.#key)) this.#unknownKeys.push(this.#key);
  }

  #readRow(p: number): number {
    const list = this.#list;
    const view = list === undefined ? undefined : this.#rows.get(list);
    if (list === undefined || view === undefined) {
      const after = skipValue(this.#bytes, p, this.#to, this.#limits.depth - 1);
      if (after === more) return more;
      if (after - p > this.#limits.rowBytes) this.#tooLarge(p);
      if (list !== undefined) this.#state(list).listed++;
      this.#step = 'after-row';
      return after;
    }
    const isObject = this.#bytes[p] === 0x7b;
    const after = isObject
      ? view.row.walk(this.#bytes, p, this.#to, this.#limits.depth - 1)
      : skipValue(this.#bytes, p, this.#to, this.#limits.depth - 1);
    if (after === more) return more;
    if (after - p > this.#limits.rowBytes) this.#tooLarge(p);
    if (!isObject) view.row.clear();
    this.#state(list).listed++;
    if (this.#read.has(list)) this.#push(list, view.finding);
    if (list === 'baseline_checks') this.#readItems(view, after);
    this.#step = 'after-row';
    return after;
  }

  /** The items of the baseline row at hand, which stands whole in the bytes. */
  #readItems(checks: ReturnType<typeof rowFinding>, end: number): void {
    const state = this.#state('baseline_checks');
    const { rules_failed: stated, rules_checked: checked } = checks.finding as Record<string, number | undefined>;
    const failed = stated ?? 0;
    let items = 0;
    let p = checks.row.begin(checks.slotOf(baselineItemsKey));
    const isArray = p >= 0 && this.#bytes[p] === 0x5b;
    if (isArray) p = skipSpace(this.#bytes, p + 1, end);
    if (p >= 0 && !(isArray && this.#bytes[p] === 0x5d)) {
      for (;;) {
        p = this.#readItem(p, end);
        items++;
        if (!isArray) break;
        p = skipSpace(this.#bytes, p, end);
        if (this.#bytes[p] === 0x5d) break;
        p = skipSpace(this.#bytes, p + 1, end);
      }
    }
    state.items += items;
    state.failed += failed;
    // Without a count nothing says that the list is whole.
    if (stated === undefined || items < failed) state.shortRows++;
    if (items > 0 && (stated === 0 || checked === 0)) state.deniedRows++;
    if (stated !== 0 || items > 0) state.failing++;
  }

  #readItem(p: number, end: number): number {
    const item = this.#item as ReturnType<typeof rowFinding>;
    let after: number;
    if (this.#bytes[p] === 0x7b) after = item.row.walk(this.#bytes, p, end, this.#limits.depth);
    else {
      item.row.clear();
      after = skipValue(this.#bytes, p, end, this.#limits.depth);
    }
    if (this.#read.has('baseline_items')) this.#push('baseline_items', item.finding);
    return after;
  }

  #state(list: ListName): ListState {
    return this.#lists.get(list) as ListState;
  }

  #byte(p: number): number {
    return this.#offset + p - this.#from;
  }

  #where(): string {
    if (this.#list !== undefined) return ` in ${listKeys[this.#list].list}, row ${this.#state(this.#list).listed + 1}`;
    return this.#step === 'value' ? ` in ${JSON.stringify(this.#key.slice(0, 60))} (byte ${this.#keyAt})` : '';
  }

  #tooLarge(p: number): never {
    const limit = this.#limits.rowBytes.toLocaleString('en');
    throw unreadable(
      `has a row or value larger than the limit of ${limit} bytes${this.#where()}, byte ${this.#byte(p)}`,
    );
  }

  #truncated(): never {
    const length = this.byteLength;
    if (this.#step === 'start') throw unreadable('is empty');
    throw new UndeterminedError(
      'report-truncated',
      `the report ends at byte ${length}${this.#where()}, before it is whole`,
    );
  }

  /** What the report has stated so far. */
  facts(): ReportFacts {
    const int = (key: string) => {
      const value = wholeNumber(this.#scalars.get(key));
      return value !== undefined && value >= 0 ? value : undefined;
    };
    const text = (key: string) => this.#scalars.get(key) || undefined;
    const lists = Object.fromEntries(
      listNames.map((list) => [
        list,
        listFacts(this.#state(list), int(listKeys[list].count), list === 'baseline_checks' && this.#rows.has(list)),
      ]),
    ) as Record<ListName, ListFacts>;
    const bare = Object.fromEntries(Object.entries(bareCounts).map(([key, name]) => [name, int(key)]));
    return {
      clusterId: text('cluster_id'),
      clusterName: text('cluster_name'),
      category: text('cluster_category'),
      scannedAtMs: int('scan_time') || undefined,
      lists,
      pods: bare.pods,
      hosts: bare.hosts,
      containers: bare.containers,
      unknownKeys: this.#unknownKeys,
    };
  }
}

function listFacts(state: ListState, reported: number | undefined, hasItems: boolean): ListFacts {
  return {
    reported,
    listed: state.listed,
    shape: state.shape,
    ...(state.times > 1 && { repeated: state.times }),
    ...(hasItems && {
      items: state.items,
      failed: state.failed,
      shortRows: state.shortRows,
      deniedRows: state.deniedRows,
      failing: state.failing,
    }),
  };
}

const listOfKey = new Map<string, ListName>(listNames.map((list) => [listKeys[list].list, list]));
const scalarKeys = new Set([
  'scan_time',
  'cluster_id',
  'cluster_name',
  'cluster_category',
  ...Object.values(listKeys).map((keys) => keys.count),
  ...Object.keys(bareCounts),
]);

function unreadable(what: string): UndeterminedError {
  return new UndeterminedError('report-unreadable', `the report ${what}`);
}
