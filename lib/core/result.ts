import * as z from 'zod/mini';
import { type Evaluation, type KeptFinding, ownKinds, type Remedy, type RuleResult } from './evaluation.ts';
import { type FieldType, type Finding, type FindingKind, fields, findingKinds, listNames } from './report.ts';
import { ruleSeverities } from './severity.ts';

const Count = z.int().check(z.minimum(0));
const Time = z.pipe(
  z.iso.datetime(),
  z.transform((text) => Date.parse(text)),
);
const Kind = z.enum(findingKinds as readonly [FindingKind, ...FindingKind[]]);
const List = z.enum(listNames as readonly [(typeof listNames)[number], ...(typeof listNames)[number][]]);
const Values = z.record(z.string(), z.union([z.string(), z.number(), z.null()]));
const FoundEntry = z.catchall(
  z.object({ fingerprint: z.string(), waiver: z.optional(z.string()) }),
  z.union([z.string(), z.number(), z.null()]),
);

const Reason = z.object({
  kind: z.enum([
    'report-missing',
    'report-stale',
    'report-unreadable',
    'report-truncated',
    'count-mismatch',
    'count-missing',
    'cluster-absent',
    'image-absent',
    'source-unreachable',
    'source-throttled',
    'coverage-dropped',
    'rule-unevaluable',
    ...ownKinds,
  ]),
  message: z.string(),
  list: z.optional(List),
  rules: z.optional(z.array(z.string())),
});

const RuleEntry = z.object({
  id: z.string(),
  on: Kind,
  severity: z.enum(ruleSeverities as readonly ['critical', 'high', 'medium', 'low']),
  enforce: z.enum(['block', 'warn', 'observe']),
  status: z.enum(['pass', 'fail', 'warn', 'observed', 'undetermined']),
  count: Count,
  max: Count,
  waived: Count,
  findings: z.array(FoundEntry),
  omitted: z.int(),
  known_findings: z.optional(z.array(FoundEntry)),
  waived_findings: z.optional(z.array(FoundEntry)),
  evidence: z.enum(['listed', 'reported']),
  since: z.optional(z.object({ new: Count, fixed: Count, before: Count })),
  message: z.optional(z.string()),
  line: z.int(),
  per: z.optional(z.array(z.string())),
  groups: z.optional(z.array(z.object({ key: Values, count: Count, waived: Count }))),
  omitted_groups: z.optional(Count),
});

const WaiverEntry = z.object({
  id: z.string(),
  status: z.enum(['used', 'unused', 'expired', 'pending', 'over-broad']),
  count: Count,
  rule: z.string(),
  owner: z.string(),
  reason: z.string(),
  ticket: z.optional(z.string()),
  expires_at: Time,
  expiring: z.boolean(),
  max_findings: z.optional(Count),
  fixable: z.optional(Count),
  line: z.int(),
});

const Step = z.object({
  on: Kind,
  subject: Values,
  advice: z.optional(z.string()),
  clears: Count,
  rules: z.record(z.string(), Count),
});

const ResultFile = z.object({
  version: z.literal(1),
  verdict: z.enum(['pass', 'fail', 'undetermined']),
  cluster: z.object({ id: z.string(), name: z.string(), category: z.string() }),
  report: z.object({
    id: z.string(),
    scanned_at: z.nullable(Time),
    age_seconds: z.nullable(z.number()),
    digest: z.string(),
  }),
  policy: z.object({ name: z.string(), digest: z.string() }),
  images: z.optional(z.array(z.string())),
  baseline: z.optional(
    z.object({ report: z.nullable(z.object({ id: z.string(), scanned_at: Time, digest: z.string() })) }),
  ),
  evaluated_at: Time,
  source: z.optional(z.literal('stored')),
  stored_age_seconds: z.optional(Count),
  let_through: z.optional(z.literal(true)),
  rules: z.array(RuleEntry),
  reasons: z.array(Reason),
  waivers: z.array(WaiverEntry),
  way_to_green: z.optional(
    z.object({ of: Count, steps: z.array(Step), omitted: Count, left: z.optional(z.array(z.string())) }),
  ),
  counts: z.record(z.string(), z.object({ reported: z.nullable(Count), listed: Count })),
  notes: z.array(z.object({ message: z.string(), list: z.optional(List) })),
});

