import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Finding, type FindingKind, fields, type ListName, listNames } from '../../lib/core/report.ts';
import { findingSeverity } from '../../lib/core/severity.ts';
import { defaultLimits } from '../../lib/hss/report-stream.ts';
import { wholeNumber } from '../../lib/hss/row-view.ts';
import { baselineItemsKey, listKeys, wireNames } from '../../lib/hss/schema.ts';
import { cutAt, readAll } from '../support/read.ts';

const bytes = (text: string) => Buffer.from(text);
const read = (text: string, ...rest: [ReadonlySet<FindingKind>?]) => readAll([bytes(text)], ...rest);
const bytewise = (text: string) => readAll([...bytes(text)].map((byte) => Uint8Array.of(byte)));

/** What the rows of a report are, by JSON.parse: the plain way, to compare the stream with. */
function expectedFindings(report: Record<string, unknown>): [FindingKind, Finding][] {
  const found: [FindingKind, Finding][] = [];
  for (const [key, value] of Object.entries(report)) {
    const list = listNames.find((name) => listKeys[name].list === key);
    if (list === undefined || value === null || typeof value !== 'object') continue;
    for (const row of Array.isArray(value) ? value : [value]) {
      const finding = findingOf(list, row, {});
      found.push([list, finding]);
      if (list !== 'baseline_checks') continue;
      const items = isObject(row) ? row[baselineItemsKey] : undefined;
      for (const item of Array.isArray(items) ? items : items === null || items === undefined ? [] : [items]) {
        found.push(['baseline_items', findingOf('baseline_items', item, finding)]);
      }
    }
  }
  return found;
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function findingOf(kind: ListName | 'baseline_items', row: unknown, outer: Finding): Finding {
  const names: Readonly<Record<string, string>> = wireNames[kind];
  const entries = Object.entries(fields[kind]).map(([field, type]) => {
    const key = names[field];
    if (key === undefined) return [field, outer[field]];
    const value = isObject(row) && Object.hasOwn(row, key) ? row[key] : undefined;
    const isMissing = value === undefined || value === null;
    const text = isMissing ? undefined : typeof value === 'string' ? value : undefined;
    const scalar = text ?? (isMissing ? undefined : String(value));
    if (type === 'severity') return [field, findingSeverity(scalar)];
    if (type === 'text') return [field, scalar ?? ''];
    if (type === 'string') return [field, text === '' ? undefined : text];
    const number = wholeNumber(scalar) ?? -1;
    return [field, number < 0 || (type === 'time' && number === 0) ? undefined : number];
  });
  return Object.fromEntries(entries);
}

const scalar = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 12 }),
  fc.constantFrom('High', 'critical', 'Low', '', 'registry/app', '"', '\\', '\u0000', '😀', 'a'.repeat(120)),
  fc.integer(),
  fc.integer().map(String),
  fc.boolean(),
  fc.constant(null),
);

function rowOf(kind: ListName | 'baseline_items') {
  const keys = Object.values(wireNames[kind] as Record<string, string>);
  const known = fc.record(Object.fromEntries(keys.map((key) => [key, scalar])), { requiredKeys: [] });
  const unknown = fc.dictionary(fc.string({ maxLength: 8 }), fc.jsonValue({ maxDepth: 2 }), { maxKeys: 2 });
  return fc.tuple(known, unknown).map(([row, more]) => ({ ...withoutKnown(more, keys), ...row }));
}

function withoutKnown(more: Record<string, unknown>, keys: readonly string[]) {
  return Object.fromEntries(Object.entries(more).filter(([key]) => !keys.includes(key) && key !== baselineItemsKey));
}

const checkRow = fc
  .tuple(rowOf('baseline_checks'), fc.option(fc.array(rowOf('baseline_items'), { maxLength: 3 })))
  .map(([row, items]) => ({ ...row, [baselineItemsKey]: items }));

const list = (name: ListName) => {
  const row = name === 'baseline_checks' ? checkRow : rowOf(name);
  return fc.oneof({ weight: 6, arbitrary: fc.array(row, { maxLength: 4 }) }, row, fc.constant(null));
};

