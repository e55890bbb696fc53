import { readFileSync, writeSync } from 'node:fs';
import process from 'node:process';

/** Loaded before a measured program: when that ends, what it took goes to descriptor 3. */
process.on('exit', () => {
  const { userCPUTime, systemCPUTime } = process.resourceUsage();
  writeSync(3, JSON.stringify({ cpuMs: (userCPUTime + systemCPUTime) / 1000, peakKiB: peakKiB() }));
});

/**
 * On Linux `maxRSS` of a child begins with what its parent had in memory when it started it, so it can be too large;
 * the kernel's own high-water mark of the address space cannot.
 */
function peakKiB(): number {
  try {
    const mark = /^VmHWM:\s+(\d+) kB/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1];
    if (mark !== undefined) return Number(mark);
  } catch {
    // Not Linux.
  }
  return process.resourceUsage().maxRSS;
}
