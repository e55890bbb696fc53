import type { Bench, ReportFile } from '../bench.ts';
import { atLeast, atMost } from '../budget.ts';
import { assertSameAnswers, type Contender, contest, type Measured, medianOf } from '../contest.ts';
import { foundIn, portcullis, rulesFile, totalOf } from '../gate-run.ts';
import type { Found, RuleSet } from '../programs/tally.ts';
import type { Section } from '../section.ts';
import { mebibytes, number, table, times, whole } from '../table.ts';
import { toolVersion } from '../tools.ts';

const titles: Readonly<Record<RuleSet, string>> = {
  'two-lists': 'rules on vulnerabilities and privileged containers',
  'every-list': 'a rule on every list, on the items inside baseline checks and on the cluster',
};

/** How many times as fast as `JSON.parse` and a loop. */
const bounds: Readonly<Record<RuleSet, number>> = { 'two-lists': 2.5, 'every-list': 1 };

/** From a report's file to the number of violations, whole process. */
export function intakeOf(rules: RuleSet): Section {
  return {
    name: `intake-${rules}`,
    async measure(bench) {
      const report = await bench.report(bench.options.megabytes);
      const tools = await jqTools(report, rules);
      const contenders = [
        portcullis(bench, report, rules),
        loop(bench, report, rules),
        library(bench, 'stream-json', report, rules),
        library(bench, 'streamparser', report, rules),
        ...tools.contenders,
      ];
      const measured = await contest(contenders, bench.options.runs, foundIn);
      assertSameAnswers(measured);
      const [ours, parse] = measured as [Measured<Found>, Measured<Found>];
      return {
        title: `Intake of a ${report.megabytes} MB report: ${titles[rules]}`,
        table: table(
          ['reader', 'seconds', 'MB/s', 'CPU seconds', 'peak MiB', 'violations', 'Portcullis is'],
          measured.map((one) => row(one, ours, report)),
        ),
        budgets: [
          atLeast(bounds[rules], 'As fast as `JSON.parse` and a loop', ratio(wall(parse), wall(ours)), times),
          atMost(128, 'Peak memory', peak(ours), mebibytes),
        ],
        notes: tools.absent.map((name) => `${name} is not installed, so it was left out.`),
      };
    },
  };
}

function row(one: Measured<Found>, ours: Measured<Found>, report: ReportFile): string[] {
  const seconds = (wall(one) ?? 0) / 1000;
  return [
    one.name,
    number(seconds),
    whole(report.megabytes / seconds),
    number(cpuSeconds(one)),
    whole(peak(one)),
    whole(totalOf(one.runs[0]?.answer)),
    one === ours ? '' : `${times(ratio(wall(one), wall(ours)))} as fast`,
  ];
}

function wall(one: Measured<Found>): number | undefined {
  return medianOf(one, (run) => run.wallMs);
}

function peak(one: Measured<Found>): number | undefined {
  return medianOf(one, (run) => run.peakMiB);
}

function cpuSeconds(one: Measured<Found>): number | undefined {
  return medianOf(one, (run) => run.cpuMs && run.cpuMs / 1000);
}

function ratio(a: number | undefined, b: number | undefined): number | undefined {
  return a === undefined || b === undefined ? undefined : a / b;
}

function loop(bench: Bench, report: ReportFile, rules: RuleSet): Contender {
  return { name: '`JSON.parse` and a loop', command: bench.command('json-parse', report.path, rules) };
}

function library(bench: Bench, name: 'stream-json' | 'streamparser', report: ReportFile, rules: RuleSet): Contender {
  const shown = name === 'streamparser' ? '@streamparser/json' : name;
  return { name: shown, command: bench.command(name, report.path, rules) };
}

async function jqTools(report: ReportFile, rules: RuleSet): Promise<{ contenders: Contender[]; absent: string[] }> {
  const contenders: Contender[] = [];
  const absent: string[] = [];
  for (const name of ['jq', 'gojq']) {
    const version = await toolVersion(name);
    if (version === undefined) absent.push(name);
    else {
      const args = ['-c', '-f', rulesFile(rules, 'jq'), report.path];
      contenders.push({ name: version.replace('-', ' '), command: { file: name, args } });
    }
  }
  return { contenders, absent };
}
