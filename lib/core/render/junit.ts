import type { Evaluation, Reason, RuleResult } from '../evaluation.ts';
import { logLine, terminalText, xmlAttribute, xmlText } from './escape.ts';
import { type Escapes, ruleLines, waivedLines } from './finding-words.ts';
import { type Outcome, outcomeOf } from './outcome.ts';
import { waiverGrounds, waiverPhrase } from './waiver-words.ts';
import { clusterOf, excess, isBroken, isoTime, letThrough, plural, quantity, spell, summaryOf } from './words.ts';

interface Case {
  readonly name: string;
  readonly result?: {
    readonly element: 'failure' | 'error' | 'skipped';
    readonly type: string;
    readonly message: string;
  };
  /** What the result says at length, or what there is to say of a case that passes. */
  readonly lines: readonly string[];
}

/** JUnit XML, as Jenkins, GitLab, Azure and others read it: a suite for the cluster, in it one case for each rule. */
export function renderJunit(evaluation: Evaluation): string {
  const cases = casesOf(evaluation);
  const having = (element: string) => String(cases.filter(({ result }) => result?.element === element).length);
  const totals = { tests: String(cases.length), failures: having('failure'), errors: having('error') };
  const suite = {
    name: name(clusterOf(evaluation)),
    ...totals,
    skipped: having('skipped'),
    time: '0',
    ...timestamp(evaluation),
  };
  const className = name(evaluation.policy.name || '(unnamed policy)');
  const lines = [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<testsuites${attributes({ name: 'portcullis', ...totals, time: '0' })}>`,
    `  <testsuite${attributes(suite)}>`,
    ...propertyLines(evaluation),
    ...cases.flatMap((one) => caseLines(one, className)),
    ...output('system-out', 4, [
      ...letThroughLines(evaluation),
      summaryOf(evaluation),
      ...waiverLines(evaluation),
      ...noteLines(evaluation),
    ]),
    ...output('system-err', 4, evaluation.reasons.map(reasonLine)),
    '  </testsuite>',
    '</testsuites>',
  ];
  return `${lines.join('\n')}\n`;
}

/** It is no pass: the cases tell what cannot be judged. */
function letThroughLines(evaluation: Evaluation): readonly string[] {
  return evaluation.isLetThrough ? [letThrough(evaluation)] : [];
}

function casesOf(evaluation: Evaluation): readonly Case[] {
  const { rules, reasons, verdict } = evaluation;
  const cases = rules.map((rule) => caseOf(rule, evaluation));
  // What is doubted may be the whole report, or which cluster it is about, while every rule holds.
  const isTold = verdict !== 'undetermined' || cases.some(({ result }) => result?.element === 'error');
  if (isTold) return cases;
  const result = { element: 'error', type: 'undetermined', message: 'the cluster cannot be judged' } as const;
  return [{ name: 'the cluster can be judged', result, lines: reasons.map(reasonLine) }, ...cases];
}

function caseOf(rule: RuleResult, evaluation: Evaluation): Case {
  const outcome = outcomeOf(rule, evaluation);
  const base = { name: name(rule.id) };
  const lines = [
    ...(isBroken(rule) ? ruleLines(rule, extent, escapes) : []),
    ...waivedLines(rule, evaluation.waivers, extent, escapes),
  ];
  switch (outcome) {
    case 'failure':
      return { ...base, result: { element: 'failure', type: rule.severity, message: excess(rule) }, lines };
    case 'undetermined': {
      const own = evaluation.reasons.filter(({ rules }) => rules === undefined || rules.includes(rule.id));
      const message = own.map(({ kind }) => kind).join(', ') || 'cannot be judged';
      return {
        ...base,
        result: { element: 'error', type: 'undetermined', message },
        lines: [...own.map(reasonLine), ...lines],
      };
    }
    case 'waived':
      return {
        ...base,
        result: {
          element: 'skipped',
          type: 'waived',
          message: `holds only by waivers: ${quantity(rule.waived)} waived`,
        },
        lines,
      };
    case 'warning':
    case 'observed':
      return {
        ...base,
        lines: [`${lenient[outcome]}: ${isBroken(rule) ? excess(rule) : 'cannot be judged'}`, ...lines],
      };
    case 'pass':
      return { ...base, lines };
  }
}

const lenient = { warning: 'broken, only to warn', observed: 'only observed' } as const satisfies Partial<
  Record<Outcome, string>
>;

function caseLines({ name, result, lines }: Case, className: string): readonly string[] {
  const open = `    <testcase${attributes({ classname: className, name, time: '0' })}`;
  const text = textOf(lines);
  if (result === undefined) {
    return lines.length === 0 ? [`${open}/>`] : [`${open}>`, ...output('system-out', 6, lines), '    </testcase>'];
  }
  const { element, type, message } = result;
  return [`${open}>`, `      <${element}${attributes({ type, message })}>${text}</${element}>`, '    </testcase>'];
}

function output(element: string, indent: number, lines: readonly string[]): readonly string[] {
  return lines.length === 0 ? [] : [`${' '.repeat(indent)}<${element}>${textOf(lines)}</${element}>`];
}

/** The file may well be printed into the log of a CI system. */
function textOf(lines: readonly string[]): string {
  return xmlText(lines.map(logLine).join('\n'));
}

function propertyLines({ verdict, cluster, report, policy, rules }: Evaluation): readonly string[] {
  const properties = {
    verdict,
    'cluster.id': name(cluster.id),
    'report.id': name(report.id),
    'report.scanned_at': isoTime(report.scannedAtMs) ?? '',
    'policy.digest': policy.digest,
    waived: String(rules.reduce((sum, { waived }) => sum + waived, 0)),
  };
  const lines = Object.entries(properties).map(
    ([key, value]) => `      <property${attributes({ name: key, value })}/>`,
  );
  return ['    <properties>', ...lines, '    </properties>'];
}

function waiverLines({ waivers }: Evaluation): readonly string[] {
  return counted(
    waivers.map((waiver) => `waiver ${spell(waiverPhrase(waiver), name)} (${spell(waiverGrounds(waiver), prose)})`),
    'more waiver',
  );
}

function noteLines({ notes }: Evaluation): readonly string[] {
  return counted(
    notes.map(({ message }) => `note: ${prose(message)}`),
    'more note',
  );
}

function counted(lines: readonly string[], more: string): readonly string[] {
  const shown = lines.slice(0, 200);
  return shown.length < lines.length ? [...shown, `and ${plural(lines.length - shown.length, more)}`] : shown;
}

function reasonLine({ kind, message }: Reason): string {
  return `${kind}: ${prose(message)}`;
}

/** UTC, without a zone: what the schema of JUnit knows. */
function timestamp({ evaluatedAtMs }: Evaluation): { readonly timestamp?: string } {
  const iso = isoTime(evaluatedAtMs);
  return iso === null ? {} : { timestamp: iso.slice(0, -5) };
}

function attributes(values: Readonly<Record<string, string>>): string {
  return Object.entries(values)
    .map(([key, value]) => ` ${key}="${xmlAttribute(value)}"`)
    .join('');
}

function name(text: string): string {
  return terminalText(text, 200);
}

function prose(text: string): string {
  return terminalText(text, 600);
}

const extent = { findings: 20, length: 10_000 };

const escapes: Escapes = { name, prose };
