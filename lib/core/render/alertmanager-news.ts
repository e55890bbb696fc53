import type { AlertNews, ClusterNews } from '../notice.ts';
import { alertnames, clusterLabels, type Entry, findingLines, reasonLines, ruleLabels } from './alertmanager-parts.ts';
import { plainText, withColon } from './escape.ts';
import { fitLines } from './fit-lines.ts';
import { ageOf, cameIn, causeOf, expiredOf, goneWord, hasReasons, isOver, kindOf, numbersOf } from './news-words.ts';
import { clusterOf, describe, isoTime, quantity, spell } from './words.ts';

/** What became of one alert. */
export function newsEntry(item: AlertNews, told: ClusterNews, atMs: number): Entry {
  const { rule, on, severity, group, fingerprint, cause, sinceMs, overMs } = item;
  const head = `${causeOf(item)}${ageOf(item, atMs)}`;
  const ofRule = `${plainText(rule, 70)} (${severity}) ${head}: ${numbersOf(item)}`;
  return {
    alertname: alertnames[kindOf(item)],
    labels: { ...clusterLabels(told.cluster), ...(hasReasons(item) ? {} : ruleLabels(rule, on, group)), severity },
    fingerprint,
    summary: `${withColon(plainText(clusterOf(told), 100))} ${hasReasons(item) ? head : ofRule}`,
    lines: (max) => (hasReasons(item) ? reasonLines(item.reasons, max) : changeLines(item, max)),
    annotations: {
      cause,
      ...(hasReasons(item) ? {} : numbers(item)),
      since: isoTime(sinceMs) ?? '',
      expired_waivers: expiredOf(item, 300, (id) => plainText(id, 64)),
      held: plainText(item.held ?? '', 300),
      message: plainText(item.message ?? '', 300),
      policy: plainText(told.policy, 100),
      report: plainText(told.reportId, 100),
      scanned_at: isoTime(told.scannedAtMs) ?? '',
    },
    ...(told.page !== undefined && { page: told.page }),
    startsAtMs: sinceMs,
    ...(isOver(cause) && { endsAtMs: overMs ?? atMs }),
  };
}

/** The end of an alert under a severity that it was told under, and is not of any more. */
export function endedEntry(item: AlertNews, severity: AlertNews['severity'], told: ClusterNews, atMs: number): Entry {
  const entry = newsEntry(item, told, atMs);
  const labels = { ...entry.labels, severity };
  if (isOver(item.cause)) return { ...entry, labels };
  const what = hasReasons(item) ? '' : `${plainText(item.rule, 70)} `;
  return {
    ...entry,
    labels,
    summary: `${withColon(plainText(clusterOf(told), 100))} ${what}goes on as ${item.severity}, no longer ${severity}`,
    lines: () => [],
    annotations: { ...entry.annotations, cause: 'severity-changed' },
    endsAtMs: atMs,
  };
}

function numbers({ count, max, waived, before }: AlertNews): Readonly<Record<string, string>> {
  return {
    count: String(count),
    max: String(max),
    waived: String(waived),
    ...(before !== undefined && { before: String(before) }),
  };
}

/** The findings that came, then those that went. */
function changeLines(item: AlertNews, max: number): readonly string[] {
  const { on, findings, gone, goneFindings } = item;
  const goneHead = gone > 0 ? `${quantity(gone)} ${goneWord(item)}` : '';
  const came = findingLines(on, findings, cameIn(item), max - goneHead.length - 1);
  if (gone === 0) return came;
  const named = fitLines(
    goneFindings,
    gone,
    // Its separators take a character more than line ends.
    Math.min(400, max - came.join('\n').length - goneHead.length - 3) - goneFindings.length,
    ({ fields }) => spell(describe(on, fields).what, (value) => plainText(value, 60)),
    (rest) => `and ${quantity(rest)} more`,
  );
  return [...came, named.shown > 0 ? `${goneHead}: ${named.lines.join('; ')}` : goneHead];
}
