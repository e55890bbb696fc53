import type { DatabaseSync } from 'node:sqlite';
import { InputError } from '../core/errors.ts';

/**
 * Statements that make each version of the schema out of the one before; never changed, only added to.
 * Keys and groups are key texts, values are JSON.
 */
export const migrations: readonly string[] = [
  `CREATE TABLE record (
    record_group TEXT NOT NULL,
    key TEXT NOT NULL,
    version INTEGER NOT NULL,
    value TEXT NOT NULL,
    expires_at_ms INTEGER,
    PRIMARY KEY (record_group, key)
  ) STRICT;
  CREATE INDEX record_expiry ON record (expires_at_ms) WHERE expires_at_ms IS NOT NULL;`,
  // When what was over was deleted last.
  `CREATE TABLE purge (id INTEGER PRIMARY KEY CHECK (id = 1), at_ms INTEGER NOT NULL) STRICT;`,
];

/** "PORT", so that a database of somebody else is told from an empty one. */
const applicationId = 0x504f5254;

/**
 * Bring the schema to its newest version, all steps or none. Two processes that do so at once take turns.
 * @throws {InputError} the database is of another application, or of a newer version
 */
export function migrate(database: DatabaseSync, path: string, steps: readonly string[]): void {
  // As a writer from the start: fails here rather than at the first record where nothing can be written.
  database.exec('BEGIN IMMEDIATE');
  try {
    const version = versionOf(database, path);
    if (version > steps.length) {
      throw new InputError(
        `sqlite:${path}: was written by a newer Portcullis: its schema is version ${version}, this one knows ${steps.length}; use that Portcullis, or another file`,
      );
    }
    for (const step of steps.slice(version)) database.exec(step);
    if (version < steps.length) {
      database.exec(`PRAGMA application_id = ${applicationId}; PRAGMA user_version = ${steps.length}`);
    }
    database.exec('COMMIT');
  } catch (error) {
    if (database.isTransaction) database.exec('ROLLBACK');
    throw error;
  }
}

/** 0 for an empty database. */
function versionOf(database: DatabaseSync, path: string): number {
  const { application_id: application } = read(database, 'PRAGMA application_id');
  const { user_version: version } = read(database, 'PRAGMA user_version');
  const { tables } = read(database, 'SELECT count(*) AS tables FROM sqlite_schema');
  const isEmpty = application === 0 && version === 0 && tables === 0;
  if (!isEmpty && application !== applicationId) {
    throw new InputError(`sqlite:${path}: is a database of another application; name another file`);
  }
  return Number(version);
}

function read(database: DatabaseSync, sql: string): Readonly<Record<string, unknown>> {
  return database.prepare(sql).get() ?? {};
}
