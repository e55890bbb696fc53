import { expect, test } from 'vitest';
import { knownClusters, rememberClusters } from '../../lib/app/known-clusters.ts';
import { createMemoryStore } from '../../lib/stores/memory.ts';

const dayMs = 86_400_000;
const store = createMemoryStore();

/** Days at which a list was read, and what is absent by then: gone, and without a successor. */
function watcher(source: string, isWatched = (_: { clusterId: string }) => true) {
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
    const told = await rememberClusters(store, source, listed, before, isWatched, 4 * dayMs, nowMs);
    const names = (of: typeof told.absent) => of.map(({ clusterId }) => clusterId).sort();
    return { absent: names(told.absent), settled: names(told.leftOut) };
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

test('those that are left out are forgotten when that was told', async () => {
  let isWatched = true;
  const look = watcher('excluded', ({ clusterId }) => isWatched || clusterId !== 'old');
  const known = async (day: number) =>
    (await knownClusters(store, 'excluded', day * dayMs)).map((one) => one.clusterId);
  await look(1, 'old', 'prod');
  expect((await look(2, 'prod')).absent).toEqual(['old']);
  // However long it was gone.
  isWatched = false;
  await look(90, 'prod');
  expect(await known(90)).toEqual(['old', 'prod']);
  isWatched = true;
  expect((await look(91, 'prod')).absent).toEqual(['old']);
  isWatched = false;
  await look(92, 'prod');
  await look(96, 'prod');
  expect(await known(96)).toEqual(['old', 'prod']);
  await look(97, 'prod');
  expect(await known(97)).toEqual(['prod']);
});

test('thousands that come and go, each under a name of its own, have room', async () => {
  const look = watcher('ephemeral');
  const names = (from: number) => Array.from({ length: 600 }, (_, i) => `preview-${from + i}-of-a-branch-with-a-name`);
  for (let day = 1; day <= 12; day++) await look(day, ...names(day * 1000), 'prod');
  const known = await knownClusters(store, 'ephemeral', 12 * dayMs);
  const gone = known.filter(({ goneMs }) => goneMs !== undefined);
  const followed = gone.filter(({ outMs }) => outMs === undefined);
  // Of those that are gone the ones that were there last.
  expect(followed.length).toBe(1000);
  expect(Math.min(...followed.map(({ goneMs = 0 }) => goneMs / dayMs))).toBe(11);
  expect(gone.length).toBeLessThanOrEqual(1000 + 5 * 600);
  expect(known.filter(({ goneMs }) => goneMs === undefined).length).toBe(601);
});
