import { text } from 'node:stream/consumers';
import { listen } from '../../lib/simulator/loopback.ts';

export interface SecretsManager {
  readonly url: string;
  /** Names that were asked for, in order. */
  readonly asked: readonly string[];
  close(): Promise<void>;
}

/**
 * As much of AWS Secrets Manager as GetSecretValue needs.
 * @param secrets by name; `'hang'`: never answered
 */
export async function startSecretsManager(secrets: Readonly<Record<string, string>>): Promise<SecretsManager> {
  const asked: string[] = [];
  const server = await listen(async (request, response) => {
    const { SecretId: name } = JSON.parse(await text(request));
    asked.push(name);
    // Under a clock that leaps it would be wrong, and the SDK asks again when it is.
    response.sendDate = false;
    const secret = secrets[name];
    if (secret === 'hang') return;
    const known = request.headers['x-amz-target'] === 'secretsmanager.GetSecretValue' && secret !== undefined;
    response.writeHead(known ? 200 : 400, { 'content-type': 'application/x-amz-json-1.1' });
    response.end(
      JSON.stringify(known ? { Name: name, SecretString: secret } : { __type: 'ResourceNotFoundException' }),
    );
  });
  return { url: server.url, asked, close: server.close };
}
