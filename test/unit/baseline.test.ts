import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Baseline, baselineOf, parseBaseline, renderBaseline } from '../../lib/core/baseline.ts';
import type { Evaluation } from '../../lib/core/evaluation.ts';
import { parseImagePattern } from '../../lib/core/images.ts';
import { renderGitlabCodequality } from '../../lib/core/render/gitlab-codequality.ts';
import { renderGitlabContainer } from '../../lib/core/render/gitlab-container.ts';
import { renderJson } from '../../lib/core/render/json.ts';
import { renderSarif } from '../../lib/core/render/sarif.ts';
import { renderTable } from '../../lib/core/render/table.ts';
import type { ReportFacts } from '../../lib/core/report.ts';
import { parseResult } from '../../lib/core/result.ts';
import { anyAge, retime } from '../../lib/core/retime.ts';
import { evaluate, type Findings, type Given, nowMs, policyOf } from '../support/evaluate.ts';

const policy = 'rules:\n  - {id: r, on: vulnerabilities, min_severity: High, max: 0}\n';
const digest = `sha256:${'ab'.repeat(32)}`;

function vul(n: number, image = 'app') {
  return { severity: 'High', image, image_version: '1', vulnerability: `CVE-${n}`, package: 'p', package_version: '1' };
}

function baseline(text: string, findings: Findings, images: readonly string[] = []): Baseline {
  const evaluation = evaluate(text, {
    findings,
    subject: { reportId: 'r-1', digest },
    options: { track: 'baseline' },
  });
  return baselineOf(evaluation, policyOf(text).rules, images) as Baseline;
}

function since(before: Baseline, text: string, findings: Findings, facts: Partial<ReportFacts> = {}): Evaluation {
  return evaluate(text, { findings, facts, subject: { digest }, options: { baseline: before } });
}

const vuls = (...numbers: readonly number[]) => ({ vulnerabilities: numbers.map((n) => vul(n)) });

