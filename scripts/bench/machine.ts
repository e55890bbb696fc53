import { cpus, loadavg, totalmem } from 'node:os';
import process from 'node:process';

/** How busy the machine is with other things, as long as nothing is measured yet. */
export function loadNow(): string {
  return (loadavg()[0] ?? 0).toFixed(1);
}

/** On what, with what and when: without it the numbers say nothing. */
export function machineLine(nowMs: number, runs: number, loadBefore: string): string {
  const all = cpus();
  const memory = `${Math.round(totalmem() / 2 ** 30)} GiB`;
  const parts = [
    `${all.length} x ${all[0]?.model.trim() || 'CPU of unknown model'}, ${memory}`,
    `Node.js ${process.version} on ${process.platform} ${process.arch}`,
    `medians of ${runs} ${runs === 1 ? 'run' : 'runs'}`,
    `load before ${loadBefore}`,
    new Date(nowMs).toISOString().slice(0, 10),
  ];
  return `${parts.join('; ')}.`;
}
