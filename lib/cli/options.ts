import { type ParseArgsConfig, parseArgs } from 'node:util';
import { parseDuration } from '../core/duration.ts';
import { InputError } from '../core/errors.ts';
import { hint } from '../core/suggest.ts';

type Options = NonNullable<ParseArgsConfig['options']>;
type Parsed<T extends Options> = ReturnType<typeof parseArgs<{ options: T; strict: true; allowPositionals: true }>>;

/** Parse a command's arguments. @throws {InputError} what is unknown or lacks its value, with a suggestion */
export function parseOptions<const T extends Options>(command: string, args: readonly string[], options: T): Parsed<T> {
  try {
    return parseArgs({ args: [...args], options, strict: true, allowPositionals: true }) as Parsed<T>;
  } catch (error) {
    const unknown = /^Unknown option '(-[^']+)'/.exec((error as Error).message)?.[1];
    if (unknown === undefined) throw new InputError(`${command}: ${(error as Error).message.split('. ')[0]}`);
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
  const ms = /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)$/.test(text) ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(ms)) throw new InputError(`${name} ${text}: has to be a time such as 2026-11-24T08:00:00Z`);
  return ms;
}
