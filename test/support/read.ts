import type { ReadReport } from '../../lib/app/ports.ts';
import { type Finding, type FindingKind, fields } from '../../lib/core/report.ts';
import { readReport } from '../../lib/hss/read-report.ts';
import type { ReportLimits } from '../../lib/hss/report-stream.ts';

export const allKinds: ReadonlySet<FindingKind> = new Set(
  (Object.keys(fields) as FindingKind[]).filter((kind) => kind !== 'cluster'),
);

export type Read = ReadReport & { readonly findings: readonly (readonly [FindingKind, Finding])[] };

/** Read a whole report from pieces, keeping a plain copy of every finding. */
export async function readAll(
  pieces: Iterable<Uint8Array>,
  read: ReadonlySet<FindingKind> = allKinds,
  limits?: ReportLimits,
): Promise<Read> {
  const findings: (readonly [FindingKind, Finding])[] = [];
  const report = await readReport(toAsync(pieces), read, (kind, finding) => findings.push([kind, { ...finding }]), {
    limits,
  });
  return { ...report, findings };
}

export async function* toAsync(pieces: Iterable<Uint8Array>): AsyncIterable<Uint8Array> {
  yield* pieces;
}

/** Cut bytes at the given places. */
export function cutAt(bytes: Uint8Array, places: readonly number[]): Uint8Array[] {
  const cuts = [...new Set(places.map((place) => place % (bytes.length + 1)))].sort((a, b) => a - b);
  return [0, ...cuts].map((from, i) => bytes.subarray(from, cuts[i] ?? bytes.length));
}
