import { readFile, writeFile } from 'node:fs/promises';
import { budgetLine } from './budget.ts';
import type { Outcome } from './section.ts';

export function sectionText({ title, table, budgets, notes }: Outcome): string {
  const lines = budgets.map((budget) => `- ${budgetLine(budget)}`);
  return [`### ${title}`, table, lines.join('\n'), ...notes].join('\n\n');
}

const markers = { begin: '<!-- bench:begin -->', end: '<!-- bench:end -->' };

/** @throws {Error} the page has no place for it */
export async function writeBlock(file: string, text: string): Promise<void> {
  const page = await readFile(file, 'utf8');
  const begin = page.indexOf(markers.begin);
  const end = page.indexOf(markers.end);
  if (begin < 0 || end < begin) throw new Error(`${file}: has no ${markers.begin} followed by ${markers.end}`);
  const before = page.slice(0, begin + markers.begin.length);
  await writeFile(file, `${before}\n\n${text}\n\n${page.slice(end)}`);
}
