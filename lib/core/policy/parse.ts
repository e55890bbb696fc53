import { hash } from 'node:crypto';
import { formatDuration } from '../duration.ts';
import { compileWhere, type Expression, isProblem } from '../expression.ts';
import { type FindingKind, fields } from '../report.ts';
import { hint } from '../suggest.ts';
import { checkSchema, dotted, type Issue, type Path, readYaml, sortIssues, type YamlFile } from '../yaml.ts';
import { PolicyFile, type Rule, type Waiver } from './schema.ts';

export interface PolicyRule extends Omit<Rule, 'where'> {
  readonly where: Expression | undefined;
  /** Where the rule stands in its file, from 1. */
  readonly line: number;
}

export interface PolicyWaiver extends Omit<Waiver, 'where'> {
  readonly where: Expression | undefined;
  /** Where the waiver stands in its file, from 1. */
  readonly line: number;
}

/** A policy that can be evaluated: every key known, every expression type-checked. */
export interface Policy {
  readonly name: string;
  /** `sha256:` and the hex digest of the file's text. */
  readonly digest: string;
  readonly maxReportAgeMs: number;
  readonly reconcile: PolicyFile['reconcile'];
  readonly rules: readonly PolicyRule[];
  readonly waivers: readonly PolicyWaiver[];
}

export type ParsedPolicy =
  | { readonly policy: Policy; readonly issues: [] }
  | { readonly policy?: undefined; readonly issues: readonly Issue[] };

/**
 * Read a policy file. Every issue in it is reported, by line.
 * @param quotes whether messages may quote the file: not where it may be anything but a policy
 */
export function parsePolicy(text: string, file: string, quotes = true): ParsedPolicy {
  const { yaml, issues: syntax } = readYaml(text, file, quotes);
  if (yaml === undefined) return { issues: syntax };
  const { value, issues: schema } = checkSchema(yaml, PolicyFile, quotes);
  if (value === undefined && !quotes) return { issues: sortIssues(schema) };
  // What stands between the parts is checked even where a part is wrong, so that all is told at once.
  const { rules, waivers, issues } = checkParts(yaml);
  const all = sortIssues([...schema, ...issues]);
  if (value === undefined || all.length > 0) return { issues: all };
  const tooLong = sortIssues(value.waivers.flatMap((waiver, i) => checkDuration(yaml, value, waiver, i)));
  if (tooLong.length > 0) return { issues: tooLong };
  return {
    issues: [],
    policy: {
      name: value.name,
      digest: `sha256:${hash('sha256', text, 'hex')}`,
      maxReportAgeMs: value.max_report_age,
      reconcile: value.reconcile,
      rules: value.rules.map((rule, i) => ({ ...rule, where: rules[i], line: yaml.line(['rules', i]) })),
      waivers: value.waivers.map((waiver, i) => ({
        ...waiver,
        where: waivers[i],
        line: yaml.line(['waivers', i]),
      })),
    },
  };
}

type Loose = Readonly<Record<string, unknown>>;

function looseList(data: unknown, key: string): Loose[] {
  const list = (data as Loose | null)?.[key];
  return Array.isArray(list) ? list.map((item) => (typeof item === 'object' && item !== null ? item : {})) : [];
}

