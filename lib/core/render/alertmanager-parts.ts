import type { KeptFinding, Reason } from '../evaluation.ts';
import type { AlertNews, NewFinding } from '../notice.ts';
import { labelText, plainText } from './escape.ts';
import { fitLines } from './fit-lines.ts';
import { type AlertKind, originWords } from './news-words.ts';
import { describe, plural, quantity, spell } from './words.ts';

/** What there is to say of one alert. */
export interface Entry {
  readonly alertname: string;
  /** Those besides `alertname`, `source` and `fingerprint`. An empty one is left out. */
  readonly labels: Readonly<Record<string, string>>;
  readonly fingerprint: string;
  readonly summary: string;
  /** Lines of at most `max` characters together. */
  readonly lines: (max: number) => readonly string[];
  /** Those besides `summary`, `description` and `notice`. An empty one is left out. */
  readonly annotations: Readonly<Record<string, string>>;
  /** Of the whole result. */
  readonly page?: string;
  readonly startsAtMs: number;
  /** Of what is over. */
  readonly endsAtMs?: number;
}

export const alertnames: Readonly<Record<AlertKind, string>> = {
  violation: 'PortcullisViolation',
  undetermined: 'PortcullisUndetermined',
  'receiver-failing': 'PortcullisReceiverFailing',
  'message-refused': 'PortcullisMessageRefused',
  'message-given-up': 'PortcullisMessageGivenUp',
  'memory-unreadable': 'PortcullisMemoryUnreadable',
  'gate-bypassed': 'PortcullisGateBypassed',
  'source-poisoned': 'PortcullisSourcePoisoned',
  'silence-ending': 'PortcullisSilenceEnding',
};

export function clusterLabels({ id, name }: { readonly id: string; readonly name: string }) {
  return { cluster: labelText(name || id, 256), cluster_id: labelText(id, 256) };
}

export function ruleLabels(rule: string, on: AlertNews['on'], group: AlertNews['group']) {
  // Names of fields are ours: letters and `_`.
  const groups = Object.entries(group).map(([field, value]) => [`group_${field}`, labelText(String(value), 256)]);
  return { rule: labelText(rule, 256), on, ...Object.fromEntries(groups) };
}

export function findingLines(
  on: AlertNews['on'],
  findings: readonly (KeptFinding & Pick<NewFinding, 'origin'>)[],
  total: number,
  max: number,
): readonly string[] {
  return fitLines(
    findings,
    total,
    max,
    ({ fields, origin }) => {
      const { severity, what, where, hint } = describe(on, fields);
      const grade = severity ? `${plainText(severity, 20)} ` : '';
      const at = where.map(({ label, value }) => `, ${label} ${plainText(value, 90)}`).join('');
      const from = origin === undefined ? '' : ` (${originWords[origin]})`;
      const told = hint ? `; ${hint.label}: ${plainText(hint.text, 160)}` : '';
      return `• ${grade}${spell(what, (value) => plainText(value, 100))}${from}${at}${told}`;
    },
    (rest, shown) => (shown > 0 ? `and ${quantity(rest)} more` : `${quantity(rest)} not shown here`),
  ).lines;
}

export function reasonLines(reasons: readonly Reason[], max: number): readonly string[] {
  return fitLines(
    reasons,
    reasons.length,
    max,
    // Whatever its length, the first one fits.
    ({ kind, message, command }) =>
      [`• ${kind}: ${plainText(message, Math.min(500, max - 80))}`, command].filter(Boolean).join(': '),
    (rest) => `and ${plural(rest, 'more reason')}`,
  ).lines;
}
