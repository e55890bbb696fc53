import { hash } from 'node:crypto';
import { expect, test } from 'vitest';
import { loadLooks, saveLooks, whole } from '../../lib/app/looks.ts';
import { createMemoryStore } from '../../lib/stores/memory.ts';

const startMs = Date.UTC(2026, 0, 5);
const ids = (count: number) => Array.from({ length: count }, (_, n) => hash('sha256', `${n}`, 'hex').slice(0, 36));
const looksAt = (some: readonly string[], atMs: number) => Object.fromEntries(some.map((id) => [id, atMs]));

test('of ten thousand clusters each look is known', async () => {
  const store = createMemoryStore();
  const all = ids(10_000);
  const [first = ''] = all;
  await saveLooks(store, 'prod', looksAt(all, startMs), new Set(all), startMs);
  await saveLooks(store, 'prod', { [first]: startMs + 1, [whole]: startMs }, new Set(all), startMs);

  const known = await loadLooks(store, 'prod', startMs);
  expect(Object.keys(known)).toHaveLength(all.length + 1);
  expect([known[first], known[all[1] ?? ''], known[whole]]).toEqual([startMs + 1, startMs, startMs]);
});

test('what was written as it is is read, whatever clusters are called, and goes when they do', async () => {
  const store = createMemoryStore();
  await store.put('source/prod', { key: 'looks', value: { gzip: startMs, gone: startMs } }, 0, startMs);
  expect(await loadLooks(store, 'prod', startMs)).toEqual({ gzip: startMs, gone: startMs });

  await saveLooks(store, 'prod', { other: startMs }, new Set(['gzip', 'other']), startMs);
  expect(await loadLooks(store, 'prod', startMs)).toEqual({ gzip: startMs, other: startMs });
});
