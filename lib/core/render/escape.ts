/**
 * What a report says, made safe to show: one function per target.
 *
 * Names, descriptions and command lines are written by whoever built the image. No character that cannot be seen or
 * that moves others (controls, bidirectional marks, invisible letters, halves of a pair) survives: it is shown as
 * `\u{1b}`. White space of any kind becomes one space. A cut is marked by `…` and never falls inside a character as
 * a reader sees it. `max` counts UTF-16 units of the result, the mark included.
 */

const spaces = /[\t\n\v\f\r\x85\u2028\u2029 \u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]+/g;

/** Joiners and variation selectors belong to emoji and to several scripts; after ASCII they only deceive. */
const unseen =
  /(?![\p{Join_C}\p{VS}])[\p{Cc}\p{Cf}\p{Cs}\p{DI}\p{NChar}\u2800]|(?<=^|\p{ASCII})[\p{Join_C}\p{VS}](?!\u20e3)/gu;

/** Made when a text beyond ASCII is cut for the first time: it takes longer than all else here. */
let graphemes: Intl.Segmenter | undefined;

/** A longer cluster is no character but an attack (a letter under a thousand accents), and is cut like text. */
const longestGrapheme = 64;

const joiner = '\u2060';

/** For `mrkdwn` in prose: no markup, mention, link, emoji name or code span comes through. */
export function slackText(text: string, max: number): string {
  return shortened(text, max, (seen) =>
    quiet(entities(seen))
      .replaceAll('`', 'ˋ')
      .replaceAll('://', `:${joiner}//`)
      .replace(/(?<![A-Za-z0-9])[*_~]|[*_~](?![A-Za-z0-9])/g, (mark) => lookAlikes[mark] ?? ''),
  );
}

/** For `mrkdwn`: a code span, in which names stay as they are and can be copied. `max` counts the back-ticks. */
export function slackCode(text: string, max: number): string {
  const inside = shortened(text, max - 2, (seen) =>
    entities(seen).replaceAll('`', 'ˋ').replace(broadcasts, `@${joiner}`),
  );
  return `\`${inside || '-'}\``;
}

/** For `mrkdwn`: a link of ours. Nothing in it ends it, or is markup in the words. */
export function slackLink(url: string, words: string): string {
  const safe = url.replaceAll(/[<>|\s]/g, (sign) => encodeURIComponent(sign)).replaceAll('&', '&amp;');
  return `<${safe}|${words}>`;
}

/** For Slack's `plain_text`, which knows no entities: angle brackets are replaced, so no version of it can ping. */
export function plainText(text: string, max: number): string {
  return shortened(text, max, (seen) => quiet(seen).replaceAll('<', '‹').replaceAll('>', '›'));
}

/** A colon after a text that is safe by itself: the two must not make the name of an emoji. */
export function withColon(text: string): string {
  return text.includes(':') ? `${text}${joiner}:` : `${text}:`;
}

/**
 * For the label of a metric or an alert, which is compared with others: a name stays as it is, unless it could call
 * people where the label is shown.
 */
export function labelText(text: string, max: number): string {
  return shortened(text, max, (seen) =>
    seen.replace(broadcasts, `@${joiner}`).replaceAll('<', '‹').replaceAll('>', '›'),
  );
}

/** For the attribute of an event: all of it is seen, and nothing else is changed. */
export function attributeText(text: string, max: number): string {
  return shortened(text, max, (seen) => seen);
}

/** For a terminal or a log. Pass finished lines through `logLine` as well. */
export function terminalText(text: string, max: number): string {
  return shortened(text, max, withoutCommands);
}

/** A line that no CI system takes for a command: GitHub knows `::error::` where a line begins, spaces aside. */
export function logLine(line: string): string {
  return withoutCommands(line).replace(/^(\s*)::/, '$1: :');
}

/** Lines, whatever they are ended by, none of which a CI system takes for a command. */
export function logLines(text: string): string {
  return text
    .split(/\r\n|[\r\n]/)
    .map(logLine)
    .join('\n');
}

/**
 * For Markdown prose as GitHub and GitLab show it: no markup, HTML, link, mention, reference, emoji name or formula comes
 * through, and where a line begins with it, no heading or list.
 */
