/**
 * Do work that ends before the invocation does, so that there is an answer rather than a time-out: the signal aborts
 * when `marginMs` are left, and what does not heed it is given up at a third of that.
 * @throws {Error} the work was given up
 */
export async function withDeadline<T>(
  remainingMs: number,
  marginMs: number,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const timers: NodeJS.Timeout[] = [];
  const after = (ms: number, then: () => void) => timers.push(setTimeout(then, Math.max(0, ms)));
  const controller = new AbortController();
  const givenUp = new Promise<never>((_, reject) => {
    after(remainingMs - marginMs, () => controller.abort());
    after(remainingMs - marginMs / 3, () => reject(new Error('given up: the time of the invocation is running out')));
  });
  try {
    return await Promise.race([work(controller.signal), givenUp]);
  } finally {
    for (const timer of timers) clearTimeout(timer);
  }
}
