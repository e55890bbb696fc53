import type { Bench } from '../bench.ts';
import { atLeast } from '../budget.ts';
import { assertSameAnswers, contest, type Measured, medianOf } from '../contest.ts';
import type { Section } from '../section.ts';
import { number, table, times, whole } from '../table.ts';

interface Answer {
  /** CPU time of the thread. */
  readonly ms: number;
  readonly found: number;
  readonly findings: number;
}

/** json-rules-engine judges a fiftieth of the findings: it would take minutes for all. */
const share = 50;

/** Rules over findings that stand in memory. */
export const evaluation: Section = {
  name: 'evaluation',
  async measure(bench) {
    const { findings } = bench.options;
    const fewer = Math.ceil(findings / share);
    const variants = [
      { variant: 'all', name: 'Portcullis, min_severity', findings },
      { variant: 'tracked', name: 'the same, tracked for alert memory', findings },
      { variant: 'fingerprints', name: 'the same, and a fingerprint of every High finding', findings },
      { variant: 'expression', name: 'Portcullis, where in CEL', findings },
      { variant: 'exact', name: 'Portcullis, min_severity, without the 10 other waivers', findings },
      { variant: 'loop', name: 'a loop, a Map and Sets by hand', findings },
      { variant: 'json-rules-engine', name: 'json-rules-engine', findings: fewer },
    ];
    const measured = await contest(
      variants.map(({ variant, name, findings }) => ({ name, command: command(bench, variant, findings) })),
      bench.options.runs,
      (stdout) => JSON.parse(stdout) as Answer,
    );
    const by = new Map(variants.map(({ variant }, i) => [variant, measured[i] as Measured<Answer>]));
    assertSameViolations(['all', 'tracked', 'fingerprints', 'expression', 'loop'].map((variant) => by.get(variant)));
    await assertEngineAgrees(bench, by.get('json-rules-engine'), fewer);
    const ours = rate(by.get('all'));
    return {
      title: `Evaluation of ${whole(findings)} findings in memory, with 200 waivers by image and vulnerability and 10 others`,
      table: table(
        ['evaluator', 'findings/s', 'ns each', 'findings', 'violations', 'Portcullis is'],
        measured.map((one) => [
          one.name,
          whole(rate(one)),
          whole(1e9 / rate(one)),
          whole(one.runs[0]?.answer.findings),
          whole(one.runs[0]?.answer.found),
          one === by.get('all') ? '' : `${times(ours / rate(one))} as fast`,
        ]),
      ),
      budgets: [
        atLeast(1e6, 'With fingerprints of what a result shows', ours, millions),
        atLeast(1e6, 'Tracked for alert memory, as `scan` does it', rate(by.get('tracked')), millions),
        atLeast(1e6, 'With a fingerprint of every High finding', rate(by.get('fingerprints')), millions),
      ],
      notes: [
        'For a finding Portcullis ranks the severity, looks up the waivers and counts them, and keeps the worst 100 of ' +
          'what is left; at the end it makes the fingerprints of those 100. Tracked, it also hashes what identifies each violation. The ' +
          'loop only counts.',
        'Seconds are CPU time of the one thread that works, so that a busy machine does not stretch them.',
        `json-rules-engine judged the first ${whole(fewer)} findings.`,
      ],
    };
  },
};

function millions(value: number): string {
  return `${number(value / 1e6)} M/s`;
}

function command(bench: Bench, variant: string, findings: number) {
  return bench.command('evaluation', variant, findings);
}

function rate(measured: Measured<Answer> | undefined): number {
  const ms = measured && medianOf(measured, (run) => run.answer.ms);
  return ((measured?.runs[0]?.answer.findings ?? 0) * 1000) / (ms ?? 1);
}

function assertSameViolations(measured: readonly (Measured<Answer> | undefined)[]): void {
  const found = measured
    .filter((one) => one !== undefined)
    .map(({ name, runs }) => ({ name, runs: runs.map((run) => ({ ...run, answer: run.answer.found })) }));
  assertSameAnswers(found);
}

/** Over the findings that it judged, and with waivers of those. */
async function assertEngineAgrees(bench: Bench, engine: Measured<Answer> | undefined, findings: number): Promise<void> {
  const contender = { name: 'the loop over as many', command: command(bench, 'loop', findings) };
  const loop = await contest([contender], 1, (stdout) => JSON.parse(stdout) as Answer);
  assertSameViolations([engine, ...loop]);
}
