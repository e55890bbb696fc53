import { type Command, type Run, runChild } from './child.ts';

/** Something that is measured beside others. */
export interface Contender {
  readonly name: string;
  readonly command: Command;
  /** Exit codes that are no failure; default 0 alone. */
  readonly exitCodes?: readonly number[];
}

export interface Measured<T> {
  readonly name: string;
  readonly runs: readonly (Run & { readonly answer: T })[];
}

/**
 * Run contenders in turn, as often as asked: A B, B A, A B, so that what else the machine does meets all of them alike.
 *
 * @param read standard output to what the contender says
 * @throws {Error} a contender that failed, with what it said
 */
export async function contest<T>(
  contenders: readonly Contender[],
  runs: number,
  read: (stdout: string) => T,
): Promise<Measured<T>[]> {
  const measured = contenders.map(({ name }) => ({ name, runs: [] as (Run & { answer: T })[] }));
  for (let round = 0; round < runs; round++) {
    const order = [...contenders.entries()];
    if (round % 2 === 1) order.reverse();
    for (const [i, { name, command, exitCodes = [0] }] of order) {
      const run = await runChild(command);
      if (run.exitCode === undefined || !exitCodes.includes(run.exitCode)) {
        throw new Error(`${name}: exit code ${run.exitCode ?? 'none'}\n${run.stderr.slice(0, 2000)}`);
      }
      measured[i]?.runs.push({ ...run, answer: read(run.stdout) });
    }
  }
  return measured;
}

/** Of a number of every run. @returns undefined where a run has none */
export function medianOf<T>(measured: Measured<T>, number: (run: Run & { answer: T }) => number | undefined) {
  return median(measured.runs.map(number));
}

export function median(numbers: readonly (number | undefined)[]): number | undefined {
  const known = numbers.filter((number) => number !== undefined).sort((a, b) => a - b);
  if (known.length === 0 || known.length < numbers.length) return undefined;
  const middle = known.length >> 1;
  const [low, high] = [known[known.length % 2 === 1 ? middle : middle - 1], known[middle]] as [number, number];
  return (low + high) / 2;
}

/** @throws {Error} contenders that came to different answers, and to which */
export function assertSameAnswers<T>(measured: readonly Measured<T>[]): void {
  const answers = new Map(
    measured.flatMap(({ name, runs }) => runs.map(({ answer }) => [canonical(answer), name] as const)),
  );
  if (answers.size > 1) {
    const shown = [...answers].map(([answer, name]) => `  ${name}: ${answer}`).join('\n');
    throw new Error(`the contenders disagree, so their times compare nothing:\n${shown}`);
  }
}

function canonical(answer: unknown): string {
  return JSON.stringify(answer, (_, value: unknown) =>
    typeof value === 'object' && value !== null ? Object.fromEntries(Object.entries(value).sort()) : value,
  );
}
