import { hash } from 'node:crypto';
import { type Evaluation, exitCodes, type RuleResult } from '../evaluation.ts';
import { version } from '../version.ts';
import { jsonText, sarifText } from './escape.ts';
import { outcomeOf } from './outcome.ts';
import type { FileOptions } from './policy-file.ts';
import { type Entry, resultEntries } from './sarif-results.ts';
import { type Level, ruleDescriptor, undeterminedDescriptor } from './sarif-rules.ts';
import { needsAttention, waiverGrounds, waiverPhrase } from './waiver-words.ts';
import { byUrgency, clusterOf, isBroken, isoTime, letThrough, plural, quantity, spell, summaryOf } from './words.ts';

/** GitHub refuses more than 25,000 results in a run and keeps the first 5,000. */
const mostResults = 5_000;
const mostRules = 5_000;
const mostNotifications = 100;

/** GitHub refuses a file of more than 10 MB, gzipped; a file that is smaller before is smaller after. */
const mostBytes = { rules: 3_000_000, results: 6_000_000 };

/**
 * SARIF 2.1.0, for code scanning of GitHub and for viewers. A result for each finding, at the line of its rule in the
 * policy; waived findings are suppressed results at the line of their waiver. What is not listed is counted, in a result
 * of its rule or in `properties.leftOut` of the run.
 */
export function renderSarif(evaluation: Evaluation, options: FileOptions): string {
  const document = {
    $schema: 'https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json',
    version: '2.1.0',
    runs: [runOf(evaluation, options)],
  };
  return `${jsonText(document, 2)}\n`;
}

function runOf(evaluation: Evaluation, options: FileOptions) {
  const { verdict, cluster, report, policy } = evaluation;
  const rules = rulesOf(evaluation, options).filter(roomOf(mostBytes.rules));
  const index = new Map(rules.map(({ id }, i) => [id, i]));
  const entries = resultEntries(evaluation, (rule) => levelOf(rule, evaluation), options);
  const shown = withinLimits(entries.filter(({ result }) => index.has(result.ruleId)));
  const leftOut = countLeftOut(evaluation, entries, shown);
  const name = safe(clusterOf(evaluation));
  return {
    tool: { driver: { name: 'Portcullis', version, semanticVersion: version, rules } },
    automationDetails: {
      // What is before the last slash is the category, in which an upload replaces the one before.
      // Results about other images are others.
      id: `portcullis/${segment(policy.name)}/${segment(cluster.id || cluster.name)}/${imagesOf(evaluation)}`,
      description: { text: `${name} by policy ${safe(policy.name)}` },
    },
    invocations: [invocationOf(evaluation, leftOut)],
    columnKind: 'utf16CodeUnits',
    results: shown.map(({ result }) => ({ ...result, ruleIndex: index.get(result.ruleId) })),
    properties: {
      verdict,
      summary: summaryOf(evaluation),
      cluster: { id: safe(cluster.id), name: safe(cluster.name), category: safe(cluster.category) },
      report: { id: safe(report.id), scannedAt: isoTime(report.scannedAtMs), digest: report.digest },
      policy: { name: safe(policy.name), digest: policy.digest },
      waived: sum(evaluation.rules, ({ waived }) => waived),
      leftOut,
    },
  };
}

/** One result of each rule comes first, then as many as there is room for; in the order in which they were. */
function withinLimits(entries: readonly Entry[]): readonly Entry[] {
  const fits = roomOf(mostBytes.results);
  const heads = entries.filter(({ isHead }) => isHead);
  const others = entries.filter(({ isHead }) => !isHead);
  const kept = new Set([...heads, ...others].slice(0, mostResults).filter(({ result }) => fits(result)));
  return entries.filter((entry) => kept.has(entry));
}

interface LeftOut {
  readonly results: number;
  /** Findings that neither have a result nor are counted in one. */
  readonly findings: number;
  readonly waived: number;
}

function countLeftOut({ rules }: Evaluation, entries: readonly Entry[], shown: readonly Entry[]): LeftOut {
  return {
    results: entries.length - shown.length,
    findings: sum(rules.filter(isBroken), ({ count }) => count) - sum(shown, ({ findings }) => findings),
    waived: sum(rules, ({ waived }) => waived) - sum(shown, ({ waived }) => waived),
  };
}

