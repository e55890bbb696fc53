import { UndeterminedError } from '../core/errors.ts';
import type { ReportSource } from './ports.ts';

/** A report for which there was no time. It says nothing of the cluster. */
export class LeftError extends Error {
  override readonly name = 'LeftError';
}

/** The same source, but a report that the caller's signal breaks off is left, and no reason of a verdict. */
export function leaving(source: ReportSource): ReportSource {
  return {
    name: source.name,
    list: (signal) => source.list(signal),
    async read(row, consume, signal) {
      try {
        return await source.read(row, consume, signal);
      } catch (error) {
        throw signal?.aborted === true && error === signal.reason ? new LeftError('there was no time for it') : error;
      }
    },
  };
}

/**
 * What ended the looking, as a reason of an undetermined verdict: also that the caller's signal aborted it. Any other
 * error is thrown on.
 */
export function undeterminedBy(error: unknown, source: string, signal: AbortSignal | undefined): UndeterminedError {
  if (error instanceof UndeterminedError) return error;
  if (signal?.aborted !== true || error !== signal.reason) throw error;
  return new UndeterminedError('source-unreachable', `source ${source}: ran out of time before HSS had answered`);
}
