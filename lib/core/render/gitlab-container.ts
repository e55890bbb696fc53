import type { Evaluation, KeptFinding, RuleResult } from '../evaluation.ts';
import { type FindingSeverity, findingSeverity } from '../severity.ts';
import { version } from '../version.ts';
import { jsonText, markdownText, terminalText } from './escape.ts';
import { waiverPhrase } from './waiver-words.ts';
import { byUrgency, clusterOf, excess, isBroken, isoTime, quantity, spell, summaryOf } from './words.ts';

/** Of GitLab's security report schemas. */
const schemaVersion = '15.2.1';

/**
 * A container scanning report of GitLab: the vulnerabilities that break a rule, each once. It has no place for anything
 * else, so findings of other kinds, those that are not listed and those that are waived are counted in its messages.
 */
export function renderGitlabContainer(evaluation: Evaluation): string {
  const { verdict, report, evaluatedAtMs } = evaluation;
  const document = {
    version: schemaVersion,
    schema: `https://gitlab.com/gitlab-org/security-products/security-report-schemas/-/raw/v${schemaVersion}/dist/container-scanning-report-format.json`,
    scan: {
      type: 'container_scanning',
      status: verdict === 'undetermined' ? 'failure' : 'success',
      start_time: secondOf(report.scannedAtMs) ?? secondOf(evaluatedAtMs) ?? epoch,
      end_time: secondOf(evaluatedAtMs) ?? epoch,
      analyzer: { id: 'portcullis', name: 'Portcullis', version, vendor: { name: 'Portcullis' } },
      scanner: { id: 'huaweicloud-hss', name: 'Huawei Cloud HSS', version: 'v5', vendor: { name: 'Huawei Cloud' } },
      messages: messagesOf(evaluation),
    },
    vulnerabilities: vulnerabilitiesOf(evaluation),
  };
  return `${jsonText(document, 2)}\n`;
}

interface Message {
  readonly level: 'info' | 'warn' | 'fatal';
  readonly value: string;
}

function messagesOf(evaluation: Evaluation): readonly Message[] {
  const { verdict, reasons, rules, waivers, notes } = evaluation;
  const isUndetermined = verdict === 'undetermined';
  const head = `${name(clusterOf(evaluation))}: ${verdict}: ${summaryOf(evaluation)}`;
  return [
    { level: isUndetermined ? 'fatal' : verdict === 'fail' ? 'warn' : 'info', value: head },
    ...reasons.map(({ kind, message }) => ({
      level: isUndetermined ? ('fatal' as const) : ('warn' as const),
      value: `${kind}: ${prose(message)}`,
    })),
    ...byUrgency(rules).flatMap(ruleMessages),
    ...waivers.map((waiver) => ({ level: 'info' as const, value: `waiver ${spell(waiverPhrase(waiver), name)}` })),
    ...notes.map(({ message }) => ({ level: 'info' as const, value: prose(message) })),
  ];
}

/** What of a rule is not among the vulnerabilities. */
function ruleMessages(rule: RuleResult): readonly Message[] {
  const level = rule.status === 'fail' ? 'warn' : 'info';
  const id = name(rule.id);
  const carries = rule.on === 'vulnerabilities';
  const messages: Message[] = [];
  if (isBroken(rule)) {
    const listed = carries
      ? `${quantity(listedOf(rule).length)} listed, ${quantity(rule.omitted - (rule.knownFindings ?? []).length)} not`
      : `none listed: they are ${rule.on}`;
    messages.push({ level, value: `rule ${id} (${rule.status}): ${excess(rule)}; ${listed}` });
  }
  if (rule.status === 'undetermined') messages.push({ level: 'warn', value: `rule ${id}: cannot be judged` });
  if (rule.waived > 0) messages.push({ level: 'info', value: `rule ${id}: ${quantity(rule.waived)} waived` });
  return messages;
}

/** Those that a baseline knows too, else they would be taken for fixed. */
function listedOf({ findings, knownFindings = [] }: RuleResult): readonly KeptFinding[] {
  return [...findings, ...knownFindings];
}

/** A vulnerability of a package of an image breaks each rule with a fingerprint of its own; the first stands for all. */
function vulnerabilitiesOf({ rules }: Evaluation) {
  const distinct = new Map<string, { readonly finding: KeptFinding; readonly rules: string[] }>();
  for (const rule of byUrgency(rules)) {
    if (rule.on !== 'vulnerabilities' || !isBroken(rule)) continue;
    for (const finding of listedOf(rule)) {
      const { image, image_version, vulnerability, package: library, package_version } = finding.fields;
      const key = JSON.stringify([image, image_version, vulnerability, library, package_version]);
      const known = distinct.get(key);
      if (known === undefined) distinct.set(key, { finding, rules: [rule.id] });
      else if (!known.rules.includes(rule.id)) known.rules.push(rule.id);
    }
  }
  return [...distinct.values()].map(({ finding, rules: broken }) => vulnerabilityEntry(finding, broken));
}

function vulnerabilityEntry({ fingerprint, fields }: KeptFinding, rules: readonly string[]) {
  const text = (field: string) => String(fields[field] ?? '');
  const id = name(text('vulnerability')) || 'unknown';
  const library = name(text('package'));
  const breaks = `Breaks ${rules.map((rule) => markdownText(rule, 100)).join(', ')}.`;
  const solution = markdownText(text('solution'), 2_000);
  return {
    id: fingerprint,
    name: terminalText(library ? `${id} in ${library}` : id, 255),
    description: [markdownText(text('description'), 2_000), breaks].filter(Boolean).join('\n\n'),
    severity: severities[findingSeverity(text('severity'))],
    ...(solution && { solution }),
    identifiers: [identifierOf(id)],
    location: {
      dependency: { package: { name: library }, version: name(text('package_version')) },
      // HSS does not say.
      operating_system: 'unknown',
      image: [name(text('image')), name(text('image_version'))].filter(Boolean).join(':') || 'unknown',
    },
  };
}

function identifierOf(id: string) {
  if (!/^CVE-\d{4}-\d{4,}$/.test(id)) return { type: 'hss', name: id, value: id };
  return { type: 'cve', name: id, value: id, url: `https://www.cve.org/CVERecord?id=${id}` };
}

const severities = {
  Critical: 'Critical',
  High: 'High',
  Medium: 'Medium',
  Low: 'Low',
  Unknown: 'Unknown',
} as const satisfies Record<FindingSeverity, string>;

const epoch = '1970-01-01T00:00:00';

/** UTC, without a zone. */
function secondOf(ms: number | undefined): string | undefined {
  const iso = isoTime(ms);
  return iso !== null && /^\d{4}-/.test(iso) ? iso.slice(0, 19) : undefined;
}

function name(text: string): string {
  return terminalText(text, 200);
}

/** No message may be empty. */
function prose(text: string): string {
  return terminalText(text, 600) || '?';
}
