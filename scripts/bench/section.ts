import type { Bench } from './bench.ts';
import type { Budget } from './budget.ts';

/** Something that is measured, with a table of its own. */
export interface Section {
  /** For `--only`. */
  readonly name: string;
  measure(bench: Bench): Promise<Outcome>;
}

export interface Outcome {
  readonly title: string;
  readonly table: string;
  readonly budgets: readonly Budget[];
  /** What a reader has to know to believe the numbers: a sentence each. */
  readonly notes: readonly string[];
}
