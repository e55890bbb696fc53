import type { Heard } from './collector.ts';
import type { Course } from './explorer.ts';

/**
 * What is wrong with what was heard in a world whose runs made good within the step that was disturbed: each step has to
 * say what the story says, no more and no less.
 * @param from the step that was disturbed
 */
export function judgeExact(course: Course, heard: readonly Heard[], from: number): string[] {
  const problems: string[] = [];
  for (let step = from; step < course.steps.length; step++) {
    const told = linesAt(heard, step);
    const expected = linesAt(course.heard, step);
    const missing = without(expected, told);
    const extra = without(told, expected);
    for (const line of missing) problems.push(`step ${step}: not heard: ${line}`);
    for (const line of extra) problems.push(`step ${step}: heard, though the story does not say so: ${line}`);
  }
  return problems;
}

/**
 * What is wrong with what was heard in a world in which news was told late, when more had happened: it may be told as one
 * (new with 2 and worse with 3 as new with 3; resolved and reopened as nothing), but has to come to the same.
 *
 * - whatever is said is so at that time
 * - no alert is heard of that the story does not tell of
 * - nothing is called over more often than in the story, and than what may have come twice
 * - in the end each receiver believes of each alert what it believes in the story
 *
 * @param repeated how many messages may have come again
 * @param late news may be as old as so many steps
 */
export function judgeEffect(
  course: Course,
  heard: readonly Heard[],
  { from, repeated, late }: { readonly from: number; readonly repeated: number; readonly late: number },
): string[] {
  const before = course.heard.filter(({ step }) => step < from);
  const expected = byAlert(course.heard);
  const actual = byAlert([...before, ...heard]);
  const problems: string[] = [];
  for (const one of heard) {
    // That a receiver fails depends on how many runs there were, which is what was disturbed.
    if (!one.alert.startsWith('receiver ') && !isTrue(course, one, late))
      problems.push(`step ${one.step}: it is not so: ${one.line}`);
  }
  for (const [key, items] of actual) {
    const story = expected.get(key) ?? [];
    if (story.length === 0) problems.push(`the story does not tell of ${key}: ${items[0]?.line}`);
    if (overs(items) > overs(story) + repeated)
      problems.push(`called over too often: ${items.map(({ line }) => line).join('; ')}`);
  }
  for (const [key, story] of expected) {
    const items = actual.get(key) ?? [];
    if (believed(items) === believed(story)) continue;
    const told = items.map(({ line }) => line).join('; ');
    problems.push(`${key}: believed to be ${believed(items)}, not ${believed(story)}, after: ${told}`);
  }
  return problems;
}

function linesAt(heard: readonly Heard[], step: number): string[] {
  return heard.filter((one) => one.step === step).map(({ line }) => line);
}

/** Those of `all` that are not in `taken`, each as often as it is more often there. */
function without(all: readonly string[], taken: readonly string[]): string[] {
  const left = [...taken];
  return all.filter((one) => {
    const at = left.indexOf(one);
    if (at >= 0) left.splice(at, 1);
    return at < 0;
  });
}

function byAlert(heard: readonly Heard[]): Map<string, Heard[]> {
  return Map.groupBy(heard, ({ receiver, alert }) => `${receiver}: ${alert}`);
}

function overs(items: readonly Heard[]): number {
  return items.filter(({ isOver }) => isOver).length;
}

/** What a receiver believes after all that it heard of an alert. Never to have heard of it is as good as that it is over. */
function believed(items: readonly Heard[]): 'firing' | 'over' {
  const last = items.at(-1);
  return last === undefined || last.isOver ? 'over' : 'firing';
}

function isTrue(course: Course, { step, alert, isOver, count }: Heard, late: number): boolean {
  for (let at = step; at >= Math.max(0, step - late); at--) {
    const state = course.steps[at]?.alerts.get(alert);
    if (state?.isOver === isOver && (isOver || state.count === count)) return true;
  }
  return false;
}
