import { hash } from 'node:crypto';

/** Something that was written or sent, by where it was found. */
export interface Sink {
  readonly where: string;
  readonly bytes: string | Uint8Array;
}

/** A canary that was found where it does not belong. */
export interface Sighting {
  readonly canary: string;
  readonly form: string;
  readonly where: string;
  /** What stands around it. */
  readonly around: string;
}

/** A text as random as a secret, the same for the same name: 40 letters and digits. */
export function canaryText(name: string): string {
  const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';
  const bytes = hash('sha512', `canary ${name}`, 'buffer');
  return [...bytes.subarray(0, 40)].map((byte) => letters[byte % letters.length]).join('');
}

/** So many characters of a canary in a row give it away, in whatever form. */
const window = 12;

/** The forms in which a text may stand somewhere, with how long that many characters of it are in that form. */
const forms: Readonly<Record<string, { readonly length: number; readonly of: (text: string) => readonly string[] }>> = {
  plain: { length: window, of: (text) => [text] },
  // Wherever it begins within three bytes; the ends depend on what stands around it.
  base64: {
    length: window,
    of: (text) =>
      ['', 'x', 'xx'].map((before) =>
        Buffer.from(before + text)
          .toString('base64')
          .slice(before === '' ? 0 : 4, -4),
      ),
  },
  hex: { length: 2 * window, of: (text) => [Buffer.from(text).toString('hex')] },
  percent: { length: 3 * window, of: (text) => [[...text].map((c) => `%${hexOf(c, 2)}`).join('')] },
  json: { length: 6 * window, of: (text) => [[...text].map((c) => `\\u${hexOf(c, 4)}`).join('')] },
};

function hexOf(character: string, digits: number): string {
  return (character.codePointAt(0) ?? 0).toString(16).padStart(digits, '0');
}

/** Secrets of a test, each under a name, and the search for them. */
export class Canaries {
  readonly #windows = new Map<string, { readonly canary: string; readonly form: string }>();
  readonly #texts = new Map<string, string>();

  /** @returns the text, which stays the same for the name */
  make(name: string, text = canaryText(name)): string {
    this.#texts.set(name, text);
    for (const [form, { length, of }] of Object.entries(forms)) {
      for (const whole of of(text)) {
        for (let i = 0; i + length <= whole.length; i++) {
          this.#windows.set(fold(whole.slice(i, i + length), form), { canary: name, form });
        }
      }
    }
    return text;
  }

  get texts(): ReadonlyMap<string, string> {
    return this.#texts;
  }

  /**
   * Wherever a canary is found in what was captured, but for those that belong there.
   * @param allowed names of canaries
   */
  find(sinks: readonly Sink[], allowed: readonly string[] = []): readonly Sighting[] {
    return sinks.flatMap(({ where, bytes }) => {
      const text = typeof bytes === 'string' ? bytes : Buffer.from(bytes).toString('latin1');
      return this.#findIn(text).flatMap(({ canary, form, at }) =>
        allowed.includes(canary)
          ? []
          : [{ canary, form, where, around: text.slice(Math.max(0, at - 60), at + 60) } satisfies Sighting],
      );
    });
  }

  /** Each canary once in each form. */
  #findIn(text: string): { readonly canary: string; readonly form: string; readonly at: number }[] {
    const found = new Map<string, { canary: string; form: string; at: number }>();
    // Where none of these stand in a row there is no room for a canary.
    for (const run of text.matchAll(/(?:[A-Za-z0-9+/=_-]|%(?=[0-9A-Fa-f]{2})|\\(?=u[0-9A-Fa-f]{4})){12,}/g)) {
      for (const [form, { length }] of Object.entries(forms)) {
        for (let i = 0; i + length <= run[0].length; i++) {
          const sighted = this.#windows.get(fold(run[0].slice(i, i + length), form));
          if (sighted?.form !== form || found.has(`${sighted.canary} ${form}`)) continue;
          found.set(`${sighted.canary} ${form}`, { ...sighted, at: run.index + i });
        }
      }
    }
    return [...found.values()];
  }
}

/** Hex digits are written in both cases, base64 in two alphabets. */
function fold(text: string, form: string): string {
  if (form === 'plain') return text;
  return form === 'base64' ? `b ${text.replaceAll('-', '+').replaceAll('_', '/')}` : `x ${text.toLowerCase()}`;
}