function rulesOf(evaluation: Evaluation, options: FileOptions) {
  const own = byUrgency(evaluation.rules)
    .slice(0, mostRules)
    .map((rule) => ruleDescriptor(rule, evaluation, levelOf(rule, evaluation), options));
  return evaluation.verdict === 'undetermined' ? [undeterminedDescriptor(), ...own] : own;
}

function levelOf(rule: RuleResult, evaluation: Evaluation): Level {
  // A rule that holds has no result; its level is that of one that would break it.
  const { enforce } = rule;
  switch (outcomeOf(rule, evaluation)) {
    case 'failure':
      return 'error';
    case 'warning':
      return 'warning';
    case 'observed':
      return 'note';
    default:
      return enforce === 'block' ? 'error' : enforce === 'warn' ? 'warning' : 'note';
  }
}

function invocationOf(evaluation: Evaluation, leftOut: LeftOut) {
  const { verdict, reasons, notes, waivers, evaluatedAtMs } = evaluation;
  const endTimeUtc = isoTime(evaluatedAtMs);
  const lost = [
    leftOut.findings > 0 && `${plural(leftOut.findings, 'finding')} of broken rules not listed: there are too many`,
    leftOut.waived > 0 && `${plural(leftOut.waived, 'waived finding')} not listed`,
  ].filter((text) => text !== false);
  return {
    executionSuccessful: verdict !== 'undetermined' && reasons.length === 0,
    exitCode: evaluation.isLetThrough ? 0 : exitCodes[verdict],
    exitCodeDescription: verdict,
    ...(endTimeUtc !== null && /^\d{4}-/.test(endTimeUtc) && { endTimeUtc }),
    toolExecutionNotifications: notifications([
      ...(evaluation.isLetThrough
        ? [{ id: 'let-through', level: 'warning' as const, text: letThrough(evaluation) }]
        : []),
      ...reasons.map(({ kind, message, rules }) => ({
        id: kind,
        level: 'error' as const,
        text: `${safe(message)}${rules ? ` (${rules.slice(0, 10).map(safe).join(', ')})` : ''}`,
      })),
      ...lost.map((text) => ({ id: 'left-out', level: 'warning' as const, text })),
      ...notes.map(({ message }) => ({ id: 'note', level: 'note' as const, text: safe(message) })),
    ]),
    toolConfigurationNotifications: notifications(
      waivers.map((waiver) => ({
        id: `waiver-${waiver.status}`,
        level: needsAttention(waiver) ? ('warning' as const) : ('note' as const),
        text: `${spell(waiverPhrase(waiver), safe)} (${spell(waiverGrounds(waiver), safe)})`,
      })),
    ),
  };
}

interface Notification {
  readonly id: string;
  readonly level: Level;
  readonly text: string;
}

function notifications(all: readonly Notification[]) {
  const shown = all.slice(0, mostNotifications);
  const more = all.length - shown.length;
  const counted: readonly Notification[] =
    more > 0 ? [...shown, { id: 'left-out', level: 'warning', text: `and ${quantity(more)} more` }] : shown;
  return counted.map(({ id, level, text }) => ({ level, descriptor: { id }, message: { text } }));
}

const encoder = new TextEncoder();

/** Room for entries of a list, as they are written: indented by eight. */
function roomOf(bytes: number): (entry: unknown) => boolean {
  let left = bytes;
  return (entry) => {
    const text = jsonText(entry, 2);
    const needed = encoder.encode(text).length + 8 * text.split('\n').length + 40;
    if (needed > left) return false;
    left -= needed;
    return true;
  };
}

/** Of a category: a slash would part it. */
function imagesOf({ images }: Evaluation): string {
  return images === undefined ? '' : `images-${hash('sha256', JSON.stringify(images), 'hex').slice(0, 12)}/`;
}

function segment(text: string): string {
  return safe(text).replaceAll('/', '-') || 'unnamed';
}

function safe(text: string): string {
  return sarifText(text, 300);
}

function sum<T>(items: readonly T[], of: (item: T) => number): number {
  return items.reduce((total, item) => total + of(item), 0);
}
