import type { Notice } from '../notice.ts';
import { plainText, slackCode, slackText } from './escape.ts';
import { alertsContent } from './slack-alerts.ts';
import { digestContent } from './slack-digest.ts';
import { type Account, type Content, limits } from './slack-parts.ts';

export type { Account } from './slack-parts.ts';

interface PlainText {
  type: 'plain_text';
  text: string;
  emoji: boolean;
}

/** `verbatim`: Slack makes no links or mentions out of plain words. */
interface Mrkdwn {
  type: 'mrkdwn';
  text: string;
  verbatim: true;
}

export type SlackBlock =
  | { type: 'header'; text: PlainText }
  | { type: 'section'; text: Mrkdwn }
  | { type: 'context'; elements: Mrkdwn[] };

export interface SlackPayload {
  /** What notifications and screen readers tell; the whole message where there are no blocks. */
  text: string;
  blocks?: SlackBlock[];
  unfurl_links: false;
  unfurl_media: false;
}

export interface SlackMessage {
  readonly payload: SlackPayload;
  readonly accounts: readonly Account[];
}

/** Leaves room below 3,000 for what is added: empty lines and why there are no blocks. */
const plainBudget = 2_600;

/** Block Kit, with a text beside it. */
export function renderSlack(notice: Notice): SlackMessage {
  const { title, headlines, sections, footer, accounts } = contentOf(notice, limits.text);
  return {
    payload: {
      text: [title((name) => slackText(name, 80)), ...headlines].join('\n'),
      blocks: [
        { type: 'header', text: { type: 'plain_text', text: title((name) => plainText(name, 36)), emoji: true } },
        ...sections.map((text): SlackBlock => ({ type: 'section', text: mrkdwn(text) })),
        { type: 'context', elements: footer.map(mrkdwn) },
      ],
      unfurl_links: false,
      unfurl_media: false,
    },
    accounts,
  };
}

/**
 * The same as text alone, within 3,000 characters, for when Slack refuses the blocks.
 *
 * @param refusal Slack's word for why, which the message then tells
 */
export function renderSlackPlain(notice: Notice, refusal?: string): SlackMessage {
  const { title, sections, footer, accounts } = contentOf(notice, plainBudget);
  const why = refusal === undefined ? [] : [`_Slack refused the full message: ${slackCode(refusal, 60)}_`];
  return {
    payload: {
      text: [`*${title((name) => slackText(name, 80))}*`, ...sections, ...footer, ...why].join('\n\n'),
      unfurl_links: false,
      unfurl_media: false,
    },
    accounts,
  };
}

/** @param budget characters of all texts together */
function contentOf(notice: Notice, budget: number): Content {
  return notice.about === 'alerts' ? alertsContent(notice, budget) : digestContent(notice, budget);
}

function mrkdwn(text: string): Mrkdwn {
  return { type: 'mrkdwn', text, verbatim: true };
}
