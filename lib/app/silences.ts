import { hash } from 'node:crypto';
import type { Alert } from '../core/alerts.ts';
import { InputError } from '../core/errors.ts';
import { compileExpression, type Expression, isProblem } from '../core/expression.ts';
import { preparePatterns } from '../core/pattern.ts';
import { routeFields } from '../core/routes.ts';
import { hint } from '../core/suggest.ts';
import { ourselves } from './outbox.ts';
import type { StateStore } from './state.ts';

/** What a silence may ask of an alert: what a route may, but for why it is told. */
const { transition: _transition, ...silenceFields } = routeFields;

/** Mutes what it matches until it ends. The alerts stay, and so does what a gate says. */
export interface Silence {
  readonly id: string;
  /** CEL over severity, cluster, source, rule and on. */
  readonly where: string;
  readonly author: string;
  readonly comment: string;
  readonly createdMs: number;
  readonly untilMs: number;
}

export const silencesGroup = 'silences';

/** How long a silence that is over can still be listed. */
export const silenceKeptMs = 30 * 86_400_000;

export async function loadSilences(store: StateStore, nowMs: number): Promise<readonly Silence[]> {
  const silences = (await store.load(silencesGroup, '', nowMs)).map(({ value }) => value as Silence);
  for (const { where } of silences) await preparePatterns(where);
  return silences;
}

/** Of the silences that match an alert the one that ends last, or did. One that cannot be understood mutes nothing. */
export function silencer(
  silences: readonly Silence[],
): (source: string, cluster: string, alert: Alert) => Silence | undefined {
  const compiled = silences
    .toSorted((a, b) => b.untilMs - a.untilMs)
    .map((silence) => ({ silence, where: compileExpression(silenceFields, silence.where) }))
    .filter((one): one is { silence: Silence; where: Expression } => !isProblem(one.where));
  return (source, cluster, { severity, rule, on }) =>
    compiled.find(({ where }) => {
      // What is about ourselves, the end of a silence itself, is muted only where it is meant.
      if (source === ourselves && !where.fields.has('source')) return false;
      return where.test({ severity, cluster, source, rule, on }) === true;
    })?.silence;
}

/**
 * Keep a silence.
 * @throws {InputError} its condition cannot be understood, it ends in the past, or it has no author or comment
 */
export async function addSilence(
  store: StateStore,
  silence: Omit<Silence, 'id' | 'createdMs'>,
  nowMs: number,
): Promise<Silence> {
  await preparePatterns(silence.where);
  const compiled = compileExpression(silenceFields, silence.where);
  if (isProblem(compiled)) throw new InputError(`--where ${silence.where}: ${compiled.message}`);
  for (const key of ['author', 'comment'] as const) {
    if (silence[key].trim() === '') throw new InputError(`a silence needs --${key}`);
  }
  if (silence.untilMs <= nowMs) throw new InputError('a silence has to end in the future');
  const kept: Silence = { ...silence, createdMs: nowMs, id: silenceId(silence, nowMs) };
  const record = { key: kept.id, value: kept, expiresAtMs: kept.untilMs + silenceKeptMs };
  const known = (await store.load(silencesGroup, kept.id, nowMs))[0];
  if (known === undefined && (await store.put(silencesGroup, record, 0, nowMs)) === undefined)
    return addSilence(store, silence, nowMs);
  return kept;
}

/** End a silence now. @throws {InputError} there is none of that id, or it is over already */
export async function expireSilence(store: StateStore, id: string, nowMs: number): Promise<Silence> {
  for (let tries = 0; tries < 10; tries++) {
    const all = await store.load(silencesGroup, '', nowMs);
    const record = all.find(({ key }) => key === id);
    if (record === undefined)
      throw new InputError(
        `there is no silence ${id}${hint(
          id,
          all.map(({ key }) => key),
        )}`,
      );
    const silence = record.value as Silence;
    if (silence.untilMs <= nowMs) throw new InputError(`silence ${id} is over already`);
    const value = { ...silence, untilMs: nowMs };
    const written = await store.put(
      silencesGroup,
      { key: id, value, expiresAtMs: nowMs + silenceKeptMs },
      record.version,
      nowMs,
    );
    if (written !== undefined) return value;
  }
  throw new InputError(`silence ${id} is being changed by others; try again`);
}

function silenceId(silence: Omit<Silence, 'id' | 'createdMs'>, nowMs: number): string {
  return `S-${hash('sha256', JSON.stringify([silence, nowMs]), 'hex').slice(0, 8)}`;
}
