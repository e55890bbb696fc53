import { isIP } from 'node:net';
import * as z from 'zod/mini';
import { parseS3Prefix } from '../core/page-place.ts';
import { Duration } from '../core/policy/schema.ts';
import { parseS3Location } from '../core/s3-location.ts';

/**
 * Where a secret is: `env://NAME`, `file:///path` or `aws-sm://name`, the last two with `#key` for a member of a JSON
 * document. Never the secret itself.
 */
export const secretReference =
  /^(env:\/\/[A-Za-z_][A-Za-z0-9_]*|file:\/\/\/[^#\s]+(#[\w-]+)?|aws-sm:\/\/[^#\s]+(#[\w-]+)?)$/;

const SecretReference = z.string().check(
  z.regex(secretReference, {
    error: 'has to be a reference to a secret: env://NAME, file:///path or aws-sm://name; never the secret itself',
  }),
);

const Name = z.string().check(
  z.regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/, {
    error: 'has to be 1 to 64 letters, digits, ".", "_" or "-", starting with a letter or digit',
  }),
);

const Url = z
  .string()
  .check(z.refine((text) => URL.canParse(text) && /^https?:/.test(text), { error: 'has to be an http or https URL' }));

const Globs = z.array(z.string().check(z.minLength(1)));

/** Other than a path, `C:\\policies` included. */
function isUrl(text: string): boolean {
  return /^[a-z][a-z0-9+.-]+:/i.test(text);
}

export const Source = z.strictObject({
  // News about ourselves goes by that name, past all routes.
  name: Name.check(
    z.refine((name) => name !== 'portcullis', {
      error: 'portcullis is taken: it is how news about Portcullis itself is called',
    }),
  ),
  region: z
    .string()
    .check(z.regex(/^[a-z0-9-]{1,64}$/, { error: 'has to be the id of a region, such as ap-southeast-1' })),
  project_id: z.optional(z.string().check(z.regex(/^[A-Za-z0-9_-]{1,256}$/, { error: 'has to be a project id' }))),
  enterprise_project_id: z._default(z.string().check(z.minLength(1), z.maxLength(256)), 'all_granted_eps'),
  credentials: SecretReference,
  endpoint: z.optional(Url),
  iam_endpoint: z.optional(Url),
  clusters: z.optional(z.strictObject({ include: z.optional(Globs), exclude: z.optional(Globs) })),
  expect: z._default(z.array(z.string()), []),
  policy: z.string().check(
    z.minLength(1, { error: 'has to be the path of a policy file, or s3://BUCKET/KEY.yaml' }),
    z.refine((text) => !isUrl(text) || /\.ya?ml$/.test(parseS3Location(text)?.key ?? ''), {
      error:
        'has to be the path of a policy file, or s3://BUCKET/KEY.yaml with a key of letters, digits and !_.*\'()/=@+- in which no part is empty, "." or ".."',
    }),
  ),
});
export type Source = z.infer<typeof Source>;

/** Of a receiver: a range of addresses, an address, or the exact name of a host. */
const Allowed = z.string().check(
  z.refine((text) => isRange(text) || isHost(text), {
    error:
      'has to be a range of addresses such as 10.0.0.0/8, an address, or the exact name of a host without scheme, port and "*"',
  }),
);

function isRange(text: string): boolean {
  const [, address = '', bits] = /^([^/%]*)(?:\/(\d{1,3}))?$/.exec(text) ?? [];
  const version = isIP(address);
  return version !== 0 && Number(bits ?? 0) <= (version === 4 ? 32 : 128);
}

/** As URLs have it: they take `10.0.0` for an address. */
function isHost(text: string): boolean {
  return /^[a-z0-9._-]+$/i.test(text) && URL.parse(`https://${text}`)?.hostname === text.toLowerCase();
}

export const Receiver = z.strictObject({
  name: Name,
  slack: z.optional(z.strictObject({ webhook: SecretReference })),
  webhook: z.optional(
    z.strictObject({
      url: z.union([Url, SecretReference], { error: 'has to be an https URL, or a reference to a secret that is one' }),
      signing_secret: z.optional(SecretReference),
      format: z._default(z.enum(['portcullis', 'cloudevents', 'alertmanager']), 'portcullis'),
    }),
  ),
  /** It may be at a private address, and there in plain http. */
  insecure: z._default(z.boolean(), false),
  /** Private addresses that it may be at all the same. */
  allow: z._default(z.array(Allowed), []),
  /** How it hears of what stands already at the first look. */
  announce: z._default(z.enum(['summary', 'all', 'baseline']), 'summary'),
});
export type Receiver = z.infer<typeof Receiver>;

export const Route = z.strictObject({
  when: z.optional(z.string().check(z.minLength(1))),
  /** Look at the routes after it too. */
  continue: z._default(z.boolean(), false),
  receivers: z.array(z.string()).check(z.minLength(1, { error: 'has to name a receiver' })),
});

export const Limits = z.strictObject({
  report_mib: z.optional(z.int().check(z.minimum(1))),
  row_mib: z.optional(z.int().check(z.minimum(1), z.maximum(1024))),
  depth: z.optional(z.int().check(z.minimum(4), z.maximum(512))),
  /** Calls of HSS in a minute, for each API; of one user and one source address it takes 5. */
  calls_per_minute: z.optional(z.int().check(z.minimum(1), z.maximum(100_000))),
  /** Who shares that: the sources with one access key, or all, being behind one address. */
  calls_shared_by: z.optional(z.enum(['key', 'address'])),
});

const Share = z.pipe(
  z.string().check(z.regex(/^([1-9]\d?|100)%$/, { error: 'has to be a percentage such as 50%' })),
  z.transform((text) => Number.parseInt(text, 10) / 100),
);

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;

/** How alerts are followed and told. Times are milliseconds once read. */
export const Alerts = z.strictObject({
  /** An alert that fires again within this time after it was over is the same matter. */
  reopen_within: z._default(Duration, 7 * dayMs),
  /** A report whose hosts, pods or containers fell by more than this ends no alert. */
  max_coverage_drop: z._default(Share, 0.5),
  /** After so many such reports in a row the smaller cluster is taken for what it is. */
  coverage_settles_after: z._default(z.int().check(z.minimum(1)), 3),
  /** How long until a firing alert is told again; doubled with each time, up to 8 times. */
  remind_after: z._default(
    z.strictObject({
      critical: z._default(Duration, dayMs),
      high: z._default(Duration, 3 * dayMs),
      medium: z._default(Duration, 7 * dayMs),
      low: z._default(Duration, 30 * dayMs),
    }),
    { critical: dayMs, high: 3 * dayMs, medium: 7 * dayMs, low: 30 * dayMs },
  ),
  /** How long a message that a receiver does not take is tried again with every run. */
  owed_for: z._default(Duration, 3 * dayMs),
  /** After so many runs a receiver that takes nothing is announced through the others. */
  failing_after_runs: z._default(z.int().check(z.minimum(1)), 3),
});
export type Alerts = z.infer<typeof Alerts>;

const noAlerts = Alerts.parse({});

/** What is called after each run that went well, so that somebody notices when there is none. */
export const Heartbeat = z.strictObject({
  url: z.union([Url, SecretReference], { error: 'has to be an https URL, or a reference to a secret that is one' }),
  insecure: z._default(z.boolean(), false),
  allow: z._default(z.array(Allowed), []),
});
export type Heartbeat = z.infer<typeof Heartbeat>;

/** Policies in S3. Times are milliseconds once read. */
export const Policies = z.strictObject({
  /** How old a copy may be until S3 is asked whether there is another one. */
  max_age: z._default(Duration, 5 * 60_000),
  /** How old it may be where S3 cannot be asked; copies are not kept for longer than 7 days. */
  usable_for: z._default(Duration, dayMs),
});
export type Policies = z.infer<typeof Policies>;

const noPolicies = Policies.parse({});

/** Where the pages of results go. */
export const Pages = z.strictObject({
  to: z.string().check(
    z.minLength(1, { error: 'has to be a folder, or s3://BUCKET/PREFIX' }),
    z.refine((text) => !isUrl(text) || parseS3Prefix(text) !== undefined, {
      error:
        'has to be a folder, or s3://BUCKET/PREFIX with a prefix of letters, digits and !_.*\'()/=@+- in which no part is empty, "." or ".."',
    }),
  ),
  /** What the links of people begin with. */
  link: z.optional(
    z.string().check(
      z.refine((text) => isPlainUrl(text), {
        error: 'has to be an https URL of letters, digits and -._~/:% without a query, 500 characters at most',
      }),
    ),
  ),
});

/** It goes into messages, where nothing of it may be markup. */
function isPlainUrl(text: string): boolean {
  return URL.canParse(text) && /^https:\/\/[\w.~/:%-]{1,492}$/.test(text);
}

/** `portcullis.yaml` as written. */
export const ConfigFile = z.strictObject({
  version: z.literal(1),
  sources: z.array(Source).check(z.minLength(1, { error: 'needs a source' })),
  receivers: z._default(z.array(Receiver), []),
  routes: z._default(z.array(Route), []),
  limits: z.optional(Limits),
  alerts: z._default(Alerts, noAlerts),
  heartbeat: z.optional(Heartbeat),
  policies: z._default(Policies, noPolicies),
  pages: z.optional(Pages),
  state: z._default(
    z.string().check(
      z.regex(/^(memory:|sqlite:.+|dynamodb:[A-Za-z0-9_.-]{3,255})$/, {
        error: 'has to be sqlite:PATH, dynamodb:TABLE or memory:',
      }),
    ),
    'sqlite:.portcullis/state.db',
  ),
  /** How long a fetched secret is used before it is fetched again. */
  secrets_max_age: z._default(Duration, 15 * 60_000),
});
export type ConfigFile = z.infer<typeof ConfigFile>;