function checkParts(yaml: YamlFile) {
  const issues: Issue[] = [];
  const rules = looseList(yaml.data, 'rules');
  const waivers = looseList(yaml.data, 'waivers');
  const kinds = new Map(rules.map((rule) => [rule.id, kindOf(rule.on)]));

  const compile = (kind: FindingKind | undefined, where: unknown, path: Path): Expression | undefined => {
    if (kind === undefined || typeof where !== 'string' || where.trim() === '') return undefined;
    const compiled = compileWhere(kind, where);
    if (!isProblem(compiled)) return compiled;
    issues.push(yaml.issue(path, `${dotted(path)}: ${compiled.message}`, compiled));
    return undefined;
  };
  const unique = (list: Loose[], key: string) => {
    const seen = new Set<unknown>();
    for (const [i, { id }] of list.entries()) {
      if (id !== undefined && seen.has(id))
        issues.push(yaml.issue([key, i, 'id'], `${key}[${i}].id: ${JSON.stringify(id)} is there twice`));
      seen.add(id);
    }
  };
  unique(rules, 'rules');
  unique(waivers, 'waivers');

  const compiledRules = rules.map((rule, i) => {
    const kind = kindOf(rule.on);
    if (kind !== undefined) issues.push(...checkRule(yaml, rule, kind, i));
    return compile(kind, rule.where, ['rules', i, 'where']);
  });
  const compiledWaivers = waivers.map((waiver, i) => {
    if (typeof waiver.rule === 'string' && !kinds.has(waiver.rule)) {
      const known = [...kinds.keys()].filter((id) => typeof id === 'string');
      issues.push(
        yaml.issue(
          ['waivers', i, 'rule'],
          `waivers[${i}].rule: there is no rule ${waiver.rule}${hint(waiver.rule, known)}`,
        ),
      );
    }
    const kind = kinds.get(waiver.rule);
    if (waiver.until_fix_available === true && kind !== undefined && !Object.hasOwn(fields[kind], 'solution')) {
      const message = `waivers[${i}].until_fix_available: ${kind} have no solution that could tell of a fix`;
      issues.push(yaml.issue(['waivers', i, 'until_fix_available'], message, 'key'));
    }
    return compile(kind, waiver.where, ['waivers', i, 'where']);
  });
  return { rules: compiledRules, waivers: compiledWaivers, issues };
}

const dayMs = 86_400_000;

/** A waiver is a loan: from when to when it may last, the policy says by the severity of the rule. */
function checkDuration(yaml: YamlFile, policy: PolicyFile, waiver: Waiver, i: number): Issue[] {
  const severity = policy.rules.find(({ id }) => id === waiver.rule)?.severity ?? 'high';
  const { granted, expires } = waiver;
  if (granted !== undefined && granted >= expires)
    return [yaml.issue(['waivers', i, 'expires'], `waivers[${i}].expires: is not after granted`)];
  const allowedMs = policy.max_waiver_duration?.[severity];
  if (allowedMs === undefined) return [];
  const allowed = `a waiver of a ${severity} rule may last ${formatDuration(allowedMs)}`;
  if (granted === undefined) {
    const message = `waivers[${i}]: granted is missing: ${allowed} from then on (max_waiver_duration)`;
    return [yaml.issue(['waivers', i], message)];
  }
  // A date holds to the end of its day, and is as many days after another date as the calendar says.
  const isDate = String(looseList(yaml.data, 'waivers')[i]?.expires).length === 10;
  const lastsMs = expires - granted - (isDate ? dayMs : 0);
  if (lastsMs <= allowedMs) return [];
  const message = `waivers[${i}].expires: is ${formatDuration(lastsMs)} after granted, and ${allowed} (max_waiver_duration)`;
  return [yaml.issue(['waivers', i, 'expires'], message)];
}

function kindOf(on: unknown): FindingKind | undefined {
  return typeof on === 'string' && Object.hasOwn(fields, on) ? (on as FindingKind) : undefined;
}

function checkRule(yaml: YamlFile, rule: Loose, kind: FindingKind, i: number): Issue[] {
  const issues: Issue[] = [];
  const known = Object.keys(fields[kind]);
  if (rule.min_severity !== undefined && !known.includes('severity')) {
    issues.push(
      yaml.issue(['rules', i, 'min_severity'], `rules[${i}].min_severity: ${kind} have no severity; use where`, 'key'),
    );
  }
  if (kind === 'cluster' && rule.where === undefined) {
    issues.push(yaml.issue(['rules', i], `rules[${i}]: a rule on cluster needs a where, or every report breaks it`));
  }
  if (kind === 'cluster' && rule.per !== undefined) {
    issues.push(
      yaml.issue(
        ['rules', i, 'per'],
        `rules[${i}].per: a report is about one cluster, so there is nothing to group`,
        'key',
      ),
    );
    return issues;
  }
  for (const [j, field] of Array.isArray(rule.per) ? rule.per.entries() : []) {
    if (field === 'command') {
      const advice =
        'command lines are shown masked, so that groups of them cannot be told apart; use hash, user or container';
      issues.push(yaml.issue(['rules', i, 'per', j], `rules[${i}].per: ${advice}`));
      continue;
    }
    if (typeof field !== 'string' || known.includes(field)) continue;
    issues.push(yaml.issue(['rules', i, 'per', j], `rules[${i}].per: unknown field ${field}${hint(field, known)}`));
  }
  return issues;
}
