import fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import { judgeReport } from '../../lib/compose.ts';
import { type Baseline, baselineOf } from '../../lib/core/baseline.ts';
import type { EvaluateOptions } from '../../lib/core/evaluate.ts';
import type { Evaluation, Verdict } from '../../lib/core/evaluation.ts';
import type { Policy } from '../../lib/core/policy/parse.ts';
import { renderJson } from '../../lib/core/render/json.ts';
import { buildReport } from '../../lib/simulator/reports.ts';
import { nowMs, policyOf } from '../support/evaluate.ts';

type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
type Row = { [key: string]: Json };

const rulesText = `rules:
  - {id: high, on: vulnerabilities, min_severity: High, max: 0}
  - {id: budget, on: vulnerabilities, where: 'severity == "Medium"', max: 3, per: [image, image_version]}
  - {id: privileged, on: privileged_containers, where: 'status == "running" && container != "kube-proxy"', max: 0}
  - {id: items, on: baseline_items, min_severity: High, max: 0}
  - {id: hosts, on: cluster, where: 'hosts > 50', max: 0}
`;
const policy: Policy = policyOf(rulesText);

/** What the policy asks of a row, by list: the rules once more, by hand. */
const asks: Readonly<Record<string, Readonly<Record<string, readonly Json[]>>>> = {
  local_image_vul_list: {
    severity_level: ['High', 'Medium', 'Low'],
    local_image_name: ['a', 'b'],
    local_image_version: ['1', '2'],
  },
  privileged_container_list: { container_status: ['running', 'terminated'], container_name: ['kube-proxy', 'other'] },
  baseline_detection_list: { failed_rule_num: [0, 9], baseline_item_list: [[], [{}]] },
  baseline_item_list: { severity: ['High', 'Medium', 'Low'] },
};

/** Whether a row counts for any rule, and in which group. */
const counts: Readonly<Record<string, (row: Row) => string>> = {
  local_image_vul_list: ({ severity_level: level, local_image_name: image, local_image_version: version }) =>
    level === 'Low' ? '' : level === 'Medium' ? JSON.stringify([image, version]) : 'high',
  privileged_container_list: ({ container_status: status, container_name: container }) =>
    status === 'running' && container !== 'kube-proxy' ? 'counts' : '',
  baseline_item_list: ({ severity }) => (severity === 'Medium' || severity === 'Low' ? '' : 'counts'),
};

/** Keys of the report itself that no rule depends on, and why. */
const idle: Readonly<Record<string, string>> = {
  cluster_id: 'a report at hand is judged whatever its cluster is called',
  cluster_name: 'a report at hand is judged whatever its cluster is called',
  cluster_category: 'it is shown, and asked for by no rule',
  pod_num: 'no rule asks for it',
  container_num: 'no rule asks for it',
  port_num: 'no rule looks at ports',
  port_list: 'no rule looks at ports',
  app_num: 'no rule looks at packages',
  app_list: 'no rule looks at packages',
  process_num: 'no rule looks at processes',
  process_list: 'no rule looks at processes',
};

/** Why a part of a row decides nothing; undefined: it may. */
function idleInRow(list: string, key: string, row: Row): string | undefined {
  const values = asks[list]?.[key];
  if (values === undefined) return 'no rule asks for it';
  const outcome = counts[list];
  if (outcome === undefined) return undefined;
  const outcomes = new Set(values.map((value) => outcome({ ...row, [key]: value })));
  return outcomes.size === 1 ? 'whatever it is, the other parts of the row decide' : undefined;
}

async function judge(report: Json | string, by: Policy = policy, options: EvaluateOptions = {}): Promise<Evaluation> {
  async function* body() {
    yield Buffer.from(typeof report === 'string' ? report : JSON.stringify(report));
  }
  return judgeReport(body(), { policy: by, nowMs, options });
}

/** Reports that pass, though there is something in every list. */
const passing: Row[] = [];
beforeAll(async () => {
  for (let seed = 0; passing.length < 12; seed++) {
    const report = structuredClone(
      buildReport({
        clusterId: 'c-1',
        clusterName: 'prod-eu',
        category: 'CCE',
        scannedAtMs: nowMs - 3_600_000,
        seed: `metamorphic ${seed}`,
        levels: seed % 2 === 0 ? ['Low'] : ['Low', 'Medium'],
        rows: { vulnerabilities: 6, baselineChecks: 3, privilegedContainers: 3, ports: 2, packages: 2, processes: 2 },
      }),
    ) as unknown as Row;
    for (const row of report.privileged_container_list as Row[]) {
      if (seed % 3 === 0) row.container_status = 'terminated';
      else row.container_name = 'kube-proxy';
    }
    if ((await judge(report)).verdict === 'pass') passing.push(report);
  }
});

interface Part {
  /** `local_image_vul_list[].severity_level` */
  readonly name: string;
  readonly path: readonly (string | number)[];
  readonly idle: string | undefined;
}