const report = fc
  .record(
    {
      scan_time: fc.oneof(fc.nat(), fc.nat().map(String)),
      cluster_id: fc.string({ unit: 'binary', maxLength: 8 }),
      ...Object.fromEntries(listNames.map((name) => [listKeys[name].list, list(name)])),
      ...Object.fromEntries(listNames.map((name) => [listKeys[name].count, fc.oneof(fc.nat(9), fc.constant(null))])),
      future: fc.jsonValue({ maxDepth: 3 }),
    },
    { requiredKeys: ['scan_time'] },
  )
  .chain((fields) =>
    fc
      .shuffledSubarray(Object.keys(fields), { minLength: Object.keys(fields).length })
      .map((order) => Object.fromEntries(order.map((key) => [key, (fields as Record<string, unknown>)[key]]))),
  );

describe('rows', () => {
  test('equal those of JSON.parse for any report, any key order and any cut into pieces', async () => {
    await fc.assert(
      fc.asyncProperty(report, fc.array(fc.nat(), { maxLength: 12 }), fc.nat(2), async (value, places, indent) => {
        const text = JSON.stringify(value, null, indent);
        const pieces = cutAt(bytes(text), places);
        const expected = expectedFindings(JSON.parse(text));

        const { findings, facts, problem } = await readAll(pieces);

        expect(problem).toBeUndefined();
        expect(findings).toEqual(expected);
        for (const name of listNames) {
          expect(facts.lists[name].listed).toBe(expected.filter(([kind]) => kind === name).length);
          expect(facts.lists[name].reported).toBe(value[listKeys[name].count] ?? undefined);
        }
      }),
      { numRuns: 500 },
    );
  });

  test('are the same byte by byte', async () => {
    await fc.assert(
      fc.asyncProperty(report, async (value) => {
        const text = JSON.stringify(value);
        const whole = await read(text);
        expect(await bytewise(text)).toEqual(whole);
      }),
      { numRuns: 60 },
    );
  });

  test('of lists that nobody reads are counted and not pushed', async () => {
    const text = JSON.stringify({ process_list: [{ pid: 1 }, { pid: 2 }], port_list: [{ port: 1 }] });
    const { findings, facts } = await read(text, new Set<FindingKind>(['ports']));
    expect(findings.map(([kind]) => kind)).toEqual(['ports']);
    expect(facts.lists.processes.listed).toBe(2);
  });

  test('that give a value twice and not the same make the report unreadable, and the same twice do not', async () => {
    for (const [row, problem] of [
      ['{"port":1,"laddr":"a","port":1}', undefined],
      ['{"port":1,"laddr":"a","port":2}', 'the report has a row that gives "port" twice, and not the same'],
      ['{"port":1,"laddr":"a","port":null}', 'the report has a row that gives "port" twice, and not the same'],
      ['{"other":1,"port":1,"other":2}', undefined],
    ] as const) {
      for (const how of [read, bytewise]) {
        const report = await how(`{"port_list":[${row}]}`);
        expect(report.problem?.message, row).toBe(problem);
        if (problem === undefined) expect(report.findings[0]?.[1].port).toBe(1);
        // Who does not read the list would not have seen it.
        else expect(report.problem?.list).toBe('ports');
      }
    }
  });

  test('of a list given twice are the rows of both, and the facts say so', async () => {
    const { findings, facts } = await read('{"port_list":[{"port":1}],"port_list":[]}');
    expect(findings).toHaveLength(1);
    expect(facts.lists.ports.repeated).toBe(2);
  });

  test('that are no objects are rows without fields', async () => {
    const { findings, facts } = await read('{"local_image_vul_list":[null,7,"x",[1]]}');
    expect(findings.map(([, finding]) => finding.severity)).toEqual(['Unknown', 'Unknown', 'Unknown', 'Unknown']);
    expect(facts.lists.vulnerabilities.listed).toBe(4);
  });

  test('of a list that is a single object, as in the published example, are that object', async () => {
    const { findings, facts } = await read('{"local_image_vul_list":{"severity_level":"Low"}}');
    expect(findings.map(([, finding]) => finding.severity)).toEqual(['Low']);
    expect(facts.lists.vulnerabilities).toMatchObject({ listed: 1, shape: 'object' });
  });

  test.each([
    { why: 'a string', value: '"x"' },
    { why: 'a number', value: '3' },
  ])('a list that is $why has no rows, and its shape says so', async ({ value }) => {
    const { facts } = await read(`{"port_list":${value}}`);
    expect(facts.lists.ports).toMatchObject({ listed: 0, shape: 'other' });
  });

  test.each(['{"a":[1]}', '["b"]', 'true', '""', 'null'])('have no name where %s stands for one', async (value) => {
    const { findings } = await read(`{"port_list":[{"path":${value},"public_ip":${value}}]}`);
    expect(findings[0]?.[1].path).toBeUndefined();
  });

  test('keep a composite value where a text belongs as its JSON text', async () => {
    const { findings } = await read('{"port_list":[{"public_ip":{"a":[1]},"pod_name":["b"]}]}');
    expect(findings[0]?.[1]).toMatchObject({ public_ip: '{"a":[1]}', pod: '["b"]' });
  });
});

