import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, open, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { DatabaseSync } from 'node:sqlite';
import { isDeepStrictEqual } from 'node:util';
import { expect, onTestFinished, test } from 'vitest';
import { StoreError } from '../../lib/app/state.ts';
import { InputError } from '../../lib/core/errors.ts';
import { openSqliteStore } from '../../lib/stores/sqlite.ts';
import { migrations } from '../../lib/stores/sqlite-schema.ts';
import { closing, failureOf, keysOf, only, putNew, temporaryFolder } from '../support/stores.ts';

const writer = join(import.meta.dirname, '..', 'support', 'store-writer.ts');

/** A process of its own. */
function startWriter(...args: readonly string[]) {
  const child = spawn(process.execPath, [writer, ...args], { stdio: ['pipe', 'pipe', 'inherit'] });
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
  const closed = once(child, 'close');
  onTestFinished(() => {
    child.kill('SIGKILL');
  });
  return {
    kill: () => child.kill('SIGKILL'),
    /** The next line it says; undefined: none. */
    line: async (): Promise<string | undefined> => (await lines.next()).value,
    tell: (line: string) => child.stdin.write(`${line}\n`),
    /** Nothing more is told. @returns exit code or signal */
    async end(): Promise<unknown> {
      child.stdin.end();
      const [code, signal] = await closed;
      return signal ?? code;
    },
  };
}

/** Two processes that are under way. */
async function startTwo(...[mode, path, count]: readonly [string, string, string?]) {
  const two = ['one', 'two'].map((name) => startWriter(mode, path, name, ...(count === undefined ? [] : [count])));
  expect(await Promise.all(two.map((child) => child.line()))).toEqual(['ready', 'ready']);
  return {
    async both(line: string) {
      for (const child of two) child.tell(line);
      expect(await Promise.all(two.map((child) => child.line()))).toEqual(['done', 'done']);
    },
    async end() {
      expect(await Promise.all(two.map((child) => child.end()))).toEqual([0, 0]);
    },
  };
}

async function newPath(): Promise<string> {
  return join(await temporaryFolder(), 'state.db');
}

/** Look at a file, past the store. */
function query(path: string, sql: string): Record<string, unknown> {
  const database = new DatabaseSync(path);
  try {
    return { ...database.prepare(sql).get() };
  } finally {
    database.close();
  }
}

function execute(path: string, sql: string): void {
  const database = new DatabaseSync(path);
  database.exec(sql);
  database.close();
}

test('two processes that write at once lose nothing', async () => {
  const path = await newPath();
  const two = await startTwo('count', path, '200');
  await two.both('go');
  await two.end();

  const store = closing(await openSqliteStore(path));
  expect((await only(store, 'counters', 'shared')).value).toBe(400);
  expect(await keysOf(store, 'records', 'one-')).toHaveLength(200);
  expect(await keysOf(store, 'records', 'two-')).toHaveLength(200);
});

test('two processes that make the same file at once both use it', async () => {
  const folder = await temporaryFolder();
  const two = await startTwo('open', folder);
  for (let i = 0; i < 60; i++) {
    const path = join(folder, `${i}.db`);
    await two.both(path);
    expect(await keysOf(closing(await openSqliteStore(path)), 'records')).toEqual(['one', 'two']);
  }
  await two.end();
});

test('holds every write that was acknowledged after its process was killed', async () => {
  const path = await newPath();
  for (const round of ['first', 'second', 'third']) {
    const child = startWriter('append', path, round);
    const acknowledged: string[] = [];
    for (let line = await child.line(); line !== undefined; line = await child.line()) {
      if (acknowledged.push(line) >= 50) child.kill();
    }
    expect(await child.end()).toBe('SIGKILL');
    expect(acknowledged.length).toBeGreaterThanOrEqual(50);

    const store = closing(await openSqliteStore(path));
    const records = new Map((await store.load(round, '', 0)).map(({ key, value }) => [key, value]));
    expect(acknowledged.filter((i) => !records.has(i))).toEqual([]);
    expect(records.size - acknowledged.length).toBeLessThanOrEqual(1);
    expect([...records].every(([i, value]) => isWhole(i, value))).toBe(true);
  }

  const store = closing(await openSqliteStore(path));
  expect((await keysOf(store, 'first')).length).toBeGreaterThanOrEqual(50);
  await putNew(store, 'alerts', 'a');
  expect(query(path, 'PRAGMA integrity_check')).toEqual({ integrity_check: 'ok' });
});

function isWhole(i: string, value: unknown): boolean {
  return isDeepStrictEqual(value, { i: Number(i), text: 'x'.repeat(3_000) });
}

