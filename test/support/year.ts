import { replayDeadLetters } from '../../lib/app/replay.ts';
import { addSilence } from '../../lib/app/silences.ts';
import type { Announce } from '../../lib/core/deliveries.ts';
import { createMemoryStore } from '../../lib/stores/memory.ts';
import {
  alertName,
  type Broken,
  brokenIn,
  type Demands,
  policyFrom,
  type Row,
  reportOf,
  type View,
} from './almanac.ts';
import { dayMs, hourMs, type Scripted, type ScriptedOptions, scripted } from './scripted.ts';
import type { DayPage, Said } from './transcript.ts';

/** Something that happens on a day, before the morning's scan: in words, and in deed. */
export interface Entry {
  readonly on: string;
  readonly what: string;
  readonly does: (year: Year) => void | Promise<void>;
}

export interface YearOptions {
  readonly from: string;
  readonly to: string;
  readonly receivers: Readonly<Record<string, Announce>>;
  readonly routes: ScriptedOptions['routes'];
  readonly demands: Demands;
}

/** A page, and what is true on that morning: worked out from the rows, not from what was told. */
export interface Morning extends DayPage {
  readonly broken: readonly Broken[];
  /** All that is there, by cluster. */
  readonly rows: ReadonlyMap<string, readonly Row[]>;
  readonly demands: Demands;
  /** Clusters of which the truth can be known, since HSS shows all of it and the report is believed. */
  readonly clear: ReadonlySet<string>;
  /** Clusters that are looked at for the first time, as far as is remembered. */
  readonly firstLook: ReadonlySet<string>;
  readonly down: ReadonlySet<string>;
  /** Clusters that the config leaves out. */
  readonly leftOut: ReadonlySet<string>;
  readonly isSilenced: (one: Broken) => boolean;
}

/** A world that is changed day by day; what is there is kept apart from what HSS shows. */
export class Year {
  readonly #options: YearOptions;
  readonly #world: Scripted;
  readonly #rows = new Map<string, Row[]>();
  readonly #views = new Map<string, View>();
  readonly #doubted = new Map<string, number>();
  readonly #known = new Set<string>();
  readonly #down = new Set<string>();
  readonly #silences: { readonly isOf: (one: Broken) => boolean; readonly untilMs: number }[] = [];
  readonly #heardUpTo = new Map<string, number>();
  #demands: Demands;
  #nowMs: number;
  #replayed: Said[] = [];

