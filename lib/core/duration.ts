const unitMs: Readonly<Record<string, number>> = { d: 86_400_000, h: 3_600_000, m: 60_000, s: 1_000 };

/** `26h`, `7d`, `1d12h`, `90m`, `30s` -> milliseconds; undefined for anything else, a length of 0 included. */
export function parseDuration(text: string): number | undefined {
  if (!/^(\d{1,6}d)?(\d{1,6}h)?(\d{1,6}m)?(\d{1,6}s)?$/.test(text)) return undefined;
  let ms = 0;
  for (const [, amount, unit] of text.matchAll(/(\d+)([dhms])/g))
    ms += Number(amount) * (unitMs[unit as string] as number);
  return ms > 0 ? ms : undefined;
}

/** The two largest units that say something, days from two on: `2d 3h`, `26h`, `45s`. */
export function formatDuration(ms: number): string {
  let rest = Math.max(0, Math.floor(ms / 1000)) * 1000;
  const parts: string[] = [];
  const units = Object.entries(unitMs).slice(rest < 2 * 86_400_000 ? 1 : 0);
  for (const [unit, size] of units) {
    const amount = Math.floor(rest / size);
    rest -= amount * size;
    if (amount > 0) parts.push(`${amount}${unit}`);
    else if (parts.length > 0) break;
    if (parts.length === 2) break;
  }
  return parts.join(' ') || '0s';
}

/** Machines that keep time differ by less. */
export const clockSkewMs = 15 * 60_000;
