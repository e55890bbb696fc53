import { expect, test } from 'vitest';
import { slackProblems } from '../../lib/simulator/receivers.ts';

const mrkdwn = (length: number) => ({ type: 'mrkdwn', text: 'x'.repeat(length) });
const plain = (length: number) => ({ type: 'plain_text', text: 'x'.repeat(length) });
const section = { type: 'section', text: mrkdwn(3_000) };

test('a message at every limit is fine', () => {
  const blocks = [
    { type: 'header', text: { ...plain(150), emoji: false } },
    { type: 'divider' },
    { ...section, block_id: 'a' },
    { type: 'section', fields: Array.from({ length: 10 }, () => ({ ...mrkdwn(2_000), verbatim: true })) },
    { type: 'context', elements: Array.from({ length: 10 }, () => mrkdwn(100)) },
    { type: 'actions', elements: [{ type: 'button', text: plain(75), url: 'https://example.com', style: 'danger' }] },
    { type: 'image', image_url: 'https://example.com/a.png', alt_text: 'a' },
    { type: 'markdown', text: '# a' },
    ...Array.from({ length: 42 }, () => section),
  ];

  expect(slackProblems({ text: 'what happened', blocks })).toEqual([]);
  expect(slackProblems({ text: 'what happened', attachments: [{ color: '#a00', blocks: [section] }] })).toEqual([]);
  expect(slackProblems({ text: 'text alone' })).toEqual([]);
});

test.each([
  { payload: undefined, says: 'payload: no JSON object' },
  { payload: [], says: 'payload: no JSON object' },
  { payload: {}, says: 'text: absent' },
  { payload: { blocks: [section] }, says: 'text: absent' },
  { payload: { text: '' }, says: 'text: empty' },
  { payload: { text: 'x'.repeat(40_001) }, says: 'text: 40001 characters, at most 40000' },
  { payload: { text: 'half \ud83d' }, says: 'text: half a character' },
  { payload: { text: 'a', blocks: {} }, says: 'blocks: no array' },
  {
    payload: { text: 'a', attachments: [{ blocks: [{}] }] },
    says: 'attachments[0].blocks[0].type: unknown: undefined',
  },
])('payload: $says', ({ payload, says }) => {
  expect(slackProblems(payload)).toEqual([says]);
});

test.each([
  { block: null, says: ': no object' },
  { block: { type: 'sections' }, says: '.type: unknown: sections' },
  { block: { type: 'constructor' }, says: '.type: unknown: constructor' },
  { block: { type: 'section' }, says: ': neither text nor fields' },
  { block: { type: 'section', text: 'plain' }, says: '.text: no text object' },
  { block: { type: 'section', text: mrkdwn(3_001) }, says: '.text.text: 3001 characters, at most 3000' },
  { block: { type: 'section', text: mrkdwn(0) }, says: '.text.text: empty' },
  { block: { type: 'section', text: { type: 'mrkdwn', text: '  \n' } }, says: '.text.text: empty' },
  {
    block: { type: 'section', text: { type: 'markdown', text: 'a' } },
    says: '.text.type: markdown, not plain_text or mrkdwn',
  },
  { block: { type: 'section', text: { ...mrkdwn(1), emoji: true } }, says: '.text.emoji: only in plain_text' },
  { block: { type: 'section', text: { ...plain(1), verbatim: true } }, says: '.text.verbatim: only in mrkdwn' },
  { block: { type: 'section', fields: [] }, says: '.fields: empty' },
  { block: { type: 'section', fields: Array(11).fill(mrkdwn(1)) }, says: '.fields: 11 items, at most 10' },
  { block: { type: 'section', fields: [mrkdwn(2_001)] }, says: '.fields[0].text: 2001 characters, at most 2000' },
  { block: { type: 'header', text: plain(151) }, says: '.text.text: 151 characters, at most 150' },
  { block: { type: 'header', text: mrkdwn(1) }, says: '.text.type: mrkdwn, not plain_text' },
  { block: { type: 'context', elements: [] }, says: '.elements: empty' },
  { block: { type: 'context', elements: Array(11).fill(plain(1)) }, says: '.elements: 11 items, at most 10' },
  {
    block: { type: 'context', elements: [{ type: 'image', image_url: 'https://e.com' }] },
    says: '.elements[0].alt_text: no string',
  },
  {
    block: { type: 'actions', elements: [{ type: 'button', text: plain(76) }] },
    says: '.elements[0].text.text: 76 characters, at most 75',
  },
  { block: { type: 'actions', elements: [{ type: 'menu' }] }, says: '.elements[0].type: unknown: menu' },
  { block: { ...section, block_id: 'x'.repeat(256) }, says: '.block_id: 256 characters, at most 255' },
])('block: $says', ({ block, says }) => {
  expect(slackProblems({ text: 'a', blocks: [block] })).toEqual([`blocks[0]${says}`]);
});

test('limits over all blocks', () => {
  const named = { ...section, block_id: 'same' };
  const markdown = { type: 'markdown', text: 'x'.repeat(6_001) };

  expect(slackProblems({ text: 'a', blocks: Array(51).fill(section) })).toEqual(['blocks: 51 items, at most 50']);
  expect(slackProblems({ text: 'a', blocks: [named, named] })).toEqual(['blocks: a block_id is used twice']);
  expect(slackProblems({ text: 'a', blocks: [markdown, markdown] })).toEqual([
    'blocks, all markdown: 12002 characters, at most 12000',
  ]);
});
