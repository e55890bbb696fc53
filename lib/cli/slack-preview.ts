import { styleText } from 'node:util';
import type { SlackBlock, SlackPayload } from '../core/render/slack.ts';

/** A Slack message about as a person sees it, for a terminal. */
export function slackPreview(payload: SlackPayload, colour: boolean): string {
  const paint = (style: Parameters<typeof styleText>[0], text: string) =>
    colour ? styleText(style, text, { validateStream: false }) : text;
  const mrkdwn = (text: string) =>
    text
      .replaceAll(/(?<![\w*])\*([^*\n]+)\*(?![\w*])/g, (_, bold: string) => paint('bold', bold))
      .replaceAll(/`([^`\n]+)`/g, (_, code: string) => paint('cyan', code))
      .replaceAll('&lt;', '<')
      .replaceAll('&gt;', '>')
      .replaceAll('&amp;', '&');
  const block = (one: SlackBlock): string => {
    switch (one.type) {
      case 'header':
        return paint('bold', one.text.text);
      case 'section':
        return mrkdwn(one.text.text);
      case 'context':
        return one.elements.map((element) => paint('dim', mrkdwn(element.text))).join('\n');
    }
  };
  const text = payload.blocks?.map(block).join('\n\n') ?? mrkdwn(payload.text);
  const bar = paint('dim', '│');
  return `${text
    .split('\n')
    .map((line) => `${bar} ${line}`.trimEnd())
    .join('\n')}\n`;
}
