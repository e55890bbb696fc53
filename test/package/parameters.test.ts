import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { parse, stringify } from 'yaml';
import { functionNames } from '../../scripts/package/build.ts';
import { type Packaged, packageService, root, unpack } from '../support/lambda-package.ts';
import { plain } from '../support/template.ts';

let project: string;
let count = 0;

// A project of its own: what is built here must not be met by the tests of the one that ships.
beforeAll(async () => {
  project = await mkdtemp(join(tmpdir(), 'portcullis-parameters-'));
  for (const path of ['functions', 'lib', 'policies', 'scripts', 'package.json', 'portcullis.yaml', 'serverless.yml']) {
    await cp(join(root, path), join(project, path), { recursive: true });
  }
  await symlink(join(root, 'node_modules'), join(project, 'node_modules'));
  const config = await readFile(join(root, 'portcullis.yaml'), 'utf8');
  await mkdir(join(project, 'teams'));
  await writeFile(join(project, 'teams', 'payments.yaml'), config.replace('policies/', '../policies/'));
  await writeFile(join(project, 'teams', 'many.yaml'), manySources(config));
  await writeFile(join(project, 'teams', 'remote.yaml'), config.replace('policies/', 's3://acme/policies/'));
  await writeFile(
    join(project, 'teams', 'local.yaml'),
    config
      .replace('policies/', '../policies/')
      .replace('aws-sm://portcullis/hss', 'env://HSS')
      .replace('aws-sm://portcullis/slack', 'file:///run/slack'),
  );
  await writeFile(join(project, 'teams', 'wrong.yaml'), config.replace('[security-chat]', '[security-chatt]'));
  await writeFile(join(project, 'teams', 'outside.yaml'), config.replace('policies/production', '../../elsewhere'));
  await cp(join(root, 'policies/production.yaml'), join(project, '..', 'elsewhere.yaml'));
});

afterAll(async () => {
  await rm(join(project, '..', 'elsewhere.yaml'), { force: true });
  await rm(project, { recursive: true, force: true });
});

/** More than their secrets have room in a role. */
function manySources(config: string): string {
  const { sources, ...rest } = parse(config.replace('policies/', '../policies/'));
  const many = Array.from({ length: 100 }, (_, i) => ({
    ...sources[0],
    name: `team-${i}`,
    credentials: `aws-sm://teams/${i}/hss`,
  }));
  const receivers = [{ name: 'security-chat', slack: { webhook: 'aws-sm://teams/slack' } }];
  return stringify({ ...rest, sources: many, receivers });
}

function packaged(...args: readonly string[]): Promise<Packaged> {
  return packageService(join(project, '.packaged', String(count++)), args, project);
}

const param = (...values: readonly string[]) => values.flatMap((value) => ['--param', value]);

