import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { judgeReport } from '../../lib/compose.ts';
import { renderJson } from '../../lib/core/render/json.ts';
import type { Finding, ListFacts, ListName } from '../../lib/core/report.ts';
import { evaluate, type Given, nowMs, policyOf } from '../support/evaluate.ts';

const vul = (severity: string, n = 1, more: Finding = {}): Finding => ({
  severity,
  image: 'registry/app',
  image_version: '1.0',
  vulnerability: `CVE-2024-${1000 + n}`,
  package: 'openssl',
  package_version: '1.1.1k',
  solution: 'upgrade',
  description: '',
  ...more,
});
const privileged = (container: string, status?: string): Finding => ({
  container,
  pod: `${container}-7d9c6b5f4d-x2k8p`,
  ...(status !== undefined && { status }),
});

const noHigh = 'rules:\n  - {id: r, on: vulnerabilities, min_severity: High, max: 0}\n';
const noPrivileged = 'rules:\n  - {id: r, on: privileged_containers, max: 0}\n';
const running = `rules:\n  - {id: r, on: privileged_containers, where: 'status == "running"', max: 0}\n`;

describe('a rule', () => {
  test.each([
    { severity: 'Critical', verdict: 'fail' },
    { severity: 'High', verdict: 'fail' },
    { severity: 'Unknown', verdict: 'fail' },
    { severity: 'Medium', verdict: 'pass' },
    { severity: 'Low', verdict: 'pass' },
  ])('of min_severity High takes $severity for a $verdict', ({ severity, verdict }) => {
    expect(evaluate(noHigh, { findings: { vulnerabilities: [vul(severity)] } }).verdict).toBe(verdict);
  });

  test('breaks when more than max match, and not when as many do', () => {
    const policy = policyOf('rules:\n  - {id: r, on: vulnerabilities, max: 2}\n');
    const rows = [vul('Low', 1), vul('Low', 2), vul('Low', 3)];
    expect(evaluate(policy, { findings: { vulnerabilities: rows.slice(0, 2) } }).verdict).toBe('pass');
    const broken = evaluate(policy, { findings: { vulnerabilities: rows } });
    expect(broken).toMatchObject({
      verdict: 'fail',
      rules: [{ status: 'fail', count: 3, max: 2, omitted: 0, evidence: 'listed' }],
    });
  });

  test.each([
    { enforce: 'block', status: 'fail', verdict: 'fail', strict: 'fail' },
    { enforce: 'warn', status: 'warn', verdict: 'pass', strict: 'fail' },
    { enforce: 'observe', status: 'observed', verdict: 'pass', strict: 'pass' },
  ])('that is to $enforce makes a $verdict, strictly a $strict', ({ enforce, status, verdict, strict }) => {
    const policy = `rules:\n  - {id: r, on: vulnerabilities, max: 0, enforce: ${enforce}}\n`;
    const findings = { vulnerabilities: [vul('Low')] };
    expect(evaluate(policy, { findings })).toMatchObject({ verdict, rules: [{ status }] });
    expect(evaluate(policy, { findings, options: { strict: true } }).verdict).toBe(strict);
  });

  test('with per counts each group by itself and shows the groups over its max', () => {
    const policy = 'rules:\n  - {id: r, on: vulnerabilities, max: 1, per: [image, image_version]}\n';
    const of = (image: string, n: number) => Array.from({ length: n }, (_, i) => vul('Low', i, { image }));
    const spread = evaluate(policy, { findings: { vulnerabilities: [...of('a', 1), ...of('b', 1)] } });
    expect(spread).toMatchObject({ verdict: 'pass', rules: [{ count: 2, groups: [], findings: [] }] });
    const heaped = evaluate(policy, { findings: { vulnerabilities: [...of('a', 1), ...of('b', 3), ...of('c', 2)] } });
    expect(heaped).toMatchObject({
      verdict: 'fail',
      rules: [
        {
          count: 6,
          groups: [
            { key: { image: 'b', image_version: '1.0' }, count: 3 },
            { key: { image: 'c' }, count: 2 },
          ],
        },
      ],
    });
    expect(heaped.rules[0]?.findings.map(({ fields }) => fields.image)).toEqual(['b', 'c']);
    expect(heaped.rules[0]?.omitted).toBe(4);
  });

  test('on the cluster reads the counts', () => {
    const policy = `rules:\n  - {id: r, on: cluster, where: 'hosts > 1 && name.startsWith("prod")', max: 0}\n`;
    expect(evaluate(policy, {}).verdict).toBe('fail');
    expect(evaluate(policy, { facts: { hosts: 1 } }).verdict).toBe('pass');
  });

  test('shows a command line only with its values masked', () => {
    const policy = 'rules:\n  - {id: r, on: processes, max: 0}\n';
    const findings = { processes: [{ command: 'mysql -phunter2 --password=hunter2 hunter2 TOKEN=hunter2' }] };
    const text = renderJson(evaluate(policy, { findings }));
    expect(text).toContain('mysql -p*** --password=***');
    expect(text).not.toContain('hunter2');
  });
});

