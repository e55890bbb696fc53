import type { Bench, ReportFile } from '../bench.ts';
import { atMost } from '../budget.ts';
import { assertSameAnswers, type Contender, contest, type Measured, medianOf } from '../contest.ts';
import { foundIn, portcullis, portcullisFromSources, rulesFile } from '../gate-run.ts';
import type { Found } from '../programs/tally.ts';
import type { Section } from '../section.ts';
import { mebibytes, number, table, times } from '../table.ts';

interface Row {
  readonly name: string;
  contender(bench: Bench, report: ReportFile): Contender;
}

const rows: readonly Row[] = [
  { name: 'built, two lists', contender: (bench, report) => portcullis(bench, report, 'two-lists') },
  { name: 'built, every list', contender: (bench, report) => portcullis(bench, report, 'every-list') },
  {
    name: 'built, two lists, tracked as scan does it',
    contender: (bench, report) => ({
      name: 'tracked',
      command: bench.command('tracked', report.path, rulesFile('two-lists', 'yaml')),
    }),
  },
  {
    name: 'from a checkout, every list',
    contender: (bench, report) => portcullisFromSources(bench, report, 'every-list'),
  },
];

/** Peak memory over a report ten times as large. */
export const memory: Section = {
  name: 'memory',
  async measure(bench) {
    const { megabytes, runs } = bench.options;
    const small = await bench.report(megabytes / 10);
    const large = await bench.report(megabytes);
    const contenders = rows.flatMap((row) => [row.contender(bench, small), row.contender(bench, large)]);
    const measured = await contest(contenders, runs, foundIn);
    const peaks = rows.map(({ name }, i) => {
      const [atSmall, atLarge] = [peak(measured[2 * i]), peak(measured[2 * i + 1])];
      return { name, atSmall, atLarge, ratio: atSmall && atLarge && atLarge / atSmall };
    });
    for (const size of [0, 1]) {
      // By rows: tracking and a build change nothing in what is found.
      assertSameAnswers([0, 4].flatMap((i) => measured[i + size] ?? []));
      assertSameAnswers([2, 6].flatMap((i) => measured[i + size] ?? []));
    }
    return {
      title: `Peak memory at ${small.megabytes} MB and at ${large.megabytes} MB`,
      table: table(
        ['Portcullis', `MiB at ${small.megabytes} MB`, `MiB at ${large.megabytes} MB`, 'ratio'],
        peaks.map(({ name, atSmall, atLarge, ratio }) => [name, number(atSmall), number(atLarge), times(ratio)]),
      ),
      budgets: peaks
        .slice(0, 3)
        .flatMap(({ name, atLarge, ratio }) => [
          atMost(128, name, atLarge, mebibytes),
          atMost(1.2, `${name}, against ${small.megabytes} MB`, ratio, times),
        ]),
      notes: ['From a checkout Node.js strips the types at the start, which takes memory that a build does not need.'],
    };
  },
};

function peak(measured: Measured<Found> | undefined): number | undefined {
  return measured && medianOf(measured, (run) => run.peakMiB);
}