test('uses a write-ahead log, and leaves one file when it is closed', async () => {
  const folder = await temporaryFolder();
  const store = await openSqliteStore(join(folder, 'state.db'));
  await putNew(store, 'alerts', 'a');
  expect(await readdir(folder)).toEqual(['state.db', 'state.db-shm', 'state.db-wal']);
  await store.close();

  expect(await readdir(folder)).toEqual(['state.db']);
  expect(query(join(folder, 'state.db'), 'PRAGMA journal_mode')).toEqual({ journal_mode: 'wal' });
});

test('makes folder and files for their owner only', async () => {
  const folder = join(await temporaryFolder(), 'new', 'er');
  const store = closing(await openSqliteStore(join(folder, 'state.db')));
  await putNew(store, 'alerts', 'a');

  const modes = await Promise.all((await readdir(folder)).map(async (name) => (await stat(join(folder, name))).mode));
  expect(modes.map((mode) => mode & 0o777)).toEqual([0o600, 0o600, 0o600]);
  expect((await stat(folder)).mode & 0o777).toBe(0o700);
});

test('deletes what is over, at the latest a day later', async () => {
  const path = await newPath();
  const count = () => query(path, 'SELECT count(*) AS n FROM record').n;
  const dayMs = 86_400_000;
  const store = closing(await openSqliteStore(path));
  await store.put('log', { key: 'a', value: 1, expiresAtMs: 1_000 }, 0, 0);
  await store.put('log', { key: 'b', value: 1, expiresAtMs: dayMs + 1 }, 0, 0);
  await store.put('log', { key: 'c', value: 1 }, 0, 0);
  expect(count()).toBe(3);

  await store.put('log', { key: 'd', value: 1 }, 0, dayMs);

  expect(count()).toBe(3);
  expect(await keysOf(store, 'log', '', dayMs)).toEqual(['b', 'c', 'd']);
});

test('keeps what is not over, whatever a clock says that ran ahead', async () => {
  const path = await newPath();
  const dayMs = 86_400_000;
  /** One run each. */
  const run = async (key: string, nowMs: number, expiresAtMs?: number) => {
    const store = await openSqliteStore(path);
    await store.put('log', { key, value: 1, ...(expiresAtMs !== undefined && { expiresAtMs }) }, 0, nowMs);
    await store.close();
  };
  await run('silence', 0, 30 * dayMs);
  await run('ahead', 4_000 * dayMs);
  await run('ahead, again', 4_000 * dayMs + 3_600_000);
  await run('right', dayMs);
  const store = closing(await openSqliteStore(path));
  expect(await keysOf(store, 'log', '', 2 * dayMs)).toContain('silence');

  const count = () => query(path, "SELECT count(*) AS n FROM record WHERE key LIKE '%silence%'").n;
  expect(count()).toBe(1);

  // It is deleted in its time, also where runs are far apart.
  await run('later', 40 * dayMs);
  await run('after that', 60 * dayMs);
  expect(count()).toBe(0);
});

const next = `ALTER TABLE record ADD COLUMN note TEXT NOT NULL DEFAULT 'none'`;

test('brings a file of an older version up to date, and keeps what it holds', async () => {
  const path = await newPath();
  const old = await openSqliteStore(path);
  const version = await putNew(old, 'alerts', 'a', { count: 1 });
  await old.close();
  expect(query(path, 'PRAGMA user_version')).toEqual({ user_version: migrations.length });

  const store = closing(await openSqliteStore(path, [...migrations, next]));

  expect(await only(store, 'alerts', 'a')).toEqual({ key: 'a', value: { count: 1 }, version });
  expect(query(path, 'SELECT note FROM record')).toEqual({ note: 'none' });
  expect(query(path, 'PRAGMA user_version')).toEqual({ user_version: migrations.length + 1 });
  closing(await openSqliteStore(path, [...migrations, next]));
});

test('refuses a file of a newer version and leaves it as it is', async () => {
  const path = await newPath();
  await (await openSqliteStore(path, [...migrations, next])).close();
  const before = await readFile(path);

  const error = await failureOf(openSqliteStore(path));

  expect(error).toBeInstanceOf(InputError);
  expect(error.message).toBe(
    `sqlite:${path}: was written by a newer Portcullis: its schema is version ${migrations.length + 1}, this one knows ${migrations.length}; use that Portcullis, or another file`,
  );
  expect(await readFile(path)).toEqual(before);
});

test('takes no step when one of them fails', async () => {
  const path = await newPath();
  await (await openSqliteStore(path)).close();

  const error = await failureOf(openSqliteStore(path, [...migrations, next, 'CREATE NONSENSE']));

  expect(error).toBeInstanceOf(StoreError);
  expect(query(path, 'PRAGMA user_version')).toEqual({ user_version: migrations.length });
  expect(query(path, `SELECT count(*) AS n FROM pragma_table_info('record') WHERE name = 'note'`)).toEqual({ n: 0 });
  await putNew(closing(await openSqliteStore(path)), 'alerts', 'a');
});