export function markdownText(text: string, max: number): string {
  return shortened(text, max, (seen) =>
    entities(unlinked(withoutCommands(seen)))
      .replace(/[\\`*[\]|~]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])/g, '\\$&')
      .replace(/^(?:[#+=-]|\d+(?=[.)]))/, (mark) => (/\d/.test(mark) ? `${mark}\\` : `\\${mark}`))
      .replaceAll('$', '&#36;'),
  );
}

/** For Markdown: a code span, also in a table. Names stay as they are and can be copied. `max` counts the back-ticks. */
export function markdownCode(text: string, max: number): string {
  const inside = shortened(text, max - 2, (seen) => withoutCommands(seen).replaceAll('`', 'ˋ').replaceAll('|', '∣'));
  return `\`${inside || '-'}\``;
}

/** For HTML inside Markdown, where a code span means nothing. `max` does not count the tags. */
export function htmlCode(text: string, max: number): string {
  return `<code>${shortened(text, max, (seen) => entities(withoutCommands(seen))) || '-'}</code>`;
}

/** For HTML, as text or inside quotes. `max` does not count what is written as entities. */
export function htmlText(text: string, max: number): Fitted {
  const { text: shown, isCut } = fitted(text, max, withoutCommands);
  return { text: htmlEntities(shown), isCut };
}

/** Nothing of a text is markup, nor ends an attribute in quotes. */
export function htmlEntities(text: string): string {
  return entities(text).replaceAll('"', '&quot;').replaceAll("'", '&#39;');
}

/** For a plain text message of SARIF, in which `[text](target)` is a link. */
export function sarifText(text: string, max: number): string {
  return shortened(text, max, (seen) => withoutCommands(seen).replaceAll('](', `]${joiner}(`));
}

/** A finished text as the message of a workflow command of GitHub. */
export function commandMessage(text: string): string {
  return text.replaceAll('%', '%25').replaceAll('\r', '%0D').replaceAll('\n', '%0A');
}

/** A finished text as the value of a property of a workflow command of GitHub. */
export function commandProperty(text: string): string {
  return commandMessage(text).replaceAll(':', '%3A').replaceAll(',', '%2C');
}

/** A finished text as XML 1.0, inside an element. What XML cannot hold at all is shown as `\u{1b}`. */
export function xmlText(text: string): string {
  return entities(text.replace(/[^\t\n\u0020-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/gu, codePoint));
}

/** A finished text as the value of an XML attribute, in double quotes. */
export function xmlAttribute(text: string): string {
  return xmlText(text).replaceAll('"', '&quot;').replaceAll('\n', '&#10;').replaceAll('\t', '&#9;');
}

/** JSON that says the same to a parser, and shows a person no raw control or invisible character, a CI system no command. */
export function jsonText(value: unknown, indent?: number): string {
  return JSON.stringify(value, null, indent).replace(/[\p{Cf}\p{Zl}\p{Zp}\x7f-\x9f]|(?<=#)#(?=\w*\[)/gu, (c) =>
    Array.from({ length: c.length }, (_, i) => `\\u${c.charCodeAt(i).toString(16).padStart(4, '0')}`).join(''),
  );
}

const lookAlikes: Readonly<Record<string, string>> = { '*': '∗', _: 'ˍ', '~': '∼' };

const broadcasts = /@(?=channel|here|everyone)/gi;

/** Neither a mention nor the name of an emoji; so let no colon follow. */
function quiet(text: string): string {
  return text.replace(broadcasts, `@${joiner}`).replace(/:(?=[\w+'-]+:)/g, `:${joiner}`);
}

/** What GitHub and GitLab make a link or a mention of wherever it stands, even behind a back-slash. */
function unlinked(text: string): string {
  return text
    .replace(/[@#!$%&~^](?=[\w"])|:(?=[\w+'-])/g, `$&${joiner}`)
    .replace(/\bGH-(?=\d)/gi, (prefix) => `${prefix.slice(0, -1)}${joiner}-`)
    .replaceAll('://', `:${joiner}//`)
    .replace(/\bwww\./gi, (prefix) => `${prefix.slice(0, -1)}${joiner}.`);
}

/** `##[error]`, `##vso[` (Azure) and `##teamcity[` are commands wherever they stand. */
function withoutCommands(text: string): string {
  return text.replace(/##(?=\w*\[)/g, '## ');
}

function entities(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}

/** A text made to fit. */
export interface Fitted {
  readonly text: string;
  /** Some of it is not there. */
  readonly isCut: boolean;
}

function shortened(text: string, max: number, neutral: (seen: string) => string): string {
  return fitted(text, max, neutral).text;
}

/** Looks only at as much of the text as can matter: a name may have a hundred thousand characters. */
function fitted(text: string, max: number, neutral: (seen: string) => string): Fitted {
  const enough = max * 4 + 2 * longestGrapheme;
  const whole = text.length <= enough;
  const seen = wholePairs(text, enough).replace(spaces, ' ').trim().replace(unseen, codePoint);
  const result = neutral(seen);
  if (whole && result.length <= max) return { text: result, isCut: false };

  // The last character of a part may be half of one.
  const end = boundary(result, Math.min(whole ? result.length : result.length - 1, max - 1));
  // Half an entity, half an escape, or a mark that meant nothing while a letter followed.
  const kept = result.slice(0, end).replace(/(?:&[a-z#0-9]*|\\?[*_~]+|(?<!\\)(?:\\\\)*\\)$/, '');
  return { text: `${kept.trimEnd()}…`, isCut: true };
}

function codePoint(c: string): string {
  return `\\u{${(c.codePointAt(0) ?? 0).toString(16)}}`;
}

/** The last place at or before `end` where a text may be cut. */
function boundary(text: string, end: number): number {
  if (end >= text.length) return text.length;
  if (/^\p{ASCII}{2}$/u.test(text.slice(end - 1, end + 1))) return end;
  graphemes ??= new Intl.Segmenter('en', { granularity: 'grapheme' });
  const cluster = graphemes.segment(text.slice(0, end + longestGrapheme)).containing(end);
  if (cluster !== undefined && cluster.segment.length < longestGrapheme) return cluster.index;
  return wholePairs(text, end).length;
}

/** The first `end` units, or one less where that would halve a pair. */
function wholePairs(text: string, end: number): string {
  return text.slice(0, /^[\ud800-\udbff][\udc00-\udfff]/.test(text.slice(end - 1, end + 1)) ? end - 1 : end);
}
