import { alertFingerprint } from '../alerts.ts';
import type { Evaluation, KeptFinding, RuleResult } from '../evaluation.ts';
import type { Finding, FindingKind } from '../report.ts';
import { sarifText } from './escape.ts';
import { type Escapes, groupLines, tellFinding, wholeExcess } from './finding-words.ts';
import { type FileOptions, policyLine, policyUri } from './policy-file.ts';
import { type Level, undeterminedRule } from './sarif-rules.ts';
import { waivedBy, waiverGrounds } from './waiver-words.ts';
import { byUrgency, capital, clusterOf, isBroken, plural, spell } from './words.ts';

/** A result, and what it stands for. */
export interface Entry {
  /** Findings that count, and those that are waived. */
  readonly findings: number;
  readonly waived: number;
  /** Without it the rule would have none. */
  readonly isHead: boolean;
  readonly result: Result;
}

type Result = ReturnType<typeof resultOf>;

/** Every result there could be, most urgent first, waived findings last. */
export function resultEntries(
  evaluation: Evaluation,
  levelOf: (rule: RuleResult) => Level,
  options: FileOptions,
): readonly Entry[] {
  const rules = byUrgency(evaluation.rules);
  const context = { evaluation, options };
  return [
    ...undeterminedEntries(context),
    ...rules.filter(isBroken).flatMap((rule) => brokenEntries(rule, levelOf(rule), context)),
    ...rules.flatMap((rule) => waivedEntries(rule, context)),
  ];
}

interface Context {
  readonly evaluation: Evaluation;
  readonly options: FileOptions;
}

function undeterminedEntries(context: Context): readonly Entry[] {
  const { evaluation } = context;
  if (evaluation.verdict !== 'undetermined') return [];
  const reasons = evaluation.reasons.slice(0, 20).map(({ kind, message }) => `${kind}: ${escapes.prose(message)}`);
  const more = evaluation.reasons.length - reasons.length;
  if (more > 0) reasons.push(`and ${plural(more, 'more reason')}`);
  const text = [`${escapes.name(clusterOf(evaluation))} cannot be judged.`, ...reasons].join('\n');
  const fingerprint = ownFingerprint(evaluation, '', {});
  const result = resultOf({ ruleId: undeterminedRule, level: 'error', text, fingerprint, line: 1 }, context);
  return [{ findings: 0, waived: 0, isHead: true, result }];
}

function brokenEntries(rule: RuleResult, level: Level, context: Context): readonly Entry[] {
  const nth = counter();
  const { findings, knownFindings = [] } = rule;
  const omitted = rule.omitted - knownFindings.length;
  const hasMore = omitted > 0 || findings.length === 0;
  // What a baseline knows stays listed, else it would be taken for fixed: at the level that it has where nothing is new.
  const entries = [...findings, ...knownFindings].map((finding, i) => {
    const given = {
      ruleId: rule.id,
      level: i < findings.length ? level : ('note' as const),
      text: sentence(rule.on, finding),
      fingerprint: finding.fingerprint,
      line: rule.line,
    };
    const result = resultOf({ ...given, nth: nth(finding), on: rule.on, fields: finding.fields }, context);
    return { findings: 1, waived: 0, isHead: i === 0 && !hasMore, result };
  });
  if (!hasMore) return entries;
  // So that a rule is never broken without a result, and none of its findings goes without being counted.
  const head = findings.length > 0 ? `${plural(omitted, 'more finding')} than are listed: ` : '';
  const text = [`${head}${capital(wholeExcess(rule))}.`, ...groupLines(rule, 5, escapes)].join('\n');
  const fingerprint = ownFingerprint(context.evaluation, rule.id, {});
  const properties = { findings: omitted };
  const result = resultOf({ ruleId: rule.id, level, text, fingerprint, line: rule.line, properties }, context);
  return [...entries, { findings: omitted, waived: 0, isHead: true, result }];
}

