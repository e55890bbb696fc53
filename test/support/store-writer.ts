import { writeSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { openSqliteStore } from '../../lib/stores/sqlite.ts';
import { increment } from './increment.ts';

/**
 * A process that uses SQLite stores: `store-writer.ts MODE PATH NAME COUNT`. What it has done it says line by line.
 * - `count`: opens the store; at each line on standard input, COUNT times, adds 1 to a shared counter and writes a
 *   record of its own
 * - `open`: opens the store that each line on standard input names, writes a record of its own, and closes it
 * - `append`: writes records for ever; each is acknowledged by its number
 * - `try`: opens the store as a user without rights, and says what comes of it
 */
const [mode, path = '', name = '', count = '0'] = process.argv.slice(2);
const run = { count: countUp, open: openEach, append, try: tryToOpen }[mode ?? ''];
await run?.();

function say(line: string): void {
  writeSync(1, `${line}\n`);
}

async function countUp(): Promise<void> {
  const store = await openSqliteStore(path);
  say('ready');
  for await (const _ of createInterface(process.stdin)) {
    for (let i = 0; i < Number(count); i++) {
      await increment(store, 'counters', 'shared');
      await store.put('records', { key: `${name}-${i}`, value: i }, 0, 0);
    }
    say('done');
  }
  await store.close();
}

async function openEach(): Promise<void> {
  say('ready');
  for await (const line of createInterface(process.stdin)) {
    const store = await openSqliteStore(line);
    await store.put('records', { key: name, value: 1 }, 0, 0);
    await store.close();
    say('done');
  }
}

async function append(): Promise<void> {
  const store = await openSqliteStore(path);
  for (let i = 0; ; i++) {
    const version = await store.put(name, { key: String(i), value: { i, text: 'x'.repeat(3_000) } }, 0, 0);
    if (version !== undefined) say(String(i));
  }
}

async function tryToOpen(): Promise<void> {
  if (process.getuid?.() === 0) {
    process.setgid?.(65_534);
    process.setuid?.(65_534);
  }
  try {
    await openSqliteStore(path);
    say('opened');
  } catch (error) {
    const { name: kind, message } = error as Error;
    say(`${kind}: ${message}`);
  }
}
