import type { Evaluation } from '../core/evaluation.ts';
import type { Policy } from '../core/policy/parse.ts';
import type { ClusterRow } from '../core/report.ts';
import { judgeCluster, judgeTogether, type Question } from './judge.ts';
import { evaluationKey, kept, reportKey } from './kept-evaluations.ts';
import type { Clock, Log, ReportReader, ReportSource } from './ports.ts';
import { type Asked, ask, asked, questionOf, strike, take } from './questions.ts';
import { isNews, pollMs, type Shareable, type Shared } from './shared.ts';
import { type StateStore, StoreError } from './state.ts';

export interface ReportReadsOptions {
  readonly shared: Shared;
  /** Where other processes look; absent: there are none. */
  readonly store?: StateStore | undefined;
  readonly clock: Clock;
  readonly log: Log;
  readonly readReport: ReportReader;
  /** How long what could not be read is not tried again. */
  readonly freshMs: number;
}

/** A report that questions are about, and by what they may be answered. */
export interface Readable {
  readonly source: ReportSource;
  readonly row: ClusterRow;
  /** Those at hand. */
  readonly policies: readonly Policy[];
}

/** Who asks here, and not elsewhere. */
interface Waiting {
  readonly key: string;
  readonly question: Question;
  answer?: Evaluation | undefined;
}

/** Answered by one read: each question has a fold of its own. */
const mostTogether = 64;
/** So often a question is taken along; who reads may have ended because of it, so its asker then reads for it alone. */
const mostTries = 2;
/** From when a read begins: longer than who waits sleeps. */
const gatherMs = 2 * pollMs;
/** So often it is looked whether more come. */
const mostLooks = 4;

/**
 * Whoever reads a report answers for all that wait for it: questions are written down, and one of those that ask takes the
 * lease of the report and reads it once for all of them. Those that come meanwhile are answered by the next read. A store that
 * fails costs calls, and no answer.
 */
export class ReportReads {
  readonly #options: ReportReadsOptions;
  readonly #waiting = new Map<string, Set<Waiting>>();

  constructor(options: ReportReadsOptions) {
    this.#options = options;
  }

  /**
   * The evaluation of a report of any age, as `kept` keeps it. What cannot be fetched or read is a reason in it.
   * @throws the signal's reason, where another one reads
   */
  async answer(of: Readable, question: Question, signal?: AbortSignal): Promise<Evaluation> {
    const { shared, clock } = this.#options;
    const key = evaluationKey(of.source.name, of.row, question);
    const report = reportKey(of.source.name, of.row);
    const mine: Waiting = { key, question };
    const waiting = this.#waiting.get(report) ?? new Set();
    this.#waiting.set(report, waiting.add(mine));
    try {
      const before = await shared.recall<Evaluation>(key);
      if (before?.isFresh) return before.value;
      const found = async () => {
        const now = await shared.recall<Evaluation>(key);
        return now !== undefined && (now.isFresh || isNews(now, before)) ? now.value : undefined;
      };
      await this.#withStore((store) => ask(store, report, key, question, clock.nowMs()));
      for (;;) {
        let isOwn = false;
        const read = async (): Promise<Shareable<null>> => {
          isOwn = true;
          // Who had the lease before may have answered it.
          mine.answer ??= await found();
          if (mine.answer === undefined) await this.#read(of, report, mine, waiting, signal);
          return { value: null, freshMs: 0 };
        };
        try {
          await shared.once(report, read, signal);
        } catch (error) {
          // That another one failed says nothing of this one.
          if (isOwn || signal?.aborted) throw error;
        }
        const answer = mine.answer ?? (await found());
        if (answer !== undefined) return answer;
      }
    } finally {
      waiting.delete(mine);
      if (waiting.size === 0) this.#waiting.delete(report);
    }
  }

