import type { DatabaseSync } from 'node:sqlite';
import { type StateStore, StoreError } from '../app/state.ts';
import { fromKeyText, toKeyText, toPrefixText } from './key-text.ts';
import { byKey, recordText, storedRecord } from './record.ts';
import { openDatabase, sqliteError } from './sqlite-file.ts';
import { migrations } from './sqlite-schema.ts';

/** What is over is deleted once a day, as long as something new is written. */
const purgeEveryMs = 86_400_000;

interface Row {
  readonly key: string;
  readonly version: number;
  readonly value: string;
  readonly expires_at_ms: number | null;
}

/**
 * One file, which any number of processes of one machine may use at once.
 * @param path absolute; it and its folder are made when they are missing
 * @param steps the statements of each version of the schema
 * @throws {InputError} the path cannot be used, or what is there is no database of ours, or of a newer version
 */
export async function openSqliteStore(path: string, steps: readonly string[] = migrations): Promise<StateStore> {
  const database = await openDatabase(path, steps);
  const { select, insert, update, remove, lastPurge, purge, notePurge } = statements(database);
  let purgedAtMs = Number.NEGATIVE_INFINITY;

  function attempt<T>(what: string, action: () => T): T {
    if (!database.isOpen) throw new StoreError(`sqlite:${path}: ${what}: it was closed`);
    try {
      return action();
    } catch (error) {
      throw sqliteError(error, path, what);
    }
  }

  /** A clock that runs ahead by years, once, deletes no more than one that is right: what is over a day after the last time. */
  function purgeNow(nowMs: number): void {
    const { at_ms: lastMs } = (lastPurge.get() ?? {}) as { readonly at_ms?: number };
    const isEarly = lastMs !== undefined && nowMs >= lastMs && nowMs < lastMs + purgeEveryMs;
    if (isEarly) return;
    if (lastMs !== undefined) purge.run({ now: Math.min(nowMs, lastMs + purgeEveryMs) });
    notePurge.run({ now: Math.floor(nowMs) });
  }

  return {
    async load(group, prefix, nowMs) {
      const first = toPrefixText(prefix);
      const rows = attempt('load', () => startingWith(select.iterate(toKeyText(group), first), first));
      return rows
        .filter(({ expires_at_ms: overAtMs }) => overAtMs === null || overAtMs > nowMs)
        .map((row) => {
          const { value: text, expires_at_ms: overAtMs } = row;
          return storedRecord(
            group,
            { key: fromKeyText(row.key), text, expiresAtMs: overAtMs ?? undefined },
            row.version,
          );
        })
        .filter(({ key }) => key.startsWith(prefix))
        .sort(byKey);
    },

    async put(group, record, over, nowMs) {
      const { key, text, expiresAtMs = null } = recordText(group, record);
      const statement = over === 0 ? insert : update;
      const { changes } = attempt('write', () => {
        if (nowMs - purgedAtMs >= purgeEveryMs) {
          purgeNow(nowMs);
          purgedAtMs = nowMs;
        }
        return statement.run({
          group: toKeyText(group),
          key: toKeyText(key),
          text,
          expires: expiresAtMs,
          now: nowMs,
          ...(over !== 0 && { over }),
        });
      });
      return changes === 1 ? over + 1 : undefined;
    },

    async remove(group, key, over) {
      const { changes } = attempt('remove', () => remove.run(toKeyText(group), toKeyText(key), over));
      return changes === 1;
    },

    async close() {
      if (database.isOpen) database.close();
    },
  };
}

function statements(database: DatabaseSync) {
  return {
    select: database.prepare(
      'SELECT key, version, value, expires_at_ms FROM record WHERE record_group = ? AND key >= ? ORDER BY key',
    ),
    insert: database.prepare(
      `INSERT INTO record (record_group, key, version, value, expires_at_ms) VALUES (:group, :key, 1, :text, :expires)
      ON CONFLICT (record_group, key) DO UPDATE SET version = 1, value = excluded.value, expires_at_ms = excluded.expires_at_ms
      WHERE record.expires_at_ms <= :now`,
    ),
    update: database.prepare(
      `UPDATE record SET version = version + 1, value = :text, expires_at_ms = :expires
      WHERE record_group = :group AND key = :key AND version = :over AND (expires_at_ms IS NULL OR expires_at_ms > :now)`,
    ),
    remove: database.prepare('DELETE FROM record WHERE record_group = ? AND key = ? AND version = ?'),
    lastPurge: database.prepare('SELECT at_ms FROM purge'),
    notePurge: database.prepare('INSERT OR REPLACE INTO purge (id, at_ms) VALUES (1, :now)'),
    purge: database.prepare('DELETE FROM record WHERE expires_at_ms <= :now'),
  };
}

/** The database sorts by bytes, so all that begin so stand together at the start. */
function startingWith(rows: Iterable<unknown>, first: string): Row[] {
  const taken: Row[] = [];
  for (const row of rows as Iterable<Row>) {
    if (!row.key.startsWith(first)) break;
    taken.push(row);
  }
  return taken;
}
