import { createReadStream } from 'node:fs';
import { stat, writeFile } from 'node:fs/promises';
import type { Bytes } from '../app/ports.ts';
import { compose, judgeReport, loadConfig, loadPolicy } from '../compose.ts';
import { InputError } from '../core/errors.ts';
import { type Evaluation, exitCodes } from '../core/evaluation.ts';
import { formatNames, loadFormat, parseOut } from './formats.ts';
import { logTo } from './log.ts';
import { durationOption, parseOptions, timeOption } from './options.ts';
import { progress } from './progress.ts';
import { repositoryPath } from './repository-path.ts';
import { columnsOf, type Terminal, wantsColour } from './terminal.ts';

export const gateHelp = `portcullis gate --report FILE|- --policy FILE     verdict on a report at hand, offline
portcullis gate --cluster NAME [--source NAME]   verdict on the newest live report, by the config

  --report FILE     a cluster report as HSS gives it, plain or gzip; - is standard input
  --policy FILE     the policy to judge it by
  --cluster NAME    the name or id of a cluster
  --source NAME     the source to look in; default: all
  --config FILE     default: portcullis.yaml
  --format NAME     what goes to standard output; default: table
                    known: ${formatNames.join(', ')}
  --out FORMAT=FILE write another format to a file; any number of times
  --max-age TIME    how old a report may be, in place of the policy's max_report_age: 26h, 7d
  --strict          broken rules that only warn fail the verdict
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
    format: { type: 'string' },
    out: { type: 'string', multiple: true },
    'max-age': { type: 'string' },
    strict: { type: 'boolean' },
    now: { type: 'string' },
  });
  if (positionals.length > 0)
    throw new InputError(`gate: unexpected argument ${positionals[0]}; see portcullis gate --help`);
  const render = await loadFormat(values.format ?? 'table');
  const outs = (values.out ?? []).map(parseOut);
  const renderOuts = await Promise.all(outs.map((out) => loadFormat(out.format)));
  const nowMs = timeOption('--now', values.now) ?? terminal.nowMs();
  const options = { maxReportAgeMs: durationOption('--max-age', values['max-age']), strict: values.strict };

  const { evaluation, policyFile } = await judge(values, options, nowMs, terminal);
  const colour = wantsColour(terminal.stdout, terminal.env);
  terminal.stdout.write(render(evaluation, { colour, columns: columnsOf(terminal.stdout), policyFile }));
  await Promise.all(
    outs.map(async ({ file }, i) => {
      try {
        await writeFile(file, renderOuts[i]?.(evaluation, { colour: false, columns: 100, policyFile }) ?? '');
      } catch (error) {
        throw new InputError(`--out ${file}: cannot be written (${(error as NodeJS.ErrnoException).code ?? 'error'})`);
      }
    }),
  );
  return exitCodes[evaluation.verdict];
}

interface Judged {
  readonly evaluation: Evaluation;
  /** Where the policy stands in its repository. */
  readonly policyFile: string | undefined;
}

interface Values {
  readonly report?: string | undefined;
  readonly policy?: string | undefined;
  readonly cluster?: string | undefined;
  readonly source?: string | undefined;
  readonly config?: string | undefined;
}

async function judge(
  values: Values,
  options: { maxReportAgeMs: number | undefined; strict: boolean | undefined },
  nowMs: number,
  terminal: Terminal,
): Promise<Judged> {
  const { report, cluster } = values;
  if ((report === undefined) === (cluster === undefined)) {
    throw new InputError(
      'gate: needs either --report FILE --policy FILE or --cluster NAME; see portcullis gate --help',
    );
  }
  if (report !== undefined) {
    if (values.policy === undefined) throw new InputError('gate: --report needs --policy FILE');
    for (const other of ['source', 'config'] as const) {
      if (values[other] !== undefined) throw new InputError(`gate: --${other} does not go with --report`);
    }
    const policy = await loadPolicy(values.policy);
    const shown = progress(terminal.stderr);
    try {
      const body = await openReport(report, terminal);
      const evaluation = await judgeReport(body, { policy, nowMs, options }, { onProgress: shown.update });
      return { evaluation, policyFile: repositoryPath(values.policy, terminal.env) };
    } finally {
      shown.clear();
    }
  }
  if (values.policy !== undefined)
    throw new InputError('gate: --cluster is judged by the policy of its source in the config; leave out --policy');
  const config = await loadConfig(values.config ?? 'portcullis.yaml');
  const app = await compose(config, { env: terminal.env, log: logTo(terminal.stderr) });
  try {
    const evaluation = await app.gate({ cluster: cluster as string, source: values.source, options }, nowMs);
    const file = app.policyFile(evaluation);
    return { evaluation, policyFile: file && repositoryPath(file, terminal.env) };
  } finally {
    await app.close();
  }
}

async function openReport(path: string, terminal: Terminal): Promise<Bytes> {
  if (path === '-') {
    if (terminal.stdin.isTTY)
      throw new InputError('gate: --report - reads standard input, and nothing is piped into it');
    return terminal.stdin;
  }
  const problem = await stat(path).then(
    (found) => (found.isDirectory() ? 'is a folder' : undefined),
    (error: NodeJS.ErrnoException) => `cannot be read (${error.code})`,
  );
  if (problem !== undefined) throw new InputError(`--report ${path}: ${problem}`);
  return readable(path);
}

async function* readable(path: string): Bytes {
  try {
    yield* createReadStream(path, { highWaterMark: 256 * 1024 });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === undefined) throw error;
    throw new InputError(`--report ${path}: cannot be read (${code})`);
  }
}
