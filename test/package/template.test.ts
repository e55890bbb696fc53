import { readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { functionNames } from '../../scripts/package/build.ts';
import { actionsCalled, commandsIn } from '../support/aws-calls.ts';
import { packageService, type Resource, root } from '../support/lambda-package.ts';
import { iamText, ofType, plain, type Resources, resourcesText, statementsOf } from '../support/template.ts';
import { templateProblems } from '../support/template-rules.ts';

let folder: string;
let dev: Resources;
let prod: Resources;
/** With all that is optional. */
let full: Resources;

const secretArns = 'arn:Partition:secretsmanager:Region:AccountId:secret:';

/** Where alarms go. */
const topic = 'arn:aws:sns:eu-west-1:123456789012:on-call';

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'portcullis-template-'));
  // One after the other: both build the functions.
  dev = (await packageService(join(folder, 'dev'))).resources;
  prod = (await packageService(join(folder, 'prod'), ['--stage', 'prod', '--param', `alarmTopicArn=${topic}`]))
    .resources;
  full = (
    await packageService(join(folder, 'full'), [
      ...['--param', 'policyBucket=acme-policies', '--param', 'pages=true', '--param', 'pagesExpireInDays=30'],
    ])
  ).resources;
});

afterAll(() => rm(folder, { recursive: true, force: true }));

const logicalId = (name: string) => `${name[0]?.toUpperCase()}${name.slice(1)}LambdaFunction`;
const roleOf = (name: string) => `${name[0]?.toUpperCase()}${name.slice(1)}Role`;