describe('against a baseline', () => {
  const before = baseline(policy, vuls(1, 2, 3));

  test('what was there does not fail, and is still told', () => {
    expect(since(before, policy, vuls(1, 2, 3))).toMatchObject({
      verdict: 'pass',
      rules: [{ status: 'observed', count: 3, since: { new: 0, fixed: 0, before: 3 } }],
      baseline: { reportId: 'r-1', digest },
      notes: [],
    });
  });

  test('what is new fails, and is what is shown', () => {
    const evaluation = since(before, policy, vuls(1, 2, 4));
    expect(evaluation).toMatchObject({
      verdict: 'fail',
      rules: [{ status: 'fail', count: 3, omitted: 2, since: { new: 1, fixed: 1, before: 3 } }],
      wayToGreen: { of: 1, steps: [{ clears: 1 }] },
    });
    expect(evaluation.rules[0]?.findings.map(({ fields }) => fields.vulnerability)).toEqual(['CVE-4']);
  });

  test('a new version of an image and of its packages brings nothing new', () => {
    const released = (...numbers: readonly number[]) => ({
      vulnerabilities: numbers.map((n) => ({ ...vul(n), image_version: '2', package_version: '2' })),
    });
    expect(since(before, policy, released(1, 2, 3))).toMatchObject({
      verdict: 'pass',
      rules: [{ status: 'observed', count: 3, since: { new: 0, fixed: 0 } }],
    });
    expect(since(before, policy, released(2, 4))).toMatchObject({
      verdict: 'fail',
      rules: [{ since: { new: 1, fixed: 2 } }],
    });
    const perVersion = 'rules:\n  - {id: r, on: vulnerabilities, max: 1, per: [image, image_version]}\n';
    const [two, three] = [baseline(perVersion, vuls(1, 2)), baseline(perVersion, released(1, 2, 3))];
    expect(since(two, perVersion, released(1, 2)).verdict).toBe('pass');
    expect(since(two, perVersion, released(1, 2, 3)).verdict).toBe('fail');
    expect(since(three, perVersion, vuls(2, 3)).verdict).toBe('pass');
  });

  test.each<{ on: string; whole: Findings; lacking: Findings; field: string }>([
    {
      on: 'processes',
      field: 'hash',
      whole: { processes: [{ container: 'c', user: 'root', hash: 'h' }] },
      lacking: { processes: [{ container: 'c', user: 'root' }] },
    },
    {
      on: 'privileged_containers',
      field: 'pod',
      whole: { privileged_containers: [{ container: 'c', pod: 'p' }] },
      lacking: { privileged_containers: [{ container: 'c' }] },
    },
    {
      on: 'ports',
      field: 'port',
      whole: { ports: [{ container: 'c', pod: 'p', port: 1 }] },
      lacking: { ports: [{ container: 'c', pod: 'p' }] },
    },
  ])('what does not say which of $on it is may be another one: new, and said', ({ on, whole, lacking, field }) => {
    const one = `rules:\n  - {id: r, on: ${on}, max: 0}\n`;
    expect(since(baseline(one, whole), one, whole)).toMatchObject({ verdict: 'pass', notes: [] });
    expect(since(baseline(one, lacking), one, lacking)).toMatchObject({
      verdict: 'fail',
      rules: [{ since: { new: 1, fixed: 0 } }],
      notes: [
        { message: `rule r: findings that may be others than the baseline knows count as new: 1 without ${field}` },
      ],
    });
  });

  test('a version of one image says nothing of that of another', () => {
    const alone = 'rules:\n  - {id: r, on: vulnerabilities, max: 1, per: [image_version]}\n';
    const of = (image_version: string, ...numbers: readonly number[]) =>
      numbers.map((n) => ({ ...vul(n, `app${n}`), image_version }));
    const were = baseline(alone, { vulnerabilities: [...of('1', 1, 2), ...of('9', 3, 4, 5)] });
    const judged = (...one: readonly number[]) =>
      since(were, alone, { vulnerabilities: [...of('1', ...one), ...of('9', 3, 4, 5)] });
    expect(judged(1, 2).verdict).toBe('pass');
    expect(judged(1, 2, 2)).toMatchObject({ verdict: 'fail', rules: [{ since: { new: 0 } }] });
  });

  test('of other images tells which are new, and says that it tells no more', () => {
    const only = { images: [parseImagePattern('app')], baseline: before };
    const narrowed = evaluate(policy, { findings: vuls(1, 2), subject: { digest }, options: only });
    expect(narrowed).toMatchObject({ verdict: 'pass', rules: [{ since: { new: 0, fixed: 0 } }] });
    expect(narrowed.notes.map(({ message }) => message)).toContain(
      'the baseline is of all images: it tells which vulnerabilities are new, not how many there were of these images',
    );
    expect(evaluate(policy, { findings: vuls(1, 9), subject: { digest }, options: only }).verdict).toBe('fail');
  });

  test.each([
    ['sarif', renderSarif],
    ['gitlab', renderGitlabCodequality],
    ['gitlab-container', renderGitlabContainer],
  ])('what is known stays listed beside what is new, so that no tool closes it: %s', (_, render) => {
    const files = [vuls(1, 2, 3), vuls(1, 2, 3, 4)].map((findings) =>
      render(since(before, policy, findings), { policyFile: 'p.yaml' }),
    );
    const [old = '', news = ''] = files;
    const prints = (text: string) => new Set(text.match(/\b[0-9a-f]{32}\b/g));
    expect(prints(old).size).toBeGreaterThanOrEqual(3);
    expect([...prints(old)].filter((print) => !prints(news).has(print))).toEqual([]);
    expect(prints(news).size).toBe(prints(old).size + 1);
  });

  test('what is known is told apart from what is new, in JSON and by its level', () => {
    const evaluation = since(before, policy, vuls(1, 2, 4));
    const told = renderJson(evaluation);
    const names = (found: { vulnerability: string }[]) => found.map(({ vulnerability }) => vulnerability);
    const [{ findings, known_findings, omitted }] = JSON.parse(told).rules;
    expect([names(findings), names(known_findings), omitted]).toEqual([['CVE-4'], ['CVE-1', 'CVE-2'], 2]);
    expect(renderJson(parseResult(told) as Evaluation)).toBe(told);
    const [run] = JSON.parse(renderSarif(evaluation, {})).runs;
    expect(run.results.map(({ level }: { level: string }) => level)).toEqual(['error', 'note', 'note']);
    const issues = JSON.parse(renderGitlabCodequality(evaluation, {}));
    expect(issues.map(({ severity }: { severity: string }) => severity).sort()).toEqual(['critical', 'info', 'info']);
  });

  test('more of what is known fails in every format', () => {
    const more = since(before, policy, vuls(1, 2, 3, 3));
    const [run] = JSON.parse(renderSarif(more, {})).runs;
    expect(run.results.map(({ level }: { level: string }) => level)).toEqual(Array(4).fill('error'));
    const issues = JSON.parse(renderGitlabCodequality(more, {}));
    expect(issues.map(({ severity }: { severity: string }) => severity)).toEqual(Array(3).fill('critical'));
    expect(more.notes).toEqual([
      { message: 'rule r is worse than in the baseline: 4 findings that are High or worse, and 3 before' },
    ]);
    const text = renderTable(more, { colour: false, columns: 200 });
    expect(text).not.toContain('not shown');
  });

  test('what became worse is said by name', () => {
    const checks = 'rules:\n  - {id: r, on: baseline_checks, max: 0}\n';
    const failing = (rules_failed: number) => ({
      baseline_checks: [{ severity: 'High', check: 'SSH', check_type: 't', standard: 's', rules_failed }],
    });
    const { rules, notes } = since(baseline(checks, failing(3)), checks, failing(8));
    expect(rules[0]).toMatchObject({ status: 'fail', findings: [{ fields: { check: 'SSH', rules_failed: 8 } }] });
    expect(notes.map(({ message }) => message)).toEqual([
      'rule r is worse than in the baseline: check SSH failed 3 rules and fails 8',
    ]);
    const severe = { vulnerabilities: [1, 2, 3].map((n) => ({ ...vul(n), severity: n === 2 ? 'Critical' : 'High' })) };
    expect(since(before, policy, severe).notes[0]?.message).toContain('a finding is more severe than it was');
  });

  test('the way to green goes below the threshold where that is nearer than to what was', () => {
    const five = 'rules:\n  - {id: r, on: vulnerabilities, max: 5}\n';
    const now = { vulnerabilities: [1, 2, 3, 4, 5, 6].map((n) => ({ ...vul(n), package: `p${n}` })) };
    const old = { vulnerabilities: now.vulnerabilities.slice(0, 1) };
    const evaluation = since(baseline(five, old), five, now);
    expect(evaluation).toMatchObject({ verdict: 'fail', wayToGreen: { of: 6, steps: [{ clears: 1 }] } });
    expect(evaluation.wayToGreen?.steps).toHaveLength(1);
  });

  test('more of the same fails too', () => {
    const evaluation = since(before, policy, vuls(1, 2, 3, 3));
    expect(evaluation).toMatchObject({ verdict: 'fail', rules: [{ since: { new: 0, before: 3 }, count: 4 }] });
  });

  test('what gets worse fails, though it is the same finding', () => {
    const critical = { vulnerabilities: [1, 2, 3].map((n) => ({ ...vul(n), severity: 'Critical' })) };
    expect(since(before, policy, critical)).toMatchObject({ verdict: 'fail', rules: [{ since: { new: 0 } }] });
    const checks = 'rules:\n  - {id: r, on: baseline_checks, max: 0}\n';
    const failing = (rules_failed: number) => ({
      baseline_checks: [{ severity: 'High', check: 'c', check_type: 't', standard: 's', rules_failed }],
    });
    const few = baseline(checks, failing(3));
    expect(since(few, checks, failing(3)).verdict).toBe('pass');
    expect(since(few, checks, failing(2)).verdict).toBe('pass');
    expect(since(few, checks, failing(50)).verdict).toBe('fail');
  });

  test.each(['', ', per: [standard]'])('a check that fails more fails, though another one fails less%s', (per) => {
    const checks = `rules:\n  - {id: r, on: baseline_checks, max: 0${per}}\n`;
    const failing = (...failed: number[]) => ({
      baseline_checks: failed.map((rules_failed, n) => ({
        severity: 'High',
        check: `c${n}`,
        check_type: 't',
        standard: 's',
        rules_failed,
      })),
    });
    const were = baseline(checks, failing(3, 50));
    expect(since(were, checks, failing(3, 40)).verdict).toBe('pass');
    expect(since(were, checks, failing(4, 40))).toMatchObject({ verdict: 'fail', rules: [{ since: { new: 0 } }] });
    // Of an older file only the sum is known.
    const older = { ...were, rules: were.rules.map(({ failed: _, ...rule }) => rule) };
    expect(since(older, checks, failing(4, 40)).verdict).toBe('pass');
    expect(since(older, checks, failing(4, 50)).verdict).toBe('fail');
    // One that does not say how many may fail more.
    expect(since(were, checks, failing(undefined as never, 40))).toMatchObject({
      verdict: 'fail',
      rules: [{ since: { new: 1 } }],
    });
    // As it is written and read.
    const read = parseBaseline(renderBaseline(were), 'b.json');
    expect(since(read, checks, failing(4, 40)).verdict).toBe('fail');
  });

  test('one that is more severe fails though worse ones are gone, and one that is less severe does not', () => {
    const all = 'rules:\n  - {id: r, on: vulnerabilities, max: 0}\n';
    const of = (severity: string, n: number, image = 'app') => ({ ...vul(n, image), severity });
    const were = baseline(all, { vulnerabilities: [of('Low', 1), of('Critical', 2)] });
    const judged = (...vulnerabilities: ReturnType<typeof of>[]) => since(were, all, { vulnerabilities });
    expect(judged(of('Critical', 1))).toMatchObject({ verdict: 'fail', rules: [{ since: { new: 0, fixed: 1 } }] });
    expect(judged(of('Low', 1), of('High', 2)).verdict).toBe('pass');
    const perImage = 'rules:\n  - {id: r, on: vulnerabilities, max: 0, per: [image]}\n';
    const groups = baseline(perImage, { vulnerabilities: [of('Low', 1), of('Critical', 2), of('High', 3, 'other')] });
    const risen = since(groups, perImage, { vulnerabilities: [of('Critical', 1), of('High', 3, 'other')] });
    expect(risen.verdict).toBe('fail');
    // What is asked of one image is not made good by another.
    const narrow = { images: [parseImagePattern('app')], baseline: baseline(all, groupsOf()) };
    function groupsOf() {
      return { vulnerabilities: [of('Low', 1), of('Critical', 2, 'other')] };
    }
    const findings = { vulnerabilities: [of('Critical', 1), of('Low', 2, 'other')] };
    expect(evaluate(all, { findings, subject: { digest }, options: narrow }).verdict).toBe('fail');
  });

  test('a file that does not say how bad each was is compared by all of them', () => {
    const text = renderBaseline(before).replaceAll(/"([0-9a-f]{12})[0-4]"/g, '"$1"');
    expect(since(parseBaseline(text, 'b.json'), policy, vuls(1, 2, 3)).verdict).toBe('pass');
    expect(since(parseBaseline(text, 'b.json'), policy, vuls(1, 2, 4)).verdict).toBe('fail');
  });

  test('a rule on numbers of the cluster counts in full', () => {
    const cluster = "rules:\n  - {id: r, on: cluster, where: 'containers > 3', max: 0}\n";
    const evaluation = since(baseline(cluster, {}), cluster, {});
    expect(evaluation.verdict).toBe('fail');
    expect(evaluation.notes[0]?.message).toContain('this rule is about numbers of the cluster');
  });

  test('of a rule that allows some, what came and what went is what did', () => {
    const allowing = 'rules:\n  - {id: r, on: vulnerabilities, max: 5}\n';
    const six = baseline(allowing, vuls(1, 2, 3, 4, 5, 6));
    expect(since(six, allowing, vuls(1, 2, 3, 4, 5)).rules[0]?.since).toEqual({ new: 0, fixed: 1, before: 6 });
    const five = baseline(allowing, vuls(1, 2, 3, 4, 5));
    expect(since(five, allowing, vuls(1, 2, 3, 4, 5, 6))).toMatchObject({
      verdict: 'fail',
      rules: [{ since: { new: 1, fixed: 0, before: 5 } }],
    });
  });

  test('what is fixed is told', () => {
    expect(since(before, policy, vuls(2))).toMatchObject({ verdict: 'pass', rules: [{ since: { new: 0, fixed: 2 } }] });
    expect(since(before, policy, vuls())).toMatchObject({
      verdict: 'pass',
      rules: [{ status: 'pass', since: { new: 0, fixed: 3 } }],
    });
  });

  test('nothing is called fixed by a report that does not suffice', () => {
    const evaluation = evaluate(policy, {
      findings: vuls(2),
      lists: { vulnerabilities: { reported: 3 } },
      subject: { digest },
      options: { baseline: before },
    });
    expect(evaluation.verdict).not.toBe('pass');
    expect(evaluation.rules[0]?.since?.fixed ?? 0).toBe(0);
  });

  test.each<{ why: string; given: Given }>([
    {
      why: 'breaks off',
      given: { subject: { digest, problems: [{ kind: 'report-truncated', message: 'it breaks off' }] } },
    },
    { why: 'is too old', given: { options: { baseline: before, maxReportAgeMs: 1 } } },
    { why: 'does not say of when it is', given: { facts: { scannedAtMs: nowMs + 86_400_000 } } },
    { why: 'does not know an image', given: { options: { baseline: before, images: [parseImagePattern('no/such')] } } },
  ])('nothing is called fixed by a report that $why, though what is new fails', ({ given }) => {
    const evaluation = evaluate(policy, {
      findings: vuls(1, 4),
      subject: { digest },
      options: { baseline: before },
      ...given,
    });
    expect(evaluation.verdict).not.toBe('pass');
    expect(evaluation.rules[0]?.since?.fixed).toBe(0);
  });

  test('one that does not say of which cluster it is fits none', () => {
    const nameless = { clusterId: undefined, clusterName: undefined };
    const evaluation = evaluate(policy, {
      findings: vuls(1),
      facts: nameless,
      subject: { reportId: 'r-1', digest },
      options: { track: 'baseline' },
    });
    const one = baselineOf(evaluation, policyOf(policy).rules) as Baseline;
    expect(since(one, policy, vuls(1), nameless)).toMatchObject({
      verdict: 'fail',
      notes: [
        { message: 'the baseline cannot be compared, so all findings count: it does not say of which cluster it is' },
      ],
    });
  });

  test('nothing is called fixed once the report has grown too old', () => {
    const fresh = evaluate(policy, {
      findings: vuls(1, 4),
      subject: { digest },
      options: { baseline: before, maxReportAgeMs: anyAge },
    });
    expect(fresh.rules[0]).toMatchObject({ status: 'fail', since: { fixed: 2 } });
    const old = retime(fresh, policyOf(policy), nowMs + 40 * 86_400_000, {});
    expect(old?.rules[0]).toMatchObject({ status: 'fail', since: { new: 1, fixed: 0 } });
  });

  test.each([
    ['of another cluster', { clusterId: 'c-2' }, policy, 'it is of cluster prod-eu (c-1), and this is prod-eu (c-2)'],
    ['of a newer report', { scannedAtMs: nowMs - 2 * 3_600_000 }, policy, 'it is of a newer report'],
  ])('%s all findings count, which is said', (_why, facts, text, said) => {
    const evaluation = since(before, text, vuls(1), facts);
    expect(evaluation).toMatchObject({ verdict: 'fail', rules: [{ status: 'fail', count: 1 }] });
    expect(evaluation.rules[0]?.since).toBeUndefined();
    expect(evaluation.notes[0]?.message).toContain(`the baseline cannot be compared, so all findings count: ${said}`);
  });

  test('of a rule that it does not have, or has otherwise, all findings count', () => {
    const other =
      'rules:\n  - {id: r, on: vulnerabilities, min_severity: Medium, max: 0}\n  - {id: new, on: vulnerabilities, max: 0}\n';
    const evaluation = since(before, other, vuls(1));
    expect(evaluation.rules.map(({ status }) => status)).toEqual(['fail', 'fail']);
    expect(evaluation.notes.map(({ message }) => message)).toEqual([
      'rule r: all findings count, since the baseline has it with another on, where, min_severity, per or max',
      'rule new: all findings count, since the baseline does not have it',
    ]);
  });

  test('of another policy all findings count', () => {
    const other = { ...before, policy: { ...before.policy, name: 'staging' } };
    expect(since(other, policy, vuls(1))).toMatchObject({ verdict: 'fail' });
  });

  test('a rule with too many findings to tell apart counts in full', () => {
    const many = { ...before, rules: before.rules.map((rule) => ({ ...rule, findings: null })) };
    expect(since(many, policy, vuls(1))).toMatchObject({ verdict: 'fail' });
  });

  test('a finding whose waiver is gone is new', () => {
    const waived = `${policy}waivers:\n  - {id: W, rule: r, reason: x, owner: y, expires: 2027-01-01, where: 'vulnerability == "CVE-2"'}\n`;
    expect(since(baseline(waived, vuls(1, 2)), policy, vuls(1, 2))).toMatchObject({
      verdict: 'fail',
      rules: [{ since: { new: 1 } }],
    });
  });

  test.each(['', ', max_findings: 3'])('what is waived now is still there, and not fixed%s', (lent) => {
    const waived = `${policy}waivers:\n  - {id: W, rule: r, reason: x, owner: y, expires: 2027-01-01, where: 'vulnerability != "CVE-1"'${lent}}\n`;
    expect(since(before, waived, vuls(1, 2)).rules).toMatchObject([
      { status: 'observed', count: 1, waived: 1, since: { new: 0, fixed: 1, before: 3 } },
    ]);
    expect(since(before, waived, vuls(2, 3)).rules).toMatchObject([
      { status: 'pass', count: 0, waived: 2, since: { new: 0, fixed: 1, before: 3 } },
    ]);
    const grouped = 'rules:\n  - {id: r, on: vulnerabilities, max: 0, per: [image]}\n';
    const all = `${grouped}waivers:\n  - {id: W, rule: r, reason: x, owner: y, expires: 2027-01-01${lent}}\n`;
    expect(since(baseline(grouped, vuls(1, 2, 3)), all, vuls(1, 2)).rules[0]?.since).toMatchObject({ fixed: 1 });
  });

  test.each([0, 10])('a rule with a waiver that covers too much is not eased, at max: %j', (max) => {
    const plain = `rules:\n  - {id: r, on: vulnerabilities, max: ${max}}\n`;
    const waived = `${plain}waivers:\n  - {id: W, rule: r, reason: x, owner: y, expires: 2027-01-01, max_findings: 1}\n`;
    for (const text of [plain, waived]) {
      const evaluation = since(baseline(text, vuls(1, 2, 3)), waived, vuls(1, 2, 3));
      expect(evaluation).toMatchObject({ verdict: 'fail', rules: [{ status: 'fail', count: 3 }] });
      expect(evaluation.rules[0]?.since).toBeUndefined();
    }
  });

  test('a rule fails if, and only if, something that breaks it is new or there is more of it', () => {
    const numbers = fc.array(fc.record({ n: fc.integer({ min: 1, max: 6 }), image: fc.constantFrom('a', 'b', 'c') }), {
      maxLength: 12,
    });
    const given = fc.record({ old: numbers, now: numbers, max: fc.integer({ min: 0, max: 3 }), per: fc.boolean() });
    const key = ({ n, image }: { n: number; image: string }) => `${image} ${n}`;
    fc.assert(
      fc.property(given, ({ old, now, max, per }) => {
        const text = `rules:\n  - {id: r, on: vulnerabilities, max: ${max}${per ? ', per: [image]' : ''}}\n`;
        const rows = (list: typeof old) => ({ vulnerabilities: list.map(({ n, image }) => vul(n, image)) });
        const groupsOf = (list: typeof old) => Map.groupBy(list, ({ image }) => (per ? image : ''));
        const broken = [...groupsOf(now)].filter(([, of]) => of.length > max);
        const known = new Set(old.map(key));
        const fresh = broken.flatMap(([, of]) => of).filter((one) => !known.has(key(one)));
        const isMore = broken.some(([group, of]) => {
          const before = groupsOf(old).get(group)?.length ?? 0;
          return of.length > before || (per && before <= max);
        });
        const evaluation = since(baseline(text, rows(old)), text, rows(now));
        expect(evaluation.verdict).toBe(fresh.length > 0 || isMore ? 'fail' : 'pass');
        const gone = [...known].filter((one) => !now.some((finding) => key(finding) === one));
        expect(evaluation.rules[0]?.since).toEqual({ new: fresh.length, fixed: gone.length, before: old.length });
        if (evaluation.verdict !== 'fail' || fresh.length === 0) return;
        // Of a group that is sooner within its threshold than as it was all count.
        const of = broken.reduce((sum, [, rows]) => {
          const news = rows.filter((one) => !known.has(key(one))).length;
          return sum + (rows.length - max < news ? rows.length : news);
        }, 0);
        expect(evaluation.wayToGreen?.of).toBe(of);
        const shown = new Set(
          evaluation.rules[0]?.findings.map(({ fields }) => `${fields.image} ${String(fields.vulnerability).slice(4)}`),
        );
        expect(shown).toEqual(new Set(fresh.map(key)));
      }),
      { numRuns: 400 },
    );
  });
});

