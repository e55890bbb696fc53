import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parsePolicy } from '../../lib/core/policy/parse.ts';
import { renderJson } from '../../lib/core/render/json.ts';
import type { Finding } from '../../lib/core/report.ts';
import { formatIssue } from '../../lib/core/yaml.ts';
import { evaluate } from '../support/evaluate.ts';

const vul = (n: number, given: Finding = {}): Finding => ({
  severity: 'High',
  image: 'app',
  image_version: '1',
  vulnerability: `CVE-${n}`,
  package: 'openssl',
  package_version: '3.0',
  solution: '',
  ...given,
});
const vuls = (count: number, given: Finding = {}) => Array.from({ length: count }, (_, i) => vul(i, given));

const rules = (max: number, more = '') => `rules:\n  - {id: r, on: vulnerabilities, max: ${max}${more}}\n`;
const waiver = (more: string, id = 'W') =>
  `  - {id: ${id}, rule: r, reason: known, owner: team, expires: 2027-01-31, ${more}}\n`;
const policy = (max: number, waivers: readonly string[], more = '') =>
  `${rules(max, more)}waivers:\n${waivers.join('')}`;

describe('a waiver granted for so many findings', () => {
  const judge = (found: number, max = 0) =>
    evaluate(policy(max, [waiver('max_findings: 3')]), { findings: { vulnerabilities: vuls(found) } });

  test('waives up to as many', () => {
    expect(judge(3)).toMatchObject({
      verdict: 'pass',
      rules: [{ count: 0, waived: 3 }],
      waivers: [{ status: 'used', count: 3, maxFindings: 3 }],
    });
  });

  test('waives none of them when it covers more: all count, and are shown', () => {
    const { verdict, rules, waivers } = judge(4);
    expect(verdict).toBe('fail');
    expect(rules[0]).toMatchObject({ count: 4, waived: 0, omitted: 0, waivedFindings: [] });
    expect(rules[0]?.findings.map(({ fields }) => fields.vulnerability)).toEqual(['CVE-0', 'CVE-1', 'CVE-2', 'CVE-3']);
    expect(waivers).toMatchObject([{ status: 'over-broad', count: 4, maxFindings: 3 }]);
  });

  test('is an error of the gate also where the rule would hold all the same', () => {
    expect(judge(4, 10)).toMatchObject({ verdict: 'fail', rules: [{ status: 'fail', count: 4, waived: 0 }] });
    expect(judge(3, 10)).toMatchObject({ verdict: 'pass' });
  });

  test('leaves what another waiver covers as well to that one', () => {
    const text = policy(0, [
      waiver('max_findings: 2', 'A'),
      waiver('max_findings: 9', 'B'),
      waiver(`where: 'vulnerability == "CVE-0"'`, 'C'),
    ]);
    const { verdict, rules, waivers } = evaluate(text, { findings: { vulnerabilities: vuls(4) } });
    // That A covers too much is an error all the same.
    expect(verdict).toBe('fail');
    expect(rules[0]?.waivedFindings.map(({ waiver, fields }) => [fields.vulnerability, waiver])).toEqual([
      ['CVE-0', 'C'],
      ['CVE-1', 'B'],
      ['CVE-2', 'B'],
      ['CVE-3', 'B'],
    ]);
    expect(waivers.map(({ id, status }) => [id, status])).toEqual([
      ['A', 'over-broad'],
      ['B', 'used'],
      ['C', 'used'],
    ]);
  });

  test('comes to the same as counting by hand, whatever the waivers, groups and order of rows', () => {
    const cap = fc.option(fc.integer({ min: 1, max: 4 }), { nil: undefined });
    const wheres = fc.constantFrom('image == "a"', 'image == "b"', 'vulnerability == "CVE-1"', 'true');
    const waivers = fc.array(fc.record({ where: wheres, cap }), { maxLength: 4 });
    const finding = fc.record({ image: fc.constantFrom('a', 'b'), n: fc.integer({ min: 0, max: 2 }) });
    const given = fc.record({ waivers, findings: fc.array(finding, { maxLength: 10 }), per: fc.boolean() });
    fc.assert(
      fc.property(given, ({ waivers, findings, per }) => {
        const lines = waivers.map(({ where, cap }, i) =>
          waiver(`where: '${where}'${cap === undefined ? '' : `, max_findings: ${cap}`}`, `W${i}`),
        );
        const text = policy(0, lines.length > 0 ? lines : ['  []\n'], per ? ', per: [image]' : '');
        const rows = findings.map(({ image, n }) => vul(n, { image }));
        const covers = ({ where }: { where: string }, f: Finding) =>
          where === 'true' || where === `image == "${f.image}"` || where === `vulnerability == "${f.vulnerability}"`;
        const sound = waivers.filter((one) => rows.filter((f) => covers(one, f)).length <= (one.cap ?? 99));
        const counted = rows.filter((f) => !sound.some((one) => covers(one, f)));

        const evaluation = evaluate(text, { findings: { vulnerabilities: rows } });
        const [rule] = evaluation.rules;
        expect([rule?.count, rule?.waived]).toEqual([counted.length, rows.length - counted.length]);
        expect(rule?.waivedFindings).toHaveLength(rows.length - counted.length);
        if (per) {
          const groups = (rule?.groups ?? []).map(({ key, count, waived }) => [key.image, count, waived]);
          const expected = ['a', 'b'].flatMap((image) => {
            const of = (list: readonly Finding[]) => list.filter((f) => f.image === image).length;
            return of(counted) > 0 ? [[image, of(counted), of(rows) - of(counted)]] : [];
          });
          expect(groups.sort()).toEqual(expected);
        }
        const turned = evaluate(text, { findings: { vulnerabilities: [...rows].reverse() } });
        expect(renderJson(turned)).toBe(renderJson(evaluation));
      }),
      { numRuns: 300 },
    );
  });
});