describe('a severity that is unknown', () => {
  const where = (text: string) => `rules:\n  - {id: r, on: vulnerabilities, max: 0, where: '${text}'}\n`;
  test.each([
    { text: 'severity == "High"', verdict: 'undetermined' },
    { text: 'severity in ["High", "Critical"]', verdict: 'undetermined' },
    { text: 'severity != "Low"', verdict: 'undetermined' },
    { text: 'severity == "High" && image == "other"', verdict: 'pass' },
    { text: 'severity in ["High", "Critical"] && package != "Unknown"', verdict: 'undetermined' },
    { text: 'severity in ["High", "Unknown"]', verdict: 'fail' },
    { text: 'severity != "Unknown" && severity != "Low"', verdict: 'pass' },
  ])('makes $text $verdict', ({ text, verdict }) => {
    expect(evaluate(where(text), { findings: { vulnerabilities: [vul('Unknown')] } }).verdict).toBe(verdict);
  });
});

test('a rule with more groups than can be counted is undetermined', () => {
  const policy = 'rules:\n  - {id: r, on: ports, max: 5, per: [port]}\n';
  const ports = (count: number) => ({ findings: { ports: Array.from({ length: count }, (_, port) => ({ port })) } });
  expect(evaluate(policy, ports(20_000)).verdict).toBe('pass');
  expect(evaluate(policy, ports(20_001))).toMatchObject({
    verdict: 'undetermined',
    reasons: [{ kind: 'rule-unevaluable' }],
  });
});

