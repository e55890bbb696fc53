import type { Notice } from '../notice.ts';
import { endedEntry, newsEntry } from './alertmanager-news.ts';
import type { Entry } from './alertmanager-parts.ts';
import { labelText } from './escape.ts';

/** What `POST /api/v2/alerts` of a Prometheus Alertmanager takes a list of. */
export interface PostableAlert {
  /** Identity. Names match `[a-zA-Z_][a-zA-Z0-9_]*`; a label without a value is as if it were not there. */
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  /** ISO 8601. */
  readonly startsAt: string;
  /** ISO 8601, not before `startsAt`. Once it has passed, the alert is resolved. */
  readonly endsAt: string;
  /** The page of the whole result. A URI is asked for: where there is no page it is a URN. */
  readonly generatorURL: string;
}

/** All descriptions of one message together. They get shorter; no alert is left out for want of room. */
const descriptionBudget = 400_000;

/**
 * One entry for each alert, and one that is over for each other severity under which it may fire there: labels are the
 * identity, and the severity is one of them. An Alertmanager takes a firing alert for resolved when its `endsAt` has passed, so it has to
 * be posted again before.
 *
 * @param validUntilMs `endsAt` of what fires; epoch milliseconds
 * @see https://github.com/prometheus/alertmanager/blob/main/api/v2/openapi.yaml
 */
export function renderAlertmanager(notice: Notice, validUntilMs: number): readonly PostableAlert[] {
  const entries = entriesOf(notice);
  const room = Math.min(2_000, Math.max(300, descriptionBudget / Math.max(1, entries.length)));
  return entries.map((entry) => {
    const { alertname, labels, fingerprint, summary, lines, annotations, page, startsAtMs, endsAtMs } = entry;
    const description = lines(room).join('\n');
    // What is over is not to fire until some clock gets there, whatever the times say.
    const overMs = endsAtMs === undefined ? undefined : Math.min(endsAtMs, notice.atMs);
    const beganMs = Math.min(startsAtMs, overMs ?? startsAtMs);
    return {
      labels: present({ alertname, source: labelText(notice.source, 256), ...labels, fingerprint }),
      annotations: present({ summary, description, ...annotations, notice: notice.id }),
      startsAt: rfc3339(beganMs),
      endsAt: rfc3339(Math.max(overMs ?? validUntilMs, beganMs)),
      generatorURL: page ?? `urn:portcullis:alert:${fingerprint}`,
    };
  });
}

function entriesOf(notice: Notice): readonly Entry[] {
  const clusters = notice.about === 'alerts' ? [notice] : notice.clusters;
  return clusters.flatMap((cluster) =>
    cluster.news.flatMap((item) => [
      newsEntry(item, cluster, notice.atMs),
      ...(item.severitiesBefore ?? []).map((severity) => endedEntry(item, severity, cluster, notice.atMs)),
    ]),
  );
}

function present(texts: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(texts).filter(([, text]) => text !== ''));
}

const lastOfYear9999 = 253_402_300_799_999;

/** Years have four digits there. */
function rfc3339(ms: number): string {
  return new Date(Math.min(Math.max(ms, 0), lastOfYear9999)).toISOString();
}