describe('the template', () => {
  test('has these resources', async () => {
    await expect(resourcesText(dev)).toMatchFileSnapshot('../fixtures/template/resources.txt');
  });

  test('allows this, and nothing else', async () => {
    await expect(iamText(dev)).toMatchFileSnapshot('../fixtures/template/iam.txt');
  });

  test('for production differs in this', () => {
    const lines = (resources: Resources) =>
      resourcesText(resources)
        .replaceAll(/\bportcullis-(dev|prod)\b/g, 'portcullis')
        .replaceAll(topic, '')
        .split('\n');
    const before = new Set(lines(dev));
    const names = lines(prod).filter((line) => !before.has(line));
    expect(names.map((line) => line.split('  ')[0])).toEqual([
      'DeliverLogGroup',
      'GateLogGroup',
      'ScanLogGroup',
      'ScheduleLogGroup',
      'StateTable',
    ]);
    expect(names.join('\n').match(/RetentionInDays=365/g)).toHaveLength(4);
    expect(names.join('\n')).toContain('DeletionProtectionEnabled=true');
    expect(iamText(prod).replaceAll('portcullis-prod', 'portcullis-dev')).toBe(iamText(dev));
  });

  test('with all that is optional differs in this', async () => {
    const added = [iamText, resourcesText].map((textOf) => {
      const before = textOf(dev).split('\n');
      const lines = textOf(full).split('\n');
      expect(before.filter((line) => !lines.includes(line)).map((line) => line.split('  ')[0])).toEqual(
        textOf === iamText ? [] : ['DeliverLambdaFunction', 'ScanLambdaFunction'],
      );
      return lines.filter((line) => !before.includes(line));
    });
    expect(`${iamText(dev)}${resourcesText(dev)}`).not.toMatch(
      /s3:GetObject|s3:PutObject|PagesBucket|PORTCULLIS_PAGES/,
    );
    await expect(`${added.flat().join('\n')}\n`).toMatchFileSnapshot('../fixtures/template/optional.txt');
  });

  test('keeps its rules in both stages, and with all that is optional', () => {
    const problems = [dev, prod, full].map(templateProblems);
    expect(problems).toEqual([[], [], []]);
  });

  test.each<{ what: string; spoil: (resources: Record<string, Resource>) => unknown; says: string }>([
    {
      what: 'any secret',
      spoil: (all) => set(policy(all, 'GateRole', 1), { Resource: '*' }),
      says: 'GateRole: secretsmanager:GetSecretValue on *: a resource is named in full',
    },
    {
      what: 'all secrets of a prefix',
      spoil: (all) => set(policy(all, 'GateRole', 1), { Resource: `${secretArns}portcullis/*` }),
      says: `GateRole: secretsmanager:GetSecretValue on ${secretArns}portcullis/*: a resource is named in full`,
    },
    {
      what: 'a secret for another action',
      spoil: (all) => set(policy(all, 'GateRole', 1), { Action: 'secretsmanager:PutSecretValue' }),
      says: 'GateRole: secretsmanager:PutSecretValue on',
    },
    {
      what: 'any object of a bucket',
      spoil: (all) => set(policy(all, 'GateRole', 2), { Resource: 'arn:aws:s3:::acme-policies/*' }),
      says: 'GateRole: s3:GetObject on arn:aws:s3:::acme-policies/*: a resource is named in full',
    },
    {
      what: 'pages for ever',
      spoil: (all) => drop(all.PagesBucket, 'LifecycleConfiguration'),
      says: 'PagesBucket: keeps pages for ever',
    },
    {
      what: 'pages over http',
      spoil: (all) => delete all.PagesBucketPolicy,
      says: 'PagesBucket: lets connections in that are not encrypted',
    },
    {
      what: 'pages for all',
      spoil: (all) => set(all.PagesBucket?.Properties.PublicAccessBlockConfiguration, { RestrictPublicBuckets: false }),
      says: 'PagesBucket: may be public',
    },
    {
      what: 'any action on the table',
      spoil: (all) => set(policy(all, 'ScanRole', 3), { Action: 'dynamodb:*' }),
      says: 'ScanRole: dynamodb:*: an action is named in full',
    },
    {
      what: 'all but a resource',
      spoil: (all) => set(policy(all, 'ScanRole', 2), { NotResource: 'x' }),
      says: 'ScanRole: NotResource allows all but something',
    },
    {
      what: 'a role for anybody',
      spoil: (all) => set(all.ScanRole?.Properties.AssumeRolePolicyDocument.Statement[0], { Principal: '*' }),
      says: 'ScanRole (who takes it): allows anybody sts:AssumeRole',
    },
    {
      what: 'a queue for anybody',
      spoil: (all) => set(all.SourceQueuePolicy?.Properties.PolicyDocument.Statement[0], { Effect: 'Allow' }),
      says: 'SourceQueuePolicy: allows anybody sqs:*',
    },
    {
      what: 'a role for two',
      spoil: (all) => set(all.GateLambdaFunction?.Properties, { Role: { 'Fn::GetAtt': ['ScanRole', 'Arn'] } }),
      says: 'GateLambdaFunction: shares ScanRole.Arn with ScanLambdaFunction',
    },
    {
      what: 'a table in the clear',
      spoil: (all) => drop(all.StateTable, 'SSESpecification'),
      says: 'StateTable: not encrypted',
    },
    {
      what: 'no way back',
      spoil: (all) => drop(all.StateTable, 'PointInTimeRecoverySpecification'),
      says: 'StateTable: cannot be recovered',
    },
    {
      what: 'a queue in the clear',
      spoil: (all) => drop(all.RetryQueue, 'SqsManagedSseEnabled'),
      says: 'RetryQueue: not encrypted',
    },
    {
      what: 'http',
      spoil: (all) => delete all.RetryQueuePolicy,
      says: 'RetryQueue: lets connections in that are not encrypted',
    },
    {
      what: 'a bucket in the clear',
      spoil: (all) => drop(all.ServerlessDeploymentBucket, 'BucketEncryption'),
      says: 'ServerlessDeploymentBucket: not encrypted',
    },
    {
      what: 'logs for ever',
      spoil: (all) => drop(all.ScanLogGroup, 'RetentionInDays'),
      says: 'ScanLambdaFunction: its logs are kept for ever',
    },
    {
      what: 'logs that Lambda makes',
      spoil: (all) => delete all.DeliverLogGroup,
      says: 'DeliverLambdaFunction: its logs are kept for ever',
    },
    {
      what: 'no dead letters',
      spoil: (all) => drop(all.RetryQueue, 'RedrivePolicy'),
      says: 'RetryQueue: no dead-letter queue',
    },
    {
      what: 'dead letters of another kind',
      spoil: (all) => drop(all.SourceDeadLetters, 'FifoQueue'),
      says: 'SourceQueue: its dead-letter queue is of another kind',
    },
    {
      what: 'dead letters that go soon',
      spoil: (all) => drop(all.SourceDeadLetters, 'MessageRetentionPeriod'),
      says: 'SourceDeadLetters: dead letters are not kept for 14 days',
    },
    {
      what: 'messages worked twice',
      spoil: (all) => set(all.ScanLambdaFunction?.Properties, { Timeout: 901 }),
      says: 'ScanEventSourceMappingSQSSourceQueue: a message would be worked twice at once',
    },
    {
      what: 'six times the time-out',
      spoil: (all) => set(all.SourceQueue?.Properties, { VisibilityTimeout: 5400 }),
      says: 'ScanEventSourceMappingSQSSourceQueue: a worker that dies is made good late',
    },
    {
      what: 'batches',
      spoil: (all) => set(all.ScanEventSourceMappingSQSSourceQueue?.Properties, { BatchSize: 10 }),
      says: 'ScanEventSourceMappingSQSSourceQueue: messages wait for one another',
    },
    {
      what: 'all or nothing',
      spoil: (all) => drop(all.ScanEventSourceMappingSQSSourceQueue, 'FunctionResponseTypes'),
      says: 'ScanEventSourceMappingSQSSourceQueue: what fails is not told by message',
    },
    {
      what: 'any number at once',
      spoil: (all) => drop(all.ScanEventSourceMappingSQSSourceQueue, 'ScalingConfig'),
      says: 'ScanEventSourceMappingSQSSourceQueue: no limit of messages at once',
    },
    {
      what: 'errors unheard',
      spoil: (all) => delete all.GateErrorsAlarm,
      says: 'GateLambdaFunction: no alarm on its errors',
    },
    {
      what: 'dead letters unheard',
      spoil: (all) => delete all.SourceDeadLettersAlarm,
      says: 'SourceDeadLetters: no alarm on dead letters',
    },
    {
      what: 'a queue that stands still',
      spoil: (all) => delete all.RetryQueueAgeAlarm,
      says: 'RetryQueue: no alarm on its oldest message',
    },
    {
      what: 'an alarm to nobody',
      spoil: (all) => drop(all.ScanErrorsAlarm, 'AlarmActions'),
      says: 'ScanErrorsAlarm: tells nobody',
    },
    {
      what: 'a URL for anybody',
      spoil: (all) => set(all.GateLambdaFunctionUrl?.Properties, { AuthType: 'NONE' }),
      says: 'GateLambdaFunctionUrl: lets anybody in',
    },
    {
      what: 'a reserved name',
      spoil: (all) => set(all.GateLambdaFunction?.Properties.Environment.Variables, { AWS_REGION: 'x' }),
      says: 'GateLambdaFunction: AWS_REGION is a name that Lambda keeps for itself',
    },
  ])('would not get by with $what', ({ spoil, says }) => {
    const spoiled = structuredClone(full) as Record<string, Resource>;
    spoil(spoiled);
    expect(templateProblems(spoiled)).toContainEqual(expect.stringContaining(says));
  });
});

