import { hash } from 'node:crypto';
import type { Alert } from './alerts.ts';
import { type FindingSeverity, type RuleSeverity, ruleSeverities, severityRank } from './severity.ts';
import {
  atMost,
  believed,
  bounded,
  type Cause,
  causes,
  type DeliveryLog,
  fewest,
  type GivenUp,
  identitiesToldOf,
  isReturn,
  isWorse,
  severitiesOf,
  severitiesTried,
  type Told,
  type Tried,
  toldElsewhere,
  toldNow,
  triedNow,
  worstOf,
} from './told.ts';

export interface OwedItem {
  readonly alert: Alert;
  readonly cause: Cause;
  /** What the receiver knows of it. */
  readonly told: Told | undefined;
  /** It is told again since a silence muted it, until then; 0: none that is known matches it any more. */
  readonly silencedUntilMs?: number;
  /** Other severities than that of today, under which the receiver may take it to fire. */
  readonly severitiesBefore: readonly RuleSeverity[];
}

/** What a receiver is to hear of a cluster, and its log once it has. */
export interface Owed {
  /** The same for the same news: for every attempt to deliver it, whichever run makes it. */
  readonly id: string;
  /** Most urgent first. */
  readonly items: readonly OwedItem[];
  /** How many alerts stand that it is told the number of. With no items: there is nothing to say, only to write down. */
  readonly uncalled: number;
  /** The first look, at which there is nothing to tell: to be said where the receiver may believe otherwise. */
  readonly look?: string;
  readonly log: DeliveryLog;
  /** Of what it was told what a silence mutes now, which is to be remembered whether it takes the message or not. */
  readonly muted: readonly string[];
  /** What it may know as long as it is not known whether it took the message. */
  readonly tried: NonNullable<DeliveryLog['tried']>;
}

/**
 * How a receiver hears of what stands already when a cluster is first looked at.
 *
 * - `summary`: in one message over all clusters
 * - `all`: as if each were new
 * - `baseline`: by how many there are; what changes from there on is told
 */
export type Announce = 'summary' | 'all' | 'baseline';

export interface OweOptions {
  readonly announce: Announce;
  /** How long until a firing alert is told again, by severity; doubled with each time, up to 8 times. */
  readonly remindMs: Readonly<Record<RuleSeverity, number>>;
  /** It forgets, and is sent with every run what fires. */
  readonly isReposted?: boolean;
  /**
   * What the first look is at, by name: a receiver that would hear of it may hear that there is nothing to tell. Absent: it
   * would not, or there is nothing to tell that by.
   */
  readonly look?: string | undefined;
  /** Whether the alert is routed to the receiver, being told for this cause. */
  readonly wants: (alert: Alert, cause: Cause) => boolean;
  /** Until when silences mute the alert, or when the last of them ended: as soon as it did, what it muted and still fires is told. */
  readonly silencedUntilMs: (alert: Alert) => number | undefined;
  /** Takes what fires, is muted, and will be told when it is not any more. */
  readonly onMuted?: (alert: Alert) => void;
  /** Of these alerts alone, by fingerprint, what was given up is owed once more, and so is what it has become since. */
  readonly again?: ReadonlySet<string>;
}

/**
 * What a receiver is owed, from the alerts of a cluster and what the receiver was told of them.
 * @param log without `told`: it has never been told of this cluster, or its memory was lost
 * @returns undefined when it knows all there is
 */