  constructor(options: YearOptions) {
    this.#options = options;
    this.#demands = options.demands;
    this.#nowMs = morningOf(options.from);
    this.#world = scripted({
      policy: policyFrom(options.demands),
      receivers: options.receivers,
      ...(options.routes !== undefined && { routes: options.routes }),
    });
  }

  get world(): Scripted {
    return this.#world;
  }

  /** A scan every morning at six. */
  async live(calendar: readonly Entry[]): Promise<readonly Morning[]> {
    const mornings: Morning[] = [];
    const left = new Set(calendar);
    for (; this.#nowMs <= morningOf(this.#options.to); this.#nowMs += dayMs) {
      const today = calendar.filter(({ on }) => morningOf(on) === this.#nowMs);
      for (const entry of today) {
        left.delete(entry);
        await entry.does(this);
      }
      mornings.push(await this.#morning(today.map(({ what }) => what)));
    }
    if (left.size > 0) throw new Error(`no days of this year: ${[...left].map(({ on }) => on).join(', ')}`);
    return mornings;
  }

  /** There are findings in a cluster from now on; a cluster that is not there yet is made. */
  found(cluster: string, ...rows: readonly Row[]): void {
    this.#rows.set(cluster, [...(this.#rows.get(cluster) ?? []), ...rows]);
  }

  /** All findings with one of these names in any of their fields are gone. */
  gone(cluster: string, ...names: readonly string[]): void {
    const before = this.#rows.get(cluster) ?? [];
    const left = before.filter(({ fields }) => !names.some((name) => isNamed(name, fields)));
    if (left.length === before.length) throw new Error(`${cluster} has no ${names.join(', ')}`);
    this.#rows.set(cluster, left);
  }

  /** HSS shows no more than this of a cluster from now on. */
  shows(cluster: string, view: View): void {
    this.#views.set(cluster, { ...this.#views.get(cluster), ...view });
  }

  showsAll(cluster: string): void {
    this.#views.set(cluster, {});
  }

  /** For so many mornings it cannot be told whether what is not shown is gone. */
  doubt(cluster: string, mornings: number): void {
    this.#doubted.set(cluster, this.#nowMs + mornings * dayMs);
  }

  deleted(cluster: string): void {
    this.#rows.delete(cluster);
    this.#world.clusters.delete(cluster);
  }

  leftOut(cluster: string): void {
    this.#world.exclude = [...this.#world.exclude, cluster];
  }

  policy(change: (before: Demands) => Demands): void {
    this.#demands = change(this.#demands);
    this.#world.policy = policyFrom(this.#demands);
  }

  hss(isReachable: boolean): void {
    this.#world.isReachable = isReachable;
  }

  receiver(name: string, isUp: boolean): void {
    const receiver = this.#world.receivers.get(name);
    if (receiver === undefined) throw new Error(name);
    receiver.usual = isUp ? 'accept' : 'refuse';
    if (isUp) this.#down.delete(name);
    else this.#down.add(name);
  }

  /** What went to the dead letters is sent again by hand. */
  async replay(): Promise<void> {
    const { failures } = await replayDeadLetters(this.#world.store, this.#world.receivers, [], this.#nowMs);
    if (failures.length > 0) throw new Error(failures.join('\n'));
    this.#replayed = this.#heard(true);
  }

  async silence(cluster: string, rule: string, until: string, comment: string): Promise<void> {
    const untilMs = morningOf(until);
    const where = `cluster == "${cluster}" && rule == "${rule}"`;
    await addSilence(this.#world.store, { where, author: 'ops', comment, untilMs }, this.#nowMs);
    this.#silences.push({ isOf: (one) => one.cluster === cluster && one.rule.id === rule, untilMs });
  }

  /** All that was remembered is lost. */
  forgets(): void {
    this.#world.store = createMemoryStore();
    this.#known.clear();
  }

  async #morning(what: readonly string[]): Promise<Morning> {
    for (const [name, rows] of this.#rows) {
      const report = reportOf(rows, this.#views.get(name) ?? {});
      this.#world.clusters.set(name, { ...report, scannedAtMs: this.#nowMs - hourMs });
    }
    await this.#world.run(this.#nowMs);
    const said = [...this.#replayed, ...this.#heard(false)];
    this.#replayed = [];
    const names = [...this.#rows.keys()].filter((name) => !this.#world.exclude.includes(name));
    const firstLook = new Set(names.filter((name) => this.#world.isReachable && !this.#known.has(name)));
    for (const name of firstLook) this.#known.add(name);
    const silences = this.#silences.filter(({ untilMs }) => untilMs > this.#nowMs);
    return {
      nowMs: this.#nowMs,
      world: what,
      said,
      broken: names.flatMap((name) => brokenIn(name, this.#rows.get(name) ?? [], this.#demands, this.#nowMs)),
      rows: new Map(names.map((name) => [name, this.#rows.get(name) ?? []])),
      demands: this.#demands,
      clear: new Set(names.filter((name) => this.#isClear(name))),
      firstLook,
      down: new Set(this.#down),
      leftOut: new Set(this.#world.exclude),
      isSilenced: (one) => silences.some(({ isOf }) => isOf(one)),
    };
  }

  #isClear(cluster: string): boolean {
    const { cuts, misses } = this.#views.get(cluster) ?? {};
    const isWhole = cuts === undefined && misses === undefined;
    return isWhole && this.#world.isReachable && this.#nowMs >= (this.#doubted.get(cluster) ?? 0);
  }

  #heard(isReplayed: boolean): Said[] {
    return [...this.#world.receivers].flatMap(([receiver, { accepted }]) => {
      const from = this.#heardUpTo.get(receiver) ?? 0;
      this.#heardUpTo.set(receiver, accepted.length);
      return accepted.slice(from).map((notice) => ({ receiver, notice, isReplayed }));
    });
  }
}

export function morningOf(date: string): number {
  return Date.parse(`${date}T06:00:00Z`);
}

function isNamed(name: string, fields: Row['fields']): boolean {
  return Object.values(fields).includes(name) || `${fields.image}:${fields.image_version}` === name;
}

/** What is told of a cluster's rules, one by one: `prod-eu no-criticals`. */
export function newsIn({ notice }: Said) {
  const clusters = notice.about === 'alerts' ? [notice] : notice.clusters;
  return clusters.flatMap(({ cluster, news }) =>
    news.map((item) => ({
      cluster: cluster.name,
      item,
      name: alertName(cluster.name, item.rule, Object.values(item.group).join(' ')),
      isOver: ['resolved', 'waived', 'regrouped', 'policy-changed'].includes(item.cause),
    })),
  );
}
