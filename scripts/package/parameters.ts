import { posix, win32 } from 'node:path';
import { InputError } from '../../lib/core/errors.ts';
import { hint } from '../../lib/core/suggest.ts';

/** What a parameter of `serverless.yml` has to be, and how that is said. */
interface Kind {
  readonly is: (text: string) => boolean;
  readonly says: string;
}

const flag: Kind = { is: (text) => text === 'true' || text === 'false', says: 'true or false' };
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
  config: { is: isBelow, says: 'a path below the project, relative to it, such as teams/payments.yaml' },
  rate: pattern(
    /^(?:rate\([1-9]\d* (?:minute|hour|day)s?\)|cron\([\w*?,/#-]+(?: +[\w*?,/#-]+){5}\))$/,
    'rate(1 hour) or cron(0 6 * * ? *), which has six fields',
  ),
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
  metricsService: pattern(/^[\w./ -]+$/, 'a name of letters, digits, spaces and ._-/'),
};

/** The functions look for it where they are unpacked. */
function isBelow(path: string): boolean {
  const [first] = posix.normalize(path).split('/');
  return path !== '' && !win32.isAbsolute(path) && !path.includes('\\') && first !== '..';
}

/** By its name: EventBridge Scheduler takes no `+02:00`. */
function isTimeZone(text: string): boolean {
  if (!/^[A-Za-z]/.test(text)) return false;
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
 * @returns warnings
 * @throws {InputError} the first that cannot be meant
 */
export function checkParameters(given: readonly string[], settings: Readonly<Record<string, unknown>>): string[] {
  const byHand = new Set<string>();
  const values = new Map(Object.entries(settings).map(([key, value]) => [key, String(value)]));
  for (const text of given) {
    const at = text.includes('=') ? text.indexOf('=') : text.length;
    const key = text.slice(0, at);
    if (!values.has(key))
      throw new InputError(`--param ${key}: there is no such parameter${hint(key, [...values.keys()])}`);
    values.set(key, text.slice(at + 1));
    byHand.add(key);
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
  const isMeant = every !== undefined || hours !== defaultHours || byHand.has('noScanAlarmHours');
  return isMeant
    ? []
    : [
        `rate is ${rate}: give --param noScanAlarmHours=HOURS, more than the longest gap between two scans; by the default of ${hours} the alarm on scans fires in each gap that is longer`,
      ];
}

/** Of `noScanAlarmHours`, in `serverless.yml`. */
const defaultHours = 3;

/** Undefined: `cron(...)`, of which nothing is known. */
function hoursOf(rate: string): number | undefined {
  const [, count, unit = ''] = /^rate\((\d+) (minute|hour|day)s?\)$/.exec(rate) ?? [];
  return count === undefined ? undefined : Number(count) * ({ minute: 1 / 60, hour: 1, day: 24 }[unit] ?? 1);
}
