import type { Evaluation, Reason } from './evaluation.ts';

/** What one message tells: what became of a cluster, or that a source could not be looked at. */
export type Notice = {
  /** The same on every attempt to deliver it; 1 to 64 characters of `A-Z a-z 0-9 _ -`. */
  readonly id: string;
  readonly source: string;
  readonly atMs: number;
} & (
  | { readonly about: 'cluster'; readonly evaluation: Evaluation }
  | { readonly about: 'source'; readonly reasons: readonly Reason[] }
);
