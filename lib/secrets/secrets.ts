import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { InputError, UndeterminedError } from '../core/errors.ts';
import { type Credentials, Secret } from '../core/secret.ts';

/** Fetch a secret's text. @throws {InputError} there is none @throws {UndeterminedError} it cannot be asked for */
export type FetchAwsSecret = (name: string) => Promise<string>;

export interface SecretsOptions {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly fetchAwsSecret: FetchAwsSecret;
  readonly nowMs: () => number;
  /** How long a fetched value is used before it is fetched again. */
  readonly maxAgeMs: number;
  /** Told of a secret that cannot be fetched just now, and of which the last value is used. */
  readonly onStale?: (reference: string, ageMs: number, why: string) => void;
}

/** How soon a value that could not be fetched is asked for again; a store that does not answer is not asked for every message. */
const retryAfterMs = 60_000;

/** Give a secret; with `refresh`, fetch it anew, since the other side refused the one at hand. */
export type Give<T> = (refresh: boolean) => Promise<T>;

interface Known {
  readonly value: Promise<string>;
  readonly atMs: number;
  /** When it was asked for in vain. */
  readonly askedMs?: number;
}

/** Resolves references to secrets: `env://`, `file://`, `aws-sm://`. */
export class Secrets {
  readonly #options: SecretsOptions;
  readonly #cache = new Map<string, Known>();

  constructor(options: SecretsOptions) {
    this.#options = options;
  }

  /** A single value. @throws {InputError} when it is missing or empty */
  secret(reference: string): Give<Secret> {
    return async (refresh) => new Secret(member(await this.#fetch(reference, refresh), reference));
  }

  /**
   * A pair of keys: a JSON document `{"ak","sk","security_token"?}`, or for `env://PREFIX` the variables `PREFIX_AK`,
   * `PREFIX_SK` and `PREFIX_SECURITY_TOKEN`.
   * @throws {InputError} when a part is missing
   */
  credentials(reference: string): Give<Credentials> {
    return async (refresh) => {
      const { scheme, name, member: key } = split(reference);
      if (scheme === 'env') return this.#envCredentials(name, reference);
      const value = parseObject(await this.#fetch(reference, refresh), reference);
      if (key === undefined) return credentialsOf(value, reference);
      const of = Object.hasOwn(value, key) ? value[key] : undefined;
      // A secret in a secret: as it is, or as a text of its own.
      const inner = typeof of === 'string' ? parseObject(of, reference) : of;
      if (typeof inner !== 'object' || inner === null) throw new InputError(`${reference}: has no member ${key}`);
      return credentialsOf(inner as Record<string, unknown>, reference);
    };
  }

  #envCredentials(prefix: string, reference: string): Credentials {
    const { env } = this.#options;
    const names = { ak: `${prefix}_AK`, sk: `${prefix}_SK`, security_token: `${prefix}_SECURITY_TOKEN` };
    const missing = [names.ak, names.sk].filter((name) => !env[name]);
    if (missing.length > 0) throw new InputError(`${reference}: ${missing.join(' and ')} not set in the environment`);
    return credentialsOf(
      { ak: env[names.ak], sk: env[names.sk], security_token: env[names.security_token] || undefined },
      reference,
    );
  }

  #isFresh({ atMs, askedMs = Number.NEGATIVE_INFINITY }: Known): boolean {
    const { nowMs, maxAgeMs } = this.#options;
    return nowMs() - atMs < maxAgeMs || nowMs() - askedMs < Math.min(retryAfterMs, maxAgeMs);
  }

  async #fetch(reference: string, refresh: boolean): Promise<string> {
    const { scheme, name } = split(reference);
    if (scheme === 'env') {
      const value = this.#options.env[name];
      if (!value) throw new InputError(`${reference}: ${name} is not set in the environment`);
      return value;
    }
    const key = `${scheme}://${name}`;
    const known = this.#cache.get(key);
    if (known !== undefined && !refresh && this.#isFresh(known)) return known.value;
    const fetched = scheme === 'file' ? readSecretFile(name, reference) : this.#options.fetchAwsSecret(name);
    const { nowMs, onStale } = this.#options;
    // The last value is as good as before where nobody says anything else.
    const value = fetched.catch((error: unknown) => {
      if (!(error instanceof UndeterminedError) || known === undefined || refresh) throw error;
      onStale?.(key, nowMs() - known.atMs, error.message);
      this.#cache.set(key, { ...known, askedMs: nowMs() });
      return known.value;
    });
    this.#cache.set(key, { value, atMs: nowMs() });
    // A failure is not remembered.
    value.catch(() => {
      if (known === undefined) this.#cache.delete(key);
      else this.#cache.set(key, known);
    });
    return value;
  }
}

function split(reference: string): { scheme: string; name: string; member: string | undefined } {
  const [, scheme = '', rest = ''] = /^([a-z-]+):\/\/(.+)$/.exec(reference) ?? [];
  const [name = '', memberName] = rest.split('#');
  return { scheme, name, member: memberName };
}

async function readSecretFile(path: string, reference: string): Promise<string> {
  try {
    return (await readFile(fileURLToPath(`file://${path}`), 'utf8')).trim();
  } catch (error) {
    throw new InputError(`${reference}: cannot be read (${(error as NodeJS.ErrnoException).code ?? 'error'})`);
  }
}

function member(text: string, reference: string): string {
  const name = split(reference).member;
  const value = name === undefined ? text : parseObject(text, reference)[name];
  if (typeof value === 'string' && value !== '') return value;
  throw new InputError(name === undefined ? `${reference}: is empty` : `${reference}: has no text member ${name}`);
}

/** What a parser says of invalid JSON quotes it; it must not be passed on. */
function parseObject(text: string, reference: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null) return value as Record<string, unknown>;
  } catch {}
  throw new InputError(`${reference}: is not a JSON object`);
}

function credentialsOf(value: Readonly<Record<string, unknown>>, reference: string): Credentials {
  const { ak, sk, security_token } = value;
  if (typeof ak !== 'string' || ak === '' || typeof sk !== 'string' || sk === '') {
    throw new InputError(`${reference}: needs the members "ak" and "sk"`);
  }
  return {
    ak,
    sk: new Secret(sk),
    ...(typeof security_token === 'string' && security_token !== '' && { securityToken: new Secret(security_token) }),
  };
}
