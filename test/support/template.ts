import type { Resource } from './lambda-package.ts';

export type Resources = Readonly<Record<string, Resource>>;

// biome-ignore lint/suspicious/noExplicitAny: a template is any JSON
type Json = any;

/** A value with its intrinsic functions in short: `!Ref X` is `X`, `!GetAtt X.Arn` is `X.Arn`. */
export function plain(value: Json): Json {
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== 'object' || value === null) return value;
  if ('Ref' in value) return value.Ref.replace(/^AWS::/, '');
  if ('Fn::GetAtt' in value) return value['Fn::GetAtt'].join('.');
  if ('Fn::Sub' in value) return value['Fn::Sub'].replaceAll(/\$\{(?:AWS::)?([\w.]+)\}/g, '$1');
  if ('Fn::Join' in value) return value['Fn::Join'][1].map(plain).join(value['Fn::Join'][0]);
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, plain(one)]));
}

export function ofType(resources: Resources, type: string): [name: string, properties: Json][] {
  return Object.entries(resources).flatMap(([name, { Type, Properties }]) =>
    Type === type ? [[name, plain(Properties)]] : [],
  );
}

/** A template in which conditions have decided what there is. Alarms keep theirs. */
export function decided(resources: Resources, conditions: Json): Resources {
  const holds = (test: Json): boolean => {
    if ('Fn::Not' in test) return !holds(test['Fn::Not'][0]);
    const [a, b] = test['Fn::Equals'];
    return String(a) === String(b);
  };
  const decide = (value: Json): Json => {
    if (Array.isArray(value)) return value.map(decide).filter((one) => one?.Ref !== 'AWS::NoValue');
    if (typeof value !== 'object' || value === null) return value;
    const [name, yes, no] = value['Fn::If'] ?? [];
    if (name !== undefined) return decide(holds(conditions[name]) ? yes : no);
    const members = Object.entries(value).map(([key, one]) => [key, decide(one)]);
    return Object.fromEntries(members.filter(([, one]) => one?.Ref !== 'AWS::NoValue'));
  };
  const isThere = ({ Condition }: Resource) => Condition === undefined || holds(conditions[Condition]);
  return Object.fromEntries(
    Object.entries(resources)
      .filter(([, one]) => isThere(one))
      .map(([name, one]) => [name, one.Type === 'AWS::CloudWatch::Alarm' ? one : decide(one)]),
  );
}

export interface Statement {
  /** The role or the policy that it stands in. */
  readonly in: string;
  readonly effect: 'Allow' | 'Deny';
  readonly actions: readonly string[];
  readonly resources: readonly string[];
  /** Absent in the policy of a role. */
  readonly principal?: string;
  readonly condition?: Json;
  /** Members that turn a statement around: NotAction, NotResource, NotPrincipal. */
  readonly negated: readonly string[];
}

/** Every statement of every policy: of roles, of who may take a role, of queues and buckets. */
export function statementsOf(resources: Resources): Statement[] {
  return Object.entries(resources).flatMap(([name, { Type, Properties }]) => {
    const { AssumeRolePolicyDocument: trust, Policies = [], PolicyDocument } = plain(Properties);
    const documents = [
      trust && [`${name} (who takes it)`, trust],
      ...(Type === 'AWS::IAM::Role' ? Policies.map((policy: Json) => [name, policy.PolicyDocument]) : []),
      PolicyDocument && [name, PolicyDocument],
    ].filter(Boolean);
    return documents.flatMap(([where, document]) => document.Statement.map((one: Json) => statement(where, one)));
  });
}

function statement(where: string, one: Json): Statement {
  const { Effect, Action = [], Resource = [], Principal, Condition } = one;
  return {
    in: where,
    effect: Effect,
    actions: [Action].flat(),
    resources: [Resource].flat(),
    ...(Principal && { principal: typeof Principal === 'string' ? Principal : Object.values(Principal).flat().join() }),
    ...(Condition && { condition: Condition }),
    negated: Object.keys(one).filter((key) => key.startsWith('Not')),
  };
}

/** A resource in a line. What changes from one packaging to the next is left out, and policies, which `iamText` has. */
export function resourcesText(resources: Resources): string {
  const lines = Object.entries(resources).map(([name, { Type, Properties, ...rest }]) => {
    const { Code, Policies, PolicyDocument, AssumeRolePolicyDocument, DashboardBody, ...shown } = plain(Properties);
    const about = Object.entries({ ...shown, ...rest })
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, value]) => `${key}=${typeof value === 'string' ? value : JSON.stringify(value)}`);
    return [name, Type, ...about].join('  ');
  });
  return `${lines.sort().join('\n')}\n`;
}

/** A statement in a line: where -> what -> on what. */
export function iamText(resources: Resources): string {
  const lines = statementsOf(resources).map(({ in: where, effect, actions, resources: on, principal, condition }) =>
    [
      `${where} -> ${effect} ${actions.join(', ')}`,
      on.length > 0 ? ` -> ${on.join(', ')}` : '',
      principal ? ` -> by ${principal}` : '',
      condition ? ` -> if ${JSON.stringify(condition)}` : '',
    ].join(''),
  );
  return `${lines.sort().join('\n')}\n`;
}
