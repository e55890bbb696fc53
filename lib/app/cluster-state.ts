import type { Alert } from '../core/alerts.ts';
import type { Coverage } from '../core/coverage.ts';
import type { DeliveryLog } from '../core/told.ts';
import { type Packed, packed, unpacked } from './packed.ts';
import type { StateStore, StoredRecord } from './state.ts';

/** What is remembered of a cluster's newest report. */
export interface Head {
  readonly clusterName: string;
  readonly reportId: string;
  /** As the report says, and as the list of reports does. */
  readonly scannedAtMs: number;
  readonly listedAtMs: number | undefined;
  readonly policyDigest: string;
  /** From when on the same report may be judged otherwise: it is too old, or a waiver that counts expires. */
  readonly reviewAtMs: number;
  readonly verdict: 'pass' | 'fail' | 'undetermined';
  /** When it was judged by that report last, and how; absent: not known. */
  readonly judged?: { readonly atMs: number; readonly verdict: Head['verdict'] };
  readonly coverage?: Coverage | undefined;
  /** Image versions of this report, and of the one before. */
  readonly images?: readonly number[] | undefined;
  readonly imagesBefore?: readonly number[] | undefined;
}

/** What a receiver was told of a cluster, and what it is owed. */
export interface LogRecord extends Partial<DeliveryLog> {
  /** A run is at it: no other one sends before this is over. */
  readonly claim?: Attempt & { readonly untilMs: number };
  readonly owed?: Refused;
}

/** What was sent last and not taken, and why. */
export interface Refused extends Attempt {
  /** Since when it has been owed something. */
  readonly sinceMs: number;
  /** Since when it has been owed these very news. */
  readonly newsSinceMs?: number;
  /** Of how many clusters the message was. */
  readonly parts?: number;
  /** When it was sent, whatever the news were. */
  readonly triedMs?: number;
  /** Nobody was asked yet to try again before the next run. */
  readonly isUnasked?: true;
  /** To deliver these news. */
  readonly attempts: number;
  readonly reason: string;
}

/** What was sent last: news, by its id, in a message, which for a digest is that of several clusters. */
export interface Attempt {
  readonly id: string;
  readonly message: string;
}

export interface Versioned<T> {
  readonly value: T;
  readonly version: number;
  readonly expiresAtMs?: number;
}

/** All that is kept of a cluster, each part with the version that a write has to replace. */
export interface ClusterState {
  readonly head: Versioned<Head> | undefined;
  readonly alerts: ReadonlyMap<string, Versioned<Alert>>;
  readonly logs: ReadonlyMap<string, Versioned<LogRecord>>;
  /** The name of the page that was written last. */
  readonly page: Versioned<{ readonly key: string }> | undefined;
}

export function clusterGroup(source: string, clusterId: string): string {
  return `cluster/${source}/${clusterId}`;
}

export const headKey = 'head';
export const pageKeyInState = 'page';
export const alertKey = (fingerprint: string) => `alert/${fingerprint}`;
const logKey = (receiver: string) => `log/${receiver}`;

export async function loadCluster(store: StateStore, group: string, nowMs: number): Promise<ClusterState> {
  const records = await store.load(group, '', nowMs);
  const under = <T>(prefix: string) =>
    new Map(
      records
        .filter(({ key }) => key.startsWith(prefix))
        .map((record) => [record.key.slice(prefix.length), versioned<T>(record)] as const),
    );
  const only = <T>(name: string) => {
    const record = records.find(({ key }) => key === name);
    return record && versioned<T>(record);
  };
  const page = only<{ key: string }>(pageKeyInState);
  const logs = new Map(
    [...under<LogRecord | Packed>('log/')].map(([receiver, { value, version }]) => [
      receiver,
      { value: unpacked(value), version },
    ]),
  );
  return { head: only<Head>(headKey), page, alerts: under<Alert>('alert/'), logs };
}

/** How long it is remembered that a receiver was not told that something is over, as where a silence mutes that. */
export const untoldForMs = 400 * 86_400_000;

/** Whether a receiver believes that an alert fires, or may. */
export function isBelievedToFire({ logs }: Pick<ClusterState, 'logs'>, fingerprint: string): boolean {
  return [...logs.values()].some(({ value }) => mayFire(value, fingerprint));
}

/** Whether somebody has yet to hear of what is over: is owed something, or believes that an alert fires. */
export async function isUnheard(store: StateStore, group: string, nowMs: number): Promise<boolean> {
  const { logs } = await loadCluster(store, group, nowMs);
  return [...logs.values()].some(
    ({ value }) =>
      value.owed !== undefined ||
      value.claim !== undefined ||
      [...Object.keys(value.told ?? {}), ...Object.keys(value.tried ?? {})].some((one) => mayFire(value, one)),
  );
}

/** By what it has heard, or may have; of an end that was given up nobody waits to hear. */
function mayFire({ told, tried, givenUp }: LogRecord, fingerprint: string): boolean {
  const { state, unsaid } = told?.[fingerprint] ?? {};
  const isOver = givenUp?.[fingerprint]?.state === 'over';
  return !isOver && ((state === 'firing' && unsaid === undefined) || tried?.[fingerprint]?.firing !== undefined);
}

/** Write a receiver's log over the version that was read. @returns as `put` */
export function putLog(
  store: StateStore,
  group: string,
  receiver: string,
  log: LogRecord,
  over: number,
  nowMs: number,
): Promise<number | undefined> {
  return store.put(group, { key: logKey(receiver), value: packed(log) }, over, nowMs);
}

function versioned<T>({ value, version, expiresAtMs }: StoredRecord): Versioned<T> {
  return { value: value as T, version, ...(expiresAtMs !== undefined && { expiresAtMs }) };
}
