import { atMost } from '../budget.ts';
import { contest, medianOf } from '../contest.ts';
import type { Section } from '../section.ts';
import { milliseconds, number, table, whole } from '../table.ts';

interface Answer {
  readonly evaluateMs: number;
  readonly renderMs: number;
  readonly found: number;
  readonly told: number;
  readonly bytes: number;
}

const violations = 100_000;

/** From violations to one message. */
export const slack: Section = {
  name: 'slack',
  async measure(bench) {
    const contender = { name: 'renderSlack', command: bench.command('slack', violations) };
    const [measured] = await contest([contender], bench.options.runs, (stdout) => JSON.parse(stdout) as Answer);
    if (measured === undefined) throw new Error('slack: not measured');
    const answer = measured.runs[0]?.answer;
    if (answer?.found !== violations || answer.told !== violations) {
      throw new Error(`slack: ${answer?.told} of ${violations} violations are told`);
    }
    const evaluateMs = medianOf(measured, (run) => run.answer.evaluateMs);
    const renderMs = medianOf(measured, (run) => run.answer.renderMs);
    const ms = medianOf(measured, (run) => run.answer.evaluateMs + run.answer.renderMs);
    return {
      title: `${whole(violations)} violations to one Slack message, first call in a fresh process`,
      table: table(
        ['step', 'ms of CPU time'],
        [
          ['evaluate, tracked as scan does it: findings in memory to the worst 100', number(evaluateMs)],
          ['tell: the evaluation to the alert, what is owed of it and the payload as JSON', number(renderMs)],
          ['both', number(ms)],
        ],
      ),
      budgets: [atMost(100, 'Both', ms, milliseconds)],
      notes: [`The payload has ${whole(answer.bytes)} bytes, and shown + counted = ${whole(violations)}.`],
    };
  },
};