describe('what cannot be told is undetermined, never a pass:', () => {
  const cases: { why: string; policy: string; given: Given; kind: string }[] = [
    {
      why: 'a count above its list',
      policy: noHigh,
      given: { lists: { vulnerabilities: { reported: 4 } } },
      kind: 'count-mismatch',
    },
    {
      why: 'no count',
      policy: noHigh,
      given: { lists: { vulnerabilities: { reported: undefined } } },
      kind: 'count-missing',
    },
    {
      why: 'no list and no count',
      policy: noHigh,
      given: { lists: { vulnerabilities: { reported: undefined, shape: 'absent' } } },
      kind: 'count-missing',
    },
    {
      why: 'a list that is none',
      policy: noHigh,
      given: { lists: { vulnerabilities: { shape: 'other' } } },
      kind: 'report-unreadable',
    },
    {
      why: 'a list given twice',
      policy: noHigh,
      given: { findings: { vulnerabilities: [vul('Low')] }, lists: { vulnerabilities: { repeated: 2 } } },
      kind: 'report-unreadable',
    },
    {
      why: 'an old report',
      policy: noHigh,
      given: { facts: { scannedAtMs: nowMs - 27 * 3_600_000 } },
      kind: 'report-stale',
    },
    {
      why: 'a report without a time',
      policy: noHigh,
      given: { facts: { scannedAtMs: undefined } },
      kind: 'report-unreadable',
    },
    {
      why: 'a report from the future',
      policy: noHigh,
      given: { facts: { scannedAtMs: nowMs + 3_600_000 } },
      kind: 'report-unreadable',
    },
    {
      why: 'a field that decides is absent',
      policy: running,
      given: { findings: { privileged_containers: [privileged('a')] } },
      kind: 'rule-unevaluable',
    },
    {
      why: 'a count that decides is absent',
      policy: `rules:\n  - {id: r, on: cluster, where: 'pods > 0', max: 0}\n`,
      given: { facts: { pods: undefined } },
      kind: 'count-missing',
    },
    {
      why: 'a count that decides is below its list',
      policy: `rules:\n  - {id: r, on: cluster, where: 'vulnerabilities > 5', max: 0}\n`,
      given: { lists: { vulnerabilities: { reported: 5, listed: 9 } } },
      kind: 'count-mismatch',
    },
    {
      why: 'fewer items than failed rules',
      policy: 'rules:\n  - {id: r, on: baseline_items, max: 0}\n',
      given: {
        findings: { baseline_checks: [{}] },
        lists: { baseline_checks: { reported: 1, items: 0, failed: 1, shortRows: 1 } },
      },
      kind: 'count-mismatch',
    },
    ...['baseline_checks', 'baseline_items'].map((on) => ({
      why: `items in a check that says that it failed nothing, for ${on}`,
      policy: `rules:\n  - {id: r, on: ${on}, where: 'severity == "High"', max: 0}\n`,
      given: {
        findings: { [on]: [{ severity: 'Low' }] },
        lists: { baseline_checks: { reported: 1, listed: 1, items: 1, failed: 0, deniedRows: 1 } },
      },
      kind: 'count-mismatch' as const,
    })),
    {
      why: 'a report that broke off',
      policy: noHigh,
      given: { subject: { problems: [{ kind: 'report-truncated', message: 'cut' }] } },
      kind: 'report-truncated',
    },
    {
      why: 'no report',
      policy: noHigh,
      given: { subject: { facts: undefined, problems: [{ kind: 'report-missing', message: 'none' }] } },
      kind: 'report-missing',
    },
  ];

  test.each(cases)('$why', ({ policy, given, kind }) => {
    const evaluation = evaluate(policy, given);
    expect(evaluation.verdict).toBe('undetermined');
    expect(evaluation.reasons.map((reason) => reason.kind)).toEqual([kind]);
    expect(evaluation.rules[0]?.status).toBe('undetermined');
  });

  test.each(cases.filter(({ given }) => given.subject?.facts !== undefined || given.subject === undefined))(
    'but $why does not undo a proven violation',
    ({ given }) => {
      const findings = { ...given.findings, ports: [{ port: 22 }] };
      const evaluation = evaluate(`${noHigh}  - {id: ssh, on: ports, where: 'port == 22', max: 0}\n`, {
        ...given,
        findings,
      });
      expect(evaluation.verdict).toBe('fail');
    },
  );
});

