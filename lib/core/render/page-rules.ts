import type { BrokenGroup, Evaluation, Reason, RuleResult, WaiverResult } from '../evaluation.ts';
import { moreFindings, onlyReported } from './finding-words.ts';
import { type Column, type Html, html, joined, nameHtml, proseHtml, rowHtml, tableHtml } from './html.ts';
import { findingListing, type ListedFinding } from './page-findings.ts';
import { Listing } from './page-listing.ts';
import { signHtml, statusHtml } from './page-signs.ts';
import { type FileOptions, policyPath } from './policy-file.ts';
import { type Room, roomOf } from './room.ts';
import { brokenGroups, byUrgency, capital, excess, isBroken, plural, quantity, sinceWords } from './words.ts';

/** Rules in the table; what is left out is counted. */
const shownRules = 500;

/** Bytes of all sections of rules. */
const sectionBytes = 2 * 2 ** 20;

/** Of each list in a section: shown before any rule shows more, and at most. */
const least = 3;
const most = 100;

const columns: readonly Column[] = [
  { label: 'Status', kind: 'medium' },
  { label: 'Rule', kind: 'wide', isHeader: true },
  { label: 'Found', kind: 'number' },
  { label: 'Allowed', kind: 'number' },
  { label: 'Waived', kind: 'number' },
  { label: 'Severity', kind: 'short' },
  { label: 'On', kind: 'medium' },
];

/** All rules in one table, the urgent ones first, and a section for each of which there is more to say. */
export function rulesHtml(evaluation: Evaluation, options: FileOptions): Html {
  const { rules } = evaluation;
  if (rules.length === 0) return html``;
  const sorted = byUrgency(rules);
  const told = sorted.filter(hasMore).map((rule) => new Section(rule, evaluation.waivers, options));
  const room = roomOf(sectionBytes);
  const fitting = told.filter((section) => section.begin(room));
  for (const section of fitting) section.grow(most, room);
  const places = new Map(fitting.map(({ rule }, i) => [rule, `rule-${i + 1}`]));
  const left = told.filter(({ rule }) => !places.has(rule)).map(({ rule }) => rule);
  const more = sorted.length - shownRules;

  return html`<section aria-labelledby="rules">
<h2 id="rules">Rules</h2>
${tableHtml(
  html`${plural(rules.length, 'rule')}, the most urgent first`,
  columns,
  sorted.slice(0, shownRules).map((rule) => overviewRow(rule, evaluation, places.get(rule))),
)}${more > 0 && html`<p class="more">and ${plural(more, 'more rule')}</p>\n`}${fitting.map((section, i) => section.html(`rule-${i + 1}`))}${left.length > 0 && html`<p class="more">and ${leftOut(left)}: there is no room for them on this page</p>\n`}</section>
`;
}

function hasMore(rule: RuleResult): boolean {
  return isBroken(rule) || rule.findings.length > 0 || rule.waived > 0;
}

function leftOut(rules: readonly RuleResult[]): string {
  const findings = rules.reduce((sum, { count, waived }) => sum + count + waived, 0);
  return `${plural(findings, 'finding')} of ${plural(rules.length, 'more rule')}`;
}

function overviewRow(rule: RuleResult, { reasons }: Evaluation, place: string | undefined): Html {
  const { status, id, message, count, max, waived, severity, on, per, since } = rule;
  const name = nameHtml(id, 100);
  return rowHtml(columns, [
    statusHtml(status),
    html`${place === undefined ? name : html`<a href="#${place}">${name}</a>`}${doubts(rule, reasons)}${place === undefined && message && html`<small>${proseHtml(message, 200)}</small>`}`,
    html`${quantity(count)}${since && html`<small>${quantity(since.new)} new</small>`}`,
    html`${quantity(max)}${per && ' each'}`,
    html`${quantity(waived)}`,
    html`${severity}`,
    html`${on}`,
  ]);
}

/** Their messages stand further up. */
function doubts({ id, status }: RuleResult, reasons: readonly Reason[]): Html {
  const own = reasons.filter(({ rules }) => rules === undefined || rules.includes(id));
  const kinds = [...new Set(own.map(({ kind }) => kind))];
  return status === 'undetermined' && kinds.length > 0 ? html`<small>${kinds.join(', ')}</small>` : html``;
}

