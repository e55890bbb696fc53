import type { Evaluation, RuleResult } from '../evaluation.ts';
import {
  type ExplainedFinding,
  type ExplainedRule,
  type ExplainedTerm,
  type ExplainedWaiver,
  resultOfRule,
} from '../explain.ts';
import { isCleared } from '../remedies.ts';
import { logLine, terminalText } from './escape.ts';
import { remedyPhrase } from './remedy-words.ts';
import { describe, excess, isoTime, minuteOf, plural, quantity, spell } from './words.ts';
import { wrap } from './wrap.ts';

type Put = (text: string, indent?: number) => void;

/** Why a finding is a violation, or is none, for a person at a terminal. */
export function renderFinding(explained: ExplainedFinding, evaluation: Evaluation, columns: number): string {
  return page(columns, (put) => {
    const { rule, finding, times, waivers, outcome } = explained;
    const { severity, what, where } = describe(rule.on, finding);
    const at = where.map(({ label, value }) => `, ${label} ${safe(value)}`).join('');
    put(`${severity ? `${safe(severity)} ` : ''}${spell(what, safe)}${at}`);
    if (times > 1) put(`The report states it ${quantity(times)} times.`);
    put('');
    const result = resultOfRule(evaluation, rule.id);
    put(`Rule ${safe(rule.id)} (line ${rule.line}): ${outcomes[outcome]}`);
    if (rule.min_severity !== undefined)
      put(`${mark(explained.severe)} min_severity: ${rule.min_severity}; the finding is ${safe(severity ?? '?')}`, 2);
    for (const term of explained.terms) putTerm(put, term, 2);
    if (rule.min_severity === undefined && explained.terms.length === 0)
      put(`${mark(true)} it asks for nothing else`, 2);
    if (result !== undefined) put(`${standing(result)}`, 2);
    put('');
    put(waivers.length === 0 ? 'No waiver is for this rule.' : 'Waivers for this rule:');
    for (const waiver of waivers) putWaiver(put, waiver);
    putStep(put, explained, evaluation);
  });
}

const outcomes: Readonly<Record<ExplainedFinding['outcome'], string>> = {
  counts: 'the finding counts',
  waived: 'the finding is waived, and does not count',
  'not-severe': 'the finding is not bad enough to count',
  'no-match': 'its where does not match the finding, so it does not count',
  untold: 'whether its where matches cannot be told, so that the rule cannot be judged',
};

function standing(result: RuleResult): string {
  const waived = result.waived > 0 ? `, ${quantity(result.waived)} waived` : '';
  return `status ${result.status}: ${excess(result)}${waived}`;
}

function putWaiver(put: Put, { waiver, terms, outcome, covers = 0 }: ExplainedWaiver): void {
  const expires = minuteOf(waiver.expires) ?? '?';
  const why: Readonly<Record<ExplainedWaiver['outcome'], string>> = {
    waives: `waives it until ${expires}`,
    other: 'is for others',
    untold: 'cannot be told to cover it, and so does not',
    'fix-available': 'would cover it, but only until a fix is available, and the report names one',
    expired: `would cover it, but expired at ${expires}`,
    pending: `will cover it, but only from ${minuteOf(waiver.granted) ?? '?'}`,
    'over-broad': `would cover it, but covers ${quantity(covers)} findings and was granted for ${quantity(waiver.max_findings ?? 0)}, so it waives nothing`,
  };
  put(`${mark(outcome === 'waives')} ${safe(waiver.id)} ${why[outcome]} (line ${waiver.line})`, 2);
  for (const term of terms) putTerm(put, term, 4);
}

function putTerm(put: Put, { text, holds, values }: ExplainedTerm, indent: number): void {
  const told = Object.entries(values).map(
    ([field, value]) => `${field} is ${value === undefined ? 'absent' : quoted(field, value)}`,
  );
  put(`${mark(holds)} ${safe(text)}${told.length > 0 ? `; ${told.join(', ')}` : ''}`, indent);
}

