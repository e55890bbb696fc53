import { ofType, plain, type Resources, type Statement, statementsOf } from './template.ts';

/** What AWS cannot do without a wildcard: the end of the ARN of a secret is made by it, at random. */
function isSecret({ actions }: Statement, resource: string): boolean {
  return (
    actions.join() === 'secretsmanager:GetSecretValue' &&
    /^arn:Partition:secretsmanager:Region:AccountId:secret:[\w/+=.@-]+-\?{6}$/.test(resource)
  );
}

/** Which objects there are below a prefix is up to whoever writes them. */
function isObjectPrefix({ actions }: Statement, resource: string): boolean {
  const isRead = actions.join() === 's3:GetObject' && /^arn:Partition:s3:::[a-z0-9.-]+\/[^*]+\*$/.test(resource);
  return isRead || (actions.join() === 's3:PutObject' && resource === 'PagesBucket.Arn/*');
}

/** Names that Lambda keeps for itself. */
const reserved = /^(AWS_|_HANDLER$|_X_AMZN_|LAMBDA_|TZ$|PATH$|NODE_PATH$|LD_LIBRARY_PATH$)/;

/** All that is wrong with a template, by our own rules. */
export function templateProblems(resources: Resources): string[] {
  const functions = ofType(resources, 'AWS::Lambda::Function');
  const queues = ofType(resources, 'AWS::SQS::Queue');
  const mappings = ofType(resources, 'AWS::Lambda::EventSourceMapping');
  const alarms = ofType(resources, 'AWS::CloudWatch::Alarm');
  const queue = (arn: string) => queues.find(([name]) => `${name}.Arn` === arn);
  const isDeadLetters = (name: string) =>
    queues.some(([, { RedrivePolicy }]) => RedrivePolicy?.deadLetterTargetArn === `${name}.Arn`);
  const hasAlarm = (metric: string, value: string) =>
    alarms.some(([, { MetricName, Dimensions }]) => MetricName === metric && Dimensions[0]?.Value === value);
  const problems: string[] = [];
  const check = (isRight: boolean, problem: string) => {
    if (!isRight) problems.push(problem);
  };

  for (const statement of statementsOf(resources)) {
    const { in: where, effect, actions, resources: on, principal, negated } = statement;
    if (effect === 'Deny') continue;
    check(negated.length === 0, `${where}: ${negated} allows all but something`);
    check(!actions.some((action) => action.includes('*')), `${where}: ${actions}: an action is named in full`);
    check(!principal?.includes('*'), `${where}: allows anybody ${actions}`);
    for (const resource of on) {
      check(
        !/[*?]/.test(resource) || isSecret(statement, resource) || isObjectPrefix(statement, resource),
        `${where}: ${actions} on ${resource}: a resource is named in full`,
      );
    }
  }

  const roles = new Map<string, string>();
  for (const [name, { FunctionName, Role, Environment }] of functions) {
    check(!roles.has(Role), `${name}: shares ${Role} with ${roles.get(Role)}`);
    check(resources[Role.split('.')[0]]?.Type === 'AWS::IAM::Role', `${name}: its role is not of this template`);
    roles.set(Role, name);
    const logs = ofType(resources, 'AWS::Logs::LogGroup').find(
      ([, { LogGroupName }]) => LogGroupName === `/aws/lambda/${FunctionName}`,
    );
    check(logs?.[1].RetentionInDays > 0, `${name}: its logs are kept for ever`);
    check(hasAlarm('Errors', name), `${name}: no alarm on its errors`);
    for (const variable of Object.keys(Environment.Variables)) {
      check(!reserved.test(variable), `${name}: ${variable} is a name that Lambda keeps for itself`);
    }
  }

  for (const [name, { SqsManagedSseEnabled, RedrivePolicy, FifoQueue, MessageRetentionPeriod: keptFor }] of queues) {
    check(SqsManagedSseEnabled === true, `${name}: not encrypted`);
    const policy = statementsOf(resources).find(
      ({ effect, resources: on, condition }) =>
        effect === 'Deny' && on.join() === `${name}.Arn` && condition?.Bool?.['aws:SecureTransport'] === false,
    );
    check(policy !== undefined, `${name}: lets connections in that are not encrypted`);
    if (isDeadLetters(name)) {
      check(keptFor === 1_209_600, `${name}: dead letters are not kept for 14 days`);
      check(hasAlarm('ApproximateNumberOfMessagesVisible', `${name}.QueueName`), `${name}: no alarm on dead letters`);
      continue;
    }
    check(hasAlarm('ApproximateAgeOfOldestMessage', `${name}.QueueName`), `${name}: no alarm on its oldest message`);
    const dead = queue(RedrivePolicy?.deadLetterTargetArn ?? '');
    check(dead !== undefined, `${name}: no dead-letter queue`);
    if (dead === undefined) continue;
    check(dead[1].FifoQueue === FifoQueue, `${name}: its dead-letter queue is of another kind`);
    check(dead[1].MessageRetentionPeriod > keptFor, `${name}: what dies late is not kept for long`);
    const [source] = dead[1].RedriveAllowPolicy?.sourceQueueArns ?? [];
    const own = `arn:Partition:sqs:Region:AccountId:${queues.find(([one]) => one === name)?.[1].QueueName}`;
    check(source === own, `${name}: its dead-letter queue takes from others`);
  }

  for (const [
    name,
    { EventSourceArn, FunctionName, BatchSize, FunctionResponseTypes = [], ScalingConfig, ...rest },
  ] of mappings) {
    const of = functions.find(([one]) => `${one}.Arn` === FunctionName)?.[1];
    const waits = queue(EventSourceArn)?.[1].VisibilityTimeout;
    check(waits >= of?.Timeout + 60, `${name}: a message would be worked twice at once`);
    check(waits <= of?.Timeout * 2, `${name}: a worker that dies is made good late`);
    check(BatchSize === 1 && !rest.MaximumBatchingWindowInSeconds, `${name}: messages wait for one another`);
    check(FunctionResponseTypes.join() === 'ReportBatchItemFailures', `${name}: what fails is not told by message`);
    check(ScalingConfig?.MaximumConcurrency >= 2, `${name}: no limit of messages at once`);
  }

  for (const [
    name,
    { SSESpecification, PointInTimeRecoverySpecification, BillingMode, TimeToLiveSpecification },
  ] of ofType(resources, 'AWS::DynamoDB::Table')) {
    check(SSESpecification?.SSEEnabled === true, `${name}: not encrypted`);
    check(PointInTimeRecoverySpecification?.PointInTimeRecoveryEnabled === true, `${name}: cannot be recovered`);
    check(BillingMode === 'PAY_PER_REQUEST', `${name}: not on demand`);
    check(TimeToLiveSpecification?.Enabled === true, `${name}: what is over stays`);
    check(resources[name]?.DeletionPolicy === 'Retain', `${name}: goes with the stack`);
  }

  for (const [name, { BucketEncryption, LifecycleConfiguration, PublicAccessBlockConfiguration: block = {} }] of ofType(
    resources,
    'AWS::S3::Bucket',
  )) {
    check(BucketEncryption !== undefined, `${name}: not encrypted`);
    check(Object.values(block).filter((one) => one === true).length === 4, `${name}: may be public`);
    const policy = statementsOf(resources).find(
      ({ effect, actions, resources: on, condition }) =>
        effect === 'Deny' &&
        actions.join() === 's3:*' &&
        [name, `${name}/*`].every((part) =>
          on.some((one) => one.replace(/^arn:Partition:s3:::|\.Arn/g, '') === part),
        ) &&
        condition?.Bool?.['aws:SecureTransport'] === false,
    );
    check(policy !== undefined, `${name}: lets connections in that are not encrypted`);
    if (name !== 'PagesBucket') continue;
    const [rule] = LifecycleConfiguration?.Rules ?? [];
    check(rule?.Status === 'Enabled' && Number(rule?.ExpirationInDays) > 0, `${name}: keeps pages for ever`);
    check(resources[name]?.DeletionPolicy === 'Retain', `${name}: goes with the stack, which cannot remove it`);
  }

  for (const [name] of alarms) {
    const { AlarmActions, OKActions, TreatMissingData } = resources[name]?.Properties ?? {};
    check(plain(AlarmActions)?.[0]?.['Fn::If']?.[0] === 'HasAlarmTopic', `${name}: tells nobody`);
    check(plain(OKActions)?.[0]?.['Fn::If']?.[0] === 'HasAlarmTopic', `${name}: does not tell that it is over`);
    check(TreatMissingData !== undefined, `${name}: leaves open what no data means`);
  }

  for (const [name, { AuthType }] of ofType(resources, 'AWS::Lambda::Url')) {
    check(AuthType === 'AWS_IAM', `${name}: lets anybody in`);
  }
  return problems;
}
