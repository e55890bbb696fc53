import { InvokeCommand, LambdaClient } from '@aws-sdk/client-lambda';
import type { Evaluation } from '../core/evaluation.ts';
import { errorWord } from '../core/text.ts';
import { type RawAnswer, RemoteError, type RemoteRequest, readAnswer, unanswered } from './answer.ts';
import { checkRegion, credentialsProblem } from './credentials.ts';

export interface FunctionOptions {
  /** Name or ARN. */
  readonly name: string;
  /** Default: as the SDK finds it. */
  readonly region?: string | undefined;
  /** A version or an alias. */
  readonly qualifier?: string | undefined;
  /** How long all attempts together may take; milliseconds. */
  readonly totalMs?: number;
}

/** A gate answers within its minute; beyond that a retry may still be worth it. */
export const defaultTotalMs = 150_000;

/**
 * Ask the deployed function, with the AWS credentials that the SDK finds.
 * @throws {InputError} @throws {RemoteError}
 */
export async function askFunction(
  { name, region, qualifier, totalMs = defaultTotalMs }: FunctionOptions,
  request: RemoteRequest,
  nowMs: number,
): Promise<Evaluation> {
  const gate = `function ${name}`;
  checkRegion(region);
  const client = new LambdaClient({
    ...(region !== undefined && { region }),
    maxAttempts: 4,
    requestHandler: { connectionTimeout: 5_000, requestTimeout: 70_000, throwOnRequestTimeout: true },
  });
  const command = new InvokeCommand({
    FunctionName: name,
    ...(qualifier !== undefined && { Qualifier: qualifier }),
    Payload: Buffer.from(JSON.stringify(request)),
  });
  try {
    const problem = await client.config.credentials().then(() => undefined, credentialsProblem);
    if (problem !== undefined)
      return unanswered(request, { kind: 'source-unreachable', message: `${gate}: ${problem}` }, nowMs);
    const { FunctionError, Payload } = await client.send(command, { abortSignal: AbortSignal.timeout(totalMs) });
    const text = Buffer.from(Payload ?? []).toString();
    if (FunctionError !== undefined)
      throw new RemoteError(`${gate}: failed (${errorWord(FunctionError) ?? 'error'}); its log says why`);
    return readAnswer(rawAnswer(text, gate), request, gate, nowMs);
  } catch (error) {
    const known = sdkError(error);
    if (known === undefined) throw error;
    return unanswered(request, { kind: known.kind, message: `${gate}: ${known.message}` }, nowMs);
  } finally {
    client.destroy();
  }
}

function rawAnswer(text: string, gate: string): RawAnswer {
  try {
    const { statusCode, body } = JSON.parse(text) as { statusCode?: unknown; body?: unknown };
    if (typeof statusCode === 'number' && typeof body === 'string') return { status: statusCode, body };
  } catch {
    // Said below.
  }
  throw new RemoteError(`${gate}: is no gate of Portcullis: its answer has no statusCode and body`);
}

interface Known {
  readonly kind: 'source-unreachable' | 'source-throttled';
  readonly message: string;
}

/** An error of the SDK, in our words: its own may hold parts of the request. */
function sdkError(error: unknown): Known | undefined {
  if (!(error instanceof Error) || error instanceof RemoteError) return undefined;
  const name = errorWord(error.name) ?? 'error';
  const status = (error as { $metadata?: { httpStatusCode?: number } }).$metadata?.httpStatusCode;
  const unreachable = (message: string): Known => ({ kind: 'source-unreachable', message });
  if (name === 'TooManyRequestsException' || status === 429)
    return { kind: 'source-throttled', message: 'it is asked too often at once, and did not answer' };
  if (name === 'ResourceNotFoundException')
    return unreachable('there is no such function: check the name, the region and the account');
  if (/AccessDenied|UnrecognizedClient|InvalidSignature|ExpiredToken|InvalidClientTokenId/.test(name))
    return unreachable(`the caller may not ask it (${name}): it needs lambda:InvokeFunction`);
  if (status !== undefined) return unreachable(`AWS answered ${status} (${name})`);
  // The SDK calls a connection that breaks a time-out too.
  const { code } = error as NodeJS.ErrnoException;
  if (code !== undefined && /^E[A-Z_]{3,20}$/.test(code)) return unreachable(`AWS cannot be reached (${code})`);
  if (/^(TimeoutError|AbortError)$/.test(name)) return unreachable('did not answer in time');
  if (name === 'Error' && /region/i.test(error.message)) return unreachable('no region is named: use --region');
  return undefined;
}