test('every parameter ends up where it counts', async () => {
  const { resources } = await packaged(
    ...['--stage', 'prod', '--region', 'eu-west-1'],
    ...param(
      'rate=cron(0 6,18 * * ? *)',
      'timeZone=Europe/Berlin',
      'scanConcurrency=7',
      'secretsPrefix=portcullis/',
      'policyBucket=acme',
      'pages=true',
      'pagesExpireInDays=7',
      'policyPrefix=teams/payments/policies/',
    ),
    ...param(
      'logLevel=DEBUG',
      'logRetentionInDays=30',
      'protectState=false',
      'metricsService=payments',
      'logSampleRate=0.05',
    ),
    ...param('alarmTopicArn=arn:aws:sns:eu-west-1:123456789012:on-call', 'noScanAlarmHours=14'),
    ...param(
      'failingAlarmSeconds=90000',
      'owedAlarmSeconds=1800',
      'messageAgeAlarmSeconds=7200',
      'config=teams/payments.yaml',
    ),
  );
  const properties = (name: string) => plain(resources[name]?.Properties);

  expect(properties('ScanSchedule')).toMatchObject({
    ScheduleExpression: 'cron(0 6,18 * * ? *)',
    ScheduleExpressionTimezone: 'Europe/Berlin',
  });
  expect(properties('ScanEventSourceMappingSQSSourceQueue').ScalingConfig).toEqual({ MaximumConcurrency: 7 });
  expect(JSON.stringify(properties('GateRole'))).toContain(':secret:portcullis/*');
  expect(properties('PagesBucket').LifecycleConfiguration.Rules).toMatchObject([{ ExpirationInDays: '7' }]);
  for (const name of ['Scan', 'Deliver'])
    expect(properties(`${name}LambdaFunction`).Environment.Variables.PORTCULLIS_PAGES).toBe('s3://PagesBucket');
  expect(JSON.stringify(properties('GateRole'))).toContain(':s3:::acme/teams/payments/policies/*');
  for (const name of ['Schedule', 'Scan', 'Deliver', 'Gate']) {
    expect(properties(`${name}LogGroup`).RetentionInDays).toBe(30);
    expect(properties(`${name}LambdaFunction`).Environment.Variables).toMatchObject({
      PORTCULLIS_CONFIG: 'teams/payments.yaml',
      POWERTOOLS_LOG_LEVEL: 'DEBUG',
      POWERTOOLS_LOGGER_SAMPLE_RATE: '0.05',
      POWERTOOLS_SERVICE_NAME: 'payments',
    });
  }
  expect(properties('StateTable').DeletionProtectionEnabled).toBe('false');
  // CloudFormation takes numbers as texts too.
  expect(properties('NoSuccessfulScanAlarm')).toMatchObject({
    EvaluationPeriods: '14',
    Dimensions: [{ Value: 'payments' }],
  });
  expect(properties('SourceFailingAlarm')).toMatchObject({ Threshold: '90000', EvaluationPeriods: '14' });
  expect(properties('DeliveriesOwedAlarm')).toMatchObject({ Threshold: '1800' });
  expect(properties('SourceQueueAgeAlarm')).toMatchObject({ Threshold: '7200' });
  expect(properties('ScanErrorsAlarm').AlarmActions).toEqual([
    { 'Fn::If': ['HasAlarmTopic', 'arn:aws:sns:eu-west-1:123456789012:on-call', 'NoValue'] },
  ]);
});

test('the parameters in the document are those that there are, with their defaults', async () => {
  const { params } = parse(await readFile(join(root, 'serverless.yml'), 'utf8'), { logLevel: 'silent' });
  const text = await readFile(join(root, 'docs/deploy.md'), 'utf8');
  const told = [...text.matchAll(/^\| `(\w+)` \| (.+?) \| .+\|$/gm)].map(([, name, value = '']) => [name, value]);
  const written = (value: unknown) =>
    value === '' ? 'none' : `\`${String(value).replace(/\$\{sls:stage\}/, 'STAGE')}\``;
  const expected = Object.entries(params.default).map(([name, value]) => [
    name,
    written(value) + (name in params.prod ? `, stage \`prod\`: ${written(params.prod[name])}` : ''),
  ]);
  expect(told).toEqual(expected);
});

test('packaging prints what the document shows, and for a slip in the config too', async () => {
  const text = await readFile(join(root, 'docs/deploy.md'), 'utf8');
  const told = [...text.matchAll(/^```text\n\$ npx serverless (package .+)\n\n([\s\S]*?)^```$/gm)];
  expect(told).toHaveLength(2);
  const config = await readFile(join(project, 'portcullis.yaml'), 'utf8');
  for (const [, command = '', shown] of told) {
    const isWrong = shown?.includes('Error:');
    const slip = isWrong ? config.replace('[security-chat]', '[security-chatt]') : config;
    await writeFile(join(project, 'portcullis.yaml'), slip);
    const printed = await packaged(...command.split(' ').slice(1)).then(
      ({ output }) => output,
      ({ stdout, stderr }: { stdout: string; stderr: string }) => stderr + stdout,
    );
    const seen = printed
      .replaceAll(project, '/home/you/portcullis')
      .replace(/\(\d+s\)/, '(2s)')
      .replaceAll(/^(Environment|Docs): .*\n/gm, '')
      .trim();
    expect(seen).toBe(shown?.trim());
  }
});

