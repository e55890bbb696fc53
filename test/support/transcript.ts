import type { Notice } from '../../lib/core/notice.ts';
import { renderSlackPlain } from '../../lib/core/render/slack.ts';

/** A message that a receiver took. */
export interface Said {
  readonly receiver: string;
  readonly notice: Notice;
  /** It was a dead letter, sent again by hand: it tells the past. */
  readonly isReplayed: boolean;
}

/** What happened on a day, in words, and what was said. */
export interface DayPage {
  readonly nowMs: number;
  readonly world: readonly string[];
  readonly said: readonly Said[];
}

/** A message as a person reads it: Slack's text without its marks, policy, report and ids. */
export function plainWords(notice: Notice): readonly string[] {
  const [title = '', , ...rest] = renderSlackPlain(notice).payload.text.split('\n\n');
  const sections = rest.slice(0, -1).flatMap((section) => section.split('\n'));
  return [title, ...sections.filter((line) => !line.startsWith('Policy `')).map((line) => `  ${line}`)].map(unmarked);
}

function unmarked(line: string): string {
  const plain = line
    .replaceAll(/[*`\u2060]/g, '')
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>');
  return plain.replaceAll('&amp;', '&');
}

/** The pages of a year as a story: days on which nothing happened and nothing was said are counted. */
export function storyOf(pages: readonly DayPage[]): string {
  const lines: string[] = [];
  let quiet = 0;
  const fold = () => {
    if (quiet > 0) lines.push(`... ${quiet} quiet ${quiet === 1 ? 'day' : 'days'}`, '');
    quiet = 0;
  };
  for (const page of pages) {
    if (page.world.length === 0 && page.said.length === 0) {
      quiet++;
      continue;
    }
    fold();
    lines.push(dateOf(page.nowMs), ...page.world.map((what) => `  world: ${what}`));
    if (page.said.length === 0) lines.push('  nothing is said');
    for (const { heads, words } of voices(page.said)) {
      lines.push(`  ${heads.join(', ')}:`, ...words.map((line) => `    ${line}`));
    }
    lines.push('');
  }
  fold();
  return lines.join('\n');
}

/** `Mon 2026-01-05` */
export function dateOf(ms: number): string {
  const date = new Date(ms);
  return `${date.toUTCString().slice(0, 3)} ${date.toISOString().slice(0, 10)}`;
}

/** Receivers that hear the same are one voice. */
function voices(said: readonly Said[]) {
  const all = new Map<string, { readonly heads: string[]; readonly words: readonly string[] }>();
  for (const { receiver, notice, isReplayed } of said) {
    const words = plainWords(notice);
    const key = JSON.stringify([words, isReplayed]);
    const head = isReplayed ? `${receiver} (sent again by hand)` : receiver;
    const voice = all.get(key) ?? { heads: [], words };
    voice.heads.push(head);
    all.set(key, voice);
  }
  return [...all.values()];
}

/** Messages by receiver and month, their sums, and days on which a receiver heard nothing. */
export function tallyTable(pages: readonly DayPage[], receivers: readonly string[]): string {
  const months = [...new Set(pages.map(({ nowMs }) => monthOf(nowMs)))];
  const count = (of: readonly DayPage[], receiver: string) =>
    of.reduce((sum, { said }) => sum + said.filter((one) => one.receiver === receiver).length, 0);
  const row = (name: string, cells: readonly (string | number)[]) =>
    name.padEnd(16) + cells.map((cell) => String(cell).padStart(9)).join('');
  const silent = (receiver: string) =>
    pages.filter(({ said }) => said.every((one) => one.receiver !== receiver)).length;
  return [
    row('messages', receivers),
    ...months.map((month) => {
      const ofMonth = pages.filter(({ nowMs }) => monthOf(nowMs) === month);
      return row(
        month,
        receivers.map((receiver) => count(ofMonth, receiver)),
      );
    }),
    row(
      'all',
      receivers.map((receiver) => count(pages, receiver)),
    ),
    row('days of silence', receivers.map(silent)),
  ].join('\n');
}

function monthOf(ms: number): string {
  return new Date(ms).toISOString().slice(0, 7);
}
