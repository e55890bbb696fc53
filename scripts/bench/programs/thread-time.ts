import process from 'node:process';

/**
 * Do work and tell what CPU time its thread took: on an idle machine that is the time that passed, and on a busy one it
 * is not stretched by what else runs. For work of one thread that waits for nothing.
 */
export async function threadMs<T>(work: () => T | Promise<T>): Promise<{ ms: number; value: T }> {
  const start = process.threadCpuUsage();
  const value = await work();
  const { user, system } = process.threadCpuUsage(start);
  return { ms: (user + system) / 1000, value };
}
