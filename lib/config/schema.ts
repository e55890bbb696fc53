import * as z from 'zod/mini';
import { Duration } from '../core/policy/schema.ts';

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

export const Source = z.strictObject({
  name: Name,
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
  policy: z.string().check(z.minLength(1, { error: 'has to be the path of a policy file' })),
});
export type Source = z.infer<typeof Source>;

export const Receiver = z.strictObject({
  name: Name,
  slack: z.optional(z.strictObject({ webhook: SecretReference })),
  webhook: z.optional(
    z.strictObject({
      url: z.union([Url, SecretReference], { error: 'has to be an https URL, or a reference to a secret that is one' }),
      signing_secret: z.optional(SecretReference),
      format: z._default(z.enum(['portcullis']), 'portcullis'),
    }),
  ),
  insecure: z._default(z.boolean(), false),
});
export type Receiver = z.infer<typeof Receiver>;

export const Route = z.strictObject({
  when: z.optional(z.string().check(z.minLength(1))),
  receivers: z.array(z.string()).check(z.minLength(1, { error: 'has to name a receiver' })),
});

export const Limits = z.strictObject({
  report_mib: z.optional(z.int().check(z.minimum(1))),
  row_mib: z.optional(z.int().check(z.minimum(1), z.maximum(1024))),
  depth: z.optional(z.int().check(z.minimum(4), z.maximum(512))),
});

/** `portcullis.yaml` as written. */
export const ConfigFile = z.strictObject({
  version: z.literal(1),
  sources: z.array(Source).check(z.minLength(1, { error: 'needs a source' })),
  receivers: z._default(z.array(Receiver), []),
  routes: z._default(z.array(Route), []),
  limits: z.optional(Limits),
  /** How long a fetched secret is used before it is fetched again. */
  secrets_max_age: z._default(Duration, 15 * 60_000),
});
export type ConfigFile = z.infer<typeof ConfigFile>;
