import { InputError, UndeterminedError } from '../core/errors.ts';
import { errorWord } from '../core/text.ts';
import { isAwsOutage } from '../http/aws-outage.ts';
import type { FetchAwsSecret } from './secrets.ts';

/**
 * Fetch from AWS Secrets Manager with the credentials of the environment. The SDK is loaded when the first secret is
 * asked for: it costs a cold start 100 ms.
 */
export function awsSecrets(
  options: { readonly endpoint?: string | undefined; readonly timeoutMs?: number } = {},
): FetchAwsSecret {
  let client: Promise<(name: string) => Promise<string | undefined>> | undefined;
  const load = async () => {
    const { SecretsManagerClient, GetSecretValueCommand } = await import('@aws-sdk/client-secrets-manager');
    const { endpoint, timeoutMs = 10_000 } = options;
    const sdk = new SecretsManagerClient({
      ...(endpoint !== undefined && { endpoint }),
      maxAttempts: 3,
      requestHandler: { connectionTimeout: 3_000, requestTimeout: timeoutMs, throwOnRequestTimeout: true },
    });
    return async (name: string) => (await sdk.send(new GetSecretValueCommand({ SecretId: name }))).SecretString;
  };
  return async (name) => {
    client ??= load();
    let text: string | undefined;
    try {
      text = await (await client)(name);
    } catch (error) {
      const kind = errorWord((error as Error).name) ?? 'error';
      if (isAwsOutage(error))
        throw new UndeterminedError(
          'source-unreachable',
          `aws-sm://${name}: Secrets Manager does not answer (${kind})`,
        );
      throw new InputError(
        `aws-sm://${name}: cannot be fetched (${kind}); check its name, the region and the permission secretsmanager:GetSecretValue`,
      );
    }
    if (!text) throw new InputError(`aws-sm://${name}: has no text (SecretString)`);
    return text;
  };
}
