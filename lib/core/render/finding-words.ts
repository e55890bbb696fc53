import type { RuleResult, WaiverResult } from '../evaluation.ts';
import type { Finding, FindingKind } from '../report.ts';
import { fitLines } from './fit-lines.ts';
import { waivedBy } from './waiver-words.ts';
import { brokenGroups, describe, excess, groupKey, plural, quantity, spell } from './words.ts';

/** How a target wants what others wrote. */
export interface Escapes {
  /** Names: of images, containers, rules. */
  readonly name: (text: string) => string;
  /** Sentences: what a report advises, what a policy's author says. */
  readonly prose: (text: string) => string;
  /** The severity of a finding, before it; as a name, unless given. */
  readonly grade?: (text: string) => string;
}

/** A finding as one sentence without its end, and what the report advises. */
export interface ToldFinding {
  /** `Critical CVE-2026-1001 in openssl 1.1.1k, image registry/shop/checkout:1.1.0` */
  readonly line: string;
  /** `fix: upgrade to 1.1.1w` */
  readonly hint: string | undefined;
}

export function tellFinding(on: FindingKind, fields: Finding, { name, prose, grade = name }: Escapes): ToldFinding {
  const { severity, what, where, hint } = describe(on, fields);
  const at = where.map(({ label, value }) => `, ${label} ${name(value)}`).join('');
  return {
    line: `${severity ? `${grade(severity)} ` : ''}${spell(what, name)}${at}`,
    hint: hint && `${hint.label}: ${prose(hint.text)}`,
  };
}

/** Of a rule that is broken by the count beside a list, not by what the list shows. */
export const onlyReported = 'the report counts them, its list does not show them';

/** `4 reported, 0 allowed: the report counts them, its list does not show them` */
export function wholeExcess(rule: RuleResult): string {
  return rule.evidence === 'reported' ? `${excess(rule)}: ${onlyReported}` : excess(rule);
}

/** The groups over the threshold, the largest first. */
export function groupLines(rule: RuleResult, shown: number, { name }: Escapes): readonly string[] {
  const groups = rule.groups?.slice(0, shown) ?? [];
  const lines = groups.map((group) => {
    const key = groupKey(group).map(({ label, value }) => `${label} ${name(value)}`);
    const waived = group.waived > 0 ? `, ${quantity(group.waived)} waived` : '';
    return `${key.join(', ')}: ${quantity(group.count)} found, ${quantity(rule.max)} allowed${waived}`;
  });
  const more = brokenGroups(rule) - groups.length;
  return more > 0 ? [...lines, `and ${plural(more, 'more group')}`] : lines;
}

/** How much there is room for. */
export interface Extent {
  readonly findings: number;
  /** Characters of the lines about findings; at least 200. */
  readonly length: number;
}

/**
 * All there is to say of a broken rule in plain text: its message, its groups, the worst findings and how many more there
 * are. What is shown of findings and what is counted is all of them.
 */
export function ruleLines(rule: RuleResult, extent: Extent, escapes: Escapes): readonly string[] {
  const { lines } = fitLines(
    rule.findings.slice(0, extent.findings),
    rule.count,
    extent.length,
    (finding) => `- ${lineOf(rule.on, finding.fields, escapes)}`,
    moreFindings,
  );
  return [
    ...(rule.message ? [escapes.prose(rule.message)] : []),
    ...(rule.evidence === 'reported' ? [onlyReported] : []),
    ...groupLines(rule, 5, escapes),
    ...lines,
  ];
}

/** The findings of a rule that are waived, worst first, and by what; all of them shown or counted. */
export function waivedLines(
  rule: RuleResult,
  waivers: readonly WaiverResult[],
  extent: Extent,
  escapes: Escapes,
): readonly string[] {
  if (rule.waived === 0) return [];
  const { lines } = fitLines(
    rule.waivedFindings.slice(0, extent.findings),
    rule.waived,
    extent.length,
    ({ waiver, fields }) => {
      const by = waivedBy(
        waiver,
        waivers.find(({ id }) => id === waiver),
      );
      return `- ${spell(by, escapes.name)}: ${tellFinding(rule.on, fields, escapes).line}`;
    },
    (left, shown) => (shown > 0 ? `and ${quantity(left)} more waived` : `${plural(left, 'finding')} waived`),
  );
  return lines;
}

function lineOf(on: FindingKind, fields: Finding, escapes: Escapes): string {
  const { line, hint } = tellFinding(on, fields, escapes);
  return hint ? `${line}; ${hint}` : line;
}

/** What counts the findings that are not shown. */
export function moreFindings(left: number, shown: number): string {
  return shown > 0 ? `and ${quantity(left)} more` : `${quantity(left)} not shown`;
}
