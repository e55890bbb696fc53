import { formatDuration } from '../duration.ts';
import type { BrokenGroup, Evaluation, RuleResult, RuleStatus, Verdict } from '../evaluation.ts';
import { type Finding, type FindingKind, fields } from '../report.ts';
import { ruleSeverities } from '../severity.ts';

/**
 * The sentences that all targets share. Our own words and the values of a report are kept apart until a renderer,
 * which knows how to escape for its target, puts them together.
 */
export interface Phrase {
  readonly words: readonly string[];
  readonly values: readonly string[];
}

export function say(words: TemplateStringsArray, ...values: readonly (string | number | undefined)[]): Phrase {
  return { words, values: values.map((value) => (value === undefined || value === '' ? '?' : String(value))) };
}

export function spell(phrase: Phrase, value: (text: string) => string): string {
  return phrase.words.map((word, i) => (i === 0 ? word : value(phrase.values[i - 1] ?? '') + word)).join('');
}

/** A finding for people. */
export interface Described {
  readonly severity: string | undefined;
  readonly what: Phrase;
  readonly where: readonly { readonly label: string; readonly value: string }[];
  /** What the report advises, or else tells of it. */
  readonly hint: { readonly label: 'fix' | 'about'; readonly text: string } | undefined;
}

export function describe(kind: FindingKind, finding: Finding): Described {
  const text = (field: string) => String(finding[field] ?? '');
  const at = (...fields: readonly string[]) =>
    fields.map((field) => ({ label: field.replace('_', ' '), value: text(field) })).filter(({ value }) => value !== '');
  const fix = (field: string) => (text(field) ? ({ label: 'fix', text: text(field) } as const) : undefined);
  const about = (field: string) => (text(field) ? ({ label: 'about', text: text(field) } as const) : undefined);
  const severity = text('severity') || undefined;

  switch (kind) {
    case 'vulnerabilities':
      return {
        severity,
        what: say`${finding.vulnerability} in ${joined(' ', text('package'), text('package_version'))}`,
        where: [{ label: 'image', value: joined(':', text('image'), text('image_version')) || '?' }],
        hint: fix('solution') ?? about('description'),
      };
    case 'baseline_checks':
      return {
        severity,
        what: say`${finding.check}: ${finding.rules_failed} of ${finding.rules_checked} rules failed`,
        where: at('check_type', 'standard'),
        hint: about('description'),
      };
    case 'baseline_items':
      return {
        severity,
        what: say`${finding.item}`,
        where: at('check', 'standard'),
        hint: fix('remediation') ?? about('description'),
      };
    case 'privileged_containers':
      return {
        severity,
        what: say`${finding.container} is privileged, ${finding.status}`,
        where: at('pod', 'host', 'public_ip'),
        hint: about('summary'),
      };
    case 'ports':
      return {
        severity,
        what: say`${finding.path} listens on ${finding.port} at ${finding.listen_address}`,
        where: at('container', 'pod', 'host', 'public_ip'),
        hint: undefined,
      };
    case 'packages':
      return {
        severity,
        what: say`${joined(' ', text('package'), text('package_version'))}`,
        where: at('container', 'host', 'public_ip'),
        hint: undefined,
      };
    case 'processes':
      return {
        severity,
        what: say`${finding.command} as ${finding.user}`,
        where: at('pid', 'container', 'host', 'public_ip'),
        hint: undefined,
      };
    case 'cluster':
      return {
        severity,
        what: say`cluster ${finding.name}`,
        where: [],
        hint: { label: 'about', text: totals(finding) },
      };
  }
}

function joined(separator: string, ...parts: readonly string[]): string {
  return parts.filter((part) => part !== '').join(separator);
}

function totals(finding: Finding): string {
  return Object.entries(fields.cluster)
    .filter(([field, type]) => type === 'int' && finding[field] !== undefined)
    .map(([field]) => `${quantity(Number(finding[field]))} ${field.replaceAll('_', ' ')}`)
    .join(', ');
}

export function clusterOf({ cluster }: { readonly cluster: { readonly id: string; readonly name: string } }): string {
  return cluster.name || cluster.id || '(unnamed cluster)';
}

/** `report 3h 12m old, scanned 2026-11-24 02:20 UTC`, or `no report`. */
export function reportAge(scannedAtMs: number | undefined, ageMs: number | undefined): string {
  const scannedAt = minuteOf(scannedAtMs);
  if (scannedAt === undefined) return 'no report';
  return `report ${ageMs === undefined ? 'of unknown age' : `${formatDuration(ageMs)} old`}, scanned ${scannedAt}`;
}

