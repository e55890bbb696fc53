import type { Log } from '../app/ports.ts';
import { jsonText } from '../core/render/escape.ts';
import type { Output } from './terminal.ts';

/** One JSON object a line. @param least what is told: of a gate no more than warnings */
export function logTo(output: Output, least: 'info' | 'warn' = 'info'): Log {
  return (level, msg, fields = {}) => {
    if (level === 'info' && least === 'warn') return;
    output.write(`${jsonText({ time: new Date().toISOString(), level, msg, ...fields })}\n`);
  };
}
