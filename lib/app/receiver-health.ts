import { clockSkewMs } from '../core/duration.ts';
import { DeliveryError } from '../core/errors.ts';
import type { Reason } from '../core/evaluation.ts';
import { isoTime } from '../core/render/words.ts';
import type { Delivered, Outbox } from './outbox.ts';
import { receiverName } from './own-names.ts';
import { type OwnNewsEdges, tellOfOurselves } from './own-news.ts';
import type { Notifier } from './ports.ts';
import type { StateStore, StoredRecord } from './state.ts';

/** What is remembered of a receiver from run to run. */
interface Health {
  readonly failingRuns: number;
  readonly sinceMs: number;
  /** When the schedule asked for the run that was counted last: of several it is one. */
  readonly tickMs?: number;
  /** When it said that it is gone for good (410). */
  readonly goneMs?: number;
  /** What it said then, and what to do. */
  readonly goneReason?: string;
  /** Where it was then. */
  readonly goneFrom?: string;
  /** Since when it is in the config no more. */
  readonly removedMs?: number;
  /** Why it did not take a message as it should look, and had it in plain words. */
  readonly refusal?: string;
  /** Since when it takes messages as they should look again: others may be owed that. */
  readonly mendedMs?: number;
}

export interface HealthEdges extends OwnNewsEdges {
  readonly notifiers: ReadonlyMap<string, Notifier>;
  readonly options: OwnNewsEdges['options'] & { readonly failingAfterRuns: number };
}

const group = 'receivers';

/** How long it is followed whether it was delivered that messages are taken as they should look again. */
const mendedForMs = 30 * 86_400_000;

/** How long a receiver that is gone is left alone, unless its URL is another one. */
const goneForMs = 86_400_000;

export async function loadHealth(store: StateStore, nowMs: number): Promise<ReadonlyMap<string, StoredRecord>> {
  return new Map((await store.load(group, '', nowMs)).map((record) => [record.key, record]));
}

/** The receivers, those that are gone switched off: what they are owed is refused without a request. */
export function withoutGone(
  notifiers: ReadonlyMap<string, Notifier>,
  health: ReadonlyMap<string, StoredRecord>,
  nowMs: number,
): ReadonlyMap<string, Notifier> {
  const entries = [...notifiers].map(([receiver, notifier]) => {
    const { goneMs, goneFrom } = (health.get(receiver)?.value ?? {}) as Partial<Health>;
    // What lies in the future was noted by a clock that ran ahead.
    const isGone = goneMs !== undefined && nowMs - goneMs < goneForMs && goneMs <= nowMs + clockSkewMs;
    if (!isGone) return [receiver, notifier] as const;
    const reason = `switched off since it answered 410 at ${isoTime(goneMs)}; it is asked again a day after that, or when its URL is another one`;
    const deliver: Notifier['deliver'] = async (...message) => {
      const address = await notifier.address?.();
      if (address !== undefined && goneFrom !== undefined && address !== goneFrom) return notifier.deliver(...message);
      throw new DeliveryError(receiver, reason, true, undefined, false);
    };
    return [receiver, { receiver, deliver }] as const;
  });
  return new Map(entries);
}

/**
 * Count the runs in which a receiver took nothing of what it was sent. From `failingAfterRuns` on, or when it says that it
 * is gone, the other receivers are told, and told again when it takes messages once more. A message that it took only in
 * plain words is told of too.
 *
 * A run that sent nothing to a receiver knows nothing new of it, and still tells what is to be told: an earlier run may
 * have died, or another receiver not have taken the news.
 *
 * @param health as it was when the run began
 * @param tickMs runs that the schedule asked for at one time count as one, and one that it did not ask for as the one before
 */
export async function watchReceivers(
  edges: HealthEdges,
  outbox: Outbox,
  health: ReadonlyMap<string, StoredRecord>,
  nowMs: number,
  tickMs: number | undefined,
): Promise<void> {
  const { store, options } = edges;
  for (const receiver of edges.notifiers.keys()) {
    const result = sentTo(receiver, outbox);
    const record = health.get(receiver);
    const before = record?.value as Health | undefined;
    const after = healthAfter(before, result, nowMs, tickMs);
    if (after === undefined) continue;
    const isGoneNow = result?.isGone === true && after.goneMs === nowMs;
    const goneFrom = isGoneNow ? await edges.notifiers.get(receiver)?.address?.() : before?.goneFrom;
    const now = after.goneMs === undefined || goneFrom === undefined ? after : { ...after, goneFrom };
    // Before anybody is told: whoever hears that it fails hears of the end.
    if (JSON.stringify(now) !== JSON.stringify(before))
      await store.put(group, { key: receiver, value: now }, record?.version ?? 0, nowMs);
    const tell = (name: string, reasons: readonly Reason[] | undefined) =>
      tellOfOurselves(edges, outbox, name, reasons, nowMs);
    const isFailing = now.failingRuns >= options.failingAfterRuns || now.goneMs !== undefined;
    const isKnown = result !== undefined && (now.failingRuns === 0 || isFailing);
    await tell(receiverName(receiver), isKnown ? failing(receiver, now, result) : undefined);
    if (now.refusal !== undefined || (now.mendedMs !== undefined && nowMs - now.mendedMs < mendedForMs)) {
      const isTold = result !== undefined && result.accepted > 0;
      await tell(`messages to ${receiver}`, isTold ? refused(receiver, now) : undefined);
    }
  }
  await forgetRemoved(edges, outbox, health, nowMs);
}

