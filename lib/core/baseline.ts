import * as z from 'zod/mini';
import { definitionOf } from './definition.ts';
import { InputError } from './errors.ts';
import type { Evaluation, RuleResult } from './evaluation.ts';
import { gradedParts } from './identities.ts';
import type { PolicyRule } from './policy/parse.ts';
import { jsonText } from './render/escape.ts';
import { isoTime } from './render/words.ts';

const Digest = z.string().check(z.regex(/^sha256:[0-9a-f]{64}$/));

/** Findings by severity, worst first: Unknown, Critical, High, Medium, Low; then the failed rules that they stand for. */
const Grades = z.array(z.int().check(z.minimum(0))).check(z.length(6));

const BaselineRule = z.strictObject({
  id: z.string(),
  /** Over what makes the rule count: what it is on, where, per what, and how many it allows. */
  definition: z.string(),
  /** Findings that it counts, whether they break it or not. */
  count: z.int().check(z.minimum(0)),
  /** How bad they are. */
  grades: Grades,
  /** Of baseline checks: how many failed rules each has, by its 12 hex digits. Absent in older files: only the sum is known. */
  failed: z.optional(z.record(z.string().check(z.regex(/^[0-9a-f]{12}$/)), z.int().check(z.minimum(0)))),
  /** Of a rule with `per`: those over the threshold, by their values but for versions as JSON; the worst version of each. */
  groups: z.optional(z.record(z.string(), Grades)),
  /**
   * What tells each of them apart, 12 hex digits, and how bad it is, from 0 for Unknown to 4 for Low, ascending; null where
   * there were more than `keptInBaseline`. Without the last digit it may have been as bad as it is now.
   */
  findings: z.nullable(z.array(z.string().check(z.regex(/^[0-9a-f]{12}[0-4]?$/)))),
});

const BaselineFile = z.strictObject({
  version: z.literal(1),
  cluster: z.strictObject({ id: z.string(), name: z.string() }),
  policy: z.strictObject({ name: z.string(), digest: Digest }),
  report: z.strictObject({ id: z.string(), scanned_at: z.iso.datetime(), digest: Digest }),
  /** To which images it was narrowed; empty: to none. */
  images: z.array(z.string()),
  rules: z.array(BaselineRule),
});

/** What was wrong with a cluster at a time, to tell later what is new. Small, sorted, and fit for git. */
export type Baseline = z.infer<typeof BaselineFile>;

/** Findings of a rule that a baseline tells apart. */
export const keptInBaseline = 50_000;

/** @throws {InputError} it is no baseline */
export function parseBaseline(text: string, file: string): Baseline {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new InputError(`baseline ${file}: is not JSON`);
  }
  const parsed = z.safeParse(BaselineFile, value);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const where = issue?.path.join('.') || 'the file';
  throw new InputError(`baseline ${file}: ${where} is not as gate --write-baseline writes it`);
}

/** One finding a line, so that a diff shows what came and went. */
export function renderBaseline(baseline: Baseline): string {
  return `${jsonText(baseline, 2)}\n`;
}

/**
 * Of an evaluation that was made with `track: 'baseline'`.
 * @returns undefined when there is no whole report to make it from
 */
export function baselineOf(
  evaluation: Evaluation,
  rules: readonly PolicyRule[],
  images: readonly string[] = [],
): Baseline | undefined {
  const { cluster, policy, report, reasons } = evaluation;
  const scannedAt = isoTime(report.scannedAtMs);
  if (scannedAt === null || report.digest === '' || reasons.length > 0) return undefined;
  if (evaluation.rules.some(({ breaking }) => breaking === undefined)) return undefined;
  const entries = evaluation.rules.flatMap((result) => {
    const rule = rules.find(({ id }) => id === result.id);
    return rule === undefined ? [] : [ruleEntry(result, rule)];
  });
  return {
    version: 1,
    cluster: { id: cluster.id, name: cluster.name },
    policy,
    report: { id: report.id, scanned_at: scannedAt, digest: report.digest },
    images: [...images].sort(),
    rules: entries.sort((a, b) => (a.id < b.id ? -1 : 1)),
  };
}

function ruleEntry({ id, breaking }: RuleResult, rule: PolicyRule): Baseline['rules'][number] {
  const { count = 0, identities = [], distinct = 0, grades = noGrades, failed, groups } = breaking ?? {};
  return {
    id,
    definition: definitionOf(rule),
    count,
    grades: [...grades],
    ...(failed !== undefined && {
      failed: Object.fromEntries(failed.map(([identity, count]) => [identityHex(identity), count])),
    }),
    ...(groups !== undefined && {
      groups: Object.fromEntries(
        Object.entries(groups)
          .sort(([a], [b]) => (a < b ? -1 : 1))
          .map(([key, of]) => [key, [...of]]),
      ),
    }),
    findings: distinct <= identities.length ? identities.map(hexOf) : null,
  };
}

