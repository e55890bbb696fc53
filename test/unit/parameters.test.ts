import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { checkParameters } from '../../scripts/package/parameters.ts';

const { params } = parse(readFileSync('serverless.yml', 'utf8'), { logLevel: 'error' });

test.each(Object.keys(params))('what the file has for %s is right', (stage) => {
  expect(() => checkParameters([], { ...params.default, ...params[stage] })).not.toThrow();
});

test.each([
  ['noScanAlarmHours=169', /noScanAlarmHours: "169" is not a whole number from 1 to 168/],
  ['noScanAlarmHours=1', /not more than rate\(1 hour\)/],
  ['noScanAlarmHours=', /noScanAlarmHours: "" is not/],
  ['rate=bogus', /rate: "bogus" is not rate\(1 hour\) or cron/],
  ['rate=rate(0 hours)', /is not rate/],
  ['rate=cron(foo)', /"cron\(foo\)" is not rate\(1 hour\) or cron\(0 6 \* \* \? \*\), which has six fields/],
  ['rate=cron(0 6 * * ?)', /which has six fields/],
  ['rate=cron(0 6 * * ? * *)', /which has six fields/],
  ['timeZone=+02:00', /"\+02:00" is not a time zone such as Europe\/Berlin/],
  ['timeZone=-0300', /is not a time zone/],
  ['metricsService=a"b', /metricsService: "a\\"b" is not a name of letters, digits, spaces/],
  ['metricsService=', /metricsService: "" is not/],
  ['config=/home/you/portcullis/teams/x.yaml', /is not a path below the project, relative to it/],
  ['config=C:/portcullis/x.yaml', /is not a path below the project/],
  ['config=../portcullis/teams/x.yaml', /is not a path below the project/],
  ['config=teams/../../portcullis/x.yaml', /is not a path below the project/],
  ['config=teams\\x.yaml', /is not a path below the project/],
  ['config=', /is not a path below the project/],
  ['timeZone=Berlin', /"Berlin" is not a time zone/],
  ['protectState=yes', /is not true or false/],
  ['secretsPrefix=*', /how the names of secrets begin/],
  ['logSampleRate=5', /a number from 0 to 1/],
  ['logRetentionInDays=31', /one of 1, 3, 5/],
  ['logLevel=info', /one of DEBUG, INFO/],
  ['alarmTopicArn=alarms', /the ARN of an SNS topic/],
  ['pagesExpireInDays=0', /from 1 to/],
  ['policyBucket=My_Bucket', /the name of a bucket/],
  ['rates=rate(2 hours)', /--param rates: there is no such parameter; did you mean rate\?/],
])('%s is refused', (given, says) => {
  expect(() => checkParameters([given], params.default)).toThrow(says);
});

test.each([
  ['rate=cron(0 6 ? * MON-FRI *)', 'timeZone=Europe/Berlin'],
  ['rate=rate(1 day)', 'noScanAlarmHours=30'],
  ['alarmTopicArn=arn:aws:sns:eu-west-1:123456789012:alarms', 'logSampleRate=0.05', 'pages=true'],
  ['config=./teams/payments.yaml', 'timeZone=UTC', 'metricsService=Team A/gate.x_1-b'],
  ['policyBucket=acme-policies', 'policyPrefix=', 'secretsPrefix=', 'logLevel=DEBUG'],
])('%s %s is taken', (...given) => {
  expect(() => checkParameters(given, params.default)).not.toThrow();
});

test.each([
  { given: ['rate=cron(0 6 * * ? *)'], settings: {}, warns: true },
  { given: ['rate=cron(0 6 * * ? *)', 'noScanAlarmHours=25'], settings: {}, warns: false },
  { given: ['rate=cron(0 * * * ? *)', 'noScanAlarmHours=3'], settings: {}, warns: false },
  { given: ['rate=cron(0 6 * * ? *)'], settings: { noScanAlarmHours: 25 }, warns: false },
  { given: ['rate=rate(2 hours)'], settings: {}, warns: false },
])('$given with $settings in the file: a warning: $warns', ({ given, settings, warns }) => {
  const warnings = checkParameters(given, { ...params.default, ...settings });
  expect(warnings).toEqual(warns ? [expect.stringMatching(/^rate is cron.+ more than the longest gap/)] : []);
});