test('a waiver until a fix is available covers nothing for which the report names one', () => {
  const text = policy(0, [waiver('until_fix_available: true')]);
  const findings = { vulnerabilities: [vul(1), vul(2, { solution: '  ' }), vul(3, { solution: 'Upgrade to 3.1' })] };
  expect(evaluate(text, { findings })).toMatchObject({
    verdict: 'fail',
    rules: [{ count: 1, waived: 2, findings: [{ fields: { vulnerability: 'CVE-3' } }] }],
    waivers: [{ status: 'used', count: 2, fixable: 1 }],
  });
});

test('a waiver waives nothing before it is granted', () => {
  const at = (granted: string) =>
    evaluate(policy(0, [waiver(`granted: ${granted}`)]), { findings: { vulnerabilities: vuls(1) } });
  expect(at('2026-11-03')).toMatchObject({ verdict: 'fail', waivers: [{ status: 'pending', count: 1 }] });
  expect(at('2026-11-02')).toMatchObject({ verdict: 'pass', waivers: [{ status: 'used' }] });
});

test('a waiver that ends within two weeks is about to expire', () => {
  const at = (expires: string) =>
    evaluate(`${rules(0)}waivers:\n  - {id: W, rule: r, reason: known, owner: team, expires: ${expires}}\n`).waivers[0];
  expect(at('2026-11-15')).toMatchObject({ isExpiring: true, status: 'unused' });
  expect(at('2026-11-16')).toMatchObject({ isExpiring: false });
  expect(at('2026-11-01')).toMatchObject({ isExpiring: false, status: 'expired' });
});

describe('how long a waiver may last', () => {
  const issues = (more: string, severity = 'critical') => {
    const text = `version: 1
name: p
max_waiver_duration: {critical: 30d}
rules:
  - {id: r, on: vulnerabilities, max: 0, severity: ${severity}}
waivers:
  - {id: W, rule: r, reason: known, owner: team, ${more}}
`;
    return parsePolicy(text, 'p.yaml').issues.map((issue) => formatIssue(issue).split('\n')[0]);
  };

  test.each([
    ['granted: 2026-11-01, expires: 2026-12-01', []],
    ['granted: 2026-11-01T10:00:00Z, expires: 2026-12-01T10:00:00Z', []],
    [
      'granted: 2026-11-01T00:00:00Z, expires: 2026-12-02T00:00:00Z',
      [
        'p.yaml:7:90: waivers[0].expires: is 31d after granted, and a waiver of a critical rule may last 30d (max_waiver_duration)',
      ],
    ],
    [
      'granted: 2026-11-01, expires: 2026-12-02',
      [
        'p.yaml:7:80: waivers[0].expires: is 31d after granted, and a waiver of a critical rule may last 30d (max_waiver_duration)',
      ],
    ],
    [
      'expires: 2026-12-01',
      [
        'p.yaml:7:5: waivers[0]: granted is missing: a waiver of a critical rule may last 30d from then on (max_waiver_duration)',
      ],
    ],
    ['granted: 2026-12-03, expires: 2026-12-01', ['p.yaml:7:80: waivers[0].expires: is not after granted']],
  ])('%s', (more, expected) => {
    expect(issues(more)).toEqual(expected);
  });

  test('is not limited for severities that the policy does not name', () => {
    expect(issues('expires: 2099-12-01', 'low')).toEqual([]);
  });
});

test('only findings that may have a solution can be waived until there is one', () => {
  const text = `version: 1
name: p
rules:
  - {id: r, on: ports, max: 0}
waivers:
  - {id: W, rule: r, reason: known, owner: team, expires: 2027-01-31, until_fix_available: true}
`;
  expect(parsePolicy(text, 'p.yaml').issues.map((issue) => formatIssue(issue).split('\n')[0])).toEqual([
    'p.yaml:6:71: waivers[0].until_fix_available: ports have no solution that could tell of a fix',
  ]);
});