describe('permissions', () => {
  /** What Lambda does in the name of a function, with the queue that starts it. */
  const eventSource = ['sqs:ReceiveMessage', 'sqs:DeleteMessage', 'sqs:GetQueueAttributes'];
  const ownLog = ['logs:CreateLogStream', 'logs:PutLogEvents'];

  function granted(name: string) {
    return statementsOf(full)
      .filter(({ in: where }) => where === roleOf(name))
      .flatMap(({ actions, resources }) => actions.flatMap((action) => resources.map((on) => ({ action, on }))));
  }

  /** The queue that starts a function. */
  function source(name: string): string | undefined {
    return ofType(dev, 'AWS::Lambda::EventSourceMapping').find(
      ([, { FunctionName }]) => FunctionName === `${logicalId(name)}.Arn`,
    )?.[1].EventSourceArn;
  }

  test.each(functionNames)('of %s are those that its code needs, no more and no less', async (name) => {
    const own = granted(name).filter(
      ({ action, on }) => !ownLog.includes(action) && !(on === source(name) && eventSource.includes(action)),
    );
    expect([...new Set(own.map(({ action }) => action))].sort()).toEqual(
      await actionsCalled(root, `functions/${name}.ts`),
    );
  });

  test('are read from the code: what stands in a method counts when somebody calls it', async () => {
    const source = `
export function openThing(): Thing {
  return {
    async send(body) {
      await client.send(
        new SendMessageCommand({}),
      );
    },
    look: (group) =>
      attempt('look', async (sdk) => {
        if (group) {
          await client.send(new sdk.ReceiveMessageCommand({}));
        }
      }),
  };
  async function token() {
    return client.send(new sdk.GetItemCommand({}));
  }
}
`;
    expect(commandsIn(source)).toEqual([
      { name: 'SendMessage', method: 'send' },
      { name: 'ReceiveMessage', method: 'look' },
      { name: 'GetItem', method: undefined },
    ]);
    // The command that replays dead letters takes them out of the table; no function does.
    expect(await actionsCalled(root, 'lib/cli/deliveries.ts')).toContain('dynamodb:DeleteItem');
  });

  test.each(functionNames)('of %s are for its own log, its own queues and the table', (name) => {
    const { Environment } = plain(dev[logicalId(name)]?.Properties);
    const queues = Object.entries(Environment.Variables).flatMap(([key, value]) =>
      key.endsWith('_QUEUE_URL') ? [`${value}.Arn`] : [],
    );
    const on = (service: string) => [
      ...new Set(granted(name).flatMap(({ action, on }) => (action.startsWith(`${service}:`) ? [on] : []))),
    ];
    expect(on('logs')).toEqual([`${logicalId(name).replace('LambdaFunction', 'LogGroup')}.Arn`]);
    expect(on('dynamodb')).toEqual(['StateTable.Arn']);
    expect(on('sqs').sort()).toEqual([...new Set([...queues, source(name) ?? []].flat())].sort());
  });

  test.each([
    { name: 'schedule', secrets: ['portcullis/slack'] },
    { name: 'scan', secrets: ['portcullis/hss', 'portcullis/slack'] },
    { name: 'deliver', secrets: ['portcullis/slack'] },
    { name: 'gate', secrets: ['portcullis/hss'] },
  ])('of $name are for the secrets $secrets, as the config that ships names them', ({ name, secrets }) => {
    const on = granted(name).flatMap(({ action, on }) => (action === 'secretsmanager:GetSecretValue' ? [on] : []));
    expect(on).toEqual(secrets.map((secret) => `${secretArns}${secret}-??????`));
  });

  test.each(['scan', 'deliver'])('of %s let Lambda take its messages', (name) => {
    const taken = granted(name).filter(({ action, on }) => on === source(name) && eventSource.includes(action));
    expect(taken.map(({ action }) => action)).toEqual(eventSource);
  });

  test('let schedule look at dead letters, and take out what was made good; nobody else may touch them', () => {
    const on = functionNames.flatMap((name) =>
      granted(name).flatMap((one) => (one.on.includes('DeadLetters') ? [`${name} ${one.action}`] : [])),
    );
    expect(on).toEqual([
      'schedule sqs:ReceiveMessage',
      'schedule sqs:ChangeMessageVisibility',
      'schedule sqs:DeleteMessage',
      'schedule sqs:GetQueueAttributes',
    ]);
  });

  test('of the schedule are to start that one function, in the name of that one group', () => {
    const [schedule, ...others] = ofType(dev, 'AWS::Scheduler::Schedule');
    expect(others).toEqual([]);
    expect(schedule?.[1].Target).toMatchObject({ Arn: 'ScheduleLambdaFunction.Arn', RoleArn: 'SchedulerRole.Arn' });
    expect(statementsOf(dev).filter(({ in: where }) => where.startsWith('SchedulerRole'))).toEqual([
      expect.objectContaining({
        actions: ['sts:AssumeRole'],
        principal: 'scheduler.amazonaws.com',
        condition: { StringEquals: { 'aws:SourceAccount': 'AccountId', 'aws:SourceArn': 'ScheduleGroup.Arn' } },
      }),
      expect.objectContaining({ actions: ['lambda:InvokeFunction'], resources: ['ScheduleLambdaFunction.Arn'] }),
    ]);
    expect(schedule?.[1].GroupName).toBe('ScheduleGroup');
  });

  test('are only those of roles of this template: no managed policy, no role from elsewhere', () => {
    for (const [, { ManagedPolicyArns, Policies }] of ofType(dev, 'AWS::IAM::Role')) {
      expect(ManagedPolicyArns).toBeUndefined();
      expect(Policies).toHaveLength(1);
    }
    expect(ofType(dev, 'AWS::IAM::Policy')).toEqual([]);
    expect(ofType(dev, 'AWS::IAM::ManagedPolicy')).toEqual([]);
  });
});

