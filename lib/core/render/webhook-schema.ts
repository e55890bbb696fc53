import * as z from 'zod/mini';
import { ownKinds } from '../evaluation.ts';
import { type FindingKind, findingKinds, type ListName, listNames } from '../report.ts';
import { ruleSeverities } from '../severity.ts';

/**
 * The documents that a webhook receives: version 1. Keys may be added within a version, and none changes its meaning.
 *
 * Only the types are used at run time. Tests check documents by it, and `docs/schemas/notice.schema.json` is what
 * `noticeJsonSchema` makes of it.
 */

function is(description: string) {
  return z.meta({ description });
}

const Count = z.int().check(z.minimum(0));
const Time = z.nullable(z.iso.datetime().check(is('ISO 8601, UTC')));
const Value = z.union([z.string(), z.number(), z.null()]);
const Values = z.record(z.string(), Value);
const Severity = z.enum(ruleSeverities as readonly ['critical', 'high', 'medium', 'low']);
const Kind = z
  .enum(findingKinds as readonly [FindingKind, ...FindingKind[]])
  .check(is('what the rule looks at: it gives the fields of findings and groups'));
const List = z.enum(listNames as readonly [ListName, ...ListName[]]);
const Fingerprint = z.string().check(is('identity, the same in every document'));

const Reason = z
  .strictObject({
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
      ...ownKinds,
      'rule-unevaluable',
    ]),
    message: z.string(),
    list: z.optional(List),
    rules: z.optional(z.array(z.string()).check(is('those it concerns; absent: all'))),
  })
  .check(z.meta({ id: 'reason', description: 'why a cluster cannot be judged' }));

const Finding = z
  .catchall(z.object({ fingerprint: Fingerprint }), Value)
  .check(z.meta({ id: 'finding', description: 'the fields of its kind; null where the report says nothing' }));

const head = {
  version: z.literal(1),
  id: z
    .string()
    .check(z.regex(/^[A-Za-z0-9_-]{1,64}$/), is('the same on every attempt to deliver it: take each id once')),
  at: Time,
  source: z.string().check(is('name of the source in the config')),
};

export const AlertEntry = z
  .strictObject({
    fingerprint: Fingerprint,
    kind: z
      .enum(['violation', 'undetermined', ...ownKinds])
      .check(is('undetermined: the cluster cannot be judged. The others are about Portcullis itself. Reasons say why')),
    cause: z
      .enum([
        'new',
        'standing',
        'worse',
        'reopened',
        'waiver-expired',
        'resolved',
        'waived',
        'policy-changed',
        'regrouped',
        'reminder',
        'better',
      ])
      .check(is('why it is told')),
    state: z.enum(['firing', 'over']).check(is('over: resolved, waived or not asked for any more, as cause says')),
    rule: z.nullable(z.string()),
    on: Kind,
    severity: Severity,
    group: Values.check(is('of a rule with `per`: field to value')),
    message: z.optional(z.string().check(is("the policy author's sentence for the rule"))),
    count: Count.check(is('findings now; of an alert that is over, before')),
    max: Count,
    waived: Count,
    before: z.nullable(Count).check(is('findings when it was told last')),
    risen: z
      .optional(z.strictObject({ from: z.string(), to: z.string() }))
      .check(is('a finding is of a higher severity than was told')),
    expired_waivers: z.optional(
      z
        .array(z.string())
        .check(is('of cause waiver-expired, or worse: ids of the waivers, those that expired last first')),
    ),
    expired_waivers_omitted: z.optional(Count.check(is('waivers that expired beyond those'))),
    was_silenced: z.optional(z.literal(true)).check(is('of cause reminder: a silence muted it until now')),
    since: Time.check(is('when it began to fire')),
    over_at: Time,
    held: z.nullable(z.string()).check(is('why the newest report does not tell whether it still stands')),
    findings: z
      .array(
        z.catchall(
          z.object({
            fingerprint: Fingerprint,
            origin: z
              .nullable(z.enum(['new-image', 'disclosed']))
              .check(
                is(
                  'of a vulnerability: came with an image version new to the report, or was newly disclosed in one that was not',
                ),
              ),
          }),
          Value,
        ),
      )
      .check(is('those that are news, worst first')),
    omitted: Count.check(is('findings that are news beyond those')),
    gone_findings: z.array(Finding),
    gone_omitted: Count.check(is('findings that went beyond those')),
    reasons: z.array(Reason),
    reasons_omitted: Count,
  })
  .check(z.meta({ id: 'alert', description: 'what became of one alert since the receiver last heard of it' }));
export type AlertEntry = z.infer<typeof AlertEntry>;

const cluster = {
  cluster: z.strictObject({ id: z.string(), name: z.string() }),
  policy: z.string(),
  report: z.strictObject({ id: z.string(), scanned_at: Time }),
  page: z.optional(z.string()).check(is('the URL of the whole result as a page')),
  counts: z
    .strictObject({ critical: Count, high: Count, medium: Count, low: Count })
    .check(is('all alerts that are told, by severity')),
  standing: Count.check(
    is('other alerts that stand: as they were told, or told by their number only (announce: baseline)'),
  ),
  alerts: z.array(AlertEntry).check(is('most urgent first')),
  left_out: z
    .strictObject({ alerts: Count, findings: Count })
    .check(is('alerts that had no room, and the sum of their counts of findings')),
};

const ClusterEntry = z.strictObject(cluster).check(z.meta({ id: 'cluster' }));
export type ClusterEntry = z.infer<typeof ClusterEntry>;

export const AlertsDocument = z
  .strictObject({
    ...head,
    type: z.literal('portcullis.alerts'),
    first_look: z
      .optional(z.literal(true))
      .check(
        is('the first look at the cluster, or the memory of earlier runs was lost: all that fires is told as new'),
      ),
    ...cluster,
  })
  .check(is('what changed in one cluster'));
export type AlertsDocument = z.infer<typeof AlertsDocument>;

export const DigestDocument = z
  .strictObject({
    ...head,
    type: z.literal('portcullis.digest'),
    why: z
      .enum(['first', 'reminder'])
      .check(is('first: the first look at these clusters, or the memory of earlier runs was lost')),
    clusters: z.array(ClusterEntry).check(is('worst first')),
    left_out: z
      .strictObject({ clusters: Count, alerts: Count, findings: Count })
      .check(is('clusters that had no room, their alerts and findings')),
  })
  .check(is('what stands in several clusters'));
export type DigestDocument = z.infer<typeof DigestDocument>;

export const WebhookDocument = z.discriminatedUnion('type', [AlertsDocument, DigestDocument]);
export type WebhookDocument = z.infer<typeof WebhookDocument>;

/** For receivers. It lets keys pass that it does not know: a later version of the same number may have some. */
export function noticeJsonSchema(): unknown {
  const schema = z.toJSONSchema(WebhookDocument, {
    override({ jsonSchema }) {
      if (jsonSchema.additionalProperties === false) delete jsonSchema.additionalProperties;
      if (jsonSchema.maximum === Number.MAX_SAFE_INTEGER) delete jsonSchema.maximum;
      if (jsonSchema.minimum === Number.MIN_SAFE_INTEGER) delete jsonSchema.minimum;
      if (jsonSchema.format === 'date-time') delete jsonSchema.pattern;
    },
  });
  return { $schema: schema.$schema, title: 'A document that Portcullis posts', ...schema };
}
