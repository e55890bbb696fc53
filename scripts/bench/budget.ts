import { none } from './table.ts';

/** A line of the design's budgets, and what became of it. */
export interface Budget {
  readonly what: string;
  /** `>= 2.50x` */
  readonly limit: string;
  /** `5.13x` */
  readonly measured: string;
  /** `undefined`: it could not be measured. */
  readonly kept: boolean | undefined;
}

type Show = (value: number) => string;

export function atLeast(bound: number, what: string, measured: number | undefined, show: Show): Budget {
  const kept = measured === undefined ? undefined : measured >= bound;
  return { what, limit: `>= ${show(bound)}`, measured: shown(measured, show), kept };
}

export function atMost(bound: number, what: string, measured: number | undefined, show: Show): Budget {
  const kept = measured === undefined ? undefined : measured <= bound;
  return { what, limit: `<= ${show(bound)}`, measured: shown(measured, show), kept };
}

/** `As fast as a loop: budget >= 2.50x, measured 5.13x, kept` */
export function budgetLine({ what, limit, measured, kept }: Budget): string {
  const outcome = kept === undefined ? 'unknown' : kept ? 'kept' : '**missed**';
  return `${what}: budget ${limit}, measured ${measured}, ${outcome}`;
}

function shown(measured: number | undefined, show: Show): string {
  return measured === undefined ? none : show(measured);
}
