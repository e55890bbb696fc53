import { alertFingerprint } from '../alerts.ts';
import type { Evaluation, KeptFinding, RuleResult } from '../evaluation.ts';
import { distinctFindings } from './distinct.ts';
import { jsonText, terminalText } from './escape.ts';
import { type Escapes, tellFinding, wholeExcess } from './finding-words.ts';
import { type Outcome, outcomeOf } from './outcome.ts';
import { type FileOptions, policyLine, policyPath } from './policy-file.ts';
import { waivedBy } from './waiver-words.ts';
import { byUrgency, clusterOf, isBroken, plural, quantity, spell } from './words.ts';

interface Issue {
  readonly description: string;
  readonly check_name: string;
  /** The same in the next report; GitLab keeps one issue of each. */
  readonly fingerprint: string;
  readonly severity: 'info' | 'minor' | 'major' | 'critical' | 'blocker';
  readonly location: { readonly path: string; readonly lines: { readonly begin: number } };
}

/**
 * A code quality report of GitLab: an issue for each finding, at the rule that it breaks. What a rule does not show of
 * its findings is one more issue, waived findings are issues of severity `info`, reasons are of severity `blocker`.
 */
export function renderGitlabCodequality(evaluation: Evaluation, options: FileOptions): string {
  const path = policyPath(options);
  const place: Place = (line, isWaiver) => ({ path, lines: { begin: policyLine(options, line, isWaiver) } });
  const issues = [
    ...undeterminedIssues(evaluation, place),
    ...byUrgency(evaluation.rules).flatMap((rule) => ruleIssues(rule, evaluation, place)),
    ...evaluation.rules.flatMap((rule) => waivedIssues(rule, evaluation, place)),
  ];
  return `${jsonText(issues, 2)}\n`;
}

/** Where an issue is shown. */
type Place = (line: number, isWaiver?: boolean) => Issue['location'];

function undeterminedIssues(evaluation: Evaluation, place: Place): readonly Issue[] {
  const { reasons, verdict } = evaluation;
  const name = escapes.name(clusterOf(evaluation));
  const issue = (description: string, what: Readonly<Record<string, string>>): Issue => ({
    description,
    check_name: 'portcullis:undetermined',
    fingerprint: ownFingerprint(evaluation, '', what),
    severity: verdict === 'undetermined' ? 'blocker' : 'critical',
    location: place(1),
  });
  if (reasons.length === 0) return verdict === 'undetermined' ? [issue(`${name} cannot be judged`, {})] : [];
  // Messages tell ages and counts, which are others tomorrow.
  return reasons.map(({ kind, message, list = '' }, i) => {
    const nth = reasons.slice(0, i).filter((before) => before.kind === kind && (before.list ?? '') === list).length;
    return issue(`${name} cannot be judged: ${kind}: ${escapes.prose(message)}`, { kind, list, nth: String(nth) });
  });
}

const failing = { critical: 'blocker', high: 'critical', medium: 'major', low: 'minor' } as const;

function severityOf(rule: RuleResult, outcome: Outcome): Issue['severity'] {
  if (outcome === 'failure') return failing[rule.severity];
  return outcome === 'warning' ? 'minor' : 'info';
}

function ruleIssues(rule: RuleResult, evaluation: Evaluation, place: Place): readonly Issue[] {
  if (!isBroken(rule)) return [];
  const base = {
    check_name: escapes.name(rule.id),
    severity: severityOf(rule, outcomeOf(rule, evaluation)),
    location: place(rule.line),
  };
  const issuesOf = (findings: readonly KeptFinding[]) =>
    distinctFindings(findings).map(({ finding, times }) => ({
      description: `${sentence(rule, finding.fields)}${times > 1 ? ` (${quantity(times)} times)` : ''}`,
      ...base,
      fingerprint: finding.fingerprint,
    }));
  const { knownFindings = [] } = rule;
  // What a baseline knows stays listed, else it would be taken for fixed.
  const known = issuesOf(knownFindings).map((issue) => ({ ...issue, severity: 'info' as const }));
  const issues = [...issuesOf(rule.findings), ...known];
  const omitted = rule.omitted - knownFindings.length;
  const isShown = rule.findings.length > 0;
  if (omitted === 0 && isShown) return issues;
  const more = isShown ? `${plural(omitted, 'more finding')}: ${wholeExcess(rule)}` : wholeExcess(rule);
  const description = `${escapes.name(rule.id)}: ${more}`;
  return [{ description, ...base, fingerprint: ownFingerprint(evaluation, rule.id, {}) }, ...issues];
}

function waivedIssues(rule: RuleResult, evaluation: Evaluation, place: Place): readonly Issue[] {
  if (rule.waived === 0) return [];
  const base = { check_name: escapes.name(rule.id), severity: 'info' as const };
  const issues = distinctFindings(rule.waivedFindings).map(({ finding, times }) => {
    const waiver = evaluation.waivers.find(({ id }) => id === finding.waiver);
    const by = `${spell(waivedBy(finding.waiver, waiver), escapes.name)}${times > 1 ? `, ${quantity(times)} times` : ''}`;
    return {
      description: `${sentence(rule, finding.fields)} (${by})`,
      ...base,
      // Not that of the finding itself: when the waiver ends, it is news.
      fingerprint: ownFingerprint(evaluation, rule.id, { waived: finding.fingerprint }),
      location: place(waiver?.line ?? rule.line, true),
    };
  });
  const more = rule.waived - rule.waivedFindings.length;
  if (more <= 0) return issues;
  const told = issues.length > 0 ? plural(more, 'more finding') : plural(more, 'finding');
  return [
    ...issues,
    {
      description: `${escapes.name(rule.id)}: ${told} waived`,
      ...base,
      fingerprint: ownFingerprint(evaluation, rule.id, { waived: 'more' }),
      location: place(rule.line, true),
    },
  ];
}

/** What is no finding has a fingerprint of its own. */
function ownFingerprint({ cluster }: Evaluation, rule: string, what: Readonly<Record<string, string>>): string {
  return alertFingerprint(cluster.id || cluster.name, rule, what);
}

function sentence(rule: RuleResult, fields: Parameters<typeof tellFinding>[1]): string {
  const { line, hint } = tellFinding(rule.on, fields, escapes);
  return `${escapes.name(rule.id)}: ${line}${hint ? `; ${hint}` : ''}`;
}

const escapes: Escapes = {
  name: (text) => terminalText(text, 200),
  prose: (text) => terminalText(text, 600),
};
