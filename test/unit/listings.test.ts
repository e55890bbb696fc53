import { expect, test } from 'vitest';
import { newestListing } from '../../lib/app/listings.ts';
import type { ClusterListing, ClusterRow } from '../../lib/core/report.ts';

const nowMs = Date.UTC(2026, 10, 2, 12);
const hourMs = 3_600_000;

/** What is remembered after lists that came one after the other. */
async function after(...lists: readonly (readonly ClusterRow[])[]): Promise<ClusterListing> {
  let known: ClusterListing | undefined;
  for (const clusters of lists) {
    const reports = { name: 'prod', list: async () => ({ clusters, nameless: 0 }), read: () => Promise.reject() };
    known = await newestListing({ reports }, known && { value: known, atMs: nowMs }, nowMs);
  }
  return known as ClusterListing;
}

const row = (hours: number): ClusterRow => ({
  clusterId: 'a',
  clusterName: 'a',
  category: 'CCE',
  reportId: `r-${hours}`,
  scannedAtMs: nowMs - hours * hourMs,
});
const vague = (vagueAtMs: number): ClusterRow => ({
  ...row(1),
  reportId: undefined,
  scannedAtMs: undefined,
  vagueAtMs,
});

test.each<[string, readonly ClusterRow[]]>([
  ['nothing', []],
  ['a row that may be of any time', [vague(Number.MAX_SAFE_INTEGER)]],
  ['a row of an older time that names no report', [vague(nowMs - 9 * hourMs)]],
])('a newer report that was listed is known after a list with %s', async (_, between) => {
  const newerAtMs = nowMs - hourMs;
  expect((await after([row(1)], between, [row(5)])).clusters[0]).toMatchObject({ newerAtMs });
  expect((await after([row(1)], [], between, between, [row(5)])).clusters[0]).toMatchObject({ newerAtMs });
  expect((await after([row(5)], between, [row(1)])).clusters[0]?.newerAtMs).toBeUndefined();
});

test('a time that has not come yet is no newer report, nor one of a year and more ago', async () => {
  expect((await after([row(-48)], [row(5)])).clusters[0]?.newerAtMs).toBeUndefined();
  expect((await after([row(24 * 500)], [])).earlier).toBeUndefined();
});
