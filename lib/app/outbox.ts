import type { Alert } from '../core/alerts.ts';
import {
  type Announce,
  givenUpLog,
  isOfDigest,
  messageId,
  type Owed,
  type OweOptions,
  owe,
} from '../core/deliveries.ts';
import { DeliveryError, InputError, NotTriedError } from '../core/errors.ts';
import { newsOf } from '../core/news.ts';
import type { ClusterNews, Notice } from '../core/notice.ts';
import type { Policy } from '../core/policy/parse.ts';
import { type Cause, causes, type Told } from '../core/told.ts';
import { type LogRecord, loadCluster, putLog, type Refused } from './cluster-state.ts';
import { keepDeadLetter } from './dead-letter-store.ts';
import { DigestMessages } from './digest-messages.ts';
import type { Followed } from './follow.ts';
import { introduce, isIntroduced } from './introductions.ts';
import { givenUpName } from './own-names.ts';
import type { Clock, Log, Notifier } from './ports.ts';
import { refusedNow } from './refusals.ts';
import { type StateStore, StoreError } from './state.ts';

export interface OutboxOptions {
  readonly remindMs: OweOptions['remindMs'];
  /** How long a run keeps others from sending what it sends; beyond it the run is taken for dead. */
  readonly claimMs: number;
  /** How long what is owed stays owed; then it goes to the dead letters. */
  readonly owedForMs: number;
}

export interface OutboxEdges {
  readonly store: StateStore;
  readonly notifiers: ReadonlyMap<string, Notifier>;
  readonly announce: ReadonlyMap<string, Announce>;
  /** Receivers that forget, and are sent with every run what fires. */
  readonly reposts: ReadonlySet<string>;
  /** Whether an alert of a cluster is routed to a receiver. */
  readonly wants: (
    receiver: string,
    source: string,
    clusterName: string,
    alert: Pick<Alert, 'rule' | 'on' | 'severity'>,
    cause: Cause,
  ) => boolean;
  /** Until when silences mute an alert of a cluster, or when the last of them ended. */
  readonly silencedUntilMs: (source: string, clusterName: string, alert: Alert) => number | undefined;
  /** Takes what fires, is muted, and will be told when it is not any more. */
  readonly onMuted: (source: string, clusterName: string, alert: Alert) => void;
  readonly options: OutboxOptions;
  /** Takes what was not taken, to try it again in minutes for as long as it is owed; absent: the next run does. */
  readonly askAgain?: AskAgain | undefined;
  /** What passes while a run is under way. */
  readonly clock: Clock;
  readonly log: Log;
  /** The URL of the page of what is told, which is there then. */
  readonly page?: ((source: string, followed: Followed) => Promise<string | undefined>) | undefined;
}

/** What became of the deliveries of a run, by receiver. */
export interface Delivered {
  accepted: number;
  refused: number;
  /** Of those that were refused the ones it was not asked to take. */
  untried: number;
  /** Alerts that an accepted message told, by why. */
  readonly told: Partial<Record<Cause, number>>;
  /** The last reason why not. */
  reason: string | undefined;
  isInputError: boolean;
  /** It said that it is gone for good (410). */
  isGone: boolean;
  /** Why it refused a message as it should look, if it took it in plain words then. */
  refusal: string | undefined;
}

function nothingSent(): Delivered {
  return {
    accepted: 0,
    refused: 0,
    untried: 0,
    told: {},
    reason: undefined,
    isInputError: false,
    isGone: false,
    refusal: undefined,
  };
}

/** Something of which a receiver did not take what it was owed. */
export interface OwedTarget {
  readonly source: string;
  readonly clusterId: string;
  readonly clusterName: string;
  /** Absent: any. */
  readonly receiver?: string | undefined;
}

export type AskAgain = (targets: readonly OwedTarget[]) => Promise<void>;

interface StillOwed {
  readonly target: OwedTarget;
  /** Nobody was asked to try it again. */
  readonly isUnasked: boolean;
}

/** A log that says that nobody was asked. */
interface Unasked {
  readonly group: string;
  readonly receiver: string;
  readonly value: LogRecord;
  readonly version: number;
}

interface Target {
  readonly receiver: string;
  readonly source: string;
  readonly followed: Followed;
  readonly policy: Policy;
}