/** At the line of the waiver: tools that close what is suppressed go by rule and line, and must not close all of a rule. */
function waivedEntries(rule: RuleResult, context: Context): readonly Entry[] {
  const nth = counter();
  return rule.waivedFindings.map((finding) => {
    const waiver = context.evaluation.waivers.find(({ id }) => id === finding.waiver);
    const by = spell(waivedBy(finding.waiver, waiver), escapes.name);
    const grounds = waiver && spell(waiverGrounds(waiver), escapes.prose);
    const given = {
      ruleId: rule.id,
      level: 'note' as const,
      text: sentence(rule.on, finding),
      fingerprint: ownFingerprint(context.evaluation, rule.id, { waived: finding.fingerprint }),
      nth: nth(finding),
      line: waiver?.line ?? rule.line,
      on: rule.on,
      fields: finding.fields,
      justification: capital(grounds ? `${by}; ${grounds}` : by),
    };
    return { findings: 0, waived: 1, isHead: false, result: resultOf(given, context) };
  });
}

/** GitHub takes results of one fingerprint for one: the second container of a workload is told apart by a number. */
function counter(): (finding: KeptFinding) => number {
  const seen = new Map<string, number>();
  return ({ fingerprint }) => {
    const nth = (seen.get(fingerprint) ?? 0) + 1;
    seen.set(fingerprint, nth);
    return nth;
  };
}

function sentence(on: FindingKind, { fields }: KeptFinding): string {
  const { line, hint } = tellFinding(on, fields, escapes);
  return `${line}.${hint ? ` ${capital(hint)}` : ''}`;
}

interface Given {
  readonly ruleId: string;
  readonly level: Level;
  readonly text: string;
  readonly fingerprint: string;
  readonly nth?: number;
  readonly line: number;
  readonly on?: FindingKind;
  readonly fields?: Finding;
  readonly justification?: string;
  readonly properties?: Readonly<Record<string, number>>;
}

function resultOf(given: Given, { evaluation, options }: Context) {
  const { ruleId, level, text, fingerprint, nth = 1, line, on, fields, justification, properties } = given;
  return {
    ruleId,
    level,
    message: { text },
    locations: [
      {
        physicalLocation: {
          artifactLocation: policyUri(options),
          region: { startLine: policyLine(options, line, justification !== undefined) },
        },
        logicalLocations: logicalLocations(evaluation, on, fields),
      },
    ],
    partialFingerprints: { 'portcullis/v1': fingerprint, primaryLocationLineHash: `${fingerprint}:${nth}` },
    ...(justification !== undefined && {
      suppressions: [{ kind: 'external' as const, status: 'accepted' as const, justification }],
    }),
    ...(properties && { properties }),
  };
}

/** What a finding is at, inside the cluster. */
const places: Readonly<Record<FindingKind, readonly (readonly [kind: string, ...fields: string[]])[]>> = {
  vulnerabilities: [
    ['image', 'image', 'image_version'],
    ['package', 'package', 'package_version'],
  ],
  baseline_checks: [['check', 'check']],
  baseline_items: [['check', 'check']],
  privileged_containers: [
    ['host', 'host'],
    ['pod', 'pod'],
    ['container', 'container'],
  ],
  ports: [
    ['host', 'host'],
    ['pod', 'pod'],
    ['container', 'container'],
  ],
  packages: [
    ['host', 'host'],
    ['container', 'container'],
    ['package', 'package', 'package_version'],
  ],
  processes: [
    ['host', 'host'],
    ['container', 'container'],
  ],
  cluster: [],
};

function logicalLocations(evaluation: Evaluation, on: FindingKind | undefined, fields: Finding = {}) {
  const cluster = escapes.name(clusterOf(evaluation));
  const inside = (on === undefined ? [] : places[on]).flatMap(([kind, ...names]) => {
    const name = names
      .map((field) => String(fields[field] ?? ''))
      .filter(Boolean)
      .join(':');
    return name === '' ? [] : [{ kind, name: escapes.name(name) }];
  });
  return [
    { name: cluster, fullyQualifiedName: cluster, kind: 'cluster' },
    ...inside.map(({ kind, name }) => ({ name, fullyQualifiedName: `${cluster}/${name}`, kind })),
  ];
}

/** What is no finding has a fingerprint of its own. */
function ownFingerprint({ cluster }: Evaluation, rule: string, what: Readonly<Record<string, string>>): string {
  return alertFingerprint(cluster.id || cluster.name, rule, what);
}

const escapes: Escapes = {
  name: (text) => sarifText(text, 200),
  prose: (text) => sarifText(text, 1_000),
};
