import { expect, test } from 'vitest';
import { knownClusters, rememberClusters, successorOf } from '../../lib/app/known-clusters.ts';
import { createMemoryStore } from '../../lib/stores/memory.ts';

const dayMs = 86_400_000;
const store = createMemoryStore();

/** Days at which a list was read, and what is absent by then: gone, and without a successor. */
function watcher(source: string) {
  return async (day: number, ...ids: readonly string[]) => {
    const nowMs = day * dayMs;
    const listed = ids.map((clusterId) => ({
      clusterId,
      clusterName: clusterId.split('#')[0] as string,
      category: undefined,
      reportId: undefined,
      scannedAtMs: undefined,
    }));
    const before = await knownClusters(store, source, nowMs);
    const { all, gone } = await rememberClusters(store, source, listed, before, 4 * dayMs, nowMs);
    const name = (one: { clusterId: string }) => one.clusterId;
    return {
      absent: gone.filter((one) => successorOf(one, all) === undefined).map(name),
      settled: gone.filter((one) => successorOf(one, all) !== undefined).map(name),
    };
  };
}

test('of a cluster that is made anew again and again, then gone, only the last one is absent', async () => {
  const look = watcher('nightly');
  for (let day = 1; day <= 9; day++) {
    expect((await look(day, `ci#${day}`)).absent).toEqual([]);
    expect((await look(day + 0.9)).absent).toEqual([`ci#${day}`]);
  }
  const { absent, settled } = await look(11);
  expect(absent).toEqual(['ci#9']);
  // Those whose successor is old are forgotten.
  expect(settled).toEqual(['ci#6', 'ci#7', 'ci#8']);
  expect((await knownClusters(store, 'nightly', 11 * dayMs)).length).toBe(4);
});

test('the list may show an old one beside its successor for a while', async () => {
  const look = watcher('overlap');
  await look(1, 'prod#old');
  await look(10, 'prod#old', 'prod#new');
  expect(await look(11, 'prod#new')).toEqual({ absent: [], settled: ['prod#old'] });
});

test('of two of one name that were there for long the one that is gone is absent, the older as well', async () => {
  const look = watcher('twins');
  await look(1, 'prod#a');
  await look(2, 'prod#a', 'prod#b');
  expect((await look(30, 'prod#b')).absent).toEqual(['prod#a']);
  expect((await look(31, 'prod#a')).absent).toEqual(['prod#b']);
  expect((await look(32, 'prod#a', 'prod#b')).absent).toEqual([]);
});
