/**
 * Slack's documented limits for a message to an incoming webhook. Lengths are counted in UTF-16 units, which never
 * counts less than Slack does.
 *
 * @see Slack, "Block Kit: blocks" and "composition objects: text"
 */
const limits = {
  blocks: 50,
  attachments: 100,
  messageText: 40_000,
  sectionText: 3_000,
  fields: 10,
  fieldText: 2_000,
  headerText: 150,
  contextElements: 10,
  contextText: 3_000,
  actionsElements: 25,
  buttonText: 75,
  markdownText: 12_000,
  altText: 2_000,
  url: 3_000,
  value: 2_000,
  id: 255,
} as const;

type Fields = Readonly<Record<string, unknown>>;

/**
 * Why Slack would not take a payload, each as `path: reason`; empty when it would. Stricter than Slack in one thing:
 * blocks need `text` beside them, since notifications and screen readers have nothing else.
 */
export function slackProblems(payload: unknown): string[] {
  if (!isFields(payload)) return ['payload: no JSON object'];
  const { text, blocks = [], attachments = [] } = payload;
  return [
    ...blocksProblems(blocks, 'blocks'),
    ...listProblems(attachments, 'attachments', { min: 0, max: limits.attachments }, (attachment, at) => {
      if (!isFields(attachment)) return [`${at}: no object`];
      return attachment.blocks === undefined ? [] : blocksProblems(attachment.blocks, `${at}.blocks`);
    }),
    ...(text === undefined ? ['text: absent'] : stringProblems(text, 'text', limits.messageText)),
  ];
}

function blocksProblems(blocks: unknown, path: string): string[] {
  const problems = listProblems(blocks, path, { min: 0, max: limits.blocks }, blockProblems);
  const fields = Array.isArray(blocks) ? blocks.filter(isFields) : [];

  const ids = fields.map((block) => block.block_id).filter((id) => id !== undefined);
  if (new Set(ids).size < ids.length) problems.push(`${path}: a block_id is used twice`);

  const markdown = fields.filter((block) => block.type === 'markdown').map((block) => String(block.text));
  return [...problems, ...lengthProblems(markdown.join(''), `${path}, all markdown`, limits.markdownText)];
}

function blockProblems(block: unknown, path: string): string[] {
  if (!isFields(block)) return [`${path}: no object`];
  const problemsOf = blockTypes.get(String(block.type));
  if (!problemsOf) return [`${path}.type: unknown: ${String(block.type)}`];
  return [...optionalString(block.block_id, `${path}.block_id`, limits.id), ...problemsOf(block, path)];
}

const blockTypes = new Map<string, (block: Fields, path: string) => string[]>([
  ['header', (block, path) => textProblems(block.text, `${path}.text`, limits.headerText, ['plain_text'])],
  ['divider', () => []],
  ['section', sectionProblems],
  ['context', contextProblems],
  ['actions', actionsProblems],
  ['image', imageProblems],
  ['markdown', (block, path) => stringProblems(block.text, `${path}.text`, limits.markdownText)],
]);

function sectionProblems({ text, fields, accessory }: Fields, path: string): string[] {
  if (text === undefined && fields === undefined) return [`${path}: neither text nor fields`];
  return [
    ...(text === undefined ? [] : textProblems(text, `${path}.text`, limits.sectionText)),
    ...(fields === undefined
      ? []
      : listProblems(fields, `${path}.fields`, { min: 1, max: limits.fields }, (field, at) =>
          textProblems(field, at, limits.fieldText),
        )),
    ...(accessory === undefined ? [] : elementProblems(accessory, `${path}.accessory`)),
  ];
}

function contextProblems({ elements }: Fields, path: string): string[] {
  return listProblems(elements, `${path}.elements`, { min: 1, max: limits.contextElements }, (element, at) =>
    isFields(element) && element.type === 'image'
      ? imageProblems(element, at)
      : textProblems(element, at, limits.contextText),
  );
}

function actionsProblems({ elements }: Fields, path: string): string[] {
  return listProblems(elements, `${path}.elements`, { min: 1, max: limits.actionsElements }, elementProblems);
}

/** Of the many elements, those that a message without an app behind it can use. */
function elementProblems(element: unknown, path: string): string[] {
  if (!isFields(element)) return [`${path}: no object`];
  if (element.type === 'image') return imageProblems(element, path);
  if (element.type !== 'button') return [`${path}.type: unknown: ${String(element.type)}`];
  const { text, url, value, action_id, style } = element;
  return [
    ...textProblems(text, `${path}.text`, limits.buttonText, ['plain_text']),
    ...optionalString(url, `${path}.url`, limits.url),
    ...optionalString(value, `${path}.value`, limits.value),
    ...optionalString(action_id, `${path}.action_id`, limits.id),
    ...([undefined, 'primary', 'danger'].includes(style as string) ? [] : [`${path}.style: unknown: ${String(style)}`]),
  ];
}

function imageProblems({ image_url, alt_text, title }: Fields, path: string): string[] {
  return [
    ...stringProblems(image_url, `${path}.image_url`, limits.url),
    ...stringProblems(alt_text, `${path}.alt_text`, limits.altText),
    ...(title === undefined ? [] : textProblems(title, `${path}.title`, limits.altText, ['plain_text'])),
  ];
}

function textProblems(text: unknown, path: string, max: number, types = ['plain_text', 'mrkdwn']): string[] {
  if (!isFields(text)) return [`${path}: no text object`];
  const { type, emoji, verbatim } = text;
  return [
    ...(types.includes(String(type)) ? [] : [`${path}.type: ${String(type)}, not ${types.join(' or ')}`]),
    ...(emoji === undefined || type === 'plain_text' ? [] : [`${path}.emoji: only in plain_text`]),
    ...(verbatim === undefined || type === 'mrkdwn' ? [] : [`${path}.verbatim: only in mrkdwn`]),
    ...stringProblems(text.text, `${path}.text`, max),
  ];
}

function optionalString(value: unknown, path: string, max: number): string[] {
  return value === undefined ? [] : stringProblems(value, path, max);
}

function stringProblems(value: unknown, path: string, max: number): string[] {
  if (typeof value !== 'string') return [`${path}: no string`];
  if (value.trim() === '') return [`${path}: empty`];
  return [...lengthProblems(value, path, max), ...(value.isWellFormed() ? [] : [`${path}: half a character`])];
}

function lengthProblems(text: string, path: string, max: number): string[] {
  return text.length > max ? [`${path}: ${text.length} characters, at most ${max}`] : [];
}

function listProblems(
  list: unknown,
  path: string,
  { min, max }: { readonly min: number; readonly max: number },
  problemsOf: (item: unknown, path: string) => string[],
): string[] {
  if (!Array.isArray(list)) return [`${path}: no array`];
  const items = list.flatMap((item, i) => problemsOf(item, `${path}[${i}]`));
  if (list.length < min) return [`${path}: empty`];
  return list.length > max ? [`${path}: ${list.length} items, at most ${max}`, ...items] : items;
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