describe('facts', () => {
  test('may come after the lists, as strings, behind a byte order mark and white space', async () => {
    const text =
      '\ufeff \n{ "port_list" : [ ] , "scan_time" : "1745051197000" , "port_num" : "0", "cluster_id":"c\\u0041" }\n ';
    for (const result of [await read(text), await bytewise(text)]) {
      expect(result.problem).toBeUndefined();
      expect(result.facts).toMatchObject({ scannedAtMs: 1_745_051_197_000, clusterId: 'cA' });
      expect(result.facts.lists.ports).toMatchObject({ reported: 0, listed: 0, shape: 'array' });
    }
  });

  test.each(['-1', '1.5', '"many"', 'true', '{}', '1e99', '9007199254740993', '"0x10"', '" 1"'])(
    'a count of %s is no count',
    async (value) => {
      const { facts } = await read(`{"port_num":${value}}`);
      expect(facts.lists.ports.reported).toBeUndefined();
    },
  );

  test('name the keys that are unknown', async () => {
    const { facts } = await read('{"scan_time":1,"new_list":[{"a":1}],"new":{"b":[]}}');
    expect(facts.unknownKeys).toEqual(['new_list', 'new']);
  });

  test('that are given twice and differ make the report unreadable, and the same twice do not', async () => {
    for (const [text, kind] of [
      ['{"scan_time":1,"scan_time":2}', 'report-unreadable'],
      ['{"port_num":5,"port_num":1}', 'report-unreadable'],
      ['{"port_num":5,"port_num":5}', undefined],
    ] as const) {
      expect((await read(text)).problem?.kind, text).toBe(kind);
      expect((await bytewise(text)).problem?.kind, text).toBe(kind);
    }
  });

  test('sum failed rules and items of baseline checks', async () => {
    const rows = [
      { failed_rule_num: 2, baseline_item_list: [{}, {}] },
      { failed_rule_num: 3, baseline_item_list: { check_item: 'one' } },
      { failed_rule_num: 0 },
    ];
    const { facts } = await read(JSON.stringify({ baseline_detection_list: rows }));
    expect(facts.lists.baseline_checks).toMatchObject({ listed: 3, items: 3, failed: 5, shortRows: 1 });
    const bare = await read('{"baseline_detection_list":[{},{"failed_rule_num":0},{"baseline_item_list":[]}]}');
    expect(bare.facts.lists.baseline_checks).toMatchObject({ shortRows: 2, deniedRows: 0 });
  });

  test('of baseline checks that list items and count none are noted, and count as failed', async () => {
    const rows = [
      { check_rule_num: 9, failed_rule_num: 0, baseline_item_list: [{}] },
      { check_rule_num: 0, failed_rule_num: 1, baseline_item_list: [{}] },
      { check_rule_num: 9, failed_rule_num: 1, baseline_item_list: [{}, {}] },
      { check_rule_num: 0, failed_rule_num: 0, baseline_item_list: [] },
      { check_rule_num: 0, failed_rule_num: 0 },
    ];
    const { facts } = await read(JSON.stringify({ baseline_detection_list: rows }));
    expect(facts.lists.baseline_checks).toMatchObject({ deniedRows: 2, failing: 3, shortRows: 0 });
  });
});

