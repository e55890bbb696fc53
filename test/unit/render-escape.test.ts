import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  attributeText,
  jsonText,
  labelText,
  logLine,
  plainText,
  slackCode,
  slackText,
  terminalText,
  withColon,
} from '../../lib/core/render/escape.ts';
import { hostileText } from '../fixtures/render/hostile.ts';
import { unsafe } from '../fixtures/render/slack-limits.ts';

const family = '👩‍👩‍👧‍👦';

const told = [
  { text: 'openssl 1.1.1k', is: 'openssl 1.1.1k' },
  { text: '<!channel> & <@U1>', is: '&lt;!channel&gt; &amp; &lt;@U1&gt;' },
  { text: 'ask @here or @Channel', is: 'ask @\u2060here or @\u2060Channel' },
  { text: 'app@sha256:0123', is: 'app@sha256:0123' },
  { text: 'run `id`', is: 'run ˋidˋ' },
  { text: '*fixed* ~not~ _really_', is: '∗fixed∗ ∼not∼ ˍreallyˍ' },
  { text: 'kube_config and 2*3', is: 'kube_config and 2*3' },
  { text: ':white_check_mark: all good', is: ':\u2060white_check_mark: all good' },
  { text: 'see https://evil.example', is: 'see https:\u2060//evil.example' },
  { text: 'one\r\n\ttwo\u2028three', is: 'one two three' },
  { text: 'a\u202eb\x1b[0m\u200b', is: 'a\\u{202e}b\\u{1b}[0m\\u{200b}' },
  { text: 'half \ud83d', is: 'half \\u{d83d}' },
  { text: `${family} 1️⃣ نامه‌ای`, is: `${family} 1️⃣ نامه‌ای` },
  { text: 'a\ufff9b\ufe0fc', is: 'a\\u{fff9}b\\u{fe0f}c' },
  { text: 'pass\u200dword', is: 'pass\\u{200d}word' },
];

test.each(told.map((row) => ({ ...row, name: JSON.stringify(row.text) })))('slackText: $name', ({ text, is }) => {
  expect(slackText(text, 100)).toBe(is);
});

test.each([
  { why: 'fits', text: 'abcdef', max: 6, is: 'abcdef' },
  { why: 'a letter too many', text: 'abcdefg', max: 6, is: 'abcde…' },
  { why: 'an entity is not split', text: 'abc<def', max: 6, is: 'abc…' },
  { why: 'an emoji is not split', text: `ab${family}`, max: 6, is: 'ab…' },
  { why: 'nor a pair', text: 'abcd🙂🙂', max: 6, is: 'abcd…' },
  { why: 'nor a flag', text: 'abc🇩🇪🇫🇷', max: 10, is: 'abc🇩🇪…' },
  { why: 'no mark is left open', text: 'abcd*efg', max: 6, is: 'abcd…' },
  { why: 'nor a mention made', text: '@heresy and more', max: 7, is: '@\u2060here…' },
  { why: 'no space before the mark', text: 'abcd efgh', max: 6, is: 'abcd…' },
  {
    why: 'a letter under too many accents is cut',
    text: `z${'\u0301'.repeat(200)}`,
    max: 5,
    is: 'z\u0301\u0301\u0301…',
  },
])('a cut: $why', ({ text, max, is }) => {
  expect(slackText(text, max)).toBe(is);
});

test('a code span keeps names as they are, and cannot be closed or left empty', () => {
  expect(slackCode('kube_*_config:1:2', 40)).toBe('`kube_*_config:1:2`');
  expect(slackCode('a` *b* `c', 40)).toBe('`aˋ *b* ˋc`');
  expect(slackCode('', 40)).toBe('`-`');
  expect(slackCode('x'.repeat(100), 10)).toBe(`\`${'x'.repeat(7)}…\``);
});

test('plain text has no entities and no angle brackets', () => {
  expect(plainText('<!channel> & @here', 40)).toBe('‹!channel› & @\u2060here');
});

test('a CI system finds no commands in a log', () => {
  expect(logLine('  ::error::gone')).toBe('  : :error::gone');
  expect(logLine('std::vector ::1')).toBe('std::vector ::1');
  expect(terminalText('x ##[error]y ##vso[task]z ##teamcity[a] ## [b]', 80)).toBe(
    'x ## [error]y ## vso[task]z ## teamcity[a] ## [b]',
  );
});

test('JSON says the same, with nothing raw that a terminal obeys', () => {
  const data = { name: 'a\u202eb\x9b2J\x7f\u2028\u{e0041}\ud800é漏🙂' };
  const text = jsonText(data);

  expect(text).toBe('{"name":"a\\u202eb\\u009b2J\\u007f\\u2028\\udb40\\udc41\\ud800é漏🙂"}');
  expect(JSON.parse(text)).toEqual(data);
});

describe('whatever the text', () => {
  const targets = { slackText, slackCode, plainText, terminalText };

  test.each(Object.keys(targets) as (keyof typeof targets)[])('%s stays within its limit and harmless', (name) => {
    fc.assert(
      fc.property(hostileText, fc.integer({ min: 4, max: 300 }), (text, max) => {
        const shown = targets[name](text, max);

        expect(shown.length).toBeLessThanOrEqual(max);
        expect(shown).not.toMatch(/\n/);
        const problems = unsafe(shown);
        expect(name === 'terminalText' ? problems.filter((p) => !/bracket|mention/.test(p)) : problems).toEqual([]);
      }),
    );
  });

  test('a cut leaves whole entities and whole characters', () => {
    fc.assert(
      fc.property(hostileText, fc.integer({ min: 70, max: 300 }), (text, max) => {
        const whole = terminalText(text, Number.MAX_SAFE_INTEGER);
        const cut = terminalText(text, max);
        if (cut === whole) return;

        const kept = cut.slice(0, -1);
        expect(cut.endsWith('…')).toBe(true);
        expect(whole.startsWith(kept)).toBe(true);
        const parts = [...new Intl.Segmenter('en', { granularity: 'grapheme' }).segment(whole.slice(0, max + 300))];
        const ends = parts.map(({ index }) => index);
        const inside = parts.find(({ index, segment }) => index < kept.length && kept.length < index + segment.length);
        // A space at the end of what was kept is dropped; only clusters of absurd length are cut.
        expect([0, ...ends].includes(kept.length) || (inside?.segment.length ?? 0) >= 64).toBe(true);
        expect(slackText(text, max)).not.toMatch(/&(?!amp;|lt;|gt;)/);
      }),
    );
  });
});

test.each([
  { text: 'registry:5000/app_1@sha256:0123', label: 'registry:5000/app_1@sha256:0123' },
  { text: '*a* ~b~ `c` :wave: d', label: '*a* ~b~ `c` :wave: d' },
  { text: '<!here> @channel', label: '‹!here› @\u2060channel' },
  { text: 'a\n\u202eb', label: 'a \\u{202e}b' },
])('labelText changes only what may call people or cannot be seen: $label', ({ text, label }) => {
  expect(labelText(text, 100)).toBe(label);
});

test('attributeText changes only what cannot be seen', () => {
  expect(attributeText('<a> @here\0\ufffe \ud83d', 100)).toBe('<a> @here\\u{0}\\u{fffe} \\u{d83d}');
  expect(attributeText('x'.repeat(100), 10)).toBe(`${'x'.repeat(9)}…`);
});

test('a colon after a name does not make an emoji of it', () => {
  expect(withColon('prod-us')).toBe('prod-us:');
  expect(withColon(plainText('::error::gone', 50))).not.toMatch(/:[\w+-]+:/);
});
