import type { Output } from './terminal.ts';

/** How far the reading of a report is, on a terminal, from 4 MB on. */
export function progress(output: Output): { update: (bytes: number) => void; clear: () => void } {
  const step = 4_000_000;
  let shown = 0;
  return {
    update(bytes) {
      if (output.isTTY !== true || bytes < shown + step) return;
      shown = bytes;
      output.write(`\r\u001b[Kreading the report: ${Math.round(bytes / 1e6)} MB`);
    },
    clear() {
      if (shown > 0) output.write('\r\u001b[K');
      shown = 0;
    },
  };
}
