import { hash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Evaluation, RuleResult } from '../../lib/core/evaluation.ts';
import { terminalText } from '../../lib/core/render/escape.ts';
import { html, nameHtml, plainHtml, proseHtml } from '../../lib/core/render/html.ts';
import { renderPage } from '../../lib/core/render/page.ts';
import { quantity } from '../../lib/core/render/words.ts';
import { hostileResult } from '../fixtures/formats/hostile.ts';
import { doubted, failing, passing, reported, undetermined } from '../fixtures/formats/samples.ts';
import { hostileText } from '../fixtures/render/hostile.ts';
import { atMs, evaluation, kept, rule, vulnerability, waiver } from '../fixtures/render/samples.ts';
import { unsafe } from '../fixtures/render/slack-limits.ts';
import { attribute, type Element, pageProblems, parsePage, textOf, within } from '../support/page.ts';
import { workflowCommands } from '../support/workflow-commands.ts';

const pageOf = (told: Evaluation) => parsePage(renderPage(told));

const textsOf = (told: Evaluation, ...names: readonly string[]) =>
  pageOf(told)
    .elements.filter(({ tagName }) => names.includes(tagName))
    .map((element) => textOf(element).replaceAll(/\s+/g, ' ').trim());

const sectionsOf = (elements: readonly Element[]) =>
  elements.filter(({ tagName, attrs }) => tagName === 'section' && attrs.some(({ value }) => value === 'rule'));

/** What the rows show and what the lines below them count. */
function accountOf(section: Element) {
  const account = { groups: 0, findings: 0, waived: 0 };
  let list: keyof typeof account = 'findings';
  for (const part of within(section, 'table', 'p')) {
    const text = textOf(part);
    const caption = textOf(within(part, 'caption')[0] ?? part);
    if (part.tagName === 'table') {
      if (/^Groups /.test(caption)) list = 'groups';
      else if (/indings.*, worst first: /.test(caption)) list = caption.startsWith('Waived') ? 'waived' : 'findings';
      account[list] += within(part, 'tr').length - 1;
    } else if (attribute(part, 'class') === 'more') {
      const [, n = '', what = ''] = /^(?:and )?([\d,]+) (.*)$/.exec(text) ?? [];
      const of = /waived$/.test(what) ? 'waived' : /group/.test(what) ? 'groups' : 'findings';
      account[of] += Number(n.replaceAll(',', ''));
    }
  }
  return account;
}

const dueTo = ({ count, waived, groups = [], omittedGroups = 0 }: RuleResult) => ({
  groups: groups.length + omittedGroups,
  findings: count,
  waived,
});

