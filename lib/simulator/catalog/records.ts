/** A line of the catalog with the indented lines below it. */
export interface CatalogRecord {
  readonly head: string;
  readonly lines: readonly string[];
}

/** Read a catalog written as text: a record starts at every line that is not indented; empty lines are nothing. */
export function parseRecords(text: string): CatalogRecord[] {
  const records: { head: string; lines: string[] }[] = [];
  for (const line of text.split('\n')) {
    if (line.trim() === '') continue;
    if (!line.startsWith(' ')) records.push({ head: line.trim(), lines: [] });
    else records.at(-1)?.lines.push(line.trim());
  }
  return records;
}
