import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { judgeReport, loadPolicy, readFindings } from '../compose.ts';
import { InputError } from '../core/errors.ts';
import { Explanation } from '../core/explain.ts';
import { renderFinding, renderRules } from '../core/render/explain.ts';
import { hint } from '../core/suggest.ts';
import { durationOption, parseOptions, timeOption } from './options.ts';
import { columnsOf, type Terminal } from './terminal.ts';

export const explainHelp = `portcullis explain --report FILE --policy FILE [FINGERPRINT | --rule ID]

Tells why a verdict is as it is: of all rules, of one, or of one finding, known by the fingerprint that results, SARIF
and webhooks have of it: which value met which threshold, which waivers were looked at and why each does or does not
apply, and the fewest changes that lead to green.

  --report FILE   a cluster report as HSS gives it, plain or gzip; it is read twice, so - is not taken
  --policy FILE   the policy to judge it by
  --rule ID       one rule
  --max-age TIME  how old the report may be, in place of the policy's max_report_age: 26h, 7d
  --now TIME      judge as of this time: 2026-11-24T08:00:00Z

Exit code: 0 explained, 3 invalid input or no such finding or rule, 4 internal error.
`;

/** @returns the exit code @throws {InputError} */
export async function explainCommand(args: readonly string[], terminal: Terminal): Promise<number> {
  const { values, positionals } = parseOptions('explain', args, {
    report: { type: 'string' },
    policy: { type: 'string' },
    rule: { type: 'string' },
    'max-age': { type: 'string' },
    now: { type: 'string' },
  });
  const [target, ...rest] = positionals;
  if (rest.length > 0) throw new InputError(`explain: unexpected argument ${rest[0]}; see portcullis explain --help`);
  const { report, policy: policyFile, rule } = values;
  if (report === undefined || policyFile === undefined)
    throw new InputError('explain: needs --report FILE --policy FILE; see portcullis explain --help');
  if (report === '-') throw new InputError('explain: the report is read twice, so it has to be a file');
  if (target !== undefined && rule !== undefined)
    throw new InputError('explain: takes a fingerprint or --rule ID, and not both');
  if (target !== undefined && !/^[0-9a-f]{32}$/.test(target))
    throw new InputError(`explain: ${target} is no fingerprint: 32 hex digits, as --format json has them`);
  const nowMs = timeOption('--now', values.now) ?? terminal.nowMs();
  const policy = await loadPolicy(policyFile);
  const known = policy.rules.map(({ id }) => id);
  if (rule !== undefined && !known.includes(rule))
    throw new InputError(`--rule ${rule}: the policy has no such rule${hint(rule, known)}`);
  if ((await stat(report).catch(() => undefined))?.isFile() !== true)
    throw new InputError(`--report ${report}: is no file that can be read`);

  const body = () => createReadStream(report, { highWaterMark: 256 * 1024 });
  const options = { maxReportAgeMs: durationOption('--max-age', values['max-age']) };
  const evaluation = await judgeReport(body(), { policy, nowMs, options });
  const explanation = new Explanation(policy, evaluation, target);
  await readFindings(body(), policy, (kind, finding) => explanation.push(kind, finding));
  const columns = columnsOf(terminal.stdout);
  if (target === undefined) {
    terminal.stdout.write(renderRules(explanation.rules(), evaluation, columns, rule));
    return 0;
  }
  const found = explanation.finding();
  if (found === undefined)
    throw new InputError(
      `explain: the report has no finding ${target} for any rule of ${policy.name}: it is fixed, or of another cluster or policy`,
    );
  terminal.stdout.write(renderFinding(found, evaluation, columns));
  return 0;
}
