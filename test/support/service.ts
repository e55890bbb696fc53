import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { root } from './lambda-package.ts';

/** What serverless.yml says of functions and queues, as far as a test plays Lambda and SQS. */
export interface Service {
  readonly scanConcurrency: number;
  readonly sources: QueueSettings;
  readonly retries: QueueSettings;
  /** Seconds. */
  timeoutOf(name: string): number;
  /** MiB. */
  memoryOf(name: string): number;
}

export interface QueueSettings {
  readonly visibilitySeconds: number;
  readonly mostReceives: number;
}

export function readService(): Service {
  // Its own tags, as !GetAtt, are of no account here.
  const service = parse(readFileSync(join(root, 'serverless.yml'), 'utf8'), { logLevel: 'error' });
  const settings = (name: string): QueueSettings => {
    const { VisibilityTimeout, RedrivePolicy } = service.resources.Resources[name].Properties;
    return { visibilitySeconds: VisibilityTimeout, mostReceives: RedrivePolicy.maxReceiveCount };
  };
  return {
    scanConcurrency: service.params.default.scanConcurrency,
    sources: settings('SourceQueue'),
    retries: settings('RetryQueue'),
    timeoutOf: (name) => service.functions[name].timeout,
    memoryOf: (name) => service.functions[name].memorySize,
  };
}
