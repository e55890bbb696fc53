import { access, constants, mkdir, open } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { DatabaseSync } from 'node:sqlite';
import { setTimeout as sleep } from 'node:timers/promises';
import { StoreError } from '../app/state.ts';
import { InputError } from '../core/errors.ts';
import { migrate } from './sqlite-schema.ts';

/** How long another process may keep the database locked. */
const busyTimeoutMs = 10_000;

/** Primary result codes. @see https://sqlite.org/rescode.html */
const codes = { busy: 5, readonly: 8, corrupt: 11, full: 13, cannotOpen: 14, notADatabase: 26 } as const;

/**
 * Open the database of a file, which is made when it is missing, and bring its schema up to date.
 * @throws {InputError} the file cannot be used, or this Node.js has no SQLite
 * @throws {StoreError} it is locked for too long, or the disk fails
 */
export async function openDatabase(path: string, steps: readonly string[]): Promise<DatabaseSync> {
  const sqlite = await loadSqlite();
  await makeFile(path);
  let database: DatabaseSync | undefined;
  try {
    database = new sqlite.DatabaseSync(path, { timeout: busyTimeoutMs });
    await prepare(database, path, steps);
    return database;
  } catch (error) {
    database?.close();
    throw openingError(error, path);
  }
}

async function loadSqlite(): Promise<typeof import('node:sqlite')> {
  try {
    return await import('node:sqlite');
  } catch {
    throw new InputError('sqlite: this Node.js has no SQLite; it needs version 22.13 or newer');
  }
}

/**
 * Make the file and its folder, for their owner only: what they will hold are the weak points of a cluster.
 * A file that is there is not opened, since to close it would drop the locks this process has on it.
 */
async function makeFile(path: string): Promise<void> {
  try {
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    const file = await open(path, 'ax', 0o600);
    await file.close();
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw unusable(path, error);
    await access(path, constants.R_OK | constants.W_OK).catch((denied: unknown) => {
      throw unusable(path, denied);
    });
  }
}

function unusable(path: string, error: unknown): InputError {
  return new InputError(`sqlite:${path}: the file cannot be made or written (${codeOf(error)})`);
}

function codeOf(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException).code;
}

/** Every write is on the disk before it is acknowledged, and readers do not wait for writers. */
async function prepare(database: DatabaseSync, path: string, steps: readonly string[]): Promise<void> {
  database.exec('PRAGMA synchronous = FULL');
  await whileBusy(() => migrate(database, path, steps));
  await whileBusy(() => database.exec('PRAGMA journal_mode = WAL'));
}

/** SQLite does not wait by itself where it could wait for ever, as when two processes both begin to use WAL. */
async function whileBusy(action: () => void): Promise<void> {
  const endMs = Date.now() + busyTimeoutMs;
  for (;;) {
    try {
      action();
      return;
    } catch (error) {
      if (primaryCode(error) !== codes.busy || Date.now() > endMs) throw error;
      await sleep(20);
    }
  }
}

function openingError(error: unknown, path: string): unknown {
  const code = primaryCode(error);
  if (code === undefined) return error;
  if (code === codes.notADatabase) return new InputError(`sqlite:${path}: is no SQLite database; name another file`);
  if (code === codes.readonly || code === codes.cannotOpen) {
    return new InputError(`sqlite:${path}: cannot be opened for writing, in a folder that can be written`, {
      cause: error,
    });
  }
  return sqliteError(error, path, 'open');
}

/**
 * @param what was done: "open", "load"
 * @returns anything that is no error of SQLite as it is
 */
export function sqliteError(error: unknown, path: string, what: string): unknown {
  const code = primaryCode(error);
  if (code === undefined) return error;
  const { errstr } = error as { errstr?: string };
  return new StoreError(`sqlite:${path}: ${what}: ${hint(code) ?? errstr}`, { cause: error });
}

function hint(code: number): string | undefined {
  if (code === codes.busy) return `another process kept it locked for ${busyTimeoutMs / 1000} s`;
  if (code === codes.full) return 'no space is left';
  if (code === codes.corrupt) return 'the file is damaged; move it away and Portcullis begins anew';
  return undefined;
}

function primaryCode(error: unknown): number | undefined {
  if (codeOf(error) !== 'ERR_SQLITE_ERROR') return undefined;
  return Number((error as { errcode?: number }).errcode) & 0xff;
}
