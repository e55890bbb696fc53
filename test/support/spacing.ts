const minuteMs = 60_000;

/**
 * The most calls of one lane in any stretch of a minute, wherever it begins.
 * @param calls of what is limited apart from other things: a key and an API
 */
export function mostInAMinute(calls: readonly { readonly lane: string; readonly atMs: number }[]): number {
  let most = 0;
  for (const ofLane of Map.groupBy(calls, ({ lane }) => lane).values()) {
    const times = ofLane.map(({ atMs }) => atMs).sort((a, b) => a - b);
    for (const [i, at] of times.entries())
      most = Math.max(most, times.slice(i).filter((ms) => ms - at < minuteMs).length);
  }
  return most;
}