function partsOf(report: Row): Part[] {
  const parts: Part[] = [];
  const rowsOf = (rows: Row[], list: string, path: readonly (string | number)[], prefix: string) => {
    for (const [i, row] of rows.entries()) {
      parts.push({ name: `${prefix}[]`, path: [...path, i], idle: asks[list] === undefined ? idle[list] : undefined });
      for (const [key, value] of Object.entries(row)) {
        const why = asks[list] === undefined ? idle[list] : idleInRow(list, key, row);
        parts.push({ name: `${prefix}[].${key}`, path: [...path, i, key], idle: why });
        if (key === 'baseline_item_list') rowsOf(value as Row[], key, [...path, i, key], `${prefix}[].${key}`);
      }
    }
  };
  for (const [key, value] of Object.entries(report)) {
    parts.push({ name: key, path: [key], idle: idle[key] });
    if (Array.isArray(value)) rowsOf(value as Row[], key, [key], key);
  }
  return parts;
}

/** Everything that can happen to one part. What leaves it as it was is no change. */
const changes: Readonly<Record<string, (holder: Row, key: string) => void>> = {
  deleted: (holder, key) => {
    if (Array.isArray(holder)) holder.splice(Number(key), 1);
    else delete holder[key];
  },
  null: (holder, key) => {
    holder[key] = null;
  },
  empty: (holder, key) => {
    const value = holder[key];
    if (Array.isArray(value)) holder[key] = [];
    else holder[key] = typeof value === 'object' ? {} : '';
  },
  renamed: (holder, key) => {
    if (Array.isArray(holder)) return;
    holder[`x_${key}`] = holder[key] as Json;
    delete holder[key];
  },
  corrupt: (holder, key) => {
    const value = holder[key];
    holder[key] = typeof value === 'object' ? 'corrupt' : typeof value === 'number' ? 'corrupt' : { corrupt: true };
  },
  'another word': (holder, key) => {
    if (typeof holder[key] === 'string' && key.startsWith('severity')) holder[key] = 'Bogus';
  },
  aged: (holder, key) => {
    if (key === 'scan_time') holder[key] = nowMs - 40 * 86_400_000;
  },
  'ahead of its time': (holder, key) => {
    if (key === 'scan_time') holder[key] = nowMs + 40 * 86_400_000;
  },
};

function changed(report: Row, { path }: Part, change: (holder: Row, key: string) => void): Row | undefined {
  const copy = structuredClone(report);
  let holder: Json = copy;
  for (const step of path.slice(0, -1)) holder = (holder as Row)[step] as Json;
  change(holder as Row, String(path.at(-1)));
  return JSON.stringify(copy) === JSON.stringify(report) ? undefined : copy;
}

describe('a report that passes', () => {
  test('does not once a part of it is deleted, null, empty, renamed, corrupt or old, unless no rule depends on the part', async () => {
    const holes = new Set<string>();
    const why = new Map<string, Set<string>>();
    let tried = 0;
    for (const report of passing) {
      for (const part of partsOf(report)) {
        for (const [name, change] of Object.entries(changes)) {
          const after = changed(report, part, change);
          if (after === undefined) continue;
          tried++;
          const { verdict } = await judge(after);
          if (part.idle === undefined && verdict === 'pass') holes.add(`${part.name} ${name}`);
          if (part.idle !== undefined && verdict === 'pass')
            why.set(part.name, (why.get(part.name) ?? new Set()).add(part.idle));
        }
      }
    }
    expect([...holes]).toEqual([]);
    expect(tried).toBeGreaterThan(3_000);
    const lines = [...why]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, of]) => `${name}: ${[...of].sort().join('; ')}`);
    await expect(`${lines.join('\n')}\n`).toMatchFileSnapshot('../fixtures/irrelevant-parts.txt');
  });

  test('does not when it is cut off anywhere', async () => {
    for (const report of passing) {
      const text = JSON.stringify(report);
      for (let i = 0; i < 40; i++) {
        const { verdict } = await judge(text.slice(0, Math.floor((i * text.length) / 40)));
        expect(verdict).not.toBe('pass');
      }
      expect((await judge(text.slice(0, -1))).verdict).not.toBe('pass');
    }
  });
});

const rank: Readonly<Record<Verdict, number>> = { fail: 0, undetermined: 1, pass: 2 };

/** A finding that breaks a rule, in the list it belongs to, and the count beside that. */
const violations: readonly { readonly list: string; readonly count: string | undefined; readonly change: Row }[] = [
  { list: 'local_image_vul_list', count: 'local_image_vul_num', change: { severity_level: 'High' } },
  { list: 'local_image_vul_list', count: 'local_image_vul_num', change: { severity_level: 'Medium' } },
  {
    list: 'privileged_container_list',
    count: 'privileged_container_num',
    change: { container_status: 'running', container_name: 'other' },
  },
];