interface Claimed extends Target {
  readonly owed: Owed;
  /** The id of the message. */
  readonly message: string;
  readonly before: LogRecord | undefined;
  /** Of the record that holds the claim. */
  readonly version: number;
}

/** What a receiver did not take, and why. */
interface Refusal {
  readonly notice: Notice;
  readonly claims: readonly Claimed[];
  readonly error: DeliveryError | InputError;
}

/** The source under which news about ourselves is told. */
export const ourselves = 'portcullis';

/**
 * Tells receivers what they are owed, one message after the other for each receiver, and none waits for another one.
 *
 * Before a message is sent its log is claimed, over the version that was read: of two runs only one sends. After it was
 * accepted, and only then, the log says so. A run that dies between the two leaves a claim that ends by itself, and the
 * next run sends the same message with the same id: at most one duplicate for each crash.
 */
export class Outbox {
  readonly #edges: OutboxEdges;
  readonly #nowMs: number;
  readonly #signal: AbortSignal | undefined;
  readonly #beganMs: number;
  readonly #queues = new Map<string, Promise<void>>();
  /** Messages in a row, by receiver, that got no answer or none that says when it may be tried again. */
  readonly #unanswered = new Map<string, number>();
  /** Whether a receiver has been told of clusters of a source before, by both. */
  readonly #toldBefore = new Map<string, Promise<boolean>>();
  /** What stands as told or stood before the first look, to be told in one message. */
  readonly #digests = new Map<string, Target[]>();
  /** What was not taken the last time it was tried. */
  readonly #again = new Map<string, Target[]>();
  readonly #errors: unknown[] = [];
  readonly #broken = new Set<string>();
  readonly results = new Map<string, Delivered>();
  /** Clusters, by receiver, of which another run is sending the news, or was when it died. */
  readonly elsewhere = new Map<string, number>();
  readonly #notTaken = new Map<string, StillOwed>();
  readonly #unasked: Unasked[] = [];
  /** Since when the oldest is owed of what was not taken. */
  owedSinceMs: number | undefined;

  constructor(edges: OutboxEdges, nowMs: number, signal: AbortSignal | undefined) {
    this.#edges = edges;
    this.#nowMs = nowMs;
    this.#signal = signal;
    this.#beganMs = edges.clock.nowMs();
  }