describe('counts', () => {
  test('without rows are a violation of a rule that takes every row, and say so', () => {
    const evaluation = evaluate(noPrivileged, { lists: { privileged_containers: { reported: 3 } } });
    expect(evaluation).toMatchObject({
      verdict: 'fail',
      rules: [{ status: 'fail', count: 3, omitted: 3, evidence: 'reported', findings: [] }],
      notes: [{ message: 'the report counts 3 privileged containers and lists 0: 3 not shown' }],
    });
  });

  test('of the list of reports count as those of the report do, where they are larger', () => {
    const counted = (reported: number, told: number) =>
      evaluate(noPrivileged, { lists: { privileged_containers: { reported, told } } });
    expect(counted(0, 3)).toMatchObject({
      verdict: 'fail',
      rules: [{ count: 3, evidence: 'reported' }],
      counts: { privileged_containers: { reported: 0, listed: 0 } },
      notes: [{ message: 'the list of reports counts 3 privileged containers and the report lists 0: 3 not shown' }],
    });
    expect(counted(3, 2)).toMatchObject({
      rules: [{ count: 3 }],
      notes: [{ message: expect.stringContaining('the report counts 3') }],
    });
    expect(counted(0, 0).verdict).toBe('pass');
  });

  test.each([
    { mode: 'strict', verdict: 'undetermined' },
    { mode: 'empty', verdict: 'undetermined' },
    { mode: 'off', verdict: 'pass' },
  ])(
    'are none at all where the list of reports says that there are risks: $mode makes it $verdict',
    ({ mode, verdict }) => {
      const subject = { isToldAtRisk: true };
      expect(evaluate(`reconcile: ${mode}\n${noHigh}`, { subject }).verdict).toBe(verdict);
      const findings = { privileged_containers: [privileged('a')] };
      expect(evaluate(`reconcile: ${mode}\n${noHigh}`, { subject, findings }).verdict).toBe('pass');
    },
  );

  test('prove nothing for a rule that takes some rows', () => {
    expect(evaluate(running, { lists: { privileged_containers: { reported: 3 } } }).verdict).toBe('undetermined');
  });

  test('less what is waived still break', () => {
    const waiver =
      'waivers:\n  - {id: W, rule: r, where: \'container == "a"\', reason: x, owner: y, expires: 2027-01-01}\n';
    const given = {
      findings: { privileged_containers: [privileged('a', 'running')] },
      lists: { privileged_containers: { reported: 3 } },
    };
    expect(evaluate(noPrivileged + waiver, given)).toMatchObject({
      verdict: 'fail',
      rules: [{ count: 2, waived: 1, evidence: 'reported' }],
    });
  });

  test('of baselines may be of rows, failed rules or items, and are one of these', () => {
    const policy = 'rules:\n  - {id: r, on: baseline_checks, max: 5}\n';
    const given = (lists: object) => ({
      findings: { baseline_checks: [{}] },
      lists: { baseline_checks: { reported: 4, ...lists } },
    });
    expect(evaluate(policy, given({})).verdict).toBe('undetermined');
    expect(evaluate(policy, given({ failed: 4 })).verdict).toBe('pass');
    expect(evaluate(policy, given({ items: 4 })).verdict).toBe('pass');
    // A row that is missing is not made good by one that failed much.
    expect(evaluate(policy, given({ items: 35, failed: 35 })).verdict).toBe('undetermined');
    expect(evaluate(policy, given({ reported: 1, items: 35, failed: 35 })).verdict).toBe('pass');
  });

  test('of a baseline without rows prove one', () => {
    const given = { lists: { baseline_checks: { reported: 7 } } };
    expect(evaluate('rules:\n  - {id: r, on: baseline_checks, max: 0}\n', given)).toMatchObject({
      verdict: 'fail',
      rules: [{ count: 1 }],
    });
    expect(evaluate('rules:\n  - {id: r, on: baseline_checks, max: 1}\n', given).verdict).toBe('undetermined');
  });

  test('that disagree where no rule reads are said aloud', () => {
    const evaluation = evaluate(noHigh, { lists: { ports: { reported: 2 }, packages: { reported: 1, listed: 3 } } });
    expect(evaluation.verdict).toBe('pass');
    expect(evaluation.notes.map((note) => note.list)).toEqual(['ports', 'packages']);
  });

  test.each([
    { mode: 'strict', none: 'undetermined', some: 'undetermined', absent: 'undetermined' },
    { mode: 'empty', none: 'undetermined', some: 'pass', absent: 'undetermined' },
    { mode: 'off', none: 'pass', some: 'pass', absent: 'undetermined' },
  ])(
    'by reconcile: $mode are believed as far as said, and what was relaxed is noted',
    ({ mode, none, some, absent }) => {
      const policy = `reconcile: ${mode}\n${noHigh}`;
      const verdict = (given: Given) => {
        const evaluation = evaluate(policy, given);
        if (evaluation.verdict === 'pass')
          expect(evaluation.notes[0]?.message).toContain(`accepted by reconcile: ${mode}`);
        return evaluation.verdict;
      };
      for (const reported of [9, undefined]) {
        expect(verdict({ lists: { vulnerabilities: { reported } } })).toBe(none);
        expect(verdict({ findings: { vulnerabilities: [vul('Low')] }, lists: { vulnerabilities: { reported } } })).toBe(
          some,
        );
        expect(verdict({ lists: { vulnerabilities: { reported, shape: 'absent' } } })).toBe(absent);
      }
    },
  );

  test('of 0 beside a list that is not there are a pass only where the policy relaxes it, and that is noted', () => {
    const given = { lists: { vulnerabilities: { shape: 'absent' } } } as const;
    expect(evaluate(noHigh, given)).toMatchObject({ verdict: 'undetermined', reasons: [{ kind: 'count-mismatch' }] });
    for (const mode of ['empty', 'off']) {
      const relaxed = evaluate(`reconcile: ${mode}\n${noHigh}`, given);
      expect(relaxed).toMatchObject({
        verdict: 'pass',
        notes: [{ message: expect.stringContaining('has no list of vulnerabilities') }],
      });
    }
  });
});