/** The same rules, enforced otherwise, with waivers for some of what is there, or allowing some. */
const others: readonly Policy[] = [
  policy,
  ...[
    (text: string) => text.replaceAll('max: 0', 'max: 0, enforce: warn').replaceAll('max: 3', 'max: 1, enforce: warn'),
    (text: string) => text.replace('max: 0', 'max: 0, enforce: warn').replace('max: 0}', 'max: 1, enforce: observe}'),
    (text: string) => text.replaceAll('max: 0', 'max: 2'),
    (text: string) =>
      `${text}waivers:\n${['high', 'budget', 'privileged']
        .map(
          (rule, n) =>
            `  - {id: W-${rule}, rule: ${rule}, reason: x, owner: y, expires: 2027-01-01, max_findings: ${n + 1}}\n`,
        )
        .join('')}`,
  ].map((change) => policyOf(change(rulesText))),
];

test('a violating finding that is added anywhere never improves a verdict', async () => {
  const spoil = fc.constantFrom(...Object.entries(changes));
  const given = fc.record({
    report: fc.nat(),
    spoilt: fc.option(fc.tuple(fc.nat(), spoil), { nil: undefined }),
    violation: fc.constantFrom(...violations),
    at: fc.nat(),
    by: fc.constantFrom(...others),
    strict: fc.boolean(),
    since: fc.boolean(),
  });
  const seen = new Map<string, number>();
  const baselines = new Map<Policy, Baseline | undefined>();
  for (const by of others) {
    const accepted = structuredClone(passing[0] as Row);
    for (const row of accepted.privileged_container_list as Row[]) Object.assign(row, violations[2]?.change);
    baselines.set(
      by,
      baselineOf(await judge({ ...accepted, scan_time: 1 }, by, { track: 'baseline', maxReportAgeMs: 1e15 }), by.rules),
    );
  }
  expect([...baselines.values()]).not.toContain(undefined);
  await fc.assert(
    fc.asyncProperty(
      given,
      async ({ report: n, spoilt, violation: { list, count, change }, at, by, strict, since }) => {
        const report = passing[n % passing.length] as Row;
        const parts = partsOf(report);
        const part = spoilt && parts[spoilt[0] % parts.length];
        const before = (part && spoilt && changed(report, part, spoilt[1][1])) ?? report;
        const rows = before[list];
        const [sample] = report[list] as Row[];
        if (!Array.isArray(rows) || sample === undefined) return;
        const after = structuredClone(before);
        (after[list] as Json[]).splice(at % (rows.length + 1), 0, { ...sample, ...change });
        if (count !== undefined && typeof after[count] === 'number') after[count] = (after[count] as number) + 1;
        const options = { strict, baseline: since ? baselines.get(by) : undefined };
        const [was, is] = [(await judge(before, by, options)).verdict, (await judge(after, by, options)).verdict];
        seen.set(`${was} to ${is}`, (seen.get(`${was} to ${is}`) ?? 0) + 1);
        expect(rank[is]).toBeLessThanOrEqual(rank[was]);
      },
    ),
    { numRuns: 4_000 },
  );
  expect([...seen.keys()]).toEqual(expect.arrayContaining(['pass to fail', 'undetermined to fail', 'fail to fail']));
});

test('the order of rows and keys changes no byte of a result but the digest of the report', async () => {
  const shuffled = <T>(items: readonly T[], order: readonly number[]) =>
    items
      .map((item, i) => ({ item, place: order[i % order.length] ?? 0 }))
      .sort((a, b) => a.place - b.place)
      .map(({ item }) => item);
  const disordered = (value: Json, order: readonly number[]): Json => {
    if (Array.isArray(value)) return shuffled(value, order).map((one) => disordered(one, order));
    if (value === null || typeof value !== 'object') return value;
    return Object.fromEntries(
      shuffled(Object.entries(value), order).map(([key, one]) => [key, disordered(one, order)]),
    );
  };
  const result = async (report: Json) => {
    const evaluation = await judge(report);
    return renderJson({ ...evaluation, report: { ...evaluation.report, digest: '' } });
  };
  const levels = fc.constantFrom('High', 'Medium', 'Low', 'Bogus');
  const given = fc.record({
    report: fc.nat(),
    order: fc.array(fc.nat(), { minLength: 7, maxLength: 7 }),
    levels: fc.array(levels, { minLength: 6, maxLength: 6 }),
  });
  await fc.assert(
    fc.asyncProperty(given, async ({ report: n, order, levels }) => {
      const report = structuredClone(passing[n % passing.length] as Row);
      for (const [i, row] of (report.local_image_vul_list as Row[]).entries()) row.severity_level = levels[i] ?? 'Low';
      for (const row of report.privileged_container_list as Row[]) row.container_status = 'running';
      expect(await result(disordered(report, order))).toBe(await result(report));
    }),
    { numRuns: 300 },
  );
});
