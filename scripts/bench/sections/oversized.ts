import { stat } from 'node:fs/promises';
import { type Run, runChild } from '../child.ts';
import { assertSameAnswers, type Contender } from '../contest.ts';
import { foundIn, portcullis, totalOf } from '../gate-run.ts';
import type { Section } from '../section.ts';
import { number, table, whole } from '../table.ts';

interface Row {
  readonly name: string;
  readonly run: Run;
  readonly works: boolean;
}

/** A report that no string of Node.js can hold. */
export const oversized: Section = {
  name: 'oversized',
  async measure(bench) {
    const report = await bench.report(bench.options.megabytes * 1.5);
    const { size } = await stat(report.path);
    const ours = await rowOf(portcullis(bench, report, 'two-lists'));
    const others = [
      await rowOf({ name: '`JSON.parse` and a loop', command: bench.command('json-parse', report.path, 'two-lists') }),
      await rowOf({ name: '@streamparser/json', command: bench.command('streamparser', report.path, 'two-lists') }),
    ];
    const rows = [ours, ...others];
    assertSameAnswers(
      rows
        .filter(({ works }) => works)
        .map(({ name, run }) => ({ name, runs: [{ ...run, answer: foundIn(run.stdout) }] })),
    );
    return {
      title: `A report of ${whole(size / 2 ** 20)} MiB`,
      table: table(
        ['reader', 'seconds', 'peak MiB', 'violations', 'outcome'],
        rows.map((row) => [
          row.name,
          number(row.run.wallMs / 1000),
          whole(row.run.peakMiB),
          row.works ? whole(totalOf(foundIn(row.run.stdout))) : '',
          outcome(row),
        ]),
      ),
      budgets: [{ what: 'Portcullis', limit: 'works', measured: outcome(ours), kept: ours.works }],
      notes: ['A string of Node.js holds at most 512 MiB, so a reader that needs one cannot read more.'],
    };
  },
};

/** A contender may fail here: that is what is shown. */
async function rowOf({ name, command, exitCodes = [0] }: Contender): Promise<Row> {
  const run = await runChild(command);
  return { name, run, works: run.exitCode !== undefined && exitCodes.includes(run.exitCode) };
}

function outcome({ works, run }: Row): string {
  return works ? 'works' : `fails: ${errorCode(run.stderr)}`;
}

function errorCode(stderr: string): string {
  return /ERR_[A-Z_]+/.exec(stderr)?.[0] ?? stderr.split('\n').find((line) => line.includes('Error')) ?? 'unknown';
}
