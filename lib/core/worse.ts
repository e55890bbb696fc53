import type { GradeCounts } from './baseline.ts';
import { findingSeverities } from './severity.ts';

/** Findings of a rule, or of one of its groups: how many, and how bad they are. */
interface Grade {
  readonly grades: GradeCounts;
  /** Failed rules of each baseline check, by `identityNumber`. */
  readonly failed: ReadonlyMap<number, number>;
  /** One that was known is more severe than it was. */
  readonly hasRisen: boolean;
}

/**
 * What has become more, or worse, in phrases for people; none: nothing has.
 * @param grades as they were
 * @param failed as they were, of those that are known
 * @param nameOf a baseline check, where that is known
 */
export function worseThan(
  now: Grade,
  { grades, failed }: Pick<Grade, 'grades' | 'failed'>,
  nameOf: (identity: number) => string | undefined,
): readonly string[] {
  const more = [...failed].flatMap(([identity, before]) => {
    const count = now.failed.get(identity) ?? 0;
    return count > before ? [`${nameOf(identity) ?? 'a check'} failed ${before} rules and fails ${count}`] : [];
  });
  return [
    ...(now.hasRisen ? ['a finding is more severe than it was'] : []),
    ...more.sort().slice(0, mostNamed),
    ...(more.length > mostNamed ? [`and ${more.length - mostNamed} more checks`] : []),
    ...(more.length > 0 ? [] : moreOf(now.grades, grades)),
  ];
}

/** Checks that are named. */
const mostNamed = 5;

/** More findings, or more that are so bad, or more of what each stands for, as a phrase; none: neither. */
export function moreOf(now: GradeCounts, before: GradeCounts): readonly string[] {
  let [count, were] = [0, 0];
  for (const [i, severity] of findingSeverities.entries()) {
    count += now[i] ?? 0;
    were += before[i] ?? 0;
    if (count > were) return [`${count} findings that are ${severity} or worse, and ${were} before`];
  }
  const [failing = 0, failed = 0] = [now[5], before[5]];
  return failing > failed ? [`${failing} failed rules, and ${failed} before`] : [];
}
