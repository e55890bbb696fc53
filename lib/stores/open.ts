import { resolve } from 'node:path';
import type { StateStore } from '../app/state.ts';
import { InputError } from '../core/errors.ts';
import { createDynamoStore, type DynamoOptions } from './dynamodb.ts';
import { createMemoryStore } from './memory.ts';
import { openSqliteStore } from './sqlite.ts';

export interface OpenStoreOptions {
  /** What the path of a file is relative to. */
  readonly folder: string;
  readonly dynamodb?: Omit<DynamoOptions, 'table'>;
}

const known = 'write memory:, sqlite:PATH or dynamodb:TABLE';

/**
 * Open the store that a config names: `memory:`, `sqlite:PATH`, `dynamodb:TABLE` (a name or an ARN).
 * @throws {InputError} there is no such store, or it cannot be opened
 */
export async function openStore(url: string, { folder, dynamodb }: OpenStoreOptions): Promise<StateStore> {
  const [, scheme, rest = ''] = /^([a-z]+):(.*)$/s.exec(url) ?? [];
  if (scheme === 'memory' && rest === '') return createMemoryStore();
  // sqlite://state.db looks like a URL and would be a file of the root folder.
  if (scheme === 'sqlite' && rest !== '' && !/^\/\/[^/]/.test(rest)) return openSqliteStore(resolve(folder, rest));
  if (scheme === 'dynamodb' && isTable(rest)) return createDynamoStore({ ...dynamodb, table: rest });
  throw new InputError(`state ${url}: is no store; ${known}`);
}

function isTable(name: string): boolean {
  return /^[\w.-]{3,255}$/.test(name) || /^arn:[\w-]+:dynamodb:[\w-]+:\d+:table\/[\w.-]{3,255}$/.test(name);
}
