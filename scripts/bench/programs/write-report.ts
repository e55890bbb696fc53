import { createWriteStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { streamReport } from '../../../lib/simulator/reports.ts';
import { answer, args } from './answer.ts';

/** Write a report of so many megabytes, an hour old. */
const [file, megabytes] = args();
const report = streamReport({
  clusterId: '7d3c1b8e-5f24-11ef-9a4e-0255ac1000ae',
  clusterName: 'bench',
  category: 'CCE',
  scannedAtMs: Date.now() - 3_600_000,
  seed: 'bench',
  totalBytes: Number(megabytes) * 1e6,
  chunkBytes: 2 ** 20,
});
await pipeline(report, createWriteStream(file));
answer({});
