import type { Evaluation, RuleResult } from '../evaluation.ts';
import type { FindingKind } from '../report.ts';
import type { RuleSeverity } from '../severity.ts';
import { markdownCode, markdownText, sarifText } from './escape.ts';
import { type FileOptions, policyPath } from './policy-file.ts';
import { quantity } from './words.ts';

/** The rule of the one result that says that a cluster cannot be judged. No rule of a policy can be called that. */
export const undeterminedRule = 'portcullis:undetermined';

export type Level = 'error' | 'warning' | 'note';

/** As GitHub reads it: above 9 is critical, from 7 high, from 4 medium, below that low. */
const securitySeverities: Readonly<Record<RuleSeverity, string>> = {
  critical: '9.5',
  high: '8.0',
  medium: '5.5',
  low: '2.0',
};

/** What a viewer tells of a rule, from the policy. `level` is that of its results. */
export function ruleDescriptor(rule: RuleResult, { policy }: Evaluation, level: Level, options: FileOptions) {
  const { id, on, severity, enforce, max, per, line, message } = rule;
  const allowed = `at most ${quantity(max)} ${things[on] ?? on.replaceAll('_', ' ')}${per ? ` per ${per.join(', ')}` : ''}`;
  const limit = `Allows ${allowed}; severity ${severity}, ${enforceWords[enforce]}.`;
  const file = options.policyFile ? policyPath(options) : undefined;
  const about = (max: number) => (message === undefined ? limit : `${sentence(sarifText(message, max))} ${limit}`);
  return {
    id,
    shortDescription: { text: sarifText(message ?? `${id}: ${allowed}`, 200) },
    fullDescription: { text: about(700) },
    help: {
      text: `${about(2_000)} ${file === undefined ? 'Policy' : `Line ${line} of ${sarifText(file, 300)}, policy`} ${sarifText(policy.name, 100)}.`,
      markdown: [
        ...(message === undefined ? [] : [`**${markdownText(message, 2_000)}**`]),
        limit,
        `Rule ${markdownCode(id, 100)} ${file === undefined ? 'of' : `in line ${line} of ${markdownCode(file, 300)},`} policy ${markdownCode(policy.name, 100)}. To accept findings for a time, add a waiver to the policy.`,
      ].join('\n\n'),
    },
    defaultConfiguration: { level },
    properties: {
      tags: ['security', on, enforce],
      precision: 'very-high',
      'problem.severity': level === 'note' ? 'recommendation' : level,
      'security-severity': securitySeverities[severity],
    },
  };
}

/** What a report lists, where its kind is not the word for it. */
const things: Partial<Record<FindingKind, string>> = {
  baseline_checks: 'failed baseline checks',
  baseline_items: 'failed baseline items',
  ports: 'listening ports',
  cluster: 'matches',
};

function sentence(text: string): string {
  return /[.!?…]$/.test(text) ? text : `${text}.`;
}

const enforceWords = {
  block: 'fails the verdict',
  warn: 'only warns',
  observe: 'only observes',
} as const;

export function undeterminedDescriptor() {
  const text = 'The cluster cannot be judged';
  return {
    id: undeterminedRule,
    shortDescription: { text },
    fullDescription: { text: `${text}: its report is missing, stale, incomplete or contradicts itself.` },
    help: {
      text: `${text}. That is not a pass: what is not in the report is not known.`,
      markdown: `${text}. That is **not** a pass: what is not in the report is not known.`,
    },
    defaultConfiguration: { level: 'error' as const },
    properties: {
      tags: ['security', 'undetermined'],
      precision: 'very-high',
      'problem.severity': 'error',
      'security-severity': securitySeverities.high,
    },
  };
}
