import type { Config } from '../../lib/config/parse.ts';
import { heartbeatReferences, receiverReferences, sourceReferences } from '../../lib/config/references.ts';
import { InputError } from '../../lib/core/errors.ts';
import { type FunctionName, functionNames } from './build.ts';

const receivers = (config: Config) => config.receivers.flatMap(receiverReferences);

/** Whose secrets a function reads. */
const readBy: Readonly<Record<FunctionName, (config: Config) => readonly string[]>> = {
  schedule: receivers, // it tells them of dead letters
  scan: (config) => [...sourceReferences(config), ...receivers(config), ...heartbeatReferences(config)],
  deliver: receivers,
  gate: sourceReferences,
};

/** Names, or ARNs, of what a function reads from AWS Secrets Manager. */
export function secretsOf(config: Config, name: FunctionName): string[] {
  const ids = readBy[name](config).flatMap((reference) => /^aws-sm:\/\/([^#]+)/.exec(reference)?.[1] ?? []);
  return [...new Set(ids)].sort();
}

/** What any function reads. */
function allReferences(config: Config): string[] {
  return [...new Set(functionNames.flatMap((name) => readBy[name](config)))].sort();
}

/** The references of a config to variables and files, neither of which the template gives to functions. */
export function secretsElsewhere(config: Config): string[] {
  return allReferences(config).filter((reference) => !reference.startsWith('aws-sm:'));
}

/**
 * Whether the functions may read the secrets of a config where they may read those whose names begin with a prefix.
 * @param prefix empty: they may read what the config names
 * @throws {InputError} those that they may not
 */
export function checkSecrets(config: Config, prefix: string): void {
  // An ARN has no such beginning: of which account it is nobody knows before the deployment.
  const others = allReferences(config).filter(
    (one) => one.startsWith('aws-sm:') && !one.startsWith(`aws-sm://${prefix}`),
  );
  if (prefix === '' || others.length === 0) return;
  throw new InputError(
    `${others.join(', ')}: with --param secretsPrefix=${prefix} the functions may read secrets of their own account whose names begin so, and no others: name it so and by no ARN, or give another prefix or none`,
  );
}

/**
 * The statement of a role that lets a function read its secrets; of nothing there is none.
 * @param prefix how the names of all that it may read begin; empty: what it reads by the config, and no others
 * @throws {InputError} there is no such secret, or there are more than a role has room for
 */
export function secretsStatement(config: Config, name: FunctionName, prefix: string): object {
  const ids = secretsOf(config, name);
  if (ids.length === 0) return noStatement;
  const arns = prefix === '' ? ids.map(arnOf) : [`${ownArns}${prefix}*`];
  if (JSON.stringify(arns).length > mostCharacters)
    throw new InputError(
      'the config names more secrets than a role has room for: give --param secretsPrefix=PREFIX, with which all their names begin',
    );
  return {
    Effect: 'Allow',
    Action: 'secretsmanager:GetSecretValue',
    Resource: arns.map((arn) => (arn.startsWith(ownArns) ? { 'Fn::Sub': arn } : arn)),
  };
}

export const noStatement = { Ref: 'AWS::NoValue' };

// biome-ignore lint/suspicious/noTemplateCurlyInString: CloudFormation fills it in
const ownArns = 'arn:${AWS::Partition}:secretsmanager:${AWS::Region}:${AWS::AccountId}:secret:';

/** IAM takes 10,240 for all that a role may; the rest of a role takes less than 2,000. */
const mostCharacters = 8_000;

/** AWS ends an ARN with six characters at random: secret:portcullis/hss-a1B2c3. */
function arnOf(id: string): string {
  const [, arn, own = id] = /^(arn:[\w-]+:secretsmanager:[\w-]+:\d{12}:secret:)(.+)$/.exec(id) ?? [];
  // What IAM or CloudFormation would read as anything but a name.
  if (!/^[\w/+=.@-]+$/.test(own)) throw new InputError(`aws-sm://${id}: no secret can have such a name`);
  if (arn !== undefined && /-[A-Za-z0-9]{6}$/.test(own)) return id;
  return `${arn ?? ownArns}${own}-??????`;
}