export function owe(
  cluster: string,
  receiver: string,
  alerts: readonly Alert[],
  log: Partial<DeliveryLog>,
  options: OweOptions,
  nowMs: number,
): Owed | undefined {
  const isFirst = log.told === undefined;
  const lostBefore = Object.keys(log.givenUp ?? {}).length;
  const keep = identitiesToldOf(alerts.filter(({ state }) => state === 'firing').length + lostBefore);
  // Of a report that does not suffice nothing is said to be better.
  const isDoubtful = alerts.some(({ rule, state }) => rule === '' && state === 'firing');
  const items: OwedItem[] = [];
  const told: Record<string, Told> = {};
  const givenUp: Record<string, GivenUp> = {};
  const tried: Record<string, Tried> = {};
  const uncalled: string[] = [];
  const better: OwedItem[] = [];
  const muted: string[] = [];
  let isNoted = isFirst;
  for (const alert of alerts) {
    const { fingerprint } = alert;
    const known = bounded(atMost(log.told?.[fingerprint], nowMs), keep);
    const lost = bounded(atMost(log.givenUp?.[fingerprint], nowMs), keep);
    const maybe = log.tried?.[fingerprint];
    if (known !== undefined) told[fingerprint] = known;
    if (lost !== undefined) givenUp[fingerprint] = lost;
    if (maybe !== undefined) tried[fingerprint] = maybe;
    if (known !== log.told?.[fingerprint] || lost !== log.givenUp?.[fingerprint]) isNoted = true;
    const severities = [...new Set([...severitiesOf(known), ...severitiesTried(maybe)])];
    const severitiesBefore = severities.filter((severity) => severity !== alert.severity);
    if (options.again?.has(fingerprint) === false) continue;
    const silencedUntilMs = options.silencedUntilMs(alert) ?? 0;
    const isMuted = silencedUntilMs > nowMs;
    const saidAtMs = isMuted ? silencedUntilMs : nowMs;
    const causeBy = (told: Told | undefined) => causeOf(alert, told, isFirst, options, isMuted, saidAtMs);
    let before = fewest(alert, believed(alert, known, maybe), maybe);
    let cause = causeBy(before);
    if (alert.state === 'firing' && before?.state === 'over' && cause !== undefined && !options.wants(alert, cause)) {
      // Nothing is told here by what it may know: then by what it knows for certain.
      before = fewest(alert, known, maybe);
      cause = causeBy(before);
    }
    if (isMuted) {
      if (alert.state === 'firing' && cause !== undefined && options.wants(alert, cause)) options.onMuted?.(alert);
      if (alert.state === 'firing' && known?.state === 'firing' && known.isMuted !== true) {
        told[fingerprint] = { ...known, isMuted: true };
        muted.push(fingerprint);
        isNoted = true;
      }
      if (alert.state === 'firing' && lost?.state === 'firing' && lost.isMuted !== true) {
        givenUp[fingerprint] = { ...lost, isMuted: true };
        muted.push(fingerprint);
        isNoted = true;
      }
      // That it was over, which it has not heard, is so no more.
      if (alert.state === 'firing' && lost?.state === 'over') {
        delete givenUp[fingerprint];
        isNoted = true;
      }
      continue;
    }
    if (lost !== undefined && cause === undefined) {
      // By what it has heard there is nothing to tell any more.
      delete givenUp[fingerprint];
      isNoted = true;
    } else if (lost !== undefined && options.again === undefined && changedMs(alert) <= lost.atMs) {
      if (causeBy(lost) === undefined) cause = undefined;
    }
    if (cause === 'reminder' && options.again !== undefined && lost?.cause !== 'reminder') cause = undefined;
    if (cause === 'new' && lost?.cause === 'standing' && before === undefined) cause = 'standing';
    if (cause === undefined) {
      if (!isDoubtful && isBetter(alert, before) && options.wants(alert, 'better'))
        better.push({ alert, cause: 'better', told: before, severitiesBefore });
      continue;
    }
    const now = toldNow(alert, before, cause, keep, nowMs);
    // Who has heard that it fires is told that it is over, wherever it would be routed today.
    const isEndOfKnown = alert.state === 'over' && before?.state === 'firing' && before.unsaid === undefined;
    // Who was told that it is over, and not that it was back meanwhile, knows.
    const isKnownOver = alert.state === 'over' && isReturn(before?.unsaid);
    if (isKnownOver || (!isEndOfKnown && !options.wants(alert, cause))) {
      // Where it is wanted for another cause, that is told when it comes, as a change of what it is now.
      if (!causes.some((other) => (isKnownOver || other !== cause) && options.wants(alert, other))) continue;
      isNoted = true;
      const isBack = before?.state === 'over' && before.unsaid === undefined;
      const unsaid = before === undefined || isBack ? cause : isKnownOver ? undefined : before.unsaid;
      // It goes by what it was told, not by what it was spared.
      const severities = severitiesOf(known);
      const elsewhere = toldElsewhere(now, before, cause);
      told[fingerprint] = {
        ...elsewhere,
        ...(unsaid === undefined ? severities.length > 0 && { severities } : { unsaid }),
      };
      delete givenUp[fingerprint];
      continue;
    }
    // That it cannot be judged is nothing that anybody accepts.
    const quiet = isFirst && cause === 'standing' && options.announce === 'baseline' && alert.rule !== '';
    if (quiet) uncalled.push(newsOf(alert, cause, before));
    else {
      const wasSilenced = cause === 'reminder' && before?.isMuted === true;
      items.push({ alert, cause, told: before, severitiesBefore, ...(wasSilenced && { silencedUntilMs }) });
    }
    told[fingerprint] = quiet ? { ...now, isQuiet: true } : now;
    delete givenUp[fingerprint];
    if (!quiet) tried[fingerprint] = { ...maybe, [now.state]: triedNow(now, maybe) };
  }
  if (!items.every(isOfDigest)) {
    for (const item of better) {
      const { alert } = item;
      const now = toldNow(alert, item.told, 'better', keep, nowMs);
      items.push(item);
      told[alert.fingerprint] = now;
      delete givenUp[alert.fingerprint];
      tried[alert.fingerprint] = { ...tried[alert.fingerprint], [now.state]: triedNow(now, tried[alert.fingerprint]) };
    }
  }
  // What is over and gone from memory is forgotten here too.
  if (items.length === 0 && !isNoted) return undefined;
  items.sort(byUrgency);
  const isGreeting = isFirst && options.look !== undefined && !isDoubtful;
  const look = isGreeting && items.length === 0 && uncalled.length === 0 ? (log.look ?? options.look) : undefined;
  const id = messageId([
    cluster,
    receiver,
    ...(look === undefined ? [] : [look]),
    ...items.map(({ alert, cause, told: before, silencedUntilMs }) => newsOf(alert, cause, before, silencedUntilMs)),
    ...uncalled.sort(),
  ]);
  const isKept = remembered(alerts, { ...told, ...givenUp });
  const keptTried = pick(tried, isKept);
  const sent = new Set(items.map(({ alert }) => alert.fingerprint));
  const stillTried = pick(keptTried, (fingerprint) => !sent.has(fingerprint));
  const isSettled = Object.keys(stillTried).length === 0;
  return {
    id,
    items,
    uncalled: uncalled.length,
    ...(look !== undefined && { look }),
    log: { told: pick(told, isKept), ...someGivenUp(pick(givenUp, isKept)), ...(!isSettled && { tried: stillTried }) },
    muted,
    tried: keptTried,
  };
}