  /** Now, by the clock that the run was given the time of. */
  #atMs(): number {
    return this.#nowMs + Math.max(0, this.#edges.clock.nowMs() - this.#beganMs);
  }

  #result(receiver: string): Delivered {
    const result = this.results.get(receiver) ?? nothingSent();
    this.results.set(receiver, result);
    return result;
  }

  /** Of what something was not taken, and stays owed. */
  get owed(): readonly OwedTarget[] {
    return [...this.#notTaken.values()].map(({ target }) => target);
  }

  /**
   * Ask for what was not taken to be tried again, and write down that it was asked for: whoever was asked goes on until it
   * is taken. A run that dies before leaves it unasked, and the next one asks.
   * @param chain of what this run itself was asked for
   */
  async askAgain(chain: readonly OwedTarget[] = []): Promise<void> {
    const { askAgain, store } = this.#edges;
    if (askAgain === undefined) return;
    // A chain goes on with what it is about: else each receiver that fails now and then would begin one for all others.
    const own = new Set(chain.map(targetKey));
    const isOwn = ({ receiver: _, ...any }: OwedTarget) => own.has(targetKey(any));
    const asked = [...this.#notTaken.values()].filter(
      ({ target, isUnasked }) => isUnasked || own.has(targetKey(target)) || isOwn(target),
    );
    if (asked.length === 0) return;
    await askAgain(asked.map(({ target }) => target));
    const written = this.#unasked.splice(0).map(({ group, receiver, value, version }) => {
      const { isUnasked: _, ...owed } = value.owed as Refused;
      return putLog(store, group, receiver, { ...value, owed }, version, this.#nowMs);
    });
    // What could not be written is when it is tried again.
    for (const one of await Promise.allSettled(written))
      if (one.status === 'rejected' && !(one.reason instanceof StoreError)) throw one.reason;
  }

  /** What could not even be tried stays owed. */
  leave(target: OwedTarget): void {
    if (!this.#notTaken.has(targetKey(target))) this.#notTaken.set(targetKey(target), { target, isUnasked: false });
  }

  /** Whether telling of it ended with an error of ours, or of the store. */
  isBroken(group: string): boolean {
    return this.#broken.has(group);
  }

  /** Nothing was remembered of a source when the run began: nobody has been told of it, and none has to be looked up. */
  begin(source: string): void {
    for (const receiver of this.#edges.notifiers.keys())
      this.#toldBefore.set(pairOf({ receiver, source }), Promise.resolve(false));
  }

  /** Ask for what receivers are owed about a cluster. @param only those; absent: every one */
  tell(source: string, followed: Followed, policy: Policy, only?: ReadonlySet<string>): void {
    for (const receiver of this.#edges.notifiers.keys()) {
      if (only?.has(receiver) === false) continue;
      const target = { receiver, source, followed, policy };
      if (this.#isForLater(target)) addTo(this.#again, target);
      else this.#enqueue(receiver, [target], () => this.#tellOne(target));
    }
  }

  /** Everything that was asked for. */
  async finish(): Promise<void> {
    await Promise.all([...this.#edges.notifiers.keys()].map((receiver) => this.#finishFor(receiver)));
    for (const error of this.#errors) throw error;
  }

  /** Digests, and then what was not taken before, the longest ago first. */
  async #finishFor(receiver: string): Promise<void> {
    await this.#queues.get(receiver);
    for (;;) {
      const [digest = [], again = []] = [this.#digests.get(receiver), this.#again.get(receiver)];
      if (digest.length + again.length === 0) return;
      const jobs = [
        ...byMessage(digest).flatMap((targets) => (['first', 'reminder'] as const).map((why) => ({ targets, why }))),
        ...again.map((target) => ({ targets: [target], why: undefined })),
      ];
      this.#digests.delete(receiver);
      this.#again.delete(receiver);
      for (const { targets, why } of jobs.sort((a, b) => triedMsOf(a.targets) - triedMsOf(b.targets))) {
        const [target] = targets as [Target];
        const work = () => (why === undefined ? this.#tellOne(target) : this.#sendDigest(receiver, why, targets));
        this.#enqueue(receiver, targets, work);
      }
      await this.#queues.get(receiver);
    }
  }

  /** Whether it was not taken before: it keeps nothing from being tried that was not yet. A digest waits anyway. */
  #isForLater(target: Target): boolean {
    const log = target.followed.state.logs.get(target.receiver)?.value;
    if (log?.owed?.triedMs === undefined) return false;
    const owed = this.#owed(target, log);
    return owed !== undefined && !isForDigest(owed);
  }

  /** What fails keeps nothing else from being tried; `finish` tells of it. */
  #enqueue(receiver: string, targets: readonly Target[], work: () => Promise<void>): void {
    const before = this.#queues.get(receiver) ?? Promise.resolve();
    this.#queues.set(
      receiver,
      before.then(work).catch((error: unknown) => {
        this.#errors.push(error);
        for (const { followed } of targets) this.#broken.add(followed.group);
      }),
    );
  }

  async #tellOne(target: Target): Promise<void> {
    if (target.followed.head !== undefined && target.followed.state.logs.get(target.receiver)?.value.told !== undefined)
      this.#toldBefore.set(pairOf(target), Promise.resolve(true));
    const claimed = await this.#claim(
      target,
      (owed) => !isForDigest(owed),
      ({ id }) => id,
    );
    if (claimed === 'digest') addTo(this.#digests, target);
    if (typeof claimed !== 'object') return;
    const head = { id: claimed.message, source: target.source, atMs: this.#nowMs, about: 'alerts' } as const;
    const isFirstLook = claimed.before?.told === undefined && target.source !== ourselves;
    const notice = { ...head, ...(isFirstLook && { isFirstLook }), ...(await this.#news(claimed)) };
    await this.#send(target.receiver, notice, [claimed]);
  }

  async #sendDigest(receiver: string, why: 'first' | 'reminder', targets: readonly Target[]): Promise<void> {
    const cause = why === 'first' ? 'standing' : 'reminder';
    const messages = new Map<string, Claimed[]>();
    const ids = new DigestMessages(targets.map(({ followed }) => followed.state.logs.get(receiver)?.value));
    const isOfThis = (owed: Owed) =>
      owed.items.some((item) => item.cause === cause) ||
      (why === 'first' && (owed.uncalled > 0 || owed.look !== undefined));
    for (const target of targets) {
      const claimed = await this.#claim(
        target,
        (owed) => isForDigest(owed) && isOfThis(owed),
        (owed, before) => ids.of(target.source, owed.id, before),
      );
      if (typeof claimed !== 'object') continue;
      ids.claimed(target.source, claimed.owed.id, claimed.before, claimed.message);
      messages.set(claimed.message, [...(messages.get(claimed.message) ?? []), claimed]);
    }
    for (const [id, claims] of [...messages].sort(([, a], [, b]) => triedMsOf(a) - triedMsOf(b))) {
      const clusters: ClusterNews[] = [];
      for (const claimed of claims) clusters.push(await this.#news(claimed));
      const source = claims[0]?.source ?? '';
      await this.#send(receiver, { id, source, atMs: this.#nowMs, about: 'digest', why, clusters }, claims);
    }
  }

  async #news({ owed, followed, policy, source }: Claimed): Promise<ClusterNews> {
    const { row, head, alerts, evaluation } = followed;
    return newsOf(owed.items, {
      cluster: { id: row.clusterId, name: row.clusterName },
      policy: policy.name,
      reportId: head?.reportId ?? evaluation?.report.id ?? '',
      scannedAtMs: head?.scannedAtMs,
      page: await this.#edges.page?.(source, followed),
      // Of others the receiver does not know.
      alerts: alerts.filter(({ fingerprint }) => {
        const told = owed.log.told[fingerprint];
        return told?.state === 'firing' && told.unsaid === undefined;
      }),
      messages: new Map(
        policy.rules.flatMap(({ id, message }) => (message === undefined ? [] : [[id, message] as const])),
      ),
    });
  }

  /**
   * Claim what the receiver is owed, if `takes` wants it now, for the message with the id that `messageOf` gives.
   * @returns nothing when there is nothing to send, or another run is sending it
   */
  async #claim(
    target: Target,
    takes: (owed: Owed) => boolean,
    messageOf: (owed: Owed, before: LogRecord | undefined) => string,
  ): Promise<Claimed | 'digest' | undefined> {
    const { receiver } = target;
    const { store, options } = this.#edges;
    let { followed } = target;
    for (let tries = 0; tries < 10; tries++) {
      const record = followed.state.logs.get(receiver);
      let before = record?.value;
      if (before?.claim !== undefined && this.#isHeld(before.claim)) {
        this.elsewhere.set(receiver, (this.elsewhere.get(receiver) ?? 0) + 1);
        // Where that run died nobody else asks. News about ourselves many runs tell at once.
        this.#owe(target, before.owed === undefined && target.source !== ourselves);
        return undefined;
      }
      const owed = this.#owed({ ...target, followed }, before);
      if (owed === undefined && before?.owed === undefined) return undefined;
      if (owed === undefined) {
        // What it did not take is so no more.
        const { owed: _, claim: __, ...known } = before ?? {};
        await putLog(store, followed.group, receiver, known, record?.version ?? 0, this.#nowMs);
        return undefined;
      }
      // Who was told of others of the source before has lost no memory: that a cluster came to them is no news.
      const isGreeting = owed.look !== undefined && !(await this.#wasToldBefore(target));
      const isQuiet = owed.items.length === 0 && owed.uncalled === 0 && !isGreeting;
      if (!isQuiet && !takes(owed)) return 'digest';
      before = before && mutedIn(before, owed.muted);
      const message = messageOf(owed, before);
      const claim = { id: owed.id, message, untilMs: this.#atMs() + options.claimMs };
      const value: LogRecord = isQuiet ? owed.log : { ...before, ...mayKnowOf(owed), claim };
      const version = await putLog(store, followed.group, receiver, value, record?.version ?? 0, this.#nowMs);
      if (version !== undefined) return isQuiet ? undefined : { ...target, followed, owed, message, before, version };
      // Whoever wrote the log may have written alerts too.
      const state = await loadCluster(store, followed.group, this.#nowMs);
      const alerts = [...state.alerts.values()].map(({ value }) => value);
      followed = { ...followed, state, alerts, head: state.head?.value ?? followed.head };
    }
    return undefined;
  }

  /** Whether the receiver has been told of the source: of clusters in this run, or of others that are not looked at in it. */
  #wasToldBefore(target: Pick<Target, 'receiver' | 'source'>): Promise<boolean> {
    const pair = pairOf(target);
    const known = this.#toldBefore.get(pair) ?? isIntroduced(this.#edges.store, target, this.#nowMs);
    this.#toldBefore.set(pair, known);
    return known;
  }

  /** A claim that lasts longer than any is of a clock that ran far ahead. */
  #isHeld({ untilMs }: { readonly untilMs: number }): boolean {
    const leftMs = untilMs - this.#atMs();
    return leftMs > 0 && leftMs <= 2 * this.#edges.options.claimMs;
  }

  #owe({ receiver, source, followed }: Target, isUnasked: boolean): void {
    const { clusterId, clusterName } = followed.row;
    const target = { source, clusterId, clusterName, receiver };
    const wasUnasked = this.#notTaken.get(targetKey(target))?.isUnasked === true;
    this.#notTaken.set(targetKey(target), { target, isUnasked: isUnasked || wasUnasked });
  }

  #owed({ receiver, source, followed, policy }: Target, log: LogRecord | undefined): Owed | undefined {
    const { announce, reposts, wants, silencedUntilMs, onMuted, options } = this.#edges;
    const { group, row, alerts, head } = followed;
    const hears = (rule: Policy['rules'][number]) =>
      rule.enforce !== 'observe' &&
      causes.some((cause) => wants(receiver, source, row.clusterName, { ...rule, rule: rule.id }, cause));
    const isTold =
      log?.told === undefined && source !== ourselves && !reposts.has(receiver) && policy.rules.some(hears);
    return owe(
      group,
      receiver,
      alerts,
      log ?? {},
      {
        // News about ourselves has no past that could stand already.
        announce: source === ourselves ? 'all' : (announce.get(receiver) ?? 'summary'),
        remindMs: options.remindMs,
        isReposted: reposts.has(receiver),
        look: isTold ? head?.reportId : undefined,
        wants: (alert, cause) => wants(receiver, source, row.clusterName, alert, cause),
        silencedUntilMs: (alert) => silencedUntilMs(source, row.clusterName, alert),
        onMuted: (alert) => onMuted(source, row.clusterName, alert),
      },
      this.#nowMs,
    );
  }

  async #send(receiver: string, notice: Notice, claims: readonly Claimed[]): Promise<void> {
    const refusals = await this.#sendInParts(receiver, notice, claims, { id: notice.id, row: 0, all: 0 });
    const [first] = refusals;
    const isTakenInPart = refusals.flatMap((refusal) => refusal.claims).length < claims.length;
    // Where none of its parts was taken the message is not what is wrong, and stays one.
    const left = first === undefined || isTakenInPart ? refusals : [{ notice, claims, error: first.error }];
    for (const refusal of left) await this.#notTakenNow(receiver, refusal);
  }

  /**
   * Of a digest that the receiver finds fault with each half is sent alone, until the fault keeps nothing else back.
   * @param whole the id of the whole, and how many of its parts it found fault with: in a row, and in all
   * @returns what was not taken
   */
  async #sendInParts(
    receiver: string,
    notice: Notice,
    claims: readonly Claimed[],
    whole: { readonly id: string; row: number; all: number },
  ): Promise<readonly Refusal[]> {
    const error = await this.#deliver(receiver, notice, claims);
    if (error === undefined) {
      whole.row = 0;
      return [];
    }
    if (!(error instanceof DeliveryError) || !error.isOfContent) return [{ notice, claims, error }];
    whole.row++;
    whole.all++;
    const isEnough = claims.length < 2 || whole.row >= mostFaults || whole.all >= mostFaultsInAll;
    if (isEnough) return [{ notice, claims, error }];
    const half = Math.ceil(claims.length / 2);
    const refusals: Refusal[] = [];
    for (const part of [claims.slice(0, half), claims.slice(half)])
      refusals.push(...(await this.#sendInParts(receiver, partOf(notice, part, whole.id), part, whole)));
    return refusals;
  }

  /** @returns why it was not taken */
  async #deliver(
    receiver: string,
    notice: Notice,
    claims: readonly Claimed[],
  ): Promise<DeliveryError | InputError | undefined> {
    const result = this.#result(receiver);
    // What is wrong with Portcullis does not wait behind what is wrong with clusters.
    const attempts = notice.source === ourselves ? `${receiver} ${ourselves}` : receiver;
    const unanswered = this.#unanswered.get(attempts) ?? 0;
    try {
      if (unanswered >= mostUnanswered) throw new NotTriedError(receiver, notTried);
      const taken = await this.#edges.notifiers.get(receiver)?.deliver(notice, this.#nowMs, this.#signal);
      this.#unanswered.delete(attempts);
      result.refusal = taken?.refusal ?? result.refusal;
    } catch (error) {
      if (!(error instanceof DeliveryError) && !(error instanceof InputError)) throw error;
      // One that is gone is asked for nothing more.
      if (isGone(error))
        for (const one of [receiver, `${receiver} ${ourselves}`]) this.#unanswered.set(one, mostUnanswered);
      else if (error instanceof DeliveryError && error.retryable && !(error instanceof NotTriedError))
        this.#unanswered.set(attempts, unanswered + 1);
      this.#edges.log('error', 'not delivered', { receiver, id: notice.id, reason: error.message });
      return error;
    }
    result.accepted++;
    const told = claims.flatMap(({ owed }) => owed.items.map(({ cause }) => cause));
    for (const cause of told) result.told[cause] = (result.told[cause] ?? 0) + 1;
    this.#edges.log('info', 'delivered', {
      receiver,
      id: notice.id,
      about: notice.about,
      alerts: told.length,
      causes: [...new Set(told)],
    });
    for (const claimed of claims) await this.#write(claimed, claimed.owed.log);
    const first = claims.find(({ before, followed }) => before?.told === undefined && followed.head !== undefined);
    if (first !== undefined) await introduce(this.#edges.store, first, this.#nowMs);
    return undefined;
  }

  /** It stays owed until each part of it was owed for too long: then it is a dead letter. */
  async #notTakenNow(receiver: string, { notice, claims, error }: Refusal): Promise<void> {
    const { store, reposts, options, log } = this.#edges;
    const isTried = !(error instanceof NotTriedError);
    const mayBeTaken = error instanceof DeliveryError && error.mayBeTaken;
    const result = this.#result(receiver);
    result.refused++;
    if (isTried) result.reason = error.message;
    else result.untried++;
    result.isInputError ||= error instanceof InputError;
    result.isGone ||= isGone(error);
    const refused = claims.map(({ before, owed }) =>
      refusedNow(before?.owed, owed.id, { message: notice.id, parts: claims.length, error }, this.#nowMs),
    );
    const sinceMs = Math.max(...refused.map(({ newsSinceMs = 0 }) => newsSinceMs));
    // What was not tried now is not given up now, nor what is told as it is with every run.
    const stays = !isTried || reposts.has(receiver) || this.#nowMs - sinceMs < options.owedForMs;
    if (!stays) {
      const { attempts, reason } = refused[0] as Refused;
      const letter = { receiver, sinceMs, attempts, reason, atMs: this.#nowMs };
      const kept = worthKeeping(receiver, notice);
      if (kept !== undefined) await keepDeadLetter(store, { ...letter, notice: kept }, this.#nowMs);
      log('error', 'given up: to the dead letters', { receiver, id: notice.id, attempts, reason });
      for (const claimed of claims) {
        const { tried } = mayBeTaken ? claimed.owed : (claimed.before ?? {});
        await this.#write(claimed, givenUpLog(claimed.owed, claimed.before ?? {}, tried));
      }
      return;
    }
    for (const [i, claimed] of claims.entries()) {
      const owed = refused[i] as Refused;
      this.#owe(claimed, owed.isUnasked === true);
      this.owedSinceMs = Math.min(owed.sinceMs, this.owedSinceMs ?? owed.sinceMs);
      // What it refused for certain it does not know.
      const mayKnow = mayBeTaken ? mayKnowOf(claimed.owed) : {};
      const { claim: _, ...known } = claimed.before ?? {};
      const value = { ...known, ...mayKnow, owed };
      const version = await this.#write(claimed, value);
      if (owed.isUnasked === true && version !== undefined)
        this.#unasked.push({ group: claimed.followed.group, receiver, value, version });
    }
  }

  /** Over the claim. When the claim was over and another run took it, that run's word stands. */
  async #write({ followed, receiver, version }: Claimed, value: LogRecord): Promise<number | undefined> {
    const written = await putLog(this.#edges.store, followed.group, receiver, value, version, this.#nowMs);
    if (written === undefined)
      this.#edges.log('warn', 'another run wrote the delivery log', { receiver, group: followed.group });
    return written;
  }
}

/**
 * A receiver that did not answer so many messages of a run is left alone until the next one: each try takes its time, and a
 * run has an end.
 */
const mostUnanswered = 3;
const notTried = `was not tried, since it took none of the ${mostUnanswered} messages before; the next run does`;

/**
 * One cluster that a receiver finds fault with is found among a thousand by so many messages; a receiver that finds fault with
 * everything is not asked for each cluster.
 */
const mostFaults = 12;
/** What is left of it then is sent by the next run: this one has an end. */
const mostFaultsInAll = 60;

/** Those that were not tried yet, and those of each message that was not taken. */
function byMessage(targets: readonly Target[]): readonly (readonly Target[])[] {
  const groups = new Map<string, Target[]>();
  for (const target of targets) {
    const { triedMs, message = '' } = target.followed.state.logs.get(target.receiver)?.value.owed ?? {};
    const key = triedMs === undefined ? '' : message;
    groups.set(key, [...(groups.get(key) ?? []), target]);
  }
  return [...groups.values()];
}

function addTo(targets: Map<string, Target[]>, target: Target): void {
  targets.set(target.receiver, [...(targets.get(target.receiver) ?? []), target]);
}

/** When the first of them was tried and not taken; what was not comes first. */
function triedMsOf(targets: readonly Target[]): number {
  return Math.min(
    ...targets.map(({ receiver, followed }) => followed.state.logs.get(receiver)?.value.owed?.triedMs ?? 0),
  );
}

function isGone(error: DeliveryError | InputError): boolean {
  return error instanceof DeliveryError && error.status === 410;
}

/** Of a digest what is about these clusters, as a message of its own: the same one, whatever parts were sent before. */
function partOf(notice: Notice, claims: readonly Claimed[], whole: string): Notice {
  if (notice.about === 'alerts') return notice;
  const ids = new Set(claims.map(({ followed }) => followed.row.clusterId));
  const clusters = notice.clusters.filter(({ cluster }) => ids.has(cluster.id));
  return { ...notice, id: messageId([whole, ...claims.map(({ owed }) => owed.id)]), clusters };
}

function mutedIn(log: LogRecord, muted: Owed['muted']): LogRecord {
  if (muted.length === 0) return log;
  const marked = <T extends Told>(of: Readonly<Record<string, T>>) =>
    Object.fromEntries(
      Object.entries(of).map(([fingerprint, told]) => [
        fingerprint,
        muted.includes(fingerprint) && told.state === 'firing' ? { ...told, isMuted: true as const } : told,
      ]),
    );
  const { told, givenUp } = log;
  return { ...log, ...(told && { told: marked(told) }), ...(givenUp && { givenUp: marked(givenUp) }) };
}

/** That messages of its own were given up it hears with the next that are: of that no letter is kept. */
function worthKeeping(receiver: string, notice: Notice): Notice | undefined {
  const isKept = ({ cluster }: ClusterNews) => notice.source !== ourselves || cluster.name !== givenUpName(receiver);
  if (notice.about === 'alerts') return isKept(notice) ? notice : undefined;
  const clusters = notice.clusters.filter(isKept);
  return clusters.length === 0 ? undefined : { ...notice, clusters };
}

function isForDigest({ items, uncalled, look }: Owed): boolean {
  return look !== undefined || (items.length + uncalled > 0 && items.every(isOfDigest));
}

/** What the receiver may know once this was sent. */
function mayKnowOf({ tried, look }: Owed): Pick<LogRecord, 'tried' | 'look'> {
  return { tried, ...(look !== undefined && { look }) };
}

function targetKey({ source, clusterId, receiver }: OwedTarget): string {
  return JSON.stringify([source, clusterId, receiver ?? null]);
}

function pairOf({ receiver, source }: Pick<Target, 'receiver' | 'source'>): string {
  return `${receiver}/${source}`;
}