describe('what is watched', () => {
  const stages = () => [dev, prod];
  const alarms = (resources: Resources) => ofType(resources, 'AWS::CloudWatch::Alarm');

  test('silence is an alarm: no successful scan in any hour of three, and no data is none', () => {
    for (const resources of stages()) {
      const alarm = plain(resources.NoSuccessfulScanAlarm?.Properties);
      expect(alarm).toMatchObject({
        Namespace: 'Portcullis',
        MetricName: 'ScanSucceeded',
        Statistic: 'Sum',
        Period: 3600,
        EvaluationPeriods: 3,
        ComparisonOperator: 'LessThanThreshold',
        Threshold: 1,
        TreatMissingData: 'breaching',
      });
      // With fewer, one hour would do.
      expect(alarm.DatapointsToAlarm ?? alarm.EvaluationPeriods).toBe(alarm.EvaluationPeriods);
    }
  });

  test('an age is looked for in all runs of a schedule: those of other sources do not end an alarm', () => {
    for (const name of ['SourceFailingAlarm', 'DeliveriesOwedAlarm']) {
      const alarm = plain(prod[name]?.Properties);
      expect(alarm).toMatchObject({
        Statistic: 'Maximum',
        Period: 3600,
        DatapointsToAlarm: 1,
        TreatMissingData: 'ignore',
      });
      expect(alarm.EvaluationPeriods).toBe(plain(prod.NoSuccessfulScanAlarm?.Properties).EvaluationPeriods);
    }
  });

  test('an answer of the gate that is no verdict is an alarm', () => {
    expect(plain(prod.GateFailedAlarm?.Properties)).toMatchObject({
      Namespace: 'Portcullis',
      MetricName: 'GateFailed',
      Statistic: 'Sum',
      ComparisonOperator: 'GreaterThanThreshold',
      Threshold: 0,
      TreatMissingData: 'notBreaching',
    });
  });

  test('alarms and dashboard look at the metrics of their own stage, and stages do not share them', () => {
    const services = stages().map((resources) => {
      const named = ofType(resources, 'AWS::Lambda::Function').map(
        ([, { Environment }]) => Environment.Variables.POWERTOOLS_SERVICE_NAME,
      );
      const looked = [
        ...alarms(resources).flatMap(([, { Namespace, Dimensions }]) => (Namespace === 'Portcullis' ? Dimensions : [])),
        ...shown(resources)
          .filter(({ namespace }) => namespace === 'Portcullis')
          .map(({ dimension }) => dimension),
      ];
      const all = new Set([...named, ...looked.map(({ Name, Value }) => `${Name === 'service' ? '' : Name}${Value}`)]);
      expect(all.size).toBe(1);
      return [...all][0];
    });
    expect(services).toEqual(['portcullis-dev', 'portcullis']);
  });

  test('every metric of ours that an alarm or the dashboard looks at is one that the code counts', () => {
    const names = new Set([
      ...alarms(dev).flatMap(([, { Namespace, MetricName }]) => (Namespace === 'Portcullis' ? [MetricName] : [])),
      ...shown(dev).flatMap(({ namespace, metric }) => (namespace === 'Portcullis' ? [metric] : [])),
    ]);
    const source = sources(['functions', 'lib']);
    expect(names.size).toBe(23);
    expect([...names].filter((name) => !new RegExp(`\\b${name}\\b`).test(source))).toEqual([]);
  });

  test('the dashboard shows every alarm, every queue and every function', () => {
    const text = plain(dev.Dashboard?.Properties.DashboardBody);
    for (const [name] of alarms(dev)) expect(text).toContain(`"${name}.Arn"`);
    for (const [name] of ofType(dev, 'AWS::SQS::Queue')) expect(text).toContain(`"${name}.QueueName"`);
    for (const [name] of ofType(dev, 'AWS::Lambda::Function')) expect(text).toContain(`"${name}"`);
  });

  test('the widgets of the dashboard lie in its 24 columns, and none upon another', () => {
    const taken = new Set<string>();
    for (const { x, y, width, height } of widgets(dev)) {
      expect(x + width).toBeLessThanOrEqual(24);
      for (let column = x; column < x + width; column++) {
        for (let row = y; row < y + height; row++) {
          expect(taken.has(`${column},${row}`)).toBe(false);
          taken.add(`${column},${row}`);
        }
      }
    }
    expect(taken.size).toBeGreaterThan(500);
  });

  test('what an alarm says leads to what to do', () => {
    const headings = readFileSync(join(root, 'docs/operations.md'), 'utf8').match(/^#+ .+$/gm) ?? [];
    const anchors = headings.map((line) => line.replace(/^#+ /, '').toLowerCase().replaceAll(' ', '-'));
    for (const [, { AlarmDescription }] of alarms(dev)) {
      expect(anchors).toContain(AlarmDescription.split('docs/operations.md#')[1]);
    }
  });
});

interface Widget {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
  readonly properties: { readonly metrics?: readonly (readonly unknown[])[] };
}

function widgets(resources: Resources): Widget[] {
  return JSON.parse(plain(resources.Dashboard?.Properties.DashboardBody)).widgets;
}

/** The metrics of the dashboard, with what stands for "as in the one before" filled in. */
function shown(resources: Resources) {
  return widgets(resources).flatMap(({ properties }) => {
    let before: unknown[] = [];
    return (properties.metrics ?? []).map((given) => {
      before = given.map((one, i) => (one === '.' ? before[i] : one));
      const [namespace, metric, Name, Value] = before as string[];
      return { namespace, metric, dimension: { Name, Value } };
    });
  });
}

function sources(folders: readonly string[]): string {
  return folders
    .flatMap((folder) =>
      readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
        .filter((file) => file.endsWith('.ts'))
        .map((file) => readFileSync(join(root, folder, file), 'utf8')),
    )
    .join('\n');
}

// biome-ignore lint/suspicious/noExplicitAny: a template is any JSON
function policy(all: Record<string, Resource>, role: string, index: number): any {
  return all[role]?.Properties.Policies[0].PolicyDocument.Statement[index];
}

function set(what: object, change: object): void {
  Object.assign(what, change);
}

function drop(resource: Resource | undefined, property: string): void {
  delete resource?.Properties[property];
}