describe('a broken report', () => {
  const whole =
    '{"scan_time":1,"port_list":[{"port":80,"laddr":"\\u00e9"},{"port":-1.5e+3}],"x":[true,false,null],"y":{"z":""}}';

  test('is truncated wherever it ends before its end, and nothing else', async () => {
    for (let length = 1; length < whole.length; length++) {
      const { problem } = await read(whole.slice(0, length));
      expect(problem?.kind, whole.slice(0, length)).toBe('report-truncated');
      expect(problem?.message).toContain(`byte ${length}`);
    }
    expect((await read(whole)).problem).toBeUndefined();
  });

  test('has the rows before the break', async () => {
    const { findings, problem } = await read('{"port_list":[{"port":1},{"port":2},{"po');
    expect(findings.map(([, finding]) => finding.port)).toEqual([1, 2]);
    expect(problem?.message).toBe('the report ends at byte 40 in port_list, row 3, before it is whole');
  });

  test.each([
    { why: 'a stray byte', bytes: [0x72, 0xff, 0x6e] },
    { why: 'an overlong form', bytes: [0xc1, 0xb2] },
    { why: 'half a character', bytes: [0xc3] },
    { why: 'half a surrogate pair', bytes: [0xed, 0xa0, 0x80] },
  ])('is unreadable with $why in a text', async ({ bytes: wrong }) => {
    const text = Buffer.concat([bytes('{"port_list":[{"path":"'), Buffer.from(wrong), bytes('"}]}')]);
    for (const pieces of [[text], [...text].map((byte) => Uint8Array.of(byte))]) {
      expect((await readAll(pieces)).problem).toMatchObject({
        kind: 'report-unreadable',
        message: expect.stringContaining('UTF-8'),
      });
    }
  });

  test('is unreadable when any byte of its grammar is changed', async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(whole.length - 1), fc.constantFrom('~', '}', ']', ',', '\u0001', '"'), async (at, c) => {
        const text = whole.slice(0, at) + c + whole.slice(at + 1);
        let valid = true;
        try {
          JSON.parse(text);
        } catch {
          valid = false;
        }
        const { problem } = await read(text);
        expect(problem === undefined, text).toBe(valid);
      }),
      { numRuns: 600 },
    );
  });

  test.each([
    { text: '', says: 'the report is empty' },
    { text: '  \n', says: 'the report is empty' },
    { text: '<!doctype html>', says: 'the report is HTML or XML, not JSON' },
    { text: '[]', says: 'the report is not valid JSON, byte 0: "[" where the "{" of a report belongs' },
    { text: '"x"', says: 'the report is not valid JSON, byte 0: """ where the "{" of a report belongs' },
    { text: '{}', says: "the report is no cluster report: it has none of a report's keys" },
    { text: '{"error_code":"HSS.0011"}', says: "the report is no cluster report: it has none of a report's keys" },
    { text: '{"scan_time":1}x', says: 'the report is not valid JSON, byte 15: something after the end of the report' },
    { text: '{"scan_time":1,}', says: 'the report is not valid JSON, byte 15: "}" where a key in quotes belongs' },
    { text: '{"scan_time":01}', says: 'the report is not valid JSON, byte 14: a number with a leading zero' },
    { text: '{"scan_time":1 "a"}', says: 'the report is not valid JSON, byte 15: """ where "," or "}" belongs' },
    {
      text: '{"port_list":[{"path":"\\x"}]}',
      says: 'the report is not valid JSON, byte 23: an escape that JSON does not have',
    },
    {
      text: '{"port_list":[{"path":"a\nb"}]}',
      says: 'the report is not valid JSON, byte 24: a control character (0x0a) in a string',
    },
    {
      text: '{"port_list":[nul]}',
      says: 'the report is not valid JSON, byte 14: a word that is not true, false or null',
    },
  ])('$text: $says', async ({ text, says }) => {
    for (const result of [await read(text), await bytewise(text)]) {
      expect(result.problem).toMatchObject({ kind: 'report-unreadable', message: says });
    }
  });
});

