import type { Evaluation } from '../core/evaluation.ts';
import { type PagePlace, pageKey, pageLink } from '../core/page-place.ts';
import { pageKeyInState } from './cluster-state.ts';
import type { Followed } from './follow.ts';
import { ObjectError } from './objects.ts';
import type { Clock, Log } from './ports.ts';
import { type StateStore, StoreError } from './state.ts';

/** Where pages are written to. */
export interface PageWriter {
  /** @param key as `pageKey` gives it @throws {ObjectError} */
  write(key: string, page: string): Promise<void>;
  close(): void;
}

export interface Pages extends PageWriter {
  render(evaluation: Evaluation): string;
}

export type OpenPages = (
  place: PagePlace,
  options: { readonly endpoint: string | undefined; readonly clock: Clock; readonly random: () => number },
) => Promise<Pages>;

export interface PageDeskOptions {
  readonly place: PagePlace;
  /** Of the bucket. */
  readonly region: string | undefined;
  /** Undefined: none are written, and messages link to what is there. */
  readonly pages: (() => Promise<Pages>) | undefined;
  readonly store: StateStore;
  readonly log: Log;
}

/**
 * The pages of one run. A page is written once, before the first message that links to it, and what is written is
 * remembered: a message that is sent again links to it too.
 *
 * Whatever goes wrong, the message goes without a link. After the first page that could not be written no other one is
 * tried, so that a place that does not answer holds up a run once.
 */
export class PageDesk {
  readonly #options: PageDeskOptions;
  readonly #links = new Map<string, Promise<string | undefined>>();
  #hasFailed = false;

  constructor(options: PageDeskOptions) {
    this.#options = options;
  }

  /** @returns the URL of the page; undefined: there is none */
  link(source: string, followed: Followed, nowMs: number): Promise<string | undefined> {
    const link = this.#links.get(followed.group) ?? this.#link(source, followed, nowMs);
    this.#links.set(followed.group, link);
    return link;
  }

  async #link(source: string, followed: Followed, nowMs: number): Promise<string | undefined> {
    const { evaluation, head, row, state, group } = followed;
    // Without a report there is nothing to show but what the message says.
    if (head === undefined) return undefined;
    const { reportId, scannedAtMs, policyDigest } = head;
    const { clusterId, clusterName } = row;
    const key = pageKey({ source, clusterId, clusterName, reportId, scannedAtMs, policyDigest });
    const { place, region, store } = this.#options;
    const isThere = state.page?.value.key === key;
    const isNew = evaluation?.seen !== undefined && evaluation.report.id === reportId;
    const isWritten = isNew && (await this.#write(key, evaluation, { source, cluster: clusterName }));
    if (isWritten && !isThere) {
      const record = { key: pageKeyInState, value: { key } };
      // Without it a message that is sent again has no link.
      await store.put(group, record, state.page?.version ?? 0, nowMs).catch(storeFailed);
    }
    return isWritten || isThere ? pageLink(place, key, region) : undefined;
  }

  async #write(key: string, evaluation: Evaluation, of: Readonly<Record<string, unknown>>): Promise<boolean> {
    const { pages: open, log } = this.#options;
    if (open === undefined || this.#hasFailed) return false;
    try {
      const pages = await open();
      await pages.write(key, pages.render(evaluation));
      return true;
    } catch (error) {
      this.#hasFailed = true;
      const reason = error instanceof ObjectError ? error.message : 'it could not be made';
      log('warn', 'page not written: messages of this run go without', { ...of, page: key, reason });
      return false;
    }
  }
}

function storeFailed(error: unknown): undefined {
  if (!(error instanceof StoreError)) throw error;
}
