import * as z from 'zod/mini';
import type { GateRequest } from '../lib/app/gate.ts';
import { InputError } from '../lib/core/errors.ts';
import { parseImagePattern } from '../lib/core/images.ts';
import { keyTwice } from '../lib/core/key-twice.ts';
import { Duration } from '../lib/core/policy/schema.ts';
import { terminalText } from '../lib/core/render/escape.ts';
import { hint } from '../lib/core/suggest.ts';

const Fields = z.strictObject({
  cluster: z.string().check(z.regex(/\S/), z.maxLength(256)),
  source: z.optional(z.string().check(z.minLength(1), z.maxLength(256))),
  policy: z.optional(z.string().check(z.minLength(1), z.maxLength(64))),
  images: z.optional(
    z.array(z.string().check(z.minLength(1), z.maxLength(1024))).check(z.minLength(1), z.maxLength(100)),
  ),
  max_age: z.optional(Duration),
  strict: z.optional(z.boolean()),
  baseline: z.optional(z.literal('previous')),
  write_baseline: z.optional(z.literal('previous')),
  on_undetermined: z.optional(z.enum(['fail', 'pass'])),
});

const meanings: Readonly<Record<string, string>> = {
  cluster: 'the name or id of a cluster',
  source: 'the name of a source',
  policy: 'the name of a policy of the config',
  images: 'a list of 1 to 100 images such as registry/app:1.2.3 or team/*',
  max_age: 'a duration such as 26h, 7d or 1d12h',
  strict: 'true or false',
  baseline: '"previous"',
  write_baseline: '"previous"',
  on_undetermined: '"fail" or "pass"',
};

/** A call of a function URL, payload format 2.0, as far as it is looked at. */
const UrlEvent = z.object({
  requestContext: z.object({ http: z.object({ method: z.string() }) }),
  rawQueryString: z.optional(z.string()),
  body: z.nullish(z.string()),
  isBase64Encoded: z.optional(z.boolean()),
});
type UrlEvent = z.infer<typeof UrlEvent>;

/**
 * What is asked of the gate: by a function URL with POST (a JSON body) or GET (a query string), or by the event itself
 * of a direct invocation. Nothing in it is passed over: a field that is not understood could be the one that matters.
 * @throws {InputError} everything that is wrong with it
 */
export function parseGateEvent(event: unknown): GateRequest {
  const url = z.safeParse(UrlEvent, event);
  const parsed = z.safeParse(Fields, url.success ? fieldsOf(url.data) : event);
  if (!parsed.success) throw new InputError(parsed.error.issues.map(describe).join('\n'));
  const { cluster, source, policy, images, max_age, strict, baseline, write_baseline, on_undetermined } = parsed.data;
  return {
    cluster,
    source,
    policy,
    images: images?.map(parseImagePattern),
    maxReportAgeMs: max_age,
    strict,
    baseline,
    writePrevious: write_baseline === 'previous' ? true : undefined,
    letUndetermined: on_undetermined === 'pass',
  };
}

function fieldsOf(event: UrlEvent): unknown {
  const { method } = event.requestContext.http;
  const query = event.rawQueryString ?? '';
  if (method === 'GET') {
    if (event.body) throw new InputError('GET takes its fields in the query string, and not in a body');
    return queryFields(new URLSearchParams(query));
  }
  if (method !== 'POST') throw new InputError(`${shown(method)}: only POST and GET are answered`);
  if (query !== '') throw new InputError('POST takes its fields in a JSON body, and not in the query string');
  return parseBody(event);
}

function queryFields(query: URLSearchParams): unknown {
  const fields = new Map<string, unknown>();
  for (const [name, value] of query) {
    if (name === 'image') {
      fields.set('images', [...((fields.get('images') as string[] | undefined) ?? []), value]);
      continue;
    }
    if (name === 'images') throw new InputError('images: in a query string each is a field image of its own');
    if (fields.has(name)) throw new InputError(`${shown(name)}: is there twice`);
    fields.set(name, name === 'strict' && (value === 'true' || value === 'false') ? value === 'true' : value);
  }
  return Object.fromEntries(fields);
}

function parseBody({ body, isBase64Encoded }: UrlEvent): unknown {
  if (!body) throw new InputError('the body is empty: it has to be JSON such as {"cluster":"prod-eu"}');
  let text: string;
  let fields: unknown;
  try {
    const bytes = Buffer.from(body, isBase64Encoded ? 'base64' : 'utf8');
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    fields = JSON.parse(text);
  } catch {
    throw new InputError('the body is not JSON');
  }
  const twice = keyTwice(text);
  if (twice !== undefined) throw new InputError(`${shown(twice)}: is there twice`);
  return fields;
}

function describe(issue: z.core.$ZodIssue): string {
  if (issue.code === 'unrecognized_keys') {
    return issue.keys
      .slice(0, 5)
      .map((key) => `there is no field ${shown(key)}${hint(key, Object.keys(meanings))}`)
      .join('\n');
  }
  const [field] = issue.path;
  const meaning = typeof field === 'string' ? meanings[field] : undefined;
  return meaning === undefined
    ? 'a request has to be an object such as {"cluster":"prod-eu"}'
    : `${String(field)}: has to be ${meaning}`;
}

/** What a caller wrote goes back into the answer. */
function shown(text: string): string {
  return terminalText(text, 60);
}
