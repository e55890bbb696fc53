import { InputError } from '../core/errors.ts';
import { readBaseline } from './baseline-file.ts';
import { loadFormat } from './formats.ts';
import { judgeFile } from './gate-ask.ts';
import { durationOption, parseOptions, timeOption } from './options.ts';
import { checkWritable, removeFile, write } from './outputs.ts';
import type { Terminal } from './terminal.ts';

export const reportHelp = `portcullis report --report FILE|- --policy FILE [--out FILE.html]

Makes a page for people of a report at hand: the verdict, what to do first, every rule with its worst findings, waivers and
counts. It is one file that loads nothing and runs nothing, so it can be mailed, kept as an artifact of a pipeline, or
printed. The page of a live cluster is made by gate --cluster NAME --out html=FILE.

  --report FILE    a cluster report as HSS gives it, plain or gzip; - is standard input
  --policy FILE    the policy to judge it by
  --out FILE       where the page goes; default: standard output
  --baseline FILE  tell what is new since then, as gate --write-baseline FILE kept it
  --max-age TIME   how old the report may be, in place of the policy's max_report_age: 26h, 7d
  --now TIME       judge as of this time: 2026-11-24T08:00:00Z

Exit code: 0 the page was made, whatever the verdict; 3 invalid input, 4 internal error.
`;

/** @returns the exit code @throws {InputError} */
export async function reportCommand(args: readonly string[], terminal: Terminal): Promise<number> {
  const { values, positionals } = parseOptions('report', args, {
    report: { type: 'string' },
    policy: { type: 'string' },
    out: { type: 'string' },
    baseline: { type: 'string' },
    'max-age': { type: 'string' },
    now: { type: 'string' },
  });
  if (positionals.length > 0)
    throw new InputError(`report: unexpected argument ${positionals[0]}; see portcullis report --help`);
  const { report, policy, out } = values;
  if (report === undefined || policy === undefined)
    throw new InputError('report: needs --report FILE --policy FILE; see portcullis report --help');
  const maxReportAgeMs = durationOption('--max-age', values['max-age']);
  const nowMs = timeOption('--now', values.now) ?? terminal.nowMs();
  const baseline = await readBaseline(values.baseline);
  if (out !== undefined) {
    await checkWritable([['--out', out]], { report, policy, baseline: values.baseline }, terminal.env);
    await removeFile(out);
  }
  const asked = {
    images: undefined,
    maxReportAgeMs,
    strict: false,
    letUndetermined: false,
    forBaseline: false,
    baseline,
  };
  const { evaluation, policyFile } = await judgeFile({ report, policy }, asked, nowMs, terminal);
  const render = await loadFormat('html');
  const page = render(evaluation, { colour: false, columns: 100, policyFile });
  if (out === undefined) terminal.stdout.write(page);
  else await write('--out', out, page);
  return 0;
}