  /** Nobody else is asked. */
  async alone({ source, row }: Readable, question: Question, signal?: AbortSignal): Promise<Evaluation> {
    return judgeCluster(source, row, { ...question, readReport: this.#options.readReport }, signal);
  }

  /** Read it once for `mine`, and for all that can be answered along with it. */
  async #read(of: Readable, report: string, mine: Waiting, waiting: ReadonlySet<Waiting>, signal?: AbortSignal) {
    const { shared, readReport, clock, freshMs } = this.#options;
    const sinceMs = clock.nowMs();
    let together: ReadonlyMap<string, Question> = new Map([[mine.key, mine.question]]);
    let taken: readonly (Asked | undefined)[] = [];
    const gather = async () => {
      const written = await this.#written(report, sinceMs, signal);
      together = togetherWith(mine, waiting, written, of);
      const along = written.filter(({ key }) => together.has(key));
      taken = await Promise.all(along.map((one) => this.#withStore((store) => take(store, one, clock.nowMs()))));
      return [...together.values()];
    };
    const judged = await judgeTogether(of.source, of.row, gather, readReport, signal);
    const answers = new Map<string, Shareable<Evaluation>>();
    for (const [i, [key, question]] of [...together].entries()) {
      const made = judged[i];
      if (made !== undefined) answers.set(key, kept(made, of.row, freshMs, question.options?.track === 'baseline'));
    }
    mine.answer = answers.get(mine.key)?.value;
    // That this one ran out of time says nothing to others.
    if (signal?.aborted) return;
    for (const one of waiting) one.answer ??= answers.get(one.key)?.value;
    await Promise.all([...answers].map(([key, answer]) => shared.leave(key, answer, true)));
    const answered = taken.filter((one) => one !== undefined && answers.has(one.key)) as readonly Asked[];
    await Promise.all(answered.map((one) => this.#withStore((store) => strike(store, one, clock.nowMs()))));
  }

  /**
   * What others have written down. All that waited for the same list of reports ask within `gatherMs`; as long as more come,
   * they are waited for. It costs no time where HSS takes longer to begin its answer.
   */
  async #written(report: string, sinceMs: number, signal: AbortSignal | undefined): Promise<readonly Asked[]> {
    const { store, clock } = this.#options;
    let all: readonly Asked[] = [];
    for (let looks = 0; looks < mostLooks && store !== undefined && !signal?.aborted; looks++) {
      const waitMs = looks === 0 ? sinceMs + gatherMs - clock.nowMs() : pollMs;
      // The reading of the body ends by the same signal.
      if (waitMs > 0) await clock.sleep(waitMs, signal).catch(() => {});
      const before = all.length;
      all = (await this.#withStore(() => asked(store, report, clock.nowMs()))) ?? [];
      if (all.length <= Math.max(1, before)) break;
    }
    return all;
  }

  async #withStore<T>(act: (store: StateStore) => Promise<T>): Promise<T | undefined> {
    const { store, log } = this.#options;
    if (store === undefined) return undefined;
    try {
      return await act(store);
    } catch (error) {
      if (!(error instanceof StoreError)) throw error;
      log('warn', 'the state could not be used: others read for themselves', { reason: error.message });
      return undefined;
    }
  }
}

/** What one read answers, by key: first of all the question of who reads. */
function togetherWith(
  mine: Waiting,
  waiting: ReadonlySet<Waiting>,
  written: readonly Asked[],
  { source, row, policies }: Readable,
): ReadonlyMap<string, Question> {
  const together = new Map([[mine.key, mine.question]]);
  if (written.some(({ key, tries }) => key === mine.key && tries >= mostTries)) return together;
  const add = (key: string, question: Question) => {
    if (!together.has(key) && together.size < mostTogether) together.set(key, question);
  };
  for (const { key, question } of waiting) add(key, question);
  for (const one of written) {
    const question = one.tries < mostTries ? questionOf(one, policies) : undefined;
    // What was written down has to be what was asked, to the letter.
    if (question !== undefined && evaluationKey(source.name, row, question) === one.key) add(one.key, question);
  }
  return together;
}
