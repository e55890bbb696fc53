/** Columns of a Markdown table are as wide as their widest cell, so that it reads the same in a terminal. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((cell, i) => Math.max(3, cell.length, ...rows.map((row) => row[i]?.length ?? 0)));
  const line = (cells: readonly string[]) => {
    const padded = widths.map((width, i) =>
      i === 0 ? (cells[i] ?? '').padEnd(width) : (cells[i] ?? '').padStart(width),
    );
    return `| ${padded.join(' | ')} |`;
  };
  const rule = `| ${widths.map((width, i) => (i === 0 ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`)).join(' | ')} |`;
  return [line(head), rule, ...rows.map(line)].join('\n');
}

/** What there is no number for. */
export const none = '-';

/** Three digits that count: `0.412`, `5.13`, `27.1`, `1,794`. */
export function number(value: number | undefined): string {
  if (value === undefined) return none;
  const digits = value >= 100 ? 0 : value >= 10 ? 1 : value >= 1 ? 2 : 3;
  return value.toLocaleString('en-US', { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

export function whole(value: number | undefined): string {
  return value === undefined ? none : Math.round(value).toLocaleString('en-US');
}

export function times(ratio: number | undefined): string {
  return ratio === undefined ? none : `${number(ratio)}x`;
}

export function mebibytes(value: number): string {
  return `${number(value)} MiB`;
}

export function milliseconds(value: number): string {
  return `${number(value)} ms`;
}