describe('what somebody needs at night, in that order', () => {
  test('the headings', () => {
    const since = { new: 2, fixed: 3, before: 43 };
    const told: Evaluation = {
      ...failing,
      reasons: undetermined.reasons,
      baseline: { reportId: 'r-1', scannedAtMs: atMs - 864e5, digest: 'sha256:12' },
      rules: failing.rules.map((one) => ({ ...one, since })),
    };

    expect(textsOf(told, 'h1', 'h2')).toEqual([
      'FAIL prod-eu by policy production',
      'What cannot be judged',
      'Way to green: 6 steps',
      'Rules',
      'Against the baseline',
      'Waivers',
      'Notes',
      'Counts',
    ]);
    expect(textsOf(failing, 'h3')).toEqual([
      'no-high-vulnerabilities fail: 42 found, 0 allowed, 3 waived',
      'no-privileged-containers fail: 1 found, 0 allowed',
      'baseline fail: 2 found, 1 allowed',
      'failed-checks fail: 4 reported, 0 allowed',
      'medium-budget warn: 112 found, 2 groups over the 50 allowed per image, image_version',
      'listeners observed: 5 found, 0 allowed',
      'no-root-shells pass: 0 found, 0 allowed, 1 waived',
    ]);
  });

  test.each([
    { told: failing, says: '6 of 7 rules broken (1 only to warn, 1 only to observe); report 3h 12m old, scanned' },
    { told: passing, says: 'All 2 rules hold; report 3h 12m old, scanned 2026-11-24 02:20 UTC.' },
    { told: doubted, says: 'Cannot be judged; report' },
    { told: reported, says: 'the report counts them, its list does not show them' },
    { told: { ...undetermined, isLetThrough: true as const }, says: 'LET THROUGH by on-undetermined: pass.' },
    {
      told: {
        ...passing,
        stored: { atMs: atMs - 72e5, reason: { kind: 'source-throttled' as const, message: 'asked' } },
      },
      says: 'HSS could not be asked: this is what was found 2h ago. asked',
    },
    {
      told: evaluation({ report: { id: '', scannedAtMs: undefined, ageSeconds: undefined, digest: '' } }),
      says: '; no report.',
    },
  ])('$told.verdict: $says', ({ told, says }) => {
    expect(textsOf(told, 'p').join('\n')).toContain(says);
  });

  test('why a rule cannot be judged stands at the rule, and why the cluster cannot above all rules', () => {
    const [first = ''] = textsOf(undetermined, 'tbody');

    expect(first).toContain('undeterminedno-high-vulnerabilitiesreport-stale, count-mismatch');
    expect(textsOf(undetermined, 'li')[1]).toBe(
      'count-mismatch: vulnerabilities: the report counts 120 and lists 118: 2 are not in it. no-high-vulnerabilities',
    );
  });

  test('what to do first, five steps at once and the others folded', () => {
    const [step] = failing.wayToGreen?.steps ?? [];
    const steps = Array.from({ length: 50 }, () => step).filter((one) => one !== undefined);
    const told = { ...failing, wayToGreen: { steps, omitted: 7, of: 400 } };
    const [shown, folded] = pageOf(told).elements.filter(({ tagName }) => tagName === 'ol');

    expect(textsOf(failing, 'li')[0]).toBe(
      'Upgrade openssl in registry/shop/checkout:1.40.0 clears 41 of 45 fix: Upgrade openssl to 1.1.1w or later.',
    );
    expect([shown, folded].map((list) => list && within(list, 'li').length)).toEqual([5, 45]);
    expect(folded && attribute(folded, 'start')).toBe('6');
    expect(textsOf(told, 'h2')).toContain('Way to green: 57 steps');
    expect(textsOf(told, 'p')).toContain('and 7 more steps');
  });

  test('findings have the columns that fit their kind, and none in which nothing stands', () => {
    const columns = sectionsOf(pageOf(failing).elements).map((section) =>
      within(section, 'thead').map((head) => within(head, 'th').map(textOf).join(', ')),
    );

    expect(columns.flat()).toEqual([
      'Severity, Vulnerability, Package, Image, Fix',
      'Severity, Vulnerability, Package, Image, Waived by, Fix',
      'Container, Status, Pod, Host, Public ip, About',
      'Severity, Item, Check, Standard, Fix',
      'Image, Image version, Found, Allowed, Waived',
      'Severity, Vulnerability, Package, Image, Fix',
      'Path, Port, Listen address, Host',
      'Command, User, Pid, Host, Waived by',
    ]);
  });

  test('a waiver has its status, owner, ticket and end', () => {
    const rows = textsOf(failing, 'tr');

    expect(rows).toContain(
      'usedW-12 waives 3 findings of no-high-vulnerabilities until 2027-01-23 05:33 UTCteam-paymentsnot reachable, see ticketSEC-8122027-01-23 05:33 UTC',
    );
  });

  test('what is listed beside what is counted', () => {
    expect(textsOf(failing, 'tr').slice(-6)).toEqual([
      'vulnerabilities00agree',
      'baseline_checks00counts risks, lists checks',
      'privileged_containers00agree',
      'ports00agree',
      'packages79differ',
      'processes00agree',
    ]);
  });
});

