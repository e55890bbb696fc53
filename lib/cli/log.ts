import type { Log } from '../app/ports.ts';
import type { Output } from './terminal.ts';

/** One JSON object a line. */
export function logTo(output: Output): Log {
  return (level, msg, fields = {}) => {
    output.write(`${JSON.stringify({ time: new Date().toISOString(), level, msg, ...fields })}\n`);
  };
}
