import { UndeterminedError } from '../core/errors.ts';

/**
 * What ended the looking, as a reason of an undetermined verdict: also that the caller's signal aborted it. Any other
 * error is thrown on.
 */
export function undeterminedBy(error: unknown, source: string, signal: AbortSignal | undefined): UndeterminedError {
  if (error instanceof UndeterminedError) return error;
  if (signal?.aborted !== true || error !== signal.reason) throw error;
  return new UndeterminedError('source-unreachable', `source ${source}: ran out of time before HSS had answered`);
}
