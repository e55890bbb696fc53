import type { AlertNews } from '../notice.ts';
import { slackCode } from './escape.ts';
import { isOver } from './news-words.ts';
import { marks } from './slack-parts.ts';
import { plural } from './words.ts';

export function markOf({ cause, rule, severity }: AlertNews): string {
  if (isOver(cause)) return cause === 'resolved' ? marks.resolved : marks.over;
  if (rule === '') return marks.undetermined;
  return severity === 'critical' || severity === 'high' ? marks.fail : marks.warn;
}

/** Others, which are not told again. */
export function standingLine(standing: number): readonly string[] {
  if (standing === 0) return [];
  return [standing === 1 ? '1 more alert stands as told' : `${plural(standing, 'more alert')} stand as told`];
}

/** `image ...`, `image version ...`; at most about 230 characters, for at most 4 fields. */
export function groupText(group: AlertNews['group']): string {
  const entries = Object.entries(group);
  const each = Math.floor(150 / entries.length);
  return entries.map(([field, value]) => `${field.replaceAll('_', ' ')} ${slackCode(String(value), each)}`).join(', ');
}