describe('a rule on the cluster', () => {
  const ask = (field: string, reported: number, facts: Partial<ListFacts>) => {
    const list = field === 'baseline_risks' ? 'baseline_checks' : (field as ListName);
    return evaluate(`rules:\n  - {id: r, on: cluster, where: '${field} > 5', max: 0}\n`, {
      lists: { [list]: { reported, ...facts } },
    });
  };
  const counted = ['vulnerabilities', 'baseline_risks', 'privileged_containers', 'ports', 'packages', 'processes'];

  test.each(counted)('does not believe %s where more are listed', (field) => {
    expect(ask(field, 5, { listed: 6 })).toMatchObject({
      verdict: 'undetermined',
      rules: [{ status: 'undetermined' }],
      reasons: [{ kind: 'count-mismatch', rules: ['r'] }],
    });
    expect(ask(field, 5, { listed: 5 }).verdict).toBe('pass');
    expect(ask(field, 5, { listed: 5, told: 6 }).verdict).toBe('undetermined');
  });

  test('believes a count of baselines that leaves out those that failed nothing', () => {
    expect(ask('baseline_risks', 2, { listed: 9, failing: 2 }).verdict).toBe('pass');
    expect(ask('baseline_risks', 1, { listed: 9, failing: 2 }).verdict).toBe('undetermined');
  });

  test.each([
    { failed: [0, 0, 0], counted: 0, verdict: 'pass' },
    { failed: [0, 4, 2], counted: 2, verdict: 'pass' },
    { failed: [0, 4, 2], counted: 6, verdict: 'pass' },
    { failed: [0, 4, 2], counted: 1, verdict: 'undetermined' },
    { failed: [0, 4, undefined], counted: 1, verdict: 'undetermined' },
  ])('reads which baselines failed: $failed, $counted counted: $verdict', async ({ failed, counted, verdict }) => {
    async function* body() {
      const rows = failed.map((n, i) => ({ severity: 'High', check_name: `c-${i}`, failed_rule_num: n }));
      yield Buffer.from(JSON.stringify({ scan_time: nowMs, risk_config_num: counted, baseline_detection_list: rows }));
    }
    const policy = policyOf("rules:\n  - {id: r, on: cluster, where: 'baseline_risks > 50', max: 0}\n");
    expect((await judgeReport(body(), { policy, nowMs })).verdict).toBe(verdict);
  });
});

describe('a rule that warns', () => {
  const rules = (enforce: string) =>
    `rules:\n  - {id: r, on: ports, max: 0, where: "port == 1", enforce: ${enforce}}\n`;
  const broken = { findings: { ports: [{ port: 1 }] }, lists: { ports: { reported: 2 } } };

  test('is as doubtful when it is broken as when it is not', () => {
    for (const given of [broken, { lists: { ports: { reported: 2 } } }]) {
      expect(evaluate(rules('warn'), given)).toMatchObject({
        verdict: 'undetermined',
        reasons: [{ kind: 'count-mismatch', rules: ['r'] }],
      });
    }
    expect(evaluate(rules('warn'), broken).rules[0]?.status).toBe('warn');
  });

  test('fails strictly, and then what is doubtful is a note', () => {
    const evaluation = evaluate(rules('warn'), { ...broken, options: { strict: true } });
    expect(evaluation).toMatchObject({ verdict: 'fail', reasons: [], notes: [{ list: 'ports' }] });
  });
});

describe('a rule that observes', () => {
  test('decides nothing, broken or not to be judged, and what is doubtful is a note', () => {
    const policy = 'rules:\n  - {id: r, on: ports, max: 0, where: "port == 1", enforce: observe}\n';
    const evaluation = evaluate(policy, { lists: { ports: { reported: 2 } } });
    expect(evaluation).toMatchObject({
      verdict: 'pass',
      rules: [{ status: 'undetermined' }],
      reasons: [],
      notes: [{ list: 'ports' }],
    });
  });
});

