import { type ParseArgsConfig, parseArgs } from 'node:util';
import { parseDuration } from '../core/duration.ts';
import { InputError } from '../core/errors.ts';
import { hint } from '../core/suggest.ts';

type Options = NonNullable<ParseArgsConfig['options']>;
type Parsed<T extends Options> = ReturnType<typeof parseArgs<{ options: T; strict: true; allowPositionals: true }>>;

/** Parse a command's arguments. @throws {InputError} what is unknown or lacks its value, with a suggestion */
export function parseOptions<const T extends Options>(command: string, args: readonly string[], options: T): Parsed<T> {
  try {
    const config = { args: [...args], options, strict: true, allowPositionals: true, tokens: true } as const;
    const { tokens, ...parsed } = parseArgs(config);
    const once = new Set<string>();
    for (const token of tokens) {
      if (token.kind !== 'option' || options[token.name]?.multiple === true) continue;
      // The last one would win, and nobody would know.
      if (once.has(token.name)) throw new InputError(`${command}: --${token.name} is given twice`);
      once.add(token.name);
    }
    return parsed as Parsed<T>;
  } catch (error) {
    if (error instanceof InputError) throw error;
    const unknown = /^Unknown option '(-[^']+)'/.exec((error as Error).message)?.[1];
    if (unknown === undefined) throw new InputError(`${command}: ${(error as Error).message.split('. ')[0]}`);
    if (unknown === '--help' || unknown === '-h')
      throw new InputError(`${command}: ${unknown} stands alone: portcullis ${command} --help`);
    throw new InputError(
      `${command}: unknown option ${unknown}${hint(
        unknown,
        Object.keys(options).map((name) => `--${name}`),
      )}`,
    );
  }
}

/** An option that may be given once. @throws {InputError} */
export function durationOption(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const ms = parseDuration(text);
  if (ms === undefined) throw new InputError(`${name} ${text}: has to be a duration such as 26h, 7d or 1d12h`);
  return ms;
}

/** ISO 8601 with a zone, as epoch milliseconds. @throws {InputError} */
export function timeOption(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  // Of 2026-02-30 a day in March would be made.
  const isDay = new Date(`${text.slice(0, 10)}T00:00:00Z`).toJSON()?.startsWith(text.slice(0, 10));
  const ms = /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)$/.test(text) ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(ms) || !isDay)
    throw new InputError(`${name} ${text}: has to be a time such as 2026-11-24T08:00:00Z`);
  return ms;
}
