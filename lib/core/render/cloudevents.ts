import type { Notice } from '../notice.ts';
import { attributeText } from './escape.ts';
import { bytesOf, shortName } from './room.ts';
import { documentBytes, renderWebhook, type WebhookDocument } from './webhook.ts';
import { isoTime } from './words.ts';

/** A CloudEvent 1.0 in structured mode. What does not apply is absent. */
export interface CloudEvent {
  readonly specversion: '1.0';
  /** The notice's: with `source`, the same on every attempt and for nothing else. */
  readonly id: string;
  /** `/portcullis/` and the name of the source, percent-encoded. */
  readonly source: string;
  readonly type: WebhookDocument['type'];
  readonly time?: string;
  /** The cluster's name, or its id; absent where it is about several. */
  readonly subject?: string;
  readonly datacontenttype: 'application/json';
  readonly data: WebhookDocument;
}

export const cloudEventType = 'application/cloudevents+json';

/**
 * The notice as an event of at most 64 KiB, in whose document what has no room is counted.
 * @see https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md
 */
export function renderCloudEvent(notice: Notice): CloudEvent {
  const { id, atMs } = notice;
  const time = isoTime(atMs);
  const subject = attributeText(subjectOf(notice), 256);
  const envelope = {
    specversion: '1.0' as const,
    id,
    source: `/portcullis/${encodeURIComponent(shortName(notice.source, 128).toWellFormed())}`,
    ...(time !== null && { time }),
    ...(subject !== '' && { subject }),
    datacontenttype: 'application/json' as const,
  };
  // And the two keys that are not known yet.
  const data = renderWebhook(notice, documentBytes - bytesOf(envelope) - 64);
  return { ...envelope, type: data.type, data };
}

function subjectOf(notice: Notice): string {
  return notice.about === 'alerts' ? notice.cluster.name || notice.cluster.id : '';
}