describe('age', () => {
  const at = (ageHours: number, given: Given = {}) =>
    evaluate(noHigh, { ...given, facts: { scannedAtMs: nowMs - ageHours * 3_600_000 } });

  test('is allowed up to the limit of the policy, by default 26 hours', () => {
    expect(at(26).verdict).toBe('pass');
    // No age, which a message that repeats it would tell wrong.
    const message = 'the report was scanned 2026-11-01 09:30 UTC, longer ago than the 26h that are allowed';
    expect(at(26.5).reasons).toMatchObject([{ kind: 'report-stale', message }]);
    expect(at(26.001).reasons).toMatchObject([{ kind: 'report-stale' }]);
  });

  test('is judged by an option in place of the policy', () => {
    expect(at(2, { options: { maxReportAgeMs: 3_600_000 } }).verdict).toBe('undetermined');
    expect(at(50, { options: { maxReportAgeMs: 1e9 } }).verdict).toBe('pass');
  });

  test('may be a little below zero, since clocks differ', () => {
    expect(at(-0.2).verdict).toBe('pass');
    expect(at(-0.3).verdict).toBe('undetermined');
  });
});

describe('waivers', () => {
  const waiver = (id: string, where: string, expires = '2027-01-31') =>
    `  - {id: ${id}, rule: r, where: '${where}', reason: known, owner: team, expires: ${expires}}\n`;
  const policy = (...waivers: string[]) => `${noHigh}waivers:\n${waivers.join('')}`;

  test('take findings out of the count, and are counted themselves', () => {
    const text = policy(waiver('A', 'vulnerability == "CVE-2024-1001"'), waiver('B', 'vulnerability == "CVE-1999-1"'));
    const evaluation = evaluate(text, {
      findings: { vulnerabilities: [vul('High', 1), vul('High', 1, { image: 'b' })] },
    });
    expect(evaluation).toMatchObject({
      verdict: 'pass',
      rules: [{ count: 0, waived: 2 }],
      waivers: [
        { id: 'A', status: 'used', count: 2 },
        { id: 'B', status: 'unused', count: 0 },
      ],
    });
  });

  test('that expired waive nothing, and are named', () => {
    const text = policy(waiver('A', 'image == "registry/app"', '2026-11-01'));
    const evaluation = evaluate(text, { findings: { vulnerabilities: [vul('High')] } });
    expect(evaluation).toMatchObject({ verdict: 'fail', waivers: [{ id: 'A', status: 'expired', count: 1 }] });
  });

  test('hold to the end of their last day, UTC', () => {
    const at = (expires: string) =>
      evaluate(policy(waiver('A', 'true', expires)), { findings: { vulnerabilities: [vul('High')] } }).verdict;
    expect(at('2026-11-02')).toBe('pass');
    expect(at('2026-11-01')).toBe('fail');
    expect(at('2026-11-02T12:00:00Z')).toBe('fail');
    expect(at('2026-11-02T12:00:01Z')).toBe('pass');
  });

  test('do not cover what they cannot be told to cover', () => {
    const text = policy(waiver('A', 'package == "openssl"'));
    const bare: Finding = { severity: 'High' };
    expect(evaluate(text, { findings: { vulnerabilities: [bare] } }).verdict).toBe('fail');
  });

  test('found by index cover exactly what testing each of them would', () => {
    const value = fc.constantFrom('a', 'b', 'c');
    const term = fc.tuple(fc.constantFrom('image', 'vulnerability', 'package'), fc.constantFrom('==', '!='), value);
    const terms = fc.array(term, { minLength: 1, maxLength: 3 });
    const conditions = fc.array(fc.record({ terms, every: fc.boolean() }), { minLength: 1, maxLength: 6 });
    const rows = fc.array(fc.record({ image: value, vulnerability: value, package: value }), { maxLength: 8 });
    fc.assert(
      fc.property(conditions, rows, (list, findings) => {
        const wheres = list.map(({ terms, every }) =>
          terms.map(([field, op, v]) => `${field} ${op} "${v}"`).join(every ? ' && ' : ' || '),
        );
        const covers = ({ terms, every }: (typeof list)[number], f: Finding) => {
          const holds = terms.map(([field, op, v]) => (f[field] === v) === (op === '=='));
          return every ? holds.every(Boolean) : holds.some(Boolean);
        };
        const vulnerabilities = findings.map((f) => ({ severity: 'High', ...f }));
        const evaluation = evaluate(policy(...wheres.map((where, i) => waiver(`W${i}`, where))), {
          findings: { vulnerabilities },
        });
        expect(evaluation.rules[0]?.waived).toBe(
          vulnerabilities.filter((f) => list.some((condition) => covers(condition, f))).length,
        );
        for (const [i, condition] of list.entries()) {
          expect(evaluation.waivers[i]?.count).toBe(vulnerabilities.filter((f) => covers(condition, f)).length);
        }
      }),
    );
  });
});