/** The change that clears the finding. */
function putStep(put: Put, { rule, finding, outcome }: ExplainedFinding, { wayToGreen: way }: Evaluation): void {
  if (outcome !== 'counts' || way === undefined) return;
  const at = way.steps.findIndex((step) => step.rules[rule.id] !== undefined && isCleared(step, rule.on, finding));
  const step = way.steps[at];
  if (step === undefined) return;
  put('');
  put(`Change ${at + 1} of ${quantity(way.steps.length + way.omitted)} on the shortest way to green clears it:`);
  put(spell(remedyPhrase(step, way.of), safe), 2);
  if (step.advice !== undefined) put(`fix: ${terminalText(step.advice, 600)}`, 2);
}

/** How the rules came to what they say, and what to do. @param only one rule */
export function renderRules(
  explained: readonly ExplainedRule[],
  evaluation: Evaluation,
  columns: number,
  only?: string,
): string {
  return page(columns, (put) => {
    put(`${evaluation.verdict.toUpperCase()} ${safe(evaluation.cluster.name)} at ${isoTime(evaluation.evaluatedAtMs)}`);
    for (const { kind, message } of evaluation.reasons) put(`${kind}: ${terminalText(message, 600)}`, 2);
    for (const one of explained) if (only === undefined || one.rule.id === only) putRule(put, one, evaluation);
    const steps =
      evaluation.wayToGreen?.steps.filter(({ rules }) => only === undefined || rules[only] !== undefined) ?? [];
    const left = (evaluation.wayToGreen?.left ?? []).filter(
      (one) => only === undefined || one.startsWith(`rule ${only}: `),
    );
    if (steps.length + left.length === 0) return;
    put('');
    put('The shortest way to green:');
    for (const [i, step] of steps.entries()) {
      put(`${i + 1}. ${spell(remedyPhrase(step, evaluation.wayToGreen?.of ?? 0), safe)}`, 2);
      if (step.advice !== undefined) put(`fix: ${terminalText(step.advice, 600)}`, 5);
    }
    const omitted = evaluation.wayToGreen?.omitted ?? 0;
    if (omitted > 0) put(`and ${plural(omitted, 'more change')}`, 2);
    for (const one of left) put(terminalText(one, 400), 2);
  });
}

function putRule(put: Put, { rule, seen, notSevere, noMatch, untold }: ExplainedRule, evaluation: Evaluation): void {
  const result = resultOfRule(evaluation, rule.id);
  if (result === undefined) return;
  put('');
  put(`Rule ${safe(rule.id)} (line ${rule.line}), ${rule.severity}, enforce ${rule.enforce}: ${standing(result)}`);
  put(`${plural(seen, 'finding')} on ${rule.on}`, 2);
  if (rule.min_severity !== undefined) put(`${quantity(notSevere)} below min_severity: ${rule.min_severity}`, 2);
  if (rule.where !== undefined) put(`${quantity(noMatch)} of which this is false: ${safe(rule.where.text)}`, 2);
  if (untold > 0) put(`${quantity(untold)} of which that cannot be told`, 2);
  for (const waiver of evaluation.waivers.filter((one) => one.rule === rule.id))
    put(`waiver ${safe(waiver.id)} is ${waiver.status}, and is for ${plural(waiver.count, 'finding')}`, 2);
  for (const finding of result.findings.slice(0, 10)) {
    const { severity, what } = describe(rule.on, finding.fields);
    put(`${finding.fingerprint}  ${severity ? `${safe(severity)} ` : ''}${spell(what, safe)}`, 2);
  }
  const more = result.count - Math.min(10, result.findings.length);
  if (more > 0) put(`and ${quantity(more)} more`, 2);
}

function page(columns: number, fill: (put: Put) => void): string {
  const lines: string[] = [];
  fill((text, indent = 0) => lines.push(...wrap(text, Math.max(columns, 40), indent, indent + 2)));
  return `${lines.map(logLine).join('\n')}\n`;
}

function mark(holds: boolean | undefined): string {
  return holds === undefined ? '?' : holds ? '✓' : '✗';
}

function quoted(field: string, value: string | number): string {
  if (typeof value === 'string') return `"${safe(value)}"`;
  return field.endsWith('_at') ? (isoTime(value) ?? String(value)) : String(value);
}

function safe(text: string): string {
  return terminalText(text, 200);
}
