import { baselineOf, renderBaseline } from '../core/baseline.ts';
import { InputError } from '../core/errors.ts';
import { exitCodes } from '../core/evaluation.ts';
import { parseImagePattern } from '../core/images.ts';
import { readBaseline } from './baseline-file.ts';
import { formatNames, loadFormat, type Out, parseOut, type Render } from './formats.ts';
import { askLive, askRemote, judgeFile } from './gate-ask.ts';
import { type GateValues, type Judged, refuse } from './gate-values.ts';
import { durationOption, parseOptions, timeOption } from './options.ts';
import { checkWritable, isSameFile, removeEarlier, removeFile, type Written, write } from './outputs.ts';
import { pipelinePath } from './repository-path.ts';
import { columnsOf, type Terminal, wantsColour } from './terminal.ts';

export const gateHelp = `portcullis gate --report FILE|- --policy FILE     verdict on a report at hand, offline
portcullis gate --cluster NAME [--source NAME]   verdict on the newest live report, by the config
portcullis gate --function NAME --cluster NAME   verdict asked of the deployed function
portcullis gate --url URL --cluster NAME         the same, by its function URL

  --report FILE     a cluster report as HSS gives it, plain or gzip; - is standard input
  --policy FILE     the policy to judge it by; with --cluster the name of one of the config's
  --cluster NAME    the name or id of a cluster
  --source NAME     the source to look in; default: all
  --config FILE     default: portcullis.yaml
  --function NAME   name or ARN of the deployed gate; --region NAME, --qualifier NAME go with it
  --url URL         its function URL; --region NAME goes with it
  --image NAME      judge vulnerabilities of this image alone, such as registry/app:1.2.3 or team/*;
                    any number of times
  --baseline FILE   only what is new or worse since then fails; previous: since the last result that passed
                    or was accepted
  --write-baseline FILE  keep what is wrong now, to compare with later; previous: accept it in the state
  --format NAME     what goes to standard output: ${formatNames.slice(0, 5).join(', ')},
                    ${formatNames.slice(5).join(', ')}; default: table
  --out FORMAT=FILE write another format to a file; any number of times
  --max-age TIME    how old a report may be, in place of the policy's max_report_age: 26h, 7d
  --timeout TIME    how long HSS may take, for a live report by the config; default: 10m
  --strict          broken rules that only warn fail the verdict
  --on-undetermined pass  let an undetermined verdict through with exit code 0; the next scan tells of it
                    (of a report at hand nothing is written down)
  --now TIME        judge as of this time: 2026-11-24T08:00:00Z

Exit code: 0 pass, 1 fail, 2 undetermined, 3 invalid input, 4 internal error.
`;

/** @returns the exit code @throws {InputError} */
export async function gateCommand(args: readonly string[], terminal: Terminal): Promise<number> {
  let asked: Asked;
  try {
    asked = await parseGate(args, terminal);
  } catch (error) {
    if (error instanceof InputError) await removeEarlier(args, terminal.env);
    throw error;
  }
  const { values, render, outs } = asked;
  // What an earlier run wrote must not be taken for the verdict of this one.
  await Promise.all(outs.map(({ file }) => removeFile(file)));
  const nowMs = timeOption('--now', values.now) ?? terminal.nowMs();

  const { evaluation, policyFile, rules } = await judge(values, nowMs, terminal);
  const pipelineFile = pipelinePath(terminal.env);
  const colour = wantsColour(terminal.stdout, terminal.env);
  try {
    for (const { file, render } of outs) {
      await write('--out', file, render(evaluation, { colour: false, columns: 100, policyFile, pipelineFile }));
    }
    const [[, baselineFile] = []] = baselineOut(values);
    if (baselineFile !== undefined) {
      const baseline = baselineOf(evaluation, rules ?? [], values.image);
      const notWritten = (why: string) => terminal.stderr.write(`portcullis: no baseline was written: ${why}\n`);
      if (baseline === undefined) notWritten('the report does not suffice');
      // Else whoever runs a failed job once more has accepted what it failed by.
      else if (evaluation.verdict !== 'pass' && (await isSameFile(values.baseline, baselineFile)))
        notWritten(
          'the file that a failing result is compared with stays as it was; to accept it, leave out --baseline',
        );
      else await write('--write-baseline', baselineFile, renderBaseline(baseline));
    }
  } catch (error) {
    // Half of what was asked for is no verdict.
    await Promise.all(outs.map(({ file }) => removeFile(file)));
    throw error;
  }
  terminal.stdout.write(render(evaluation, { colour, columns: columnsOf(terminal.stdout), policyFile, pipelineFile }));
  if (evaluation.isLetThrough) {
    terminal.stderr.write(
      `portcullis: LET THROUGH: the verdict is undetermined, and --on-undetermined pass was given\n`,
    );
    return exitCodes.pass;
  }
  return exitCodes[evaluation.verdict];
}

