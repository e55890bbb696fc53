import type {
  BrokenGroup,
  Evaluation,
  KeptFinding,
  Reason,
  RuleResult,
  WaiverResult,
  WayToGreen,
} from '../evaluation.ts';
import { type FieldType, type FindingKind, fields, listNames } from '../report.ts';
import { jsonText } from './escape.ts';
import { fitted } from './json-room.ts';
import { isoTime, letThrough } from './words.ts';

/** A function answers with 6,291,556 bytes at most, in which this is a text with its quotes escaped once more. */
export const largestResult = 6_200_000;

/** The same for whoever asks, the command too: what has no room in an answer is counted and not shown. */
export function renderJson(evaluation: Evaluation): string {
  return `${jsonText(fitted(resultOf(evaluation), largestResult), 2)}\n`;
}

/**
 * What `--format json` and the gate's answer hold: version 1. The keys and their order are a contract. What the report
 * lacks is null; what does not apply to a rule is absent.
 */
export function resultOf(evaluation: Evaluation) {
  const { cluster, report, policy } = evaluation;
  return {
    version: 1 as const,
    verdict: evaluation.verdict,
    cluster: { id: cluster.id, name: cluster.name, category: cluster.category },
    report: {
      id: report.id,
      scanned_at: isoTime(report.scannedAtMs),
      age_seconds: report.ageSeconds ?? null,
      digest: report.digest,
    },
    policy: { name: policy.name, digest: policy.digest },
    ...(evaluation.images && { images: evaluation.images }),
    ...(evaluation.baseline && { baseline: baselineEntry(evaluation.baseline) }),
    evaluated_at: isoTime(evaluation.evaluatedAtMs),
    ...(evaluation.stored && storedEntry(evaluation.stored, evaluation.evaluatedAtMs)),
    ...(evaluation.isLetThrough && { let_through: true }),
    rules: evaluation.rules.map(ruleEntry),
    reasons: evaluation.reasons.map(reasonEntry),
    waivers: evaluation.waivers.map(waiverEntry),
    ...(evaluation.wayToGreen && { way_to_green: wayEntry(evaluation.wayToGreen) }),
    counts: Object.fromEntries(
      listNames.map((list) => {
        const { reported, listed } = evaluation.counts[list];
        return [list, { reported: reported ?? null, listed }];
      }),
    ),
    notes: notesOf(evaluation).map(({ message, list }) => ({ message, ...(list && { list }) })),
  };
}

function notesOf(evaluation: Evaluation): Evaluation['notes'] {
  const { notes, isUnrecorded } = evaluation;
  return isUnrecorded ? [{ message: letThrough(evaluation) }, ...notes] : notes;
}

export function reasonEntry({ kind, message, command, list, rules }: Reason) {
  return {
    kind,
    message: command === undefined ? message : `${message}: ${command}`,
    ...(list && { list }),
    ...(rules && { rules: [...rules] }),
  };
}

function ruleEntry(rule: RuleResult) {
  return {
    id: rule.id,
    on: rule.on,
    severity: rule.severity,
    enforce: rule.enforce,
    status: rule.status,
    count: rule.count,
    max: rule.max,
    waived: rule.waived,
    findings: rule.findings.map((finding) => findingEntry(rule.on, finding)),
    omitted: rule.omitted,
    ...(rule.knownFindings && {
      known_findings: rule.knownFindings.map((finding) => findingEntry(rule.on, finding)),
    }),
    ...(rule.waivedFindings.length > 0 && {
      waived_findings: rule.waivedFindings.map((finding) => ({
        ...findingEntry(rule.on, finding),
        waiver: finding.waiver,
      })),
    }),
    evidence: rule.evidence,
    ...(rule.since && { since: { new: rule.since.new, fixed: rule.since.fixed, before: rule.since.before } }),
    ...(rule.message !== undefined && { message: rule.message }),
    line: rule.line,
    ...(rule.per && {
      per: [...rule.per],
      groups: (rule.groups ?? []).map((group) => groupEntry(rule.on, group)),
      omitted_groups: rule.omittedGroups ?? 0,
    }),
  };
}

function baselineEntry(baseline: NonNullable<Evaluation['baseline']>) {
  if (baseline === 'none') return { report: null };
  const { reportId, scannedAtMs, digest } = baseline;
  return { report: { id: reportId, scanned_at: isoTime(scannedAtMs), digest } };
}

/** HSS could not be asked. */
function storedEntry({ atMs }: NonNullable<Evaluation['stored']>, nowMs: number) {
  return { source: 'stored' as const, stored_age_seconds: Math.max(0, Math.floor((nowMs - atMs) / 1000)) };
}

function waiverEntry(waiver: WaiverResult) {
  const { id, status, count, rule, owner, reason, ticket, expiresAtMs, isExpiring, maxFindings, fixable, line } =
    waiver;
  return {
    id,
    status,
    count,
    rule,
    owner,
    reason,
    ...(ticket !== undefined && { ticket }),
    expires_at: isoTime(expiresAtMs),
    expiring: isExpiring,
    ...(maxFindings !== undefined && { max_findings: maxFindings }),
    ...(fixable !== undefined && { fixable }),
    line,
  };
}

/** The first few of the way: a pipeline acts on one at a time. */
const shownSteps = 10;

function wayEntry({ steps, omitted, of, left }: WayToGreen) {
  const shown = steps.slice(0, shownSteps);
  return {
    of,
    steps: shown.map(({ on, subject, advice, clears, rules }) => ({
      on,
      subject,
      ...(advice !== undefined && { advice }),
      clears,
      rules,
    })),
    omitted: omitted + steps.length - shown.length,
    ...(left && { left: [...left] }),
  };
}

type Value = string | number | null;

export function findingEntry(kind: FindingKind, finding: KeptFinding): { fingerprint: string; [field: string]: Value } {
  const types: Readonly<Record<string, FieldType>> = fields[kind];
  const values = Object.keys(types).map((field) => [field, jsonValue(types[field], finding.fields[field])]);
  return { fingerprint: finding.fingerprint, ...Object.fromEntries(values) };
}

export function groupEntry(kind: FindingKind, { key, count, waived }: BrokenGroup) {
  const types: Readonly<Record<string, FieldType>> = fields[kind];
  const values = Object.entries(key).map(([field, value]) => [field, jsonValue(types[field], value)]);
  return { key: Object.fromEntries(values) as Record<string, Value>, count, waived };
}

function jsonValue(type: FieldType | undefined, value: string | number | undefined): Value {
  return type === 'time' && typeof value === 'number' ? isoTime(value) : (value ?? null);
}