describe('findings that are kept', () => {
  test('are the worst, and the rest is counted', () => {
    const rows = Array.from({ length: 300 }, (_, i) => vul(['Low', 'High', 'Unknown', 'Medium'][i % 4] as string, i));
    const [rule] = evaluate('rules:\n  - {id: r, on: vulnerabilities, max: 0}\n', {
      findings: { vulnerabilities: rows },
    }).rules;
    expect(rule?.findings).toHaveLength(100);
    expect(rule?.omitted).toBe(200);
    expect(rule?.findings.map(({ fields }) => fields.severity)).toEqual([
      ...Array(75).fill('Unknown'),
      ...Array(25).fill('High'),
    ]);
  });

  test('are the same, to the byte of the result, whatever the order of rows', () => {
    const rows = Array.from({ length: 200 }, (_, i) =>
      vul(i % 3 ? 'High' : 'Unknown', i % 50, { image: `i${i % 7}`, description: `${i % 11}` }),
    );
    const policy =
      'rules:\n  - {id: r, on: vulnerabilities, max: 0}\n  - {id: s, on: vulnerabilities, max: 1, per: [image]}\n';
    const render = (vulnerabilities: readonly Finding[]) =>
      renderJson(evaluate(policy, { findings: { vulnerabilities } }));
    const first = render(rows);
    fc.assert(
      fc.property(fc.shuffledSubarray(rows, { minLength: rows.length }), (shuffled) => {
        expect(render(shuffled)).toBe(first);
      }),
      { numRuns: 25 },
    );
  });

  test('have a fingerprint that outlives a restart, and differs by cluster, rule and subject', () => {
    const policy =
      'rules:\n  - {id: r, on: privileged_containers, max: 0}\n  - {id: s, on: privileged_containers, max: 0}\n';
    const prints = (pod: string, subject = {}) =>
      evaluate(policy, {
        findings: { privileged_containers: [{ container: 'app', pod, status: 'running' }] },
        subject,
      }).rules.map((rule) => rule.findings[0]?.fingerprint);
    const first = prints('web-7d9c6b5f4d-x2k8p');
    expect(first).toEqual(prints('web-56c8b9d7f4-zzzzz'));
    expect(first[0]).toMatch(/^[0-9a-f]{32}$/);
    const others = [...prints('db-7d9c6b5f4d-x2k8p'), ...prints('web-7d9c6b5f4d-x2k8p', { cluster: { id: 'c-2' } })];
    expect(new Set([...first, ...others]).size).toBe(6);
  });
});

test.each([
  { looked: { hosts: 0, pods: 0, containers: 0 }, verdict: 'undetermined' },
  { looked: { hosts: 0, pods: 0, containers: 1 }, verdict: 'pass' },
  { looked: { hosts: undefined, pods: 1, containers: undefined }, verdict: 'pass' },
  { looked: { hosts: 0, pods: 0, containers: undefined }, verdict: 'undetermined' },
  { looked: { hosts: undefined, pods: undefined, containers: undefined }, verdict: 'undetermined' },
])('a report that looked at $looked and found nothing is $verdict', ({ looked, verdict }) => {
  const policy = 'rules:\n  - {id: r, on: vulnerabilities, max: 0}\n';
  const evaluation = evaluate(policy, { facts: looked });
  expect(evaluation.verdict).toBe(verdict);
  expect(evaluation.reasons.map(({ kind }) => kind)).toEqual(verdict === 'pass' ? [] : ['coverage-dropped']);
});
