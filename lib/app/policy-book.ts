import { formatDuration } from '../core/duration.ts';
import { InputError, UndeterminedError } from '../core/errors.ts';
import type { Policy } from '../core/policy/parse.ts';
import { readPolicy } from '../core/policy/read.ts';
import { parseS3Location, type S3Location } from '../core/s3-location.ts';
import { ObjectError, type Objects } from './objects.ts';
import type { Shared } from './shared.ts';

export interface PolicyBookOptions {
  /** Asked when a policy is to be read. */
  readonly objects: () => Promise<Objects>;
  readonly nowMs: () => number;
  /** A copy younger than this is not asked for again. */
  readonly maxAgeMs: number;
  /** While S3 cannot be asked, a copy answers that was the right one less than this ago. */
  readonly usableForMs: number;
}

export interface HeldPolicy {
  readonly policy: Policy;
  /** That it is an older copy, and why; for people. */
  readonly note?: string;
}

interface Copy {
  readonly text: string;
  readonly policy: Policy;
  readonly etag: string | undefined;
  /** When S3 said last that it is the right one; epoch milliseconds. */
  readonly confirmedMs: number;
}

/** Some thousand waivers. */
const limitBytes = 2 ** 20;
/** How long S3 is not asked again when it could not be, and a copy answers. */
const retryMs = 30_000;

/**
 * Policies in S3, each read once for all who ask, and again when the copy at hand is older than an age.
 *
 * What S3 says of the object counts: a new version that is invalid is no policy, and the one before it is forgotten. Only
 * where S3 says nothing does the last copy answer: that of this process, or the one that any process left in the state.
 */
export class PolicyBook {
  readonly #options: PolicyBookOptions;
  readonly #copies = new Map<string, Copy>();
  readonly #flights = new Map<string, Promise<HeldPolicy>>();
  readonly #failures = new Map<string, { readonly reason: string; readonly atMs: number }>();

  constructor(options: PolicyBookOptions) {
    this.#options = options;
  }

  /** The policies at hand. */
  get policies(): readonly Policy[] {
    return [...this.#copies.values()].map(({ policy }) => policy);
  }

  /**
   * The policy as it is now.
   * @param name `s3://BUCKET/KEY`
   * @throws {InputError} it is invalid, is not there, or must not be read
   * @throws {UndeterminedError} S3 cannot be asked, and there is no copy that is young enough
   */
  current(name: string, shared: Shared): Promise<HeldPolicy> {
    const flight = this.#flights.get(name) ?? this.#current(name, shared).finally(() => this.#flights.delete(name));
    this.#flights.set(name, flight);
    return flight;
  }

  async #current(name: string, shared: Shared): Promise<HeldPolicy> {
    const nowMs = this.#options.nowMs();
    const copy = this.#copies.get(name);
    if (copy !== undefined && nowMs - copy.confirmedMs < this.#options.maxAgeMs) return { policy: copy.policy };
    const failure = this.#failures.get(name);
    if (failure !== undefined && nowMs - failure.atMs < retryMs) return this.#stale(name, failure.reason, shared);
    try {
      const read = await this.#read(name, copy);
      const now = { ...read, confirmedMs: nowMs };
      this.#copies.set(name, now);
      this.#failures.delete(name);
      await shared.leave<Left>(keyOf(name), { value: { text: now.text }, freshMs: 0 });
      return { policy: now.policy };
    } catch (error) {
      if (error instanceof ObjectError && error.problem === 'unreachable') {
        const held = await this.#stale(name, error.reason, shared);
        this.#failures.set(name, { reason: error.reason, atMs: this.#options.nowMs() });
        return held;
      }
      this.#failures.delete(name);
      // Of what the object is now a refusal says nothing.
      const isKnown = error instanceof ObjectError ? error.problem !== 'refused' : error instanceof InputError;
      if (isKnown) await this.#forget(name, shared);
      throw error instanceof ObjectError ? new InputError(`policy ${name}: ${advice(error)}`) : error;
    }
  }

  async #read(name: string, copy: Copy | undefined): Promise<Omit<Copy, 'confirmedMs'>> {
    const objects = await this.#options.objects();
    const found = await objects.read(parseS3Location(name) as S3Location, { etag: copy?.etag, limitBytes });
    if (found === undefined && copy !== undefined) return copy;
    if (found === undefined) throw new ObjectError('unreachable', 'NotModified');
    const text = decode(found.body, name);
    return { text, policy: await readPolicy(text, name, false), etag: found.etag };
  }

  /** By the last copy, as long as it is young enough. */
  async #stale(name: string, reason: string, shared: Shared): Promise<HeldPolicy> {
    const { nowMs, usableForMs } = this.#options;
    const copy = this.#copies.get(name) ?? (await recall(name, shared));
    const ageMs = copy && Math.max(0, nowMs() - copy.confirmedMs);
    if (copy === undefined || ageMs === undefined || ageMs > usableForMs) {
      const old = `its copy is older than ${formatDuration(usableForMs)} (policies.usable_for)`;
      const what = copy === undefined ? 'there is no copy of it' : old;
      throw new UndeterminedError(
        'source-unreachable',
        `policy ${name}: S3 could not be asked (${reason}), and ${what}: nothing is judged without it; try again later, and check the network and AWS_ENDPOINT_URL_S3`,
      );
    }
    this.#copies.set(name, copy);
    return {
      policy: copy.policy,
      note: `policy ${name}: S3 could not be asked (${reason}): this is by the copy of ${formatDuration(ageMs)} ago`,
    };
  }

  async #forget(name: string, shared: Shared): Promise<void> {
    this.#copies.delete(name);
    await shared.leave<Left>(keyOf(name), { value: {}, freshMs: 0 });
  }
}

/** What processes leave for one another. */
interface Left {
  /** Absent: what was last seen of it is no policy. */
  readonly text?: string;
}

function keyOf(name: string): string {
  return `policy/${name}`;
}

async function recall(name: string, shared: Shared): Promise<Copy | undefined> {
  const left = await shared.recall<Left>(keyOf(name));
  const text = left?.value.text;
  if (left === undefined || text === undefined) return undefined;
  try {
    return { text, policy: await readPolicy(text, name, false), etag: undefined, confirmedMs: left.atMs };
  } catch (error) {
    // Another version of this program took it for valid.
    if (error instanceof InputError) return undefined;
    throw error;
  }
}

function decode(body: Uint8Array, name: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(body);
  } catch {
    throw new InputError(`policy ${name}: is not UTF-8`);
  }
}

function advice({ problem, reason }: ObjectError): string {
  if (problem === 'missing') return `there is no such object (${reason}); check the bucket and the key`;
  if (problem === 'oversized') return `is too large for a policy: ${reason}`;
  return `must not be read (${reason}); whoever runs this needs s3:GetObject for it, and kms:Decrypt where a key of your own encrypts it; without s3:ListBucket an object that is not there is refused too`;
}
