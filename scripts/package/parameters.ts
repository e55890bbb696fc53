import { InputError } from '../../lib/core/errors.ts';
import { hint } from '../../lib/core/suggest.ts';

/** What a parameter of `serverless.yml` has to be, and how that is said. */
interface Kind {
  readonly is: (text: string) => boolean;
  readonly says: string;
}

const flag: Kind = { is: (text) => text === 'true' || text === 'false', says: 'true or false' };
const name: Kind = { is: (text) => text !== '', says: 'a name' };
const seconds = whole(1, 604_800);

function whole(min: number, max: number): Kind {
  const is = (text: string) => /^\d+$/.test(text) && Number(text) >= min && Number(text) <= max;
  return { is, says: `a whole number from ${min} to ${max}` };
}

function pattern(expression: RegExp, says: string): Kind {
  return { is: (text) => expression.test(text), says };
}

/** What CloudWatch keeps logs for. */
const retention = [
  1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653,
];
const levels = ['DEBUG', 'INFO', 'WARN', 'ERROR', 'CRITICAL', 'SILENT', 'TRACE'];

const kinds: Readonly<Record<string, Kind>> = {
  config: name,
  rate: pattern(/^(?:rate\([1-9]\d* (?:minute|hour|day)s?\)|cron\([^()]+\))$/, 'rate(1 hour) or cron(0 6 * * ? *)'),
  timeZone: { is: isTimeZone, says: 'a time zone such as Europe/Berlin' },
  scanConcurrency: whole(2, 1000),
  secretsPrefix: pattern(/^[\w/+=.@-]*$/, 'how the names of secrets begin: letters, digits and /_+=.@-'),
  policyBucket: pattern(/^$|^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/, 'the name of a bucket'),
  policyPrefix: pattern(/^[^*?]*$/, 'how keys begin, without * and ?'),
  pages: flag,
  pagesExpireInDays: whole(1, 36_500),
  logLevel: { is: (text) => levels.includes(text), says: `one of ${levels.join(', ')}` },
  logSampleRate: pattern(/^(?:0|1|0?\.\d+|1\.0+|0\.0+)$/, 'a number from 0 to 1'),
  logRetentionInDays: { is: (text) => retention.includes(Number(text)), says: `one of ${retention.join(', ')}` },
  protectState: flag,
  alarmTopicArn: pattern(/^$|^arn:aws[\w-]*:sns:[\w-]+:\d{12}:[\w-]+$/, 'the ARN of an SNS topic, no FIFO one'),
  noScanAlarmHours: whole(1, 168),
  failingAlarmSeconds: seconds,
  owedAlarmSeconds: seconds,
  messageAgeAlarmSeconds: seconds,
  metricsService: name,
};

function isTimeZone(text: string): boolean {
  try {
    return new Intl.DateTimeFormat('en', { timeZone: text }).resolvedOptions().timeZone !== '';
  } catch {
    return false;
  }
}

/**
 * What osls and CloudFormation would take, or find only while they deploy: a name that does not exist leaves a default in
 * place, `pages=True` makes no bucket, and an alarm that looks back less far than the schedule fires always.
 * @param given as on the command line: `NAME=VALUE`
 * @param settings of the file, those of the stage over the defaults
 * @throws {InputError} the first that cannot be meant
 */
export function checkParameters(given: readonly string[], settings: Readonly<Record<string, unknown>>): void {
  const values = new Map(Object.entries(settings).map(([key, value]) => [key, String(value)]));
  for (const text of given) {
    const at = text.includes('=') ? text.indexOf('=') : text.length;
    const key = text.slice(0, at);
    if (!values.has(key))
      throw new InputError(`--param ${key}: there is no such parameter${hint(key, [...values.keys()])}`);
    values.set(key, text.slice(at + 1));
  }
  for (const [key, value] of values) {
    const kind = kinds[key];
    // What is made of other settings is known to osls only.
    if (kind === undefined || value.includes('${') || kind.is(value)) continue;
    throw new InputError(`parameter ${key}: ${JSON.stringify(value)} is not ${kind.says}`);
  }
  const hours = Number(values.get('noScanAlarmHours'));
  const rate = values.get('rate') ?? '';
  const every = hoursOf(rate);
  if (every !== undefined && hours <= every)
    throw new InputError(
      `parameter noScanAlarmHours: ${hours} is not more than ${rate}, so the alarm would fire always`,
    );
}

/** Undefined: `cron(...)`, of which nothing is known. */
function hoursOf(rate: string): number | undefined {
  const [, count, unit = ''] = /^rate\((\d+) (minute|hour|day)s?\)$/.exec(rate) ?? [];
  return count === undefined ? undefined : Number(count) * ({ minute: 1 / 60, hour: 1, day: 24 }[unit] ?? 1);
}
