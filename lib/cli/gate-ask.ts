import { answerFreshMs, type GateRequest } from '../app/gate.ts';
import { compose, judgeReport, loadConfig, loadPolicy, systemClock } from '../compose.ts';
import type { Baseline } from '../core/baseline.ts';
import { InputError } from '../core/errors.ts';
import type { RemoteRequest } from '../remote/answer.ts';
import { type GateValues, type Judged, refuse } from './gate-values.ts';
import { logTo } from './log.ts';
import { durationOption } from './options.ts';
import { progress } from './progress.ts';
import { openReport } from './report-file.ts';
import { repositoryPath } from './repository-path.ts';
import type { Terminal } from './terminal.ts';

type Common = Pick<
  GateRequest,
  'images' | 'maxReportAgeMs' | 'strict' | 'letUndetermined' | 'forBaseline' | 'writePrevious'
>;
type Local = Common & { readonly baseline: Baseline | 'previous' | undefined };

/** A report at hand. @throws {InputError} */
export async function judgeFile(values: GateValues, asked: Local, nowMs: number, terminal: Terminal): Promise<Judged> {
  const { report = '', policy: policyFile } = values;
  if (policyFile === undefined) throw new InputError('gate: --report needs --policy FILE');
  refuse(values, 'with --report', ['source', 'config', 'timeout']);
  const { baseline, forBaseline, writePrevious, letUndetermined, ...options } = asked;
  if (writePrevious)
    throw new InputError('--write-baseline previous: nothing is remembered of a report at hand; name a file');
  if (baseline === 'previous')
    throw new InputError('--baseline previous: nothing is remembered of a report at hand; name a file');
  const policy = await loadPolicy(policyFile);
  const shown = progress(terminal.stderr);
  try {
    const body = await openReport(report, terminal);
    const track = forBaseline ? ('baseline' as const) : undefined;
    const judged = { policy, nowMs, options: { ...options, baseline, track } };
    const evaluation = await judgeReport(body, judged, { onProgress: shown.update });
    const isLetThrough = letUndetermined === true && evaluation.verdict === 'undetermined';
    return {
      evaluation: isLetThrough ? { ...evaluation, isLetThrough, isUnrecorded: true } : evaluation,
      policyFile: repositoryPath(policyFile, terminal.env),
      rules: policy.rules,
    };
  } finally {
    shown.clear();
  }
}

/** A pipeline waits for it: what HSS has not answered by then is undetermined. */
const defaultTimeoutMs = 10 * 60_000;

/** The newest report of a cluster, by the config. @throws {InputError} */
export async function askLive(values: GateValues, asked: Local, nowMs: number, terminal: Terminal): Promise<Judged> {
  const { cluster = '', source, policy } = values;
  const timeoutMs = durationOption('--timeout', values.timeout) ?? defaultTimeoutMs;
  const config = await loadConfig(values.config ?? 'portcullis.yaml');
  const log = logTo(terminal.stderr, 'warn');
  // Another one's key may be the wrong one.
  const app = await compose(config, { env: terminal.env, log, freshMs: answerFreshMs, failureFreshMs: 0 });
  try {
    const evaluation = await app.gate({ cluster, source, policy, ...asked }, nowMs, AbortSignal.timeout(timeoutMs));
    const file = app.policyFile(evaluation);
    return { evaluation, policyFile: file && repositoryPath(file, terminal.env), rules: app.rules(evaluation) };
  } finally {
    await app.close();
  }
}

/** A deployed gate. Its client is loaded only here. @throws {InputError} @throws {RemoteError} */
export async function askRemote(values: GateValues, asked: Common, nowMs: number, terminal: Terminal): Promise<Judged> {
  refuse(values, 'with --function or --url', ['report', 'config', 'timeout', 'now']);
  const { cluster = '', source, policy, image: images, function: name, url, region, qualifier, baseline } = values;
  if (name !== undefined && url !== undefined) throw new InputError('gate: needs --function or --url, and not both');
  if (baseline !== undefined && baseline !== 'previous')
    throw new InputError('--baseline: a deployed gate compares with previous only');
  if (asked.forBaseline) throw new InputError('--write-baseline: a deployed gate keeps previous only');
  const request: RemoteRequest = {
    cluster,
    source,
    policy,
    images,
    max_age: values['max-age'],
    strict: asked.strict,
    baseline,
    write_baseline: asked.writePrevious ? 'previous' : undefined,
    on_undetermined: asked.letUndetermined ? 'pass' : undefined,
  };
  if (name !== undefined) {
    const { askFunction } = await import('../remote/function.ts');
    return { evaluation: await askFunction({ name, region, qualifier }, request, nowMs) };
  }
  refuse(values, 'with --url', ['qualifier']);
  const { askUrl } = await import('../remote/url.ts');
  const edges = { env: terminal.env, clock: systemClock, random: Math.random };
  return { evaluation: await askUrl({ url: url ?? '', region, ...edges }, request, nowMs) };
}
