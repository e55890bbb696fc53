import type { Looked, Reason } from './evaluation.ts';

/** How far the last sufficient report of a cluster looked, and how often in a row newer ones looked less far. */
export interface Coverage {
  readonly hosts: number | undefined;
  readonly pods: number | undefined;
  readonly containers: number | undefined;
  /** Newer reports in a row that looked less far. */
  readonly drops: number;
}

export interface CoverageOptions {
  /** A part between 0 and 1: what a count may fall by from one sufficient report to the next. */
  readonly maxDrop: number;
  /** After so many reports in a row a smaller cluster is taken for what it is. */
  readonly settlesAfter: number;
}

const counted = ['hosts', 'pods', 'containers'] as const;

/**
 * Whether a report looked as far as the one before: findings on nodes that were not looked at are not fixed.
 * @param suffices the report can be judged; what later ones are compared with is raised, but not lowered, by one that cannot
 * @returns the coverage to compare the next report with, and the reason why this one does not suffice
 */
export function compareCoverage(
  before: Coverage | undefined,
  now: Looked,
  options: CoverageOptions,
  { suffices } = { suffices: true },
): { readonly coverage: Coverage; readonly doubt: Reason | undefined } {
  const { hosts, pods, containers } = now;
  const whole: Coverage = { hosts, pods, containers, drops: 0 };
  if (before === undefined) return { coverage: whole, doubt: undefined };
  const fallen = counted.filter((what) => {
    const had = before[what];
    return had !== undefined && had > 0 && (now[what] ?? 0) < had * (1 - options.maxDrop);
  });
  if (fallen.length === 0) return { coverage: suffices ? whole : raised(before, now), doubt: undefined };
  const drops = before.drops + 1;
  if (suffices && drops >= options.settlesAfter) return { coverage: whole, doubt: undefined };
  const told = fallen.map((what) => `${what} from ${before[what]} to ${now[what] ?? 'none'}`).join(', ');
  const message = `the report looked at much less than the one before: ${told}; nothing is taken for fixed until ${options.settlesAfter - drops} more reports say so`;
  const coverage = suffices ? { ...before, drops } : raised(before, now);
  return { coverage, doubt: { kind: 'coverage-dropped', message } };
}

function raised(before: Coverage, now: Looked): Coverage {
  const most = (what: (typeof counted)[number]) => {
    const had = before[what];
    const has = now[what];
    return had === undefined || (has !== undefined && has > had) ? has : had;
  };
  return { hosts: most('hosts'), pods: most('pods'), containers: most('containers'), drops: before.drops };
}