describe('a baseline as a file', () => {
  test('is small, sorted, one finding a line, and the same whatever the order of rows', () => {
    const text = renderBaseline(baseline(policy, vuls(3, 1, 2)));
    expect(text).toBe(renderBaseline(baseline(policy, vuls(1, 2, 3))));
    expect(text.split('\n').filter((line) => /^ +"[0-9a-f]{12}[0-4]",?$/.test(line))).toHaveLength(3);
    expect(parseBaseline(text, 'b.json')).toEqual(baseline(policy, vuls(1, 2, 3)));
    const groups = 'rules:\n  - {id: r, on: vulnerabilities, max: 0, per: [image]}\n';
    const rows = ['b', 'a', 'c'].map((image) => vul(1, image));
    const [one, other] = [rows, [...rows].reverse()].map((vulnerabilities) =>
      renderBaseline(baseline(groups, { vulnerabilities })),
    );
    expect(one).toBe(other);
  });

  test.each([
    ['{', 'baseline b.json: is not JSON'],
    ['{}', 'baseline b.json: version is not as gate --write-baseline writes it'],
    ['[]', 'baseline b.json: the file is not as gate --write-baseline writes it'],
  ])('%s is refused', (text, message) => {
    expect(() => parseBaseline(text, 'b.json')).toThrow(message);
  });

  test('is not made of a report that does not suffice', () => {
    const options = { track: 'baseline' } as const;
    const evaluation = evaluate(policy, { lists: { vulnerabilities: { reported: 3 } }, subject: { digest }, options });
    expect(baselineOf(evaluation, policyOf(policy).rules)).toBeUndefined();
    const stale = evaluate(policy, { facts: { scannedAtMs: 0 }, subject: { digest }, options });
    expect(baselineOf(stale, policyOf(policy).rules)).toBeUndefined();
  });
});