/** Undefined: nothing was sent to it. */
function sentTo(receiver: string, { results }: Outbox): Delivered | undefined {
  const result = results.get(receiver);
  return result === undefined || result.accepted + result.refused === result.untried ? undefined : result;
}

/** What a receiver that failed took only after all others were counted, as news about ourselves, shows that it is back, too. */
export async function tellRecovered(
  edges: HealthEdges,
  outbox: Outbox,
  before: ReadonlyMap<string, StoredRecord>,
  nowMs: number,
  tickMs: number | undefined,
): Promise<void> {
  const takesAgain = ([receiver, { value }]: readonly [string, StoredRecord]) =>
    (value as Health).failingRuns > 0 && (outbox.results.get(receiver)?.accepted ?? 0) > 0;
  const isFailing = [...before.values()].some(({ value }) => (value as Health).failingRuns > 0);
  const hasRefused = [...outbox.results.values()].some(({ refused }) => refused > 0);
  if (!isFailing && !hasRefused) return;
  const health = await loadHealth(edges.store, nowMs);
  if ([...health].some(takesAgain)) await watchReceivers(edges, outbox, health, nowMs, tickMs);
}

/** How long it is told that a receiver that failed is in the config no more: others may be owed it. */
const removedForMs = 7 * 86_400_000;

/** What was told of receivers that are in the config no more is over. */
async function forgetRemoved(
  edges: HealthEdges,
  outbox: Outbox,
  health: ReadonlyMap<string, StoredRecord>,
  nowMs: number,
): Promise<void> {
  for (const [receiver, { value, version }] of health) {
    if (edges.notifiers.has(receiver)) continue;
    const { removedMs = nowMs } = value as Health;
    await tellOfOurselves(edges, outbox, receiverName(receiver), [], nowMs);
    await tellOfOurselves(edges, outbox, `messages to ${receiver}`, [], nowMs);
    if (removedMs !== nowMs) continue;
    // It is forgotten by itself.
    const record = { key: receiver, value: { ...(value as Health), removedMs }, expiresAtMs: nowMs + removedForMs };
    await edges.store.put(group, record, version, nowMs);
  }
}

function failing(
  receiver: string,
  { failingRuns, goneMs, goneReason }: Health,
  { reason = '' }: Delivered,
): readonly Reason[] {
  if (failingRuns === 0) return [];
  const message =
    goneMs === undefined
      ? `receiver ${receiver} has taken no message in ${failingRuns} runs: ${reason}`
      : `receiver ${receiver} says that it is gone for good (410), and is asked once a day only, when it is owed something: ${goneReason ?? 'remove it from the config, or renew its URL'}`;
  return [{ kind: 'receiver-failing', message }];
}

function refused(receiver: string, { refusal }: Health): readonly Reason[] {
  if (refusal === undefined) return [];
  const message = `${receiver} refused a message as it should look, and took it in plain words: ${refusal}; nothing is lost, but this is a fault of Portcullis or a limit that is new: report it`;
  return [{ kind: 'message-refused', message }];
}

/** @returns undefined: it never failed; `before` itself: nothing is known that is new */
function healthAfter(
  before: Health | undefined,
  result: Delivered | undefined,
  nowMs: number,
  tickMs: number | undefined,
): Health | undefined {
  if (result === undefined) return before;
  if (result.accepted === 0 && result.refused > 0) {
    const { failingRuns = 0, sinceMs = nowMs, goneMs, refusal, mendedMs } = before ?? {};
    const gone = result.isGone ? nowMs : goneMs;
    const goneReason = result.isGone ? result.reason : before?.goneReason;
    const last = before?.tickMs;
    const tick = tickMs ?? last;
    // A dead letter that was moved back is of an earlier time; what lies in the future was noted by a clock that ran ahead.
    const isEarlier = tick !== undefined && last !== undefined && tick < last && last <= nowMs + clockSkewMs;
    const isCounted = failingRuns > 0 && (last === tick || isEarlier);
    const counted = isEarlier ? last : tick;
    return {
      failingRuns: isCounted ? failingRuns : failingRuns + 1,
      ...(counted !== undefined && { tickMs: counted }),
      sinceMs: failingRuns === 0 ? nowMs : sinceMs,
      ...(gone !== undefined && { goneMs: gone }),
      ...(goneReason !== undefined && { goneReason }),
      ...(refusal !== undefined && { refusal }),
      ...(mendedMs !== undefined && { mendedMs }),
    };
  }
  const { refusal } = result;
  if (refusal !== undefined) return { failingRuns: 0, sinceMs: nowMs, refusal };
  const isMended = before?.refusal !== undefined;
  if (before === undefined || (before.failingRuns === 0 && !isMended)) return before;
  const mendedMs = isMended ? nowMs : before.mendedMs;
  return { failingRuns: 0, sinceMs: nowMs, ...(mendedMs !== undefined && { mendedMs }) };
}