describe('limits', () => {
  const limits = { ...defaultLimits, reportBytes: 1000, rowBytes: 200, depth: 6 };
  const limited = (text: string, read?: ReadonlySet<FindingKind>) => readAll([bytes(text)], read, limits);

  test.each([
    { what: 'a body', text: `{"scan_time":1,"port_list":[${'{},'.repeat(400)}{}]}`, says: 'the limit of 1,000 bytes' },
    {
      what: 'a row that is read',
      text: `{"port_list":[{"path":"${'a'.repeat(300)}"}]}`,
      says: 'the limit of 200 bytes in port_list, row 1',
    },
    {
      what: 'a row that nobody reads',
      text: `{"process_list":[{"path":"${'a'.repeat(300)}"}]}`,
      read: new Set<FindingKind>(['ports']),
      says: 'the limit of 200 bytes in process_list, row 1',
    },
    {
      what: 'a value beside the lists',
      text: `{"cluster_name":"${'a'.repeat(300)}"}`,
      says: 'the limit of 200 bytes in "cluster_name"',
    },
    { what: 'a nesting', text: `{"x":${'['.repeat(9)}${']'.repeat(9)}}`, says: 'nested too deep' },
    {
      what: 'a nesting in a row',
      text: `{"port_list":[{"x":${'['.repeat(9)}${']'.repeat(9)}}]}`,
      says: 'nested too deep',
    },
  ])('$what beyond its limit is unreadable', async ({ text, read, says }) => {
    const { problem } = await limited(text, read);
    expect(problem?.kind).toBe('report-unreadable');
    expect(problem?.message).toContain(says);
  });

  test('a row of many pieces is found too large before it is whole', async () => {
    const pieces = function* () {
      yield bytes('{"port_list":[{"path":"');
      for (let i = 0; i < 900; i++) yield bytes('a');
    };
    const { problem } = await readAll(pieces(), undefined, limits);
    expect(problem?.message).toContain('larger than the limit of 200 bytes');
  });

  test('white space does not count as a row', async () => {
    const { problem } = await limited(`{"port_list":[${' '.repeat(500)}{"port":1}]}`);
    expect(problem).toBeUndefined();
  });
});

describe('gzip', () => {
  const text = JSON.stringify({ scan_time: 1, port_list: Array.from({ length: 50 }, (_, port) => ({ port })) });

  test('is unpacked, whatever the pieces, and has the digest of what is inside', async () => {
    const packed = gzipSync(text);
    for (const pieces of [[packed], [...packed].map((byte) => Uint8Array.of(byte))]) {
      expect(await readAll(pieces)).toEqual(await read(text));
    }
  });

  test('that ends early is truncated', async () => {
    const { problem } = await readAll([gzipSync(text).subarray(0, -12)]);
    expect(problem?.kind).toBe('report-truncated');
  });

  test('that is damaged is unreadable', async () => {
    const packed = gzipSync(text);
    packed.fill(0xff, 12, 30);
    expect((await readAll([packed])).problem?.kind).toBe('report-unreadable');
  });

  test('cannot grow beyond the limit of the unpacked body', async () => {
    const bomb = gzipSync(`{"scan_time":1,"x":[${'0,'.repeat(500_000)}0]}`);
    const { problem } = await readAll([bomb], undefined, { ...defaultLimits, reportBytes: 100_000 });
    expect(problem?.message).toContain('larger than the limit of 100,000 bytes');
  });
});

test('an error of the body itself is passed on', async () => {
  const failing = async function* () {
    yield bytes('{"port_list":[');
    throw new Error('connection reset');
  };
  const { readReport } = await import('../../lib/hss/read-report.ts');
  await expect(readReport(failing(), new Set(), () => {})).rejects.toThrow('connection reset');
});