/** `2026-11-24 02:20 UTC` */
export function minuteOf(ms: number | undefined): string | undefined {
  const iso = isoTime(ms);
  return iso === null ? undefined : `${iso.slice(0, -8).replace('T', ' ')} UTC`;
}

export function isBroken({ status }: RuleResult): boolean {
  return status === 'fail' || status === 'warn' || status === 'observed';
}

/** What became of the rules, without names: `2 of 3 rules broken (1 only warns)`. */
export function summaryOf({ rules, verdict }: Evaluation): string {
  const having = (...statuses: readonly RuleStatus[]) => rules.filter(({ status }) => statuses.includes(status)).length;
  const broken = having('fail', 'warn', 'observed');
  const lenient = [
    having('warn') && `${having('warn')} only to warn`,
    having('observed') && `${having('observed')} only to observe`,
  ].filter(Boolean);
  const parts = [
    broken > 0 &&
      `${broken} of ${plural(rules.length, 'rule')} broken${lenient.length ? ` (${lenient.join(', ')})` : ''}`,
    having('undetermined') && `${having('undetermined')} of ${plural(rules.length, 'rule')} cannot be judged`,
  ].filter(Boolean);
  if (parts.length > 0) return parts.join(', ');
  if (verdict === 'undetermined') return 'cannot be judged';
  return rules.length === 1 ? 'the rule holds' : `all ${rules.length} rules hold`;
}

/** Broken rules, those that block first, then by severity, then as in the policy. */
export function brokenWorstFirst(rules: readonly RuleResult[]): readonly RuleResult[] {
  return byUrgency(rules.filter(isBroken));
}

const urgency: readonly RuleStatus[] = ['fail', 'undetermined', 'warn', 'observed', 'pass'];

export function byUrgency(rules: readonly RuleResult[]): readonly RuleResult[] {
  return rules.toSorted(
    (a, b) =>
      urgency.indexOf(a.status) - urgency.indexOf(b.status) ||
      ruleSeverities.indexOf(a.severity) - ruleSeverities.indexOf(b.severity),
  );
}

/** By how much a rule is broken: `12 found, 0 allowed`. */
export function excess(rule: RuleResult): string {
  const isNew = rule.since === undefined ? '' : `, ${quantity(rule.since.new)} new`;
  const found = `${quantity(rule.count)} ${rule.evidence === 'reported' ? 'reported' : 'found'}${isNew}`;
  if (rule.per === undefined) return `${found}, ${quantity(rule.max)} allowed`;
  const groups = plural(brokenGroups(rule), 'group');
  return `${found}, ${groups} over the ${quantity(rule.max)} allowed per ${rule.per.join(', ')}`;
}

export function brokenGroups(rule: RuleResult): number {
  return (rule.groups?.length ?? 0) + (rule.omittedGroups ?? 0);
}

export function groupKey({
  key,
}: Pick<BrokenGroup, 'key'>): readonly { readonly label: string; readonly value: string }[] {
  return Object.entries(key).map(([field, value]) => ({ label: field, value: String(value) }));
}

/** What became of a rule since a baseline. */
export function sinceWords({ new: fresh, fixed, before }: NonNullable<RuleResult['since']>): string {
  return `against the baseline: ${quantity(before)} before, ${quantity(fresh)} new, ${quantity(fixed)} fixed`;
}

/** What the reasons are for. */
export function doubtTitle(verdict: Verdict): string {
  return verdict === 'undetermined' ? 'Why it cannot be judged' : 'What cannot be judged';
}

/** Of an undetermined verdict that passes all the same. */
export function letThrough({ isUnrecorded }: Evaluation): string {
  const then = isUnrecorded ? 'of a report at hand nothing is written down' : 'the next scan tells of it';
  return `LET THROUGH by on-undetermined: pass. Nobody knows whether this is fine; ${then}.`;
}

/** Of an answer that was worked out before HSS could not be asked any more. */
export function storedAnswer(atMs: number, nowMs: number): string {
  return `HSS could not be asked: this is what was found ${formatDuration(nowMs - atMs)} ago.`;
}

export function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

export function plural(n: number, word: string): string {
  return `${quantity(n)} ${word}${n === 1 ? '' : 's'}`;
}

/** 12345 as `12,345`. */
export function quantity(n: number): string {
  return String(n).replace(/\B(?=(?:\d{3})+$)/g, ',');
}

/** ISO 8601, UTC; null for what is no time at all. */
export function isoTime(ms: number | undefined): string | null {
  return ms !== undefined && Math.abs(ms) <= 8.64e15 ? new Date(ms).toISOString() : null;
}