/**
 * The log once what is owed was given up: what the receiver has heard is what it had heard before.
 * @param before the log that it was worked out by
 * @param tried what it may know
 */
export function givenUpLog(owed: Owed, before: Partial<DeliveryLog>, tried: DeliveryLog['tried'] = {}): DeliveryLog {
  const told: Record<string, Told> = { ...owed.log.told };
  const givenUp: Record<string, GivenUp> = { ...owed.log.givenUp };
  for (const { alert, cause } of owed.items) {
    const { fingerprint } = alert;
    const now = owed.log.told[fingerprint];
    const heard = before.told?.[fingerprint];
    if (heard === undefined) delete told[fingerprint];
    else told[fingerprint] = heard;
    // Given up again and again, it is tried less and less often.
    const repeats = Math.max(now?.repeats ?? 0, (before.givenUp?.[fingerprint]?.repeats ?? -1) + 1);
    if (now !== undefined) givenUp[fingerprint] = { ...now, repeats, cause };
  }
  const isSettled = Object.keys(tried).length === 0;
  return { told, ...someGivenUp(givenUp), ...(!isSettled && { tried }) };
}

function someGivenUp(givenUp: Readonly<Record<string, GivenUp>>): Pick<DeliveryLog, 'givenUp'> {
  return Object.keys(givenUp).length === 0 ? {} : { givenUp };
}

/**
 * Of what is over so many are remembered as are over last: a log is one record. Of what is forgotten nothing is owed, unless
 * the receiver still believes that it fires.
 */
const keptOver = 500;

function remembered(alerts: readonly Alert[], told: Readonly<Record<string, Told>>): (fingerprint: string) => boolean {
  const over = alerts.filter((alert) => alert.state === 'over' && told[alert.fingerprint]?.state !== 'firing');
  if (over.length <= keptOver) return () => true;
  const first = over.toSorted((a, b) => (b.overMs ?? 0) - (a.overMs ?? 0)).slice(keptOver);
  const forgotten = new Set(first.map(({ fingerprint }) => fingerprint));
  return (fingerprint) => !forgotten.has(fingerprint);
}

/** When it came to be as it is. */
function changedMs({ state, overMs, backMs, sinceMs }: Alert): number {
  return state === 'over' ? (overMs ?? 0) : (backMs ?? sinceMs);
}

function pick<T>(record: Readonly<Record<string, T>>, isKept: (key: string) => boolean): Record<string, T> {
  return Object.fromEntries(Object.entries(record).filter(([key]) => isKept(key)));
}

