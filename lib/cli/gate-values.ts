import { InputError } from '../core/errors.ts';
import type { Evaluation } from '../core/evaluation.ts';
import type { PolicyRule } from '../core/policy/parse.ts';

/** What is asked for, as it was written. */
export interface GateValues {
  readonly report?: string | undefined;
  readonly policy?: string | undefined;
  readonly cluster?: string | undefined;
  readonly source?: string | undefined;
  readonly config?: string | undefined;
  readonly function?: string | undefined;
  readonly url?: string | undefined;
  readonly region?: string | undefined;
  readonly qualifier?: string | undefined;
  readonly image?: readonly string[] | undefined;
  readonly baseline?: string | undefined;
  readonly 'write-baseline'?: string | undefined;
  readonly 'max-age'?: string | undefined;
  readonly timeout?: string | undefined;
  readonly strict?: boolean | undefined;
  readonly now?: string | undefined;
  readonly 'on-undetermined'?: string | undefined;
}

export interface Judged {
  readonly evaluation: Evaluation;
  /** Where the policy stands in its repository. */
  readonly policyFile?: string | undefined;
  /** Of the policy, where it is at hand. */
  readonly rules?: readonly PolicyRule[] | undefined;
}

/** @throws {InputError} one of the options is there */
export function refuse(values: GateValues, where: string, names: readonly (keyof GateValues)[]): void {
  for (const name of names) {
    if (values[name] !== undefined) throw new InputError(`gate: --${name} does not go ${where}`);
  }
}
