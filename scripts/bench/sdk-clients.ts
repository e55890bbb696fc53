import { createRequire } from 'node:module';
import { join } from 'node:path';

export interface SdkClient {
  readonly package: string;
  /** What a function takes from it. */
  readonly exports: readonly string[];
}

const clients: readonly SdkClient[] = [
  { package: '@aws-sdk/client-secrets-manager', exports: ['SecretsManagerClient', 'GetSecretValueCommand'] },
  {
    package: '@aws-sdk/client-dynamodb',
    exports: ['DynamoDBClient', 'GetItemCommand', 'PutItemCommand', 'UpdateItemCommand', 'QueryCommand'],
  },
];

/** Clients of the AWS SDK that a function on AWS needs, as far as they are installed. */
export function installedClients(root: string): SdkClient[] {
  const { resolve } = createRequire(join(root, 'package.json'));
  return clients.filter((client) => {
    try {
      resolve(client.package);
      return true;
    } catch {
      return false;
    }
  });
}
