import process from 'node:process';
import type { ScanSummary } from '../lib/app/scan.ts';
import { InputError } from '../lib/core/errors.ts';
import { withDeadline } from './deadline.ts';
import { createInstance, describeError, type Instance } from './instance.ts';
import type { Invocation } from './invocation.ts';

/** Enough for what is under way to end, and to be said. */
const marginMs = 15_000;

/** Failures in one line of the log. */
const loggedFailures = 100;

/** A scan that did not do everything. Its message goes to whoever invoked the function, so it holds no detail. */
export class ScanError extends Error {
  override readonly name = 'ScanError';
  /** 2 something could not be looked at or delivered, 3 invalid input, 4 internal error. */
  readonly exitCode: 2 | 3 | 4;

  constructor(exitCode: 2 | 3 | 4, reason: string) {
    super(`scan: exit code ${exitCode}: ${reason}; the log has the details`);
    this.exitCode = exitCode;
  }
}

const instance = createInstance(process.env, (line) => process.stdout.write(line));

/** @param _event nothing in it is looked at: a schedule has nothing to say */
export function handler(_event: unknown, invocation: Invocation): Promise<ScanSummary> {
  return runScan(invocation, instance);
}

/** @throws {ScanError} after all that can be done was done, so that Lambda counts an error */
export async function runScan(invocation: Invocation, instance: Instance): Promise<ScanSummary> {
  const { log } = instance;
  instance.begin(invocation.awsRequestId);
  let summary: ScanSummary;
  try {
    summary = await withDeadline(invocation.getRemainingTimeInMillis(), marginMs, async (signal) =>
      (await instance.app()).scan(Date.now(), {}, signal),
    );
  } catch (error) {
    if (error instanceof InputError) {
      log('error', 'invalid input', { reason: error.message });
      throw new ScanError(3, 'invalid input');
    }
    instance.discard();
    log('error', 'internal error', { error: describeError(error) });
    throw new ScanError(4, 'internal error');
  }
  const { exitCode, failures, ...counts } = summary;
  const omitted = Math.max(0, failures.length - loggedFailures);
  log(exitCode === 0 ? 'info' : 'error', 'scan done', {
    exitCode,
    ...counts,
    failures: failures.slice(0, loggedFailures),
    ...(omitted > 0 && { omitted }),
  });
  if (exitCode !== 0) throw new ScanError(exitCode, `${failures.length} things could not be looked at or delivered`);
  return summary;
}