interface Asked {
  readonly values: GateValues;
  readonly render: Render;
  readonly outs: readonly (Out & { readonly render: Render })[];
}

/** What is asked for, and that what is to be written can be. @throws {InputError} */
async function parseGate(args: readonly string[], terminal: Terminal): Promise<Asked> {
  const { values, positionals } = parseOptions('gate', args, {
    report: { type: 'string' },
    policy: { type: 'string' },
    cluster: { type: 'string' },
    source: { type: 'string' },
    config: { type: 'string' },
    function: { type: 'string' },
    url: { type: 'string' },
    region: { type: 'string' },
    qualifier: { type: 'string' },
    image: { type: 'string', multiple: true },
    baseline: { type: 'string' },
    'write-baseline': { type: 'string' },
    format: { type: 'string' },
    out: { type: 'string', multiple: true },
    'max-age': { type: 'string' },
    timeout: { type: 'string' },
    strict: { type: 'boolean' },
    'on-undetermined': { type: 'string' },
    now: { type: 'string' },
  });
  if (positionals.length > 0)
    throw new InputError(`gate: unexpected argument ${positionals[0]}; see portcullis gate --help`);
  const render = await loadFormat(values.format ?? 'table');
  const outs = (values.out ?? []).map(parseOut);
  const renderOuts = await Promise.all(outs.map((out) => loadFormat(out.format)));
  for (const [name, value] of Object.entries(values)) {
    // A variable that is not set.
    if (typeof value === 'string' && value.trim() === '') throw new InputError(`gate: --${name} is empty`);
  }
  const written = [...outs.map(({ file }) => ['--out', file] as const), ...baselineOut(values)];
  await checkWritable(written, values, terminal.env);
  return { values, render, outs: outs.map((out, i) => ({ ...out, render: renderOuts[i] as Render })) };
}

function baselineOut({ 'write-baseline': file }: GateValues): readonly Written[] {
  return file === undefined || file === 'previous' ? [] : [['--write-baseline', file]];
}

async function judge(values: GateValues, nowMs: number, terminal: Terminal): Promise<Judged> {
  const { report, cluster, function: name, url } = values;
  if ((report === undefined) === (cluster === undefined)) {
    throw new InputError(
      'gate: needs either --report FILE --policy FILE or --cluster NAME; see portcullis gate --help',
    );
  }
  const letThrough = values['on-undetermined'] ?? 'fail';
  if (letThrough !== 'pass' && letThrough !== 'fail')
    throw new InputError(`--on-undetermined ${letThrough}: has to be fail or pass`);
  const common = {
    images: values.image?.map(parseImagePattern),
    maxReportAgeMs: durationOption('--max-age', values['max-age']),
    strict: values.strict,
    letUndetermined: letThrough === 'pass',
    forBaseline: baselineOut(values).length > 0,
    writePrevious: values['write-baseline'] === 'previous',
  };
  if (name !== undefined || url !== undefined) return askRemote(values, common, nowMs, terminal);
  refuse(values, 'without --function or --url', ['region', 'qualifier']);
  const baseline = values.baseline === 'previous' ? values.baseline : await readBaseline(values.baseline);
  if (report !== undefined) return judgeFile(values, { ...common, baseline }, nowMs, terminal);
  return askLive(values, { ...common, baseline }, nowMs, terminal);
}