describe('one file', () => {
  test('nothing but its own style is allowed, and nothing is asked for', () => {
    const { elements } = pageOf(failing);
    const [style] = elements.filter(({ tagName }) => tagName === 'style');
    const metas = elements.filter(({ tagName }) => tagName === 'meta').map(({ attrs }) => attrs.map((a) => a.value));

    expect(metas).toContainEqual([
      'Content-Security-Policy',
      `default-src 'none'; style-src 'sha256-${hash('sha256', style ? textOf(style) : '', 'base64')}'; base-uri 'none'; form-action 'none'`,
    ]);
    expect(metas).toContainEqual(['referrer', 'no-referrer']);
    expect(metas).toContainEqual(['robots', 'noindex, nofollow']);
    expect(style && textOf(style)).not.toMatch(/url\(|@import|@font-face|<|\p{Cc}(?<!\n)/u);
  });

  test.each(Object.entries({ failing, passing, undetermined, doubted, reported }))('it is in order: %s', (_, told) => {
    expect(pageProblems(pageOf(told))).toEqual([]);
  });
});

describe('the texts of others', () => {
  test.each([
    '<script>alert(1)</script>',
    '</style><img src=x onerror=alert(1)>',
    '" onmouseover="alert(1)',
    "'><svg/onload=alert(1)>",
    '<!--',
    ']]>',
    '&lt;b&gt; &amp;amp; &#60;',
    'javascript:alert(1)',
    'https://evil.example/a',
    '</code></td></table></main>',
  ])('%s is text wherever it stands', (attack) => {
    const fields = { container: attack, status: attack, pod: attack, host: attack, public_ip: attack, summary: attack };
    const told = evaluation({
      cluster: { id: attack, name: attack, category: attack },
      policy: { name: attack, digest: attack },
      rules: [rule('privileged_containers', { id: attack, message: attack, findings: [kept(1, fields)] })],
      waivers: [{ ...waiver(attack, 'used', 1), rule: attack, owner: attack, reason: attack, ticket: attack }],
      notes: [{ message: attack }],
      reasons: [{ kind: 'report-stale', message: attack, rules: [attack] }],
    });
    const page = pageOf(told);
    const [row] = sectionsOf(page.elements).flatMap((section) => within(section, 'tbody'));

    expect(pageProblems(page)).toEqual([]);
    expect(row && within(row, 'code', 'bdi').map(textOf)).toEqual([
      attack,
      kept(1, {}).fingerprint,
      ...Array(5).fill(attack),
    ]);
    expect(textsOf(told, 'title')).toEqual([`FAIL: ${attack} by policy ${attack}`]);
  });

  test('a parser reads what was written: nothing lost, nothing added, nothing unseen', () => {
    fc.assert(
      fc.property(hostileText, (text) => {
        const { errors, elements } = parsePage(
          `<!DOCTYPE html><title>${plainHtml(text, 80).html}</title>${html`<p>${nameHtml(text)}</p><p>${proseHtml(text)}</p>`.html}`,
        );
        const shown = elements.filter(({ tagName }) => tagName === 'title' || tagName === 'p').map(textOf);
        const length = text.endsWith('…') ? `more than ${quantity(text.length - 1)}` : quantity(text.length);
        const fitting = (max: number) => {
          const kept = terminalText(text, max);
          return kept === terminalText(text, Number.MAX_SAFE_INTEGER) ? kept : `${kept} (cut: ${length} characters)`;
        };

        expect(errors).toEqual([]);
        expect(shown).toEqual([terminalText(text, 80), text === '' ? '?' : fitting(160), fitting(500)]);
      }),
      { numRuns: 300 },
    );
  });

  test('a text of which the report kept the beginning says so', () => {
    expect(proseHtml(`${'x'.repeat(2_000)}…`).html).toContain(
      '… <small class="cut">(cut: more than 2,000 characters)</small>',
    );
    expect(proseHtml('short…').html).toBe('<bdi>short…</bdi>');
  });

  test('whatever they are: the page is in order, and all is told or counted', () => {
    fc.assert(
      fc.property(hostileResult, ({ told, policyFile }) => {
        const text = renderPage(told, { policyFile });
        const page = parsePage(text);

        expect(pageProblems(page)).toEqual([]);
        expect(unsafe(text.replaceAll('\n', '')).filter((problem) => !/bracket|mention/.test(problem))).toEqual([]);
        expect(workflowCommands(text)).toEqual([]);
        for (const section of sectionsOf(page.elements)) {
          const [name] = within(section, 'code').map(textOf);
          const one = told.rules.find(({ id }) => id === name);
          expect(accountOf(section)).toEqual(one && dueTo(one));
        }
        const due = told.rules.filter((one) => one.count > 0 && one.status !== 'pass' && one.status !== 'undetermined');
        expect(sectionsOf(page.elements).length).toBeGreaterThanOrEqual(due.length);
        expect(renderPage(structuredClone(told), { policyFile })).toBe(text);
      }),
      { numRuns: 40 },
    );
  });
});

describe('a page has an end', () => {
  const many = (n: number, text: string): Evaluation =>
    evaluation({
      cluster: { id: text, name: text, category: text },
      policy: { name: text, digest: text },
      rules: Array.from({ length: n }, (_, i) =>
        rule('vulnerabilities', {
          id: `r${i}${text}`,
          message: text,
          count: 200,
          waived: 150,
          findings: Array.from({ length: 100 }, (_, j) =>
            vulnerability(j, { image: text, package: text, solution: text }),
          ),
          waivedFindings: Array.from({ length: 100 }, (_, j) => ({
            ...vulnerability(j, { image: text }),
            waiver: text,
          })),
          per: ['image'],
          groups: Array.from({ length: 50 }, () => ({ key: { image: text }, count: 3, waived: 0 })),
          omittedGroups: 1,
        }),
      ),
      reasons: Array.from({ length: 100 }, () => ({
        kind: 'report-stale',
        message: text,
        rules: Array(99).fill(text),
      })),
      notes: Array.from({ length: 100 }, () => ({ message: text })),
      waivers: Array.from({ length: 500 }, () => ({
        ...waiver(text, 'used', 1),
        rule: text,
        owner: text,
        reason: text,
        ticket: text,
      })),
    });

  test.each([
    { rules: 500, text: '', name: 'nothing' },
    { rules: 600, text: '"'.repeat(2_000), name: 'quotes, six bytes each' },
    { rules: 600, text: '漏'.repeat(2_000), name: 'wide characters' },
  ])(
    '$rules rules of 100 findings kept and 100 more, of $name: below 6 MiB, all of them told or counted',
    ({ rules, text }) => {
      const told = many(rules, text);
      const page = renderPage(told);
      const { elements } = parsePage(page);
      const sections = sectionsOf(elements);
      const left = /and ([\d,]+) findings of ([\d,]+) more rules: there is no room/.exec(page) ?? ['', '0', '0'];
      const [findings = 0, more = 0] = left.slice(1).map((n) => Number(n.replaceAll(',', '')));

      expect(Buffer.byteLength(page)).toBeLessThan(6 * 2 ** 20);
      expect(sections.map(accountOf)).toEqual(told.rules.slice(0, sections.length).map(dueTo));
      expect(sections.length + more).toBe(rules);
      expect(findings).toBe(more * 350);
      expect(page.includes('and 100 more rules')).toBe(rules > 500);
    },
  );

  test('a rule of 100,000 has a hundred on it, ten of them in sight', () => {
    const findings = Array.from({ length: 100 }, (_, i) => vulnerability(i));
    const told = evaluation({ rules: [rule('vulnerabilities', { findings, count: 100_000 })] });
    const [section] = sectionsOf(pageOf(told).elements);
    const rows = section && within(section, 'tbody').map((body) => within(body, 'tr').length);

    expect(rows).toEqual([10, 90]);
    expect(textsOf(told, 'summary')).toEqual(['Show 90 more rows']);
    expect(textsOf(told, 'p')).toContain('and 99,900 more');
  });
});
