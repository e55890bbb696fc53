import type { Followed } from '../app/follow.ts';
import type { Notifier } from '../app/ports.ts';
import type { ScanSummary } from '../app/scan.ts';
import { compose, loadConfig } from '../compose.ts';
import { InputError } from '../core/errors.ts';
import type { Notice } from '../core/notice.ts';
import { jsonText, logLine } from '../core/render/escape.ts';
import { wholeExcess } from '../core/render/finding-words.ts';
import { renderSlackPlain } from '../core/render/slack.ts';
import { openPages } from '../pages/open.ts';
import { logTo } from './log.ts';
import { parseOptions, timeOption } from './options.ts';
import type { Terminal } from './terminal.ts';

export const scanHelp = `portcullis scan [--dry-run]   the scheduled job, once, for all sources

  --dry-run        judge, and show what would be sent, without sending it
  --config FILE    default: portcullis.yaml
  --format NAME    what goes to standard output: text, json; default: text
  --now TIME       judge as of this time: 2026-11-24T08:00:00Z

Standard error has one JSON object a line for every cluster and delivery, unless it is a terminal.
Exit code: 0 all was judged and delivered, whatever the verdicts; 2 something could not be looked at or
delivered (all the rest was done); 3 invalid input, or a secret that is missing (without that of a receiver
all the rest was done); 4 internal error.
`;

/** @returns the exit code @throws {InputError} */
export async function scanCommand(args: readonly string[], terminal: Terminal): Promise<number> {
  const { values, positionals } = parseOptions('scan', args, {
    'dry-run': { type: 'boolean' },
    config: { type: 'string' },
    format: { type: 'string' },
    now: { type: 'string' },
  });
  if (positionals.length > 0)
    throw new InputError(`scan: unexpected argument ${positionals[0]}; see portcullis scan --help`);
  const format = values.format ?? 'text';
  if (format !== 'text' && format !== 'json')
    throw new InputError(`scan: there is no format ${format}; known: text, json`);
  const nowMs = timeOption('--now', values.now) ?? terminal.nowMs();
  const config = await loadConfig(values.config ?? 'portcullis.yaml');
  const say = (line: string) => format === 'text' && terminal.stdout.write(`${logLine(line)}\n`);
  const log = terminal.stderr.isTTY === true ? () => {} : logTo(terminal.stderr);
  const app = await compose(config, { env: terminal.env, log, openPages });
  const messages: string[] = [];
  const dryRun = new Map(config.receivers.map(({ name }) => [name, preview(name, messages)]));
  try {
    const summary = await app.scan(nowMs, {
      onCluster: (source, followed) => say(`${source}: ${clusterLine(followed)}`),
      ...(values['dry-run'] === true && { notifiers: dryRun }),
    });
    for (const message of messages) if (format === 'text') terminal.stdout.write(message);
    const { verdicts, delivered, failures, clusters, unchanged } = summary;
    say(
      `${clusters} clusters (${unchanged} unchanged): ${verdicts.pass} pass, ${verdicts.fail} fail, ${verdicts.undetermined} undetermined`,
    );
    for (const [receiver, count] of Object.entries(delivered)) {
      say(
        `${receiver}: ${count} ${count === 1 ? 'message' : 'messages'} ${values['dry-run'] === true ? 'would be sent' : 'delivered'}`,
      );
    }
    for (const failure of failures) say(`not done: ${failure}`);
    if (format === 'json') terminal.stdout.write(`${jsonText({ version: 1, ...jsonOf(summary) }, 2)}\n`);
    return summary.exitCode;
  } finally {
    await app.close();
  }
}

function jsonOf(summary: ScanSummary) {
  const {
    exitCode,
    hasInvalidSource: _invalid,
    looked: _looked,
    left: _left,
    owed,
    oldestReportSeconds,
    owedSinceMs: _owed,
    failingSinceMs: _failing,
    alerts,
    refused,
    ...rest
  } = summary;
  return {
    exit_code: exitCode,
    ...rest,
    alerts: alerts.firing,
    held: alerts.held,
    waived: alerts.waived,
    refused: Object.values(refused).reduce((sum, count) => sum + count, 0),
    owed: owed.length,
    oldest_report_seconds: oldestReportSeconds ?? null,
  };
}

function clusterLine({ row, verdict, evaluation, alerts }: Followed): string {
  if (evaluation === undefined) {
    const firing = alerts.filter(({ state }) => state === 'firing').length;
    return [row.clusterName, verdict, `unchanged, ${firing} ${firing === 1 ? 'alert' : 'alerts'}`].join(' | ');
  }
  const { rules, reasons } = evaluation;
  const broken = rules.filter((rule) => rule.status === 'fail' || rule.status === 'warn');
  const why = [
    ...broken.map((rule) => `${rule.id}${rule.status === 'warn' ? ' (only warns)' : ''}: ${wholeExcess(rule)}`),
    ...reasons.map((reason) => reason.message),
  ];
  const shown = why.slice(0, 3);
  return [row.clusterName, verdict, ...shown, ...(why.length > 3 ? [`and ${why.length - 3} more`] : [])].join(' | ');
}

/** Takes a notice and keeps how it would read. */
function preview(receiver: string, messages: string[]): Notifier {
  return {
    receiver,
    async deliver(notice: Notice) {
      const { text } = renderSlackPlain(notice).payload;
      messages.push(`--- to ${receiver}, not sent (dry run)\n${text.split('\n').map(logLine).join('\n')}\n---\n`);
    },
  };
}
