import { InputError } from './errors.ts';
import { matchesGlob } from './glob.ts';
import type { Finding } from './report.ts';

/**
 * An image as Docker's reference grammar has it: `registry.example.com:5000/team/app:1.2.3@sha256:...`.
 * @see https://github.com/distribution/reference
 */
export interface ImageReference {
  /** In full: `app` is `docker.io/library/app`. */
  readonly name: string;
  readonly tag: string | undefined;
  /** `sha256:` and hex digits. */
  readonly digest: string | undefined;
}

const component = '[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*';
const label = '(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])';
const host = `(?:${label}(?:\\.${label})*|\\[[a-fA-F0-9:]+\\])(?::[0-9]+)?`;
const path = `${component}(?:/${component})*`;
const name = `(?:${host}/)?${path}`;
const tag = '[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}';
const algorithm = '[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*';
const digest = `${algorithm}:[0-9a-fA-F]{32,}`;
const reference = new RegExp(`^(${name})(?::(${tag}))?(?:@(${digest}))?$`);

/** @returns undefined for what is no reference */
export function parseImage(text: string): ImageReference | undefined {
  const [, found, foundTag, foundDigest] = reference.exec(text) ?? [];
  if (found === undefined || found.length > 255) return undefined;
  return { name: fullName(found), tag: foundTag, digest: foundDigest?.toLowerCase() };
}

/** What stands before the first slash is a host only if it looks like one; what has none is Docker Hub's. */
function fullName(text: string): string {
  const slash = text.indexOf('/');
  const first = slash < 0 ? '' : text.slice(0, slash);
  const isHost = /[.:]/.test(first) || first === 'localhost' || first !== first.toLowerCase();
  if (!isHost) return `docker.io/${slash < 0 ? 'library/' : ''}${text}`;
  if (first !== 'docker.io' && first !== 'index.docker.io') return text;
  const rest = text.slice(slash + 1);
  return `docker.io/${rest.includes('/') ? '' : 'library/'}${rest}`;
}

/** Which of the images of a report are meant. */
export interface ImagePattern {
  /** As it was asked for. */
  readonly text: string;
  /** @returns undefined: the name is meant, and the version that decides is not known */
  matches(image: string, version: string | undefined): boolean | undefined;
  /** What could not be taken into account. */
  readonly note?: string;
}

/**
 * An image that is asked for: a reference, or a pattern in whose name and tag `*` stands for any characters. Without a tag
 * all versions are meant. A report knows no digests: one beside a tag is not looked at, one alone has to be the version.
 * @throws {InputError}
 */
export function parseImagePattern(text: string): ImagePattern {
  if (text.includes('*')) return globPattern(text);
  const parsed = parseImage(text);
  if (parsed === undefined) {
    throw new InputError(
      `image ${JSON.stringify(text.slice(0, 200))}: is no image reference such as registry.example.com:5000/team/app:1.2.3`,
    );
  }
  const { tag: wanted, digest: exact } = parsed;
  const matches = (image: string, version: string | undefined) => {
    if ((parseImage(image)?.name ?? image) !== parsed.name) return false;
    if (wanted === undefined && exact === undefined) return true;
    if (version === undefined) return undefined;
    if (wanted !== undefined) return version === wanted;
    return exact === undefined || version.toLowerCase() === exact || `sha256:${version.toLowerCase()}` === exact;
  };
  const note =
    wanted !== undefined && exact !== undefined
      ? `image ${text}: reports name no digests, so it was looked for by its tag alone`
      : undefined;
  return { text, matches, ...(note !== undefined && { note }) };
}

function globPattern(text: string): ImagePattern {
  if (/[\s@?]/.test(text) || text.length > 400) {
    throw new InputError(
      `image ${JSON.stringify(text.slice(0, 200))}: is no pattern such as team/*:1.2.*; a digest cannot be part of one`,
    );
  }
  // A colon before the last slash is that of a port.
  const colon = text.indexOf(':', text.lastIndexOf('/') + 1);
  const ofName = colon < 0 ? text : text.slice(0, colon);
  const ofTag = colon < 0 ? undefined : text.slice(colon + 1);
  // A part without a star is a name or a tag in full.
  const name = ofName.includes('*') ? undefined : (parseImage(ofName)?.name ?? ofName);
  return {
    text,
    matches(image, version) {
      const full = parseImage(image)?.name ?? image;
      if (name === undefined ? !matchesGlob(ofName, image) && !matchesGlob(ofName, full) : full !== name) return false;
      if (ofTag === undefined) return true;
      return version === undefined ? undefined : matchesGlob(ofTag, version);
    },
  };
}

/** Narrows findings to images, and notes which of them there are. */
export class ImageFilter {
  readonly #patterns: readonly ImagePattern[];
  readonly #seen = new Set<ImagePattern>();
  readonly #names = new Set<string>();
  /** By image version: a report has many findings of each. */
  readonly #known = new Map<string, Map<string | undefined, boolean | undefined>>();

  constructor(patterns: readonly ImagePattern[]) {
    this.#patterns = patterns;
  }

  /** @returns undefined: it cannot be told, since the finding does not say of which image or version it is */
  takes({ image, image_version }: Finding): boolean | undefined {
    const name = String(image ?? '');
    if (name === '') return undefined;
    const of = image_version === undefined || image_version === '' ? undefined : String(image_version);
    let versions = this.#known.get(name);
    if (versions === undefined) {
      versions = new Map();
      if (this.#known.size >= mostImages) this.#known.clear();
      this.#known.set(name, versions);
    }
    if (versions.has(of)) return versions.get(of);
    const found = this.#patterns.map((pattern) => {
      const matches = pattern.matches(name, of);
      if (matches === true) this.#seen.add(pattern);
      return matches;
    });
    const taken = found.includes(true) ? true : found.includes(undefined) ? undefined : false;
    versions.set(of, taken);
    if (this.#names.size < mostImages) this.#names.add(of === undefined ? name : `${name}:${of}`);
    return taken;
  }

  /** Those that the report does not know. */
  get absent(): readonly ImagePattern[] {
    return this.#patterns.filter((pattern) => !this.#seen.has(pattern));
  }

  /** Images that the report knows. */
  get names(): readonly string[] {
    return [...this.#names].sort();
  }

  get notes(): readonly string[] {
    return this.#patterns.flatMap(({ note }) => note ?? []);
  }
}

const mostImages = 20_000;