test('refuses a file that is no database, and leaves it as it is', async () => {
  const path = await newPath();
  const content = 'precious notes\n'.repeat(1_000);
  await writeFile(path, content);

  const error = await failureOf(openSqliteStore(path));

  expect(error).toBeInstanceOf(InputError);
  expect(error.message).toBe(`sqlite:${path}: is no SQLite database; name another file`);
  expect(await readFile(path, 'utf8')).toBe(content);
});

test.each(['CREATE TABLE record (x)', 'PRAGMA application_id = 7', 'PRAGMA user_version = 1'])(
  'refuses a database of another application (%s), and leaves it as it is',
  async (sql) => {
    const path = await newPath();
    execute(path, sql);
    const before = await readFile(path);

    const error = await failureOf(openSqliteStore(path));

    expect(error).toBeInstanceOf(InputError);
    expect(error.message).toBe(`sqlite:${path}: is a database of another application; name another file`);
    expect(await readFile(path)).toEqual(before);
  },
);

test('takes an empty file for a new one', async () => {
  const path = await newPath();
  await writeFile(path, '');

  await putNew(closing(await openSqliteStore(path)), 'alerts', 'a');
});

test('refuses a path that cannot be a file', async () => {
  const folder = await temporaryFolder();
  await writeFile(join(folder, 'file'), '');

  const below = await failureOf(openSqliteStore(join(folder, 'file', 'state.db')));
  expect(below).toBeInstanceOf(InputError);
  expect(below.message).toBe(`sqlite:${folder}/file/state.db: the file cannot be made or written (ENOTDIR)`);

  const itself = await failureOf(openSqliteStore(folder));
  expect(itself).toBeInstanceOf(InputError);
  expect(itself.message).toMatch(/cannot be opened for writing/);
});

test.each([
  {
    what: 'a folder that cannot be written',
    file: false,
    mode: 0o555,
    says: /the file cannot be made or written \(EACCES\)/,
  },
  {
    what: 'a file that cannot be written',
    file: true,
    mode: 0o777,
    says: /the file cannot be made or written \(EACCES\)/,
  },
  {
    what: 'a file in a folder that cannot be written',
    file: 'writable',
    mode: 0o555,
    says: /cannot be opened for writing, in a folder that can be written/,
  },
])('says so of $what', async ({ file, mode, says }) => {
  const parent = await temporaryFolder();
  await chmod(parent, 0o755);
  const folder = join(parent, 'state');
  const path = join(folder, 'state.db');
  await mkdir(folder);
  if (file !== false) await (await openSqliteStore(path)).close();
  if (file !== false) await chmod(path, file === 'writable' ? 0o666 : 0o444);
  await chmod(folder, mode);

  const told = await startWriter('try', path).line();

  expect(told).toMatch(/^InputError: /);
  expect(told).toMatch(says);
});

test('says of a damaged file that it is', async () => {
  const path = await newPath();
  const store = await openSqliteStore(path);
  for (let i = 0; i < 100; i++) await putNew(store, 'alerts', `${i}`, 'CANARY'.repeat(500));
  await store.close();
  const file = await open(path, 'r+');
  const { size } = await file.stat();
  await file.write(Buffer.alloc(size - 8_192, 0x55), 0, size - 8_192, 8_192);
  await file.close();

  const error = await failureOf(openSqliteStore(path).then((damaged) => closing(damaged).load('alerts', '', 0)));

  expect(error).toBeInstanceOf(StoreError);
  expect(error.message).toBe(`sqlite:${path}: load: the file is damaged; move it away and Portcullis begins anew`);
});

test('says of something that is no JSON in it only that it is', async () => {
  const path = await newPath();
  const store = closing(await openSqliteStore(path));
  await putNew(store, 'alerts', 'a');
  execute(path, `UPDATE record SET value = 'CANARY'`);

  const error = await failureOf(store.load('alerts', '', 0));

  expect(error).toBeInstanceOf(StoreError);
  expect(error.message).toBe('record of alerts: what is stored is no JSON');
});

test('says of a store that was closed that it was', async () => {
  const path = await newPath();
  const store = await openSqliteStore(path);
  await store.close();
  await store.close();

  for (const action of [
    store.load('a', '', 0),
    store.put('a', { key: 'a', value: 1 }, 0, 0),
    store.remove('a', 'a', 1),
  ]) {
    const error = await failureOf(action);
    expect(error).toBeInstanceOf(StoreError);
    expect(error.message).toMatch(/it was closed$/);
  }
});
