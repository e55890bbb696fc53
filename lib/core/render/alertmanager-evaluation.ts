import { alertFingerprint } from '../alerts.ts';
import type { Evaluation, KeptFinding, RuleResult } from '../evaluation.ts';
import type { AlertNews } from '../notice.ts';
import { worstSeverity } from '../severity.ts';
import { alertnames, clusterLabels, type Entry, findingLines, reasonLines, ruleLabels } from './alertmanager-parts.ts';
import { plainText, withColon } from './escape.ts';
import { clusterOf, isoTime, plural, quantity } from './words.ts';

/** What is broken now, and that it cannot be judged. Nothing ends it but its `endsAt`: there is no memory here. */
export function evaluationEntries(evaluation: Evaluation, atMs: number): readonly Entry[] {
  const { rules, reasons } = evaluation;
  const broken = rules
    .filter(({ status }) => status === 'fail' || status === 'warn')
    .flatMap((rule) => ruleEntries(rule, evaluation, atMs));
  if (reasons.length === 0) return broken;
  const undecided = rules.filter(({ status }) => status === 'undetermined');
  const blind: Entry = {
    ...common(evaluation, '', {}, atMs),
    alertname: alertnames.undetermined,
    labels: { ...clusterLabels(evaluation.cluster), severity: worstSeverity(undecided.length > 0 ? undecided : rules) },
    summary: `${withColon(nameOf(evaluation))} cannot be judged`,
    lines: (max) => reasonLines(reasons, max),
  };
  return [...broken, blind];
}

/** One for each group that is named; one for the rule, if it has no groups or if there are more than are named. */
function ruleEntries(rule: RuleResult, evaluation: Evaluation, atMs: number): readonly Entry[] {
  const { per, groups = [], omittedGroups = 0, max } = rule;
  const found = (count: number) => `${quantity(count)} found, ${quantity(max)} allowed`;
  if (per === undefined) return [ruleEntry(rule, {}, found(rule.count), rule.count, rule.findings, evaluation, atMs)];
  const named = groups.map(({ key, count }) => {
    const fields = Object.entries(key);
    const own = rule.findings.filter((finding) => fields.every(([field, value]) => finding.fields[field] === value));
    return ruleEntry(rule, key, found(count), count, own, evaluation, atMs);
  });
  if (omittedGroups === 0) return named;
  const others = `${plural(omittedGroups, 'more group')} over the ${quantity(max)} allowed`;
  return [...named, ruleEntry(rule, {}, others, 0, [], evaluation, atMs)];
}

function ruleEntry(
  { id, on, severity, max }: RuleResult,
  group: AlertNews['group'],
  numbers: string,
  count: number,
  findings: readonly KeptFinding[],
  evaluation: Evaluation,
  atMs: number,
): Entry {
  const { annotations, ...rest } = common(evaluation, id, group, atMs);
  return {
    ...rest,
    alertname: alertnames.violation,
    labels: { ...clusterLabels(evaluation.cluster), ...ruleLabels(id, on, group), severity },
    summary: `${withColon(nameOf(evaluation))} ${plainText(id, 70)} (${severity}) broken: ${numbers}`,
    lines: (room) => findingLines(on, findings, count, room),
    annotations: { ...(count > 0 && { count: String(count) }), max: String(max), ...annotations },
  };
}

function common(
  { cluster, policy, report }: Evaluation,
  rule: string,
  group: AlertNews['group'],
  atMs: number,
): Pick<Entry, 'fingerprint' | 'annotations' | 'startsAtMs'> {
  return {
    fingerprint: alertFingerprint(cluster.id || cluster.name, rule, group),
    annotations: {
      policy: plainText(policy.name, 100),
      report: plainText(report.id, 100),
      scanned_at: isoTime(report.scannedAtMs) ?? '',
    },
    startsAtMs: atMs,
  };
}

function nameOf(evaluation: Evaluation): string {
  return plainText(clusterOf(evaluation), 100);
}