function causeOf(
  alert: Alert,
  told: Told | undefined,
  isFirst: boolean,
  options: OweOptions,
  isMuted: boolean,
  nowMs: number,
): Cause | undefined {
  if (alert.state === 'over') return told?.state === 'firing' ? (alert.end ?? 'resolved') : undefined;
  // What was routed elsewhere is news where it is routed to now.
  if (told === undefined || (told.unsaid !== undefined && options.wants(alert, told.unsaid))) {
    if (isFirst ? options.announce !== 'all' : alert.isOfRest === true) return 'standing';
    if (told?.unsaid === 'reopened') return 'reopened';
    return alert.back === 'waiver-expired' ? 'waiver-expired' : 'new';
  }
  if (told.state === 'over') {
    // An alert that does not know that it was over was forgotten since: it is another one.
    if (alert.back === 'waiver-expired') return alert.back;
    if (alert.isOfRest === true) return 'standing';
    return alert.episode === told.episode ? (alert.back ?? 'new') : 'new';
  }
  if (isWorse(alert, told)) {
    // Who is not to hear of that is reminded all the same.
    const isForOthers = !options.wants(alert, 'worse') && options.wants(alert, 'reminder');
    return isForOthers && told.isQuiet !== true && isDue(alert, told, options, nowMs) ? 'reminder' : 'worse';
  }
  // Of what was only counted it has not heard; when that ended, and it is another one, that is news.
  if (told.isQuiet === true) return alert.episode === told.episode ? undefined : 'new';
  // Held or not: the end of the silence was announced.
  if (isMuted || told.isMuted === true) return 'reminder';
  if (options.isReposted === true) return nowMs > told.atMs ? 'reminder' : undefined;
  return isDue(alert, told, options, nowMs) ? 'reminder' : undefined;
}

/** Nothing is repeated as fact that the newest report does not confirm. */
function isDue(alert: Alert, told: Told, { remindMs }: OweOptions, nowMs: number): boolean {
  const intervalMs = remindMs[alert.severity] * 2 ** Math.min(told.repeats, 3);
  const earlyMs = Math.min(intervalMs / 20, mostEarlyMs);
  return nowMs >= told.atMs + intervalMs - earlyMs && alert.held === undefined;
}

/** A run that comes every day, and a second sooner than yesterday, is not to wait for tomorrow. */
const mostEarlyMs = 30 * 60_000;

/** What is told of several clusters at once. */
export function isOfDigest({ cause }: OwedItem): boolean {
  return cause === 'standing' || cause === 'reminder';
}

/** Of what cannot be judged, and of what the newest report does not confirm, nothing is. */
function isBetter(alert: Alert, told: Told | undefined): boolean {
  return (
    told?.state === 'firing' &&
    told.isQuiet !== true &&
    told.unsaid === undefined &&
    alert.state === 'firing' &&
    alert.rule !== '' &&
    alert.held === undefined &&
    alert.count < told.count
  );
}

/** What makes two messages the same news: not when they are sent. */
function newsOf(alert: Alert, cause: Cause, told: Told | undefined, silencedUntilMs?: number): string {
  return JSON.stringify([
    alert.fingerprint,
    cause,
    alert.episode,
    // Where memory was lost the same is told again, and is other news.
    alert.sinceMs,
    alert.count,
    alert.severity,
    worstOf(alert),
    alert.identities,
    told?.atMs ?? 0,
    ...(silencedUntilMs === undefined ? [] : [silencedUntilMs]),
  ]);
}

/** 1 to 64 characters of `A-Z a-z 0-9 _ -`. */
export function messageId(parts: readonly string[]): string {
  return `pc_${hash('sha256', JSON.stringify(parts), 'base64url').slice(0, 40)}`;
}

/** What fires before what is over; then by the rule's severity, the cause, the worst finding and the count. */
function byUrgency(a: OwedItem, b: OwedItem): number {
  const worst = ({ alert }: OwedItem) =>
    severityRank((alert.worst[0]?.fields.severity as FindingSeverity | undefined) ?? 'Low');
  return (
    Number(a.alert.state === 'over') - Number(b.alert.state === 'over') ||
    ruleSeverities.indexOf(a.alert.severity) - ruleSeverities.indexOf(b.alert.severity) ||
    causes.indexOf(a.cause) - causes.indexOf(b.cause) ||
    worst(a) - worst(b) ||
    b.alert.count - a.alert.count ||
    (a.alert.fingerprint < b.alert.fingerprint ? -1 : 1)
  );
}
