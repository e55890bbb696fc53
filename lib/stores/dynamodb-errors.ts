import { StoreError } from '../app/state.ts';
import { errorWord } from '../core/text.ts';

const denied = 'the credentials lack a permission: dynamodb:Query, GetItem, PutItem and DeleteItem on the table';
const invalid = 'the credentials are not valid, or not any more';
const throttled = 'more than the table or the account allows, also when tried again';
const unreachable = 'cannot be reached';

const hints: Readonly<Record<string, string>> = {
  ResourceNotFoundException: 'there is no such table in this region and account',
  ValidationException: 'check that the keys of the table are "pk" and "sk", both strings',
  AccessDeniedException: denied,
  UnrecognizedClientException: invalid,
  InvalidSignatureException: invalid,
  ExpiredTokenException: invalid,
  CredentialsProviderError: 'there are no AWS credentials',
  ProvisionedThroughputExceededException: throttled,
  RequestLimitExceeded: throttled,
  ThrottlingException: throttled,
  TimeoutError: unreachable,
  ECONNREFUSED: unreachable,
  ECONNRESET: unreachable,
  EHOSTUNREACH: unreachable,
  ENOTFOUND: unreachable,
};

/**
 * Tell a failure by its name only: messages of the service quote values, and the error holds the signed request.
 * @param what was done: "load", "write"
 */
export function dynamoError(error: unknown, table: string, what: string): StoreError {
  if (error instanceof StoreError) return error;
  const name = nameOf(error);
  const hint = (error as Error).message === 'Region is missing' ? 'no AWS region is set' : hints[name];
  return new StoreError(`dynamodb:${table}: ${what}: ${name}${hint === undefined ? '' : `: ${hint}`}`);
}

/** The class the service or the SDK gave it; of a plain error of Node.js, its code. */
function nameOf(error: unknown): string {
  const { name, code } = error as { name?: unknown; code?: unknown };
  const isPlain = name === 'Error' || name === 'AggregateError';
  const told = isPlain && typeof code === 'string' ? code : name;
  return errorWord(told) ?? 'Error';
}

export function isConditionFailed(error: unknown): boolean {
  return (error as Error).name === 'ConditionalCheckFailedException';
}
