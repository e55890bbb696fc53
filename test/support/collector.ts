import type { AlertNews, ClusterNews, Notice } from '../../lib/core/notice.ts';
import { lineOf, type Scripted } from './scripted.ts';

/** One alert in one message that a receiver took. */
export interface Heard {
  readonly step: number;
  readonly receiver: string;
  /** What it is about, the same in all messages: `prod r(app)`. */
  readonly alert: string;
  readonly isOver: boolean;
  readonly isReminder: boolean;
  readonly count: number;
  /** As it stands in a story. */
  readonly line: string;
}

/** Takes down what receivers hear, each message once, and complains of messages that are no news and no repetition. */
export interface Collector {
  readonly heard: Heard[];
  /** How many messages came again with the same id, to the receiver with the most of them. */
  readonly repeated: number;
  /** What must not be: an id that stands for two messages, or a first look where there was one. */
  readonly problems: readonly string[];
  /** Take down what the receivers took since the last time. */
  collect(step: number): void;
}

const overCauses: readonly string[] = ['resolved', 'waived', 'regrouped', 'policy-changed'];

export function collectorOf(world: Scripted): Collector {
  const heard: Heard[] = [];
  const problems: string[] = [];
  const contents = new Map<string, ReadonlySet<string>>();
  const taken = new Map<string, number>();
  const repeated = new Map<string, number>();
  const toldOf = new Set<string>();

  /**
   * That nothing stands in a cluster is said at the first look at it, and never again. A first look of which the answer got
   * lost is taken once more, and what stood may be over by then.
   */
  function checkFirstLook(receiver: string, notice: Notice): void {
    for (const { cluster, news, standing } of clustersOf(notice)) {
      const pair = `${receiver} ${cluster.id}`;
      const isNothing = news.length === 0 && standing === 0;
      if (isNothing && toldOf.has(pair))
        problems.push(`${receiver}: told of ${cluster.name} before, and that nothing stands there at a first look`);
      if (isNothing || notice.about === 'alerts') toldOf.add(pair);
    }
  }

  function take(step: number, receiver: string, notice: Notice): void {
    const key = `${receiver} ${notice.id}`;
    const content = contentOf(notice);
    const before = contents.get(key);
    if (before === undefined) {
      contents.set(key, new Set(content));
      heard.push(...heardOf(step, receiver, notice));
      checkFirstLook(receiver, notice);
      return;
    }
    repeated.set(receiver, (repeated.get(receiver) ?? 0) + 1);
    // A digest may come again with those of its clusters whose part of it was not written down.
    const isSame = notice.about === 'digest' || content.length === before.size;
    if (!isSame || content.some((one) => !before.has(one))) {
      problems.push(`${receiver}: one id, two messages:\n${[...before].join('\n')}\n${content.join('\n')}`);
    }
  }

  return {
    heard,
    problems,
    get repeated() {
      return Math.max(0, ...repeated.values());
    },
    collect(step) {
      for (const [name, { accepted }] of world.receivers) {
        for (const notice of accepted.slice(taken.get(name) ?? 0)) take(step, name, notice);
        taken.set(name, accepted.length);
      }
    },
  };
}

function clustersOf(notice: Notice): readonly ClusterNews[] {
  return notice.about === 'alerts' ? [notice] : notice.clusters;
}

function heardOf(step: number, receiver: string, notice: Notice): Heard[] {
  const prefix = notice.about === 'digest' ? `digest ${notice.why} ` : '';
  return clustersOf(notice).flatMap(({ cluster, news }) =>
    news.map((one) => ({
      step,
      receiver,
      alert: [cluster.name, one.rule, ...Object.values(one.group)].join(' '),
      isOver: overCauses.includes(one.cause),
      isReminder: one.cause === 'reminder',
      count: one.count,
      line: `${prefix}${receiver}: ${lineOf(cluster.name, one)}`,
    })),
  );
}

/** What a message tells, apart from when it is sent. */
function contentOf(notice: Notice): string[] {
  return clustersOf(notice).flatMap(({ cluster, news }) =>
    news.map((one) => `${notice.about} ${cluster.id} ${JSON.stringify(toldOf(one))}`),
  );
}

function toldOf({ fingerprint, cause, severity, group, count, before, findings, omitted, gone, ...rest }: AlertNews) {
  const named = findings.map((finding) => finding.fingerprint);
  const { sinceMs, overMs, goneFindings, reasons } = rest;
  return [
    [fingerprint, cause, severity, group, count, before, named, omitted, gone, sinceMs, overMs],
    goneFindings.map((finding) => finding.fingerprint),
    reasons.map(({ kind }) => kind),
  ];
}