function hexOf(number: number): string {
  const { identity, rank } = gradedParts(number);
  return `${identityHex(identity)}${rank}`;
}

function identityHex(identity: number): string {
  return identity.toString(16).padStart(12, '0');
}

/** The worst rank of each identity. */
function knownOf(findings: readonly string[]): ReadonlyMap<number, number> {
  const known = new Map<number, number>();
  for (const text of findings) {
    const identity = Number.parseInt(text.slice(0, 12), 16);
    known.set(identity, Math.min(known.get(identity) ?? 4, Number(text.slice(12))));
  }
  return known;
}

/** How many findings there are of each severity, worst first, and how many failed rules they stand for. */
export type GradeCounts = readonly number[];

export const noGrades: GradeCounts = [0, 0, 0, 0, 0, 0];

/** What a rule's findings are compared with. */
export interface KnownFindings {
  readonly count: number;
  readonly grades: GradeCounts;
  /** Failed rules of each baseline check, by `identityNumber`; empty: not known. */
  readonly failed: ReadonlyMap<number, number>;
  readonly groups: Readonly<Record<string, GradeCounts>>;
  /** How bad each was, by `identityNumber`; 0 is the worst. */
  readonly identities: ReadonlyMap<number, number>;
}

/** What a baseline says of the rules of a policy, if it can be compared at all. */
export interface Comparable {
  /** By rule; those that it cannot be compared by are not there. */
  readonly rules: ReadonlyMap<string, KnownFindings>;
  /** Whether findings that are not there any more can be called fixed. */
  readonly tellsFixed: boolean;
  /** What cannot be compared, and so counts in full. */
  readonly notes: readonly string[];
}

/** What is known before the report is read. @param cluster by id, where it is known */
export function comparable(
  baseline: Baseline,
  policy: { readonly name: string; readonly rules: readonly PolicyRule[] },
  images: readonly string[] = [],
): Comparable {
  const none = (why: string): Comparable => ({
    rules: new Map(),
    tellsFixed: false,
    notes: [`the baseline cannot be compared, so all findings count: ${why}`],
  });
  if (baseline.policy.name !== policy.name)
    return none(`it is of policy ${baseline.policy.name}, and this is ${policy.name}`);
  const rules = new Map<string, KnownFindings>();
  const notes: string[] = [];
  for (const rule of policy.rules) {
    const known = baseline.rules.find(({ id }) => id === rule.id);
    const why =
      rule.on === 'cluster'
        ? 'tells findings apart, and this rule is about numbers of the cluster'
        : known === undefined
          ? 'does not have it'
          : known.definition !== definitionOf(rule)
            ? 'has it with another on, where, min_severity, per or max'
            : known.findings === null
              ? `has more than ${keptInBaseline.toLocaleString('en')} findings of it`
              : undefined;
    if (why !== undefined) notes.push(`rule ${rule.id}: all findings count, since the baseline ${why}`);
    else if (known?.findings)
      rules.set(rule.id, {
        count: known.count,
        grades: known.grades,
        failed: new Map(
          Object.entries(known.failed ?? {}).map(([identity, count]) => [Number.parseInt(identity, 16), count]),
        ),
        groups: known.groups ?? {},
        identities: knownOf(known.findings),
      });
  }
  const isSameImages = [...images].sort().join() === baseline.images.join();
  if (!isSameImages) {
    const of = baseline.images.length === 0 ? 'all images' : 'other images';
    notes.push(
      `the baseline is of ${of}: it tells which vulnerabilities are new, not how many there were of these images`,
    );
  }
  return { rules, tellsFixed: isSameImages, notes };
}

/** Why a baseline says nothing about a report, now that it is known whose it is and when it was made. */
export function strangerTo(
  { cluster, report }: Baseline,
  evaluated: { readonly clusterId: string; readonly clusterName: string; readonly scannedAtMs: number | undefined },
): string | undefined {
  if (cluster.id === '' && cluster.name === '') return 'it does not say of which cluster it is';
  const isSame =
    cluster.id !== '' && evaluated.clusterId !== ''
      ? cluster.id === evaluated.clusterId
      : cluster.name === evaluated.clusterName;
  if (!isSame) {
    const { clusterId: id, clusterName: name } = evaluated;
    return `it is of cluster ${called(cluster)}, and this is ${called({ id, name })}`;
  }
  if ((evaluated.scannedAtMs ?? 0) < Date.parse(report.scanned_at))
    return `it is of a newer report, scanned ${report.scanned_at}`;
  return undefined;
}

function called({ id, name }: Baseline['cluster']): string {
  return name === '' || id === '' ? name || id || 'one without a name' : `${name} (${id})`;
}