/**
 * What `renderJson` wrote, of an evaluation that was made elsewhere. Unknown keys are passed over: the other side may be
 * newer.
 * @returns undefined for what is no result
 */
export function parseResult(text: string): Evaluation | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  const parsed = z.safeParse(ResultFile, value);
  return parsed.success ? evaluationOf(parsed.data) : undefined;
}

function evaluationOf(result: z.infer<typeof ResultFile>): Evaluation {
  const { report, baseline, waivers, way_to_green: way } = result;
  const reasons = result.reasons.map(defined);
  const [first] = reasons;
  return {
    verdict: result.verdict,
    cluster: result.cluster,
    report: {
      id: report.id,
      scannedAtMs: report.scanned_at ?? undefined,
      ageSeconds: report.age_seconds ?? undefined,
      digest: report.digest,
    },
    policy: result.policy,
    ...(result.images && { images: result.images }),
    ...(baseline && {
      baseline: baseline.report
        ? { reportId: baseline.report.id, scannedAtMs: baseline.report.scanned_at, digest: baseline.report.digest }
        : ('none' as const),
    }),
    evaluatedAtMs: result.evaluated_at,
    ...(result.source && {
      stored: {
        atMs: result.evaluated_at - (result.stored_age_seconds ?? 0) * 1000,
        reason: first ?? { kind: 'source-unreachable', message: '' },
      },
    }),
    ...(result.let_through && { isLetThrough: true }),
    rules: result.rules.map(ruleOf),
    reasons,
    notes: result.notes.map(defined),
    waivers: waivers.map(({ expires_at, expiring, max_findings, ...waiver }) =>
      defined({ ...waiver, expiresAtMs: expires_at, isExpiring: expiring, maxFindings: max_findings }),
    ),
    ...(way && {
      wayToGreen: {
        of: way.of,
        omitted: way.omitted,
        ...(way.left && { left: way.left }),
        steps: way.steps.map((step) => defined({ ...step, subject: plain(step.subject) }) as Remedy),
      },
    }),
    counts: Object.fromEntries(
      listNames.map((list) => {
        const { reported, listed } = result.counts[list] ?? { reported: null, listed: 0 };
        return [list, { reported: reported ?? undefined, listed }];
      }),
    ) as Evaluation['counts'],
  };
}

function ruleOf({
  findings,
  known_findings,
  waived_findings,
  groups,
  omitted_groups,
  ...rule
}: z.infer<typeof RuleEntry>): RuleResult {
  return defined({
    ...rule,
    findings: findings.map((finding) => findingOf(rule.on, finding)),
    knownFindings: known_findings?.map((finding) => findingOf(rule.on, finding)),
    waivedFindings: (waived_findings ?? []).map((finding) => ({
      ...findingOf(rule.on, finding),
      waiver: finding.waiver ?? '',
    })),
    groups: groups?.map((group) => ({ ...group, key: plain(group.key) as Record<string, string | number> })),
    omittedGroups: omitted_groups,
  }) as RuleResult;
}

function findingOf(kind: FindingKind, entry: z.infer<typeof FoundEntry>): KeptFinding {
  const types: Readonly<Record<string, FieldType>> = fields[kind];
  const values = Object.keys(types).flatMap((field) => {
    const value = entry[field as keyof typeof entry] as string | number | null | undefined;
    if (value === null || value === undefined) return [];
    return [[field, types[field] === 'time' ? Date.parse(String(value)) : value] as const];
  });
  return { fingerprint: entry.fingerprint, fields: Object.fromEntries(values) };
}

function plain(values: Readonly<Record<string, string | number | null>>): Finding {
  return Object.fromEntries(Object.entries(values).map(([key, value]) => [key, value ?? undefined]));
}

/** Without the keys that are undefined. */
function defined<T extends object>(value: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(value).filter(([, one]) => one !== undefined)) as never;
}