/** What there is to say of one rule. */
class Section {
  readonly rule: RuleResult;
  readonly #options: FileOptions;
  readonly #groups: Listing<BrokenGroup>;
  readonly #findings: Listing<ListedFinding>;
  readonly #waived: Listing<ListedFinding>;

  constructor(rule: RuleResult, waivers: readonly WaiverResult[], options: FileOptions) {
    this.rule = rule;
    this.#options = options;
    this.#groups = groupListing(rule);
    this.#findings = findingListing(rule.on, rule.findings, []);
    this.#waived = findingListing(rule.on, rule.waivedFindings, waivers);
  }

  /** Take room for what has to be there. @returns false when there is none */
  begin(room: Room): boolean {
    if (!room(this.html('rule-0000').html)) return false;
    this.grow(least, room);
    return true;
  }

  grow(upTo: number, room: Room): void {
    for (const listing of [this.#groups, this.#findings, this.#waived]) listing.grow(upTo, room);
  }

  html(place: string): Html {
    const { rule } = this;
    const waived = rule.waived > 0 ? `, ${quantity(rule.waived)} waived` : '';
    return html`<section class="rule" aria-labelledby="${place}">
<h3 id="${place}"><span>${signHtml(rule.status)} ${nameHtml(rule.id, 100)}</span> <span class="${rule.status}">${rule.status}: ${excess(rule)}${waived}</span></h3>
<p class="muted">${joined(this.#grounds(), ' · ')}</p>
${rule.message !== undefined && html`<p class="message">${proseHtml(rule.message, 600)}</p>\n`}${rule.since && html`<p>${sinceWords(rule.since)}</p>\n`}${this.#groupsHtml()}${this.#findingsHtml()}${this.#waivedHtml()}</section>
`;
  }

  #grounds(): readonly Html[] {
    const { severity, enforce, on, line } = this.rule;
    return [
      html`severity ${severity}`,
      html`enforce ${enforce}`,
      html`on ${on}`,
      html`${nameHtml(policyPath(this.#options))} line ${line}`,
    ];
  }

  #groupsHtml(): Html {
    const more = brokenGroups(this.rule) - this.#groups.rows.length;
    if (brokenGroups(this.rule) === 0) return html``;
    return html`${this.#groups.html('Groups over what is allowed, the largest first')}${more > 0 && html`<p class="more">and ${plural(more, 'more group')}</p>\n`}`;
  }

  #findingsHtml(): Html {
    const { count, per, since, evidence } = this.rule;
    const shown = this.#findings.rows.length;
    const what = `${since ? 'New findings' : 'Findings'}${per ? ', the worst of each group' : ''}, worst first`;
    const left = count - shown;
    return html`${evidence === 'reported' && html`<p>${onlyReported}</p>\n`}${this.#findings.html(`${what}: ${quantity(shown)} of ${quantity(count)}`)}${left > 0 && html`<p class="more">${moreFindings(left, shown)}</p>\n`}`;
  }

  #waivedHtml(): Html {
    const { waived } = this.rule;
    const shown = this.#waived.rows.length;
    const left = waived - shown;
    if (waived === 0) return html``;
    return html`${this.#waived.html(`Waived findings, worst first: ${quantity(shown)} of ${quantity(waived)}`)}${left > 0 && html`<p class="more">${shown > 0 ? `and ${quantity(left)} more waived` : `${plural(left, 'finding')} waived`}</p>\n`}`;
  }
}

function groupListing({ per = [], groups = [], max }: RuleResult): Listing<BrokenGroup> {
  const columns: readonly Column[] = [
    ...per.map((field, i) => ({
      label: capital(field.replaceAll('_', ' ')),
      kind: 'wide' as const,
      isHeader: i === 0,
    })),
    { label: 'Found', kind: 'number' },
    { label: 'Allowed', kind: 'number' },
    { label: 'Waived', kind: 'number' },
  ];
  return new Listing(groups, columns, ({ key, count, waived }) =>
    rowHtml(columns, [
      ...per.map((field) => nameHtml(String(key[field] ?? ''))),
      ...[count, max, waived].map((n) => html`${quantity(n)}`),
    ]),
  );
}