test('another config is packaged with the policies it names, where the functions look for it', async () => {
  const { artifact } = await packaged(...param('config=teams/payments.yaml'));
  for (const name of functionNames) {
    const paths = await unpack(artifact(name), join(project, '.unpacked', name));
    expect(paths.filter((path) => /ya?ml$/.test(path))).toEqual(['policies/production.yaml', 'teams/payments.yaml']);
  }
});

test('a cron with the default of the alarm on scans is packaged with a warning', async () => {
  const { output } = await packaged(...param('rate=cron(0 6 * * ? *)'));
  expect(output).toContain('Warning: rate is cron(0 6 * * ? *): give --param noScanAlarmHours=HOURS');
});

test('secrets that no function has are packaged with a warning', async () => {
  const { output } = await packaged(...param('config=teams/local.yaml'));
  expect(output).toContain('Warning: env://HSS, file:///run/slack: the template gives the functions no variables');
});

test('of more secrets than a role has room for the beginning of their names is asked for', async () => {
  const refused = await packaged(...param('config=teams/many.yaml')).catch((error: { stdout: string }) => error.stdout);
  expect(refused).toContain('the config names more secrets than a role has room for: give --param secretsPrefix');

  const { resources } = await packaged(...param('config=teams/many.yaml', 'secretsPrefix=teams/'));
  expect(JSON.stringify(plain(resources.ScanRole?.Properties))).toContain(':secret:teams/*"');
});

test('a policy in S3 is not packaged, and need not be there yet', async () => {
  const { artifact } = await packaged(...param('config=teams/remote.yaml', 'policyBucket=acme'));
  const paths = await unpack(artifact('gate'), join(project, '.unpacked', 'remote'));
  expect(paths.filter((path) => /ya?ml$/.test(path))).toEqual(['teams/remote.yaml']);
});

test.each([
  { args: param('config=nowhere.yaml'), says: 'nowhere.yaml: cannot be read (ENOENT)' },
  {
    args: param('config=teams/wrong.yaml'),
    says: 'routes[0].receivers: there is no such receiver; did you mean security-chat?',
  },
  {
    args: param('config=teams/outside.yaml'),
    says: 'elsewhere.yaml: lies outside of the project, so it cannot be packaged',
  },
  {
    args: param('protctState=true'),
    says: '--param protctState: there is no such parameter; did you mean protectState?',
  },
  { args: param('scanConcurrency=1'), says: "functions.scan.events.0.sqs.maximumConcurrency': must be >= 2" },
  { args: param('config=../teams/payments.yaml'), says: '"../teams/payments.yaml" is not a path below the project' },
  {
    args: param('secretsPrefix=teams/'),
    says: 'aws-sm://portcullis/hss, aws-sm://portcullis/slack: with --param secretsPrefix=teams/ the functions may read',
  },
  {
    args: param('config=teams/remote.yaml'),
    says: 's3://acme/policies/production.yaml: the functions may not read it: give --param policyBucket=acme',
  },
  {
    args: param('config=teams/remote.yaml', 'policyBucket=acme', 'policyPrefix=teams/'),
    says: 'its key does not begin with teams/: give --param policyPrefix=policies/',
  },
  { args: param('rate=cron(foo)'), says: 'parameter rate: "cron(foo)" is not rate(1 hour) or cron(0 6 * * ? *)' },
  { args: param('pages=True'), says: 'parameter pages: "True" is not true or false' },
  {
    args: [...param('rate=rate(1 day)'), '--stage', 'prod'],
    says: 'parameter noScanAlarmHours: 3 is not more than rate(1 day)',
  },
])('$args packages nothing, and says why without a trace', async ({ args, says }) => {
  const { stdout, stderr } = await packaged(...args).then(
    ({ output }) => ({ stdout: output, stderr: '' }),
    (error: { stdout: string; stderr: string }) => error,
  );
  expect(stdout).toContain(says);
  expect(stdout + stderr).not.toMatch(/^ +at |Service packaged/m);
});
