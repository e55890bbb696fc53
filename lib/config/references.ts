import type { Config } from './parse.ts';
import { type Receiver, secretReference } from './schema.ts';

/** Of the keys of sources. */
export function sourceReferences({ sources }: Pick<Config, 'sources'>): string[] {
  return sources.map(({ credentials }) => credentials);
}

/** Of what it takes to reach a receiver, and to sign for it. */
export function receiverReferences({ slack, webhook }: Receiver): string[] {
  return references(slack?.webhook, webhook?.url, webhook?.signing_secret);
}

export function heartbeatReferences({ heartbeat }: Pick<Config, 'heartbeat'>): string[] {
  return references(heartbeat?.url);
}

/** A URL may be written out. */
function references(...values: readonly (string | undefined)[]): string[] {
  return values.filter((value) => value !== undefined && secretReference.test(value)) as string[];
}
