import fc from 'fast-check';
import { micromark } from 'micromark';
import { gfm, gfmHtml } from 'micromark-extension-gfm';
import { describe, expect, test } from 'vitest';
import {
  attributeText,
  commandMessage,
  commandProperty,
  htmlCode,
  jsonText,
  labelText,
  logLine,
  markdownCode,
  markdownText,
  plainText,
  sarifText,
  slackCode,
  slackText,
  terminalText,
  withColon,
  xmlAttribute,
  xmlText,
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

test('a CI system finds no commands in JSON, and a parser the same text', () => {
  const data = {
    '##[a]': ['##[error]x', '###[add-path]/evil', 'a ##vso[task.complete]', '\\##[b]', '## [c]', '#[d]', '##'],
  };
  const text = jsonText(data);

  expect(text).not.toMatch(/##\w*\[/);
  expect(text).toContain('"#\\u0023[error]x"');
  expect(text).toContain('"## [c]","#[d]","##"');
  expect(JSON.parse(text)).toEqual(data);
});

test('JSON says the same, with nothing raw that a terminal obeys', () => {
  const data = { name: 'a\u202eb\x9b2J\x7f\u2028\u{e0041}\ud800é漏🙂' };
  const text = jsonText(data);

  expect(text).toBe('{"name":"a\\u202eb\\u009b2J\\u007f\\u2028\\udb40\\udc41\\ud800é漏🙂"}');
  expect(JSON.parse(text)).toEqual(data);
});

test.each([
  { text: 'openssl 1.1.1k, kube_config', is: 'openssl 1.1.1k, kube_config' },
  { text: '<img src=x> & <!-- a -->', is: '&lt;img src=x&gt; &amp; &lt;!-- a --&gt;' },
  { text: '*a* `b` [c](d) ~e~ _f_ g|h', is: '\\*a\\* \\`b\\` \\[c\\](d) \\~\u2060e\\~ \\_f\\_ g\\|h' },
  { text: 'ask @user or #12, !3 and GH-4', is: 'ask @\u2060user or #\u206012, !\u20603 and GH\u2060-4' },
  { text: 'https://a.b www.c.d :x:', is: 'https:\u2060//a.b www\u2060.c.d :\u2060x:' },
  { text: '# a', is: '\\# a' },
  { text: '- a', is: '\\- a' },
  { text: '12. a', is: '12\\. a' },
  { text: '$a$', is: '&#36;\u2060a&#36;' },
  { text: 'a\\', is: 'a\\\\' },
  { text: 'a\u202eb', is: 'a\\\\u{202e}b' },
])('markdownText: $text', ({ text, is }) => {
  expect(markdownText(text, 100)).toBe(is);
});

test.each([
  { text: 'aaaaa[bcd', max: 7, is: 'aaaaa…' },
  { text: 'aaa\\\\bcd', max: 7, is: 'aaa…' },
  { text: 'aaaaa$bcd', max: 9, is: 'aaaaa…' },
])('markdownText is not cut inside an escape: $text', ({ text, max, is }) => {
  expect(markdownText(text, max)).toBe(is);
});

test('names in code stay as they are, in a table and in HTML too', () => {
  expect(markdownCode('a_*b*|`c` @d', 40)).toBe('`a_*b*∣ˋcˋ @d`');
  expect(markdownCode('', 40)).toBe('`-`');
  expect(htmlCode('a<b>&`c`', 40)).toBe('<code>a&lt;b&gt;&amp;`c`</code>');
  expect(htmlCode('', 40)).toBe('<code>-</code>');
});

test('a message of SARIF has no links that are not ours', () => {
  expect(sarifText('[a](1) [b] (c) {0}', 40)).toBe('[a]\u2060(1) [b] (c) {0}');
});

test('a workflow command has one line, and its properties end where they end', () => {
  expect(commandMessage('100%\r\na:b,c')).toBe('100%25%0D%0Aa:b,c');
  expect(commandProperty('100%\na:b,c')).toBe('100%25%0Aa%3Ab%2Cc');
});

test('XML holds any text', () => {
  expect(xmlText('<a b="c">&amp;\n\0\x1b\ufffe\ud800🙂')).toBe(
    '&lt;a b="c"&gt;&amp;amp;\n\\u{0}\\u{1b}\\u{fffe}\\u{d800}🙂',
  );
  expect(xmlAttribute('"a"\n\tb')).toBe('&quot;a&quot;&#10;&#9;b');
});

describe('whatever the text', () => {
  const targets = { slackText, slackCode, plainText, terminalText };

  test('a reader of Markdown sees what the text says, and nothing else', () => {
    const seen = (markdown: string) =>
      micromark(markdown, { extensions: [gfm()], htmlExtensions: [gfmHtml()] })
        .replace(/^<p>|<\/p>$/g, '')
        .replace(/&(lt|gt|quot|amp);/g, (_, name: string) => entities[name] ?? '');
    const entities: Readonly<Record<string, string>> = { lt: '<', gt: '>', quot: '"', amp: '&' };
    fc.assert(
      fc.property(hostileText, (long) => {
        const text = long.slice(0, 1_000).toWellFormed();
        // Without the joiners, and with the spaces that part what CI systems take for commands.
        const whole = terminalText(text, 1_000_000);

        expect(seen(markdownText(text, 1_000_000)).replaceAll('\u2060', '')).toBe(whole);
        const code = seen(markdownCode(text, 1_000_000));
        expect(code).toBe(`<code>${whole.replaceAll('`', 'ˋ').replaceAll('|', '∣') || '-'}</code>`);
      }),
      { numRuns: 200 },
    );
  });

  test('the new targets stay within their limits', () => {
    fc.assert(
      fc.property(hostileText, fc.integer({ min: 4, max: 300 }), (text, max) => {
        for (const target of [markdownText, markdownCode, sarifText]) {
          const shown = target(text, max);
          expect(shown.length).toBeLessThanOrEqual(max);
          expect(shown).not.toMatch(/[\r\n]/);
          expect(unsafe(shown).filter((problem) => !/bracket|mention/.test(problem))).toEqual([]);
        }
      }),
    );
  });

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
