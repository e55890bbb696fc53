import { access, constants, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { baselineOf, parseBaseline, renderBaseline } from '../core/baseline.ts';
import { InputError } from '../core/errors.ts';
import { exitCodes } from '../core/evaluation.ts';
import { parseImagePattern } from '../core/images.ts';
import { formatNames, loadFormat, parseOut } from './formats.ts';
import { askLive, askRemote, judgeFile } from './gate-ask.ts';
import { type GateValues, type Judged, refuse } from './gate-values.ts';
import { durationOption, parseOptions, timeOption } from './options.ts';
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
  --strict          broken rules that only warn fail the verdict
  --on-undetermined pass  let an undetermined verdict through with exit code 0; the next scan tells of it
                    (of a report at hand nothing is written down)
  --now TIME        judge as of this time: 2026-11-24T08:00:00Z

Exit code: 0 pass, 1 fail, 2 undetermined, 3 invalid input, 4 internal error.
`;

/** @returns the exit code @throws {InputError} */
export async function gateCommand(args: readonly string[], terminal: Terminal): Promise<number> {
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
    strict: { type: 'boolean' },
    'on-undetermined': { type: 'string' },
    now: { type: 'string' },
  });
  if (positionals.length > 0)
    throw new InputError(`gate: unexpected argument ${positionals[0]}; see portcullis gate --help`);
  const render = await loadFormat(values.format ?? 'table');
  const outs = (values.out ?? []).map(parseOut);
  const renderOuts = await Promise.all(outs.map((out) => loadFormat(out.format)));
  const written = [...outs.map(({ file }) => ['--out', file] as const), ...baselineOut(values)];
  await checkWritable(written, [values.report, values.policy, values.config, values.baseline], values.baseline);
  // What an earlier run wrote must not be taken for the verdict of this one.
  await Promise.all(outs.map(({ file }) => removeFile(file)));
  const nowMs = timeOption('--now', values.now) ?? terminal.nowMs();

  const { evaluation, policyFile, rules } = await judge(values, nowMs, terminal);
  const colour = wantsColour(terminal.stdout, terminal.env);
  terminal.stdout.write(render(evaluation, { colour, columns: columnsOf(terminal.stdout), policyFile }));
  for (const [i, { file }] of outs.entries()) {
    await write('--out', file, renderOuts[i]?.(evaluation, { colour: false, columns: 100, policyFile }) ?? '');
  }
  const [[, baselineFile] = []] = baselineOut(values);
  if (baselineFile !== undefined) {
    const baseline = baselineOf(evaluation, rules ?? [], values.image);
    if (baseline === undefined)
      terminal.stderr.write('portcullis: no baseline was written: the report does not suffice\n');
    else await write('--write-baseline', baselineFile, renderBaseline(baseline));
  }
  if (evaluation.isLetThrough) {
    terminal.stderr.write(
      `portcullis: LET THROUGH: the verdict is undetermined, and --on-undetermined pass was given\n`,
    );
    return exitCodes.pass;
  }
  return exitCodes[evaluation.verdict];
}

function baselineOut({ 'write-baseline': file }: GateValues): (readonly [string, string])[] {
  return file === undefined || file === 'previous' ? [] : [['--write-baseline', file]];
}

/** Before anything is judged, so that a verdict is never lost for want of a folder. @throws {InputError} */
async function checkWritable(
  written: readonly (readonly [string, string])[],
  read: readonly (string | undefined)[],
  baseline: string | undefined,
): Promise<void> {
  const sources = new Set(read.flatMap((file) => (file === undefined ? [] : [resolve(file)])));
  const seen = new Set<string>();
  for (const [option, file] of written) {
    const path = resolve(file);
    // A baseline may be renewed in place.
    const isRenewed = option === '--write-baseline' && baseline !== undefined && resolve(baseline) === path;
    if (sources.has(path) && !isRenewed) throw new InputError(`${option} ${file}: would write over what is read`);
    if (seen.has(path)) throw new InputError(`${option} ${file}: is written twice`);
    seen.add(path);
    try {
      const there = await stat(path).catch(() => undefined);
      if (there?.isDirectory()) throw Object.assign(new Error(), { code: 'EISDIR' });
      await access(there === undefined ? dirname(path) : path, constants.W_OK);
    } catch (error) {
      throw unwritable(option, file, error);
    }
  }
}

/** A pipe or a terminal stays. */
async function removeFile(file: string): Promise<void> {
  if ((await stat(file).catch(() => undefined))?.isFile()) await rm(file);
}

async function write(option: string, file: string, text: string): Promise<void> {
  try {
    await writeFile(file, text);
  } catch (error) {
    throw unwritable(option, file, error);
  }
}

function unwritable(option: string, file: string, error: unknown): InputError {
  return new InputError(`${option} ${file}: cannot be written (${(error as NodeJS.ErrnoException).code ?? 'error'})`);
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
  const baseline = await readBaseline(values.baseline);
  if (report !== undefined) return judgeFile(values, { ...common, baseline }, nowMs, terminal);
  return askLive(values, { ...common, baseline }, nowMs, terminal);
}

async function readBaseline(file: string | undefined) {
  if (file === undefined || file === 'previous') return file;
  try {
    return parseBaseline(await readFile(file, 'utf8'), file);
  } catch (error) {
    if (error instanceof InputError) throw error;
    throw new InputError(`--baseline ${file}: cannot be read (${(error as NodeJS.ErrnoException).code ?? 'error'})`);
  }
}
