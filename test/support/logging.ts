import type { Logging } from '../../functions/logging.ts';

/** A log of one JSON object a line. */
export function lineLogging(write: (line: string) => void): Logging {
  let run = '';
  return {
    log: (level, msg, fields = {}) => write(`${JSON.stringify({ level, msg, run, ...fields })}\n`),
    begin(now) {
      run = now;
    },
  };
}
