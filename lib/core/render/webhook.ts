import type { Notice } from '../notice.ts';
import { bytesOf, roomOf, shortName } from './room.ts';
import { alertsPart, digestPart } from './webhook-news.ts';
import type { WebhookDocument } from './webhook-schema.ts';
import { isoTime } from './words.ts';

export type { WebhookDocument } from './webhook-schema.ts';

/** What every intermediary of a CloudEvent must forward, and as much as many receivers of webhooks take. */
export const documentBytes = 64 * 1024;

/**
 * The notice as a document in which what has no room is counted.
 * @param maxBytes of JSON
 */
export function renderWebhook(notice: Notice, maxBytes = documentBytes): WebhookDocument {
  const { id, atMs } = notice;
  const head = { version: 1 as const, id, at: isoTime(atMs), source: shortName(notice.source) };
  // The braces, the keys and the numbers that are not known yet.
  const room = roomOf(maxBytes - bytesOf(head) - 512);

  return notice.about === 'alerts'
    ? {
        ...head,
        type: 'portcullis.alerts',
        ...(notice.isFirstLook && { first_look: true }),
        ...alertsPart(notice, room),
      }
    : { ...head, type: 'portcullis.digest', ...digestPart(notice, room) };
}
