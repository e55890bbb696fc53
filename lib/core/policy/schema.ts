import * as z from 'zod/mini';
import { parseDuration } from '../duration.ts';
import { type FindingKind, findingKinds } from '../report.ts';
import { ruleSeverities } from '../severity.ts';

/** A duration such as `26h`, `7d` or `1d12h`, as milliseconds. */
export const Duration = z.pipe(
  z
    .string({ error: 'has to be a duration such as 26h, 7d or 1d12h' })
    .check(
      z.refine((text) => parseDuration(text) !== undefined, { error: 'has to be a duration such as 26h, 7d or 1d12h' }),
    ),
  z.transform((text) => parseDuration(text) as number),
);

const Id = z.string().check(
  z.regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/, {
    error: 'has to be 1 to 64 letters, digits, ".", "_" or "-", starting with a letter or digit',
  }),
);

const Text = z
  .string()
  .check(
    z.trim(),
    z.minLength(1, { error: 'must not be empty' }),
    z.maxLength(10_000, { error: 'is longer than 10,000 characters' }),
  );

const Count = z.int({ error: 'has to be a whole number' }).check(z.minimum(0, { error: 'must not be below 0' }));

export const Rule = z.strictObject({
  id: Id,
  on: z.enum(findingKinds as readonly [FindingKind, ...FindingKind[]]),
  min_severity: z.optional(z.enum(['Critical', 'High', 'Medium', 'Low'])),
  where: z.optional(Text),
  max: Count,
  per: z.optional(
    z
      .array(z.string())
      .check(
        z.minLength(1, { error: 'must name a field' }),
        z.maxLength(4, { error: 'must not name more than 4 fields' }),
      ),
  ),
  severity: z._default(z.enum(ruleSeverities as readonly ['critical', 'high', 'medium', 'low']), 'high'),
  enforce: z._default(z.enum(['block', 'warn', 'observe']), 'block'),
  message: z.optional(Text),
});
export type Rule = z.infer<typeof Rule>;

/** The end of the day for a date, the moment itself for a date and time; milliseconds, UTC. */
function expiryMs(text: string): number {
  return /T/.test(text) ? Date.parse(text) : Date.parse(`${text}T00:00:00Z`) + 86_400_000;
}

const Day = z.string({ error: 'has to be a date such as 2027-01-31' }).check(
  z.refine(
    (text) => {
      if (!/^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d)?(Z|[+-]\d\d:\d\d))?$/.test(text)) return false;
      // 2027-02-30 would be read as a day in March.
      const day = new Date(`${text.slice(0, 10)}T00:00:00Z`);
      return !Number.isNaN(expiryMs(text)) && day.toISOString().slice(0, 10) === text.slice(0, 10);
    },
    { error: 'has to be a date such as 2027-01-31, or a date and time such as 2027-01-31T18:00:00Z' },
  ),
);

export const Waiver = z.strictObject({
  id: Id,
  rule: z.string(),
  where: z.optional(Text),
  reason: Text,
  owner: Text,
  ticket: z.optional(Text),
  /** From when on it waives, the begin of the day for a date; milliseconds, UTC. */
  granted: z.optional(
    z.pipe(
      Day,
      z.transform((text) => Date.parse(text.length === 10 ? `${text}T00:00:00Z` : text)),
    ),
  ),
  /** When it stops waiving; milliseconds, UTC. */
  expires: z.pipe(Day, z.transform(expiryMs)),
  /** It covers no finding for which the report names a fix. */
  until_fix_available: z.optional(z.boolean()),
  /** Covering more than so many findings it waives none. */
  max_findings: z.optional(Count.check(z.minimum(1, { error: 'must not be below 1' }))),
});
export type Waiver = z.infer<typeof Waiver>;

/** A policy file as written, its durations and dates as milliseconds. */
export const PolicyFile = z.strictObject({
  version: z.literal(1),
  name: Id,
  max_report_age: z._default(Duration, 26 * 3_600_000),
  reconcile: z._default(z.enum(['strict', 'empty', 'off']), 'strict'),
  /** How long a waiver may last, from `granted` on, by the severity of its rule; milliseconds. */
  max_waiver_duration: z.optional(
    z.strictObject({
      critical: z.optional(Duration),
      high: z.optional(Duration),
      medium: z.optional(Duration),
      low: z.optional(Duration),
    }),
  ),
  rules: z.array(Rule).check(z.minLength(1, { error: 'a policy needs a rule' })),
  waivers: z._default(z.array(Waiver), []),
});
export type PolicyFile = z.infer<typeof PolicyFile>;
