import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { AlertNews, Notice } from '../../lib/core/notice.ts';
import type { Account } from '../../lib/core/render/slack.ts';
import { renderSlack, renderSlackPlain, type SlackMessage, type SlackPayload } from '../../lib/core/render/slack.ts';
import { hostileAlerts, hostileDigest } from '../fixtures/render/hostile.ts';
import {
  type AlertsNotice,
  alerts,
  blind,
  changes,
  clusterNews,
  type DigestNotice,
  dayMs,
  digest,
  failingReceiver,
  first,
  fixed,
  judgedAgain,
  news,
  newsNotices,
  reminder,
} from '../fixtures/render/news-samples.ts';
import { atMs, vulnerability } from '../fixtures/render/samples.ts';
import { slackProblems } from '../fixtures/render/slack-limits.ts';

test.each(Object.entries(newsNotices))('the whole message: %s', async (name, told) => {
  const { payload } = renderSlack(told);

  expect(slackProblems(payload)).toEqual([]);
  await expect(`${JSON.stringify(payload, null, 2)}\n`).toMatchFileSnapshot(`../fixtures/render/${name}.slack.json`);
});

test.each(Object.entries(newsNotices))('the whole message as text alone: %s', async (name, told) => {
  const { payload } = renderSlackPlain(told, 'invalid_blocks');

  expect(payload.blocks).toBeUndefined();
  expect(slackProblems(payload)).toEqual([]);
  await expect(`${payload.text}\n`).toMatchFileSnapshot(`../fixtures/render/${name}.slack.txt`);
});

function sectionsOf({ payload }: SlackMessage): readonly string[] {
  return payload.blocks?.flatMap((b) => (b.type === 'section' ? [b.text.text] : [])) ?? payload.text.split('\n\n');
}

function headerOf(told: Notice): string {
  const [block] = renderSlack(told).payload.blocks ?? [];
  return block?.type === 'header' ? block.text.text : '';
}

/** The sum of the numbers that a pattern finds in its first group. */
function sum(texts: readonly string[], pattern: RegExp): number {
  const found = texts.map((text) => pattern.exec(text)?.[1] ?? '0');
  return found.reduce((total, n) => total + Number(n.replaceAll(',', '')), 0);
}

/** Without what stands in code spans: those are values of others. */
function ownWords(text: string): string {
  return text.replaceAll(/`[^`\n]*`/g, '`');
}

const goneWords = 'gone or waived|gone|waived or gone|not asked for any more';

/** What a section says of its alert. */
function saidOf(section: string) {
  const lines = ownWords(section).split('\n');
  const gone = new RegExp(`^([\\d,]+) (?:${goneWords})(?:: (.*))?$`);
  const names = lines.flatMap((line) => gone.exec(line)?.[2]?.split('; ') ?? []);
  return {
    rule: /^\S+ \*[^*]+\* `(rule-\d+|[\w-]+)`/u.exec(section)?.[1] ?? '',
    shown: lines.filter((line) => line.startsWith('• ')).length,
    counted:
      sum(lines, /^and ([\d,]+) more(?: reasons?)?$/) +
      sum(lines, /^([\d,]+) not shown here$/) +
      sum(lines, /^There (?:was|were) ([\d,]+) reasons?\.$/),
    gone: sum(lines, gone),
    goneShown: names.filter((name) => !name.startsWith('and ')).length,
    goneCounted: sum(names, /^and ([\d,]+) more$/),
    hasNames: names.length > 0,
  };
}

function changesIn({ rule, findings, omitted, gone, reasons }: AlertNews): number {
  return rule === '' ? reasons.length : findings.length + omitted + gone;
}

function expectAllAlertsTold(message: SlackMessage, told: AlertsNotice): void {
  const { accounts } = message;
  expect(accounts.map(({ alert, total }) => ({ alert, total }))).toEqual(
    told.news.map((item) => ({ alert: item.fingerprint, total: changesIn(item) })),
  );
  for (const { total, shown, counted } of accounts) expect(shown + counted).toBe(total);

  // What the message itself says, section by section, in the order of the news.
  const sections = sectionsOf(message).filter((text) => /^(🔴|🟠|🟡|✅|⚪) \*/u.test(text));
  for (const [i, section] of sections.entries()) {
    const item = told.news[i];
    const said = saidOf(section);
    expect(said.rule).toBe(item?.rule);
    expect(said.shown + said.counted).toBe(
      item?.rule === '' ? item.reasons.length : (item?.findings.length ?? 0) + (item?.omitted ?? 0),
    );
    if (item?.rule !== '') expect(said.gone).toBe(item?.gone);
    if (said.hasNames) expect(said.goneShown + said.goneCounted).toBe(said.gone);
    expect(said.shown + said.goneShown).toBe(accounts[i]?.shown);
  }

  const rest = told.news.slice(sections.length);
  const others = sectionsOf(message).find((text) => /^\*[\d,]+ (?:more )?alerts?: /.test(text)) ?? '';
  const [title = '', ...lines] = ownWords(others).split('\n');
  expect(sum([title], /^\*([\d,]+) /)).toBe(rest.length);
  const findings = rest.filter(({ rule }) => rule !== '').reduce((total, item) => total + changesIn(item), 0);
  const reasons = rest.filter(({ rule }) => rule === '').reduce((total, item) => total + changesIn(item), 0);
  expect(sum([title], /([\d,]+) findings? came or went/)).toBe(findings);
  expect(sum([title], /([\d,]+) reasons?\*$/)).toBe(reasons);
  expect(
    sum(lines, /, ([\d,]+) new\b/) +
      sum(lines, new RegExp(`, ([\\d,]+) (?:${goneWords})$`)) +
      sum(lines, /with ([\d,]+) findings? came or went/),
  ).toBe(findings);
  expect(sum(lines, /: ([\d,]+) reasons?$/) + sum(lines, /^and .*, ([\d,]+) reasons?$/)).toBe(reasons);
  expect(lines.filter((line) => !line.startsWith('and ')).length + sum(lines, /^and ([\d,]+) more with /)).toBe(
    rest.length,
  );
}

function expectAllClustersTold(message: SlackMessage, told: DigestNotice): void {
  const total = (clusters: DigestNotice['clusters']) => clusters.reduce((n, cluster) => n + cluster.news.length, 0);
  const found = (items: readonly AlertNews[]) => items.reduce((n, { rule, count }) => n + (rule === '' ? 0 : count), 0);
  const byId = (accounts: readonly Account[]) =>
    accounts.map((account) => `${account.cluster} ${account.total}`).sort();
  expect(byId(message.accounts)).toEqual(
    told.clusters.map(({ cluster, news: { length } }) => `${cluster.id || cluster.name} ${length}`).sort(),
  );
  for (const account of message.accounts) expect(account.shown + account.counted).toBe(account.total);

  const sections = sectionsOf(message)
    .map((text) => ownWords(text).split('\n'))
    .filter(([, second]) => second?.startsWith('Policy `'));
  for (const [i, lines] of sections.entries()) {
    const shown = lines.filter((line) => line.startsWith('• ')).length;
    const counted = sum(lines, /^and ([\d,]+) more alerts? with /);
    expect({ shown, counted }).toEqual({ shown: message.accounts[i]?.shown, counted: message.accounts[i]?.counted });
  }
  const others = sectionsOf(message).find((text) => /^\*[\d,]+ (?:more )?clusters?: /.test(text)) ?? '';
  const [title = '', ...rest] = ownWords(others).split('\n');
  const none = sectionsOf(message).flatMap((text) => ownWords(text).match(/^Nothing to tell of .*$/m) ?? []);
  const without = (none[0]?.match(/`/g)?.length ?? 0) + sum(none, /, ([\d,]+) more$/);
  expect(sections.length + sum([title], /^\*([\d,]+) /) + without).toBe(told.clusters.length);
  expect(without).toBe(
    told.clusters.filter(({ news, standing }) => news.length + (told.why === 'first' ? standing : 0) === 0).length,
  );
  expect(rest.filter((line) => !line.startsWith('and ')).length + sum(rest, /^and ([\d,]+) more with /)).toBe(
    sum([title], /^\*([\d,]+) /),
  );

  const heads = sections.map(([head = '']) => head);
  const counts = message.accounts.slice(0, sections.length).reduce((n, account) => n + account.total, 0);
  expect(counts + sum([title], /: ([\d,]+) alerts?/)).toBe(total(told.clusters));
  expect(sum(rest, /([\d,]+) alerts?/)).toBe(sum([title], /: ([\d,]+) alerts?/));
  const all = found(told.clusters.flatMap((cluster) => cluster.news));
  expect(sum(heads, /([\d,]+) found/) + sum([title], /([\d,]+) found/)).toBe(all);
  const told1 = sections.map(([, , ...lines]) => sum(lines, /([\d,]+) found/)).reduce((a, b) => a + b, 0);
  expect(told1 + sum(rest, /([\d,]+) found/)).toBe(all);
}

describe.each([
  { name: 'blocks', render: renderSlack },
  { name: 'text alone', render: renderSlackPlain },
])('$name', ({ render }) => {
  test.each([changes, fixed, blind, judgedAgain, failingReceiver])('every finding is named or counted (%#)', (told) => {
    expectAllAlertsTold(render(told), told);
  });

  test.each([first, reminder])('every alert is named or counted (%#)', (told) => {
    expectAllClustersTold(render(told), told);
  });

  test('alerts, whatever the texts: valid, harmless, all told', () => {
    fc.assert(
      fc.property(hostileAlerts, (told) => {
        const message = render(told);

        expect(slackProblems(message.payload)).toEqual([]);
        expectAllAlertsTold(message, told);
      }),
      { numRuns: 80, endOnFailure: true },
    );
  });

  test('digests, whatever the texts: valid, harmless, all told', () => {
    fc.assert(
      fc.property(hostileDigest, (told) => {
        const message = render(told);

        expect(slackProblems(message.payload)).toEqual([]);
        expectAllClustersTold(message, told);
      }),
      { numRuns: 80, endOnFailure: true },
    );
  });

  test('only what is resolved is called resolved, or has a green mark', () => {
    fc.assert(
      fc.property(fc.oneof(hostileAlerts, hostileDigest), (told) => {
        const items = told.about === 'alerts' ? told.news : told.clusters.flatMap((cluster) => cluster.news);
        if (items.some(({ cause }) => cause === 'resolved')) return;

        const message = render(told);
        const lines = [message.payload.text, ...sectionsOf(message)].join('\n').split('\n');
        expect(lines.filter((line) => /resolved|fixed|^\*?(?:• )?(?:✅|🟢)/iu.test(line))).toEqual([]);
      }),
      { numRuns: 60, endOnFailure: true },
    );
  });

  test('a hundred thousand findings of one alert', () => {
    const findings = Array.from({ length: 20 }, (_, i) => vulnerability(i));
    const many = alerts({ news: [news({ findings, omitted: 99_980 })] });
    const message = render(many);

    expect(slackProblems(message.payload)).toEqual([]);
    expectAllAlertsTold(message, many);
    expect(message.accounts).toMatchObject([{ total: 100_000, shown: 5, counted: 99_995 }]);
  });

  test('a reason of any length is told, cut', () => {
    const reasons = Array.from({ length: 9 }, () => ({
      kind: 'report-stale' as const,
      message: 'long '.repeat(1_000),
      rules: ['a'],
    }));
    const { payload } = render(alerts({ news: [news({ rule: '', reasons })] }));

    expect(JSON.stringify(payload)).toMatch(/`report-stale` long long .*…/);
    expect(slackProblems(payload)).toEqual([]);
  });

  test('ten thousand alerts in one cluster, and a thousand clusters', () => {
    const many = alerts({
      news: Array.from({ length: 10_000 }, (_, i) =>
        news({ rule: `rule-${i}`, fingerprint: String(i).padStart(32, '0'), findings: [vulnerability(i)], omitted: 9 }),
      ),
    });
    const wide = digest(
      'first',
      Array.from({ length: 1_000 }, (_, i) =>
        clusterNews({
          cluster: { id: `id-${i}`, name: `cluster-${i}` },
          news: [news({ cause: 'standing', count: i, severity: i === 700 ? 'critical' : 'low' })],
        }),
      ),
    );

    const [message, digested] = [render(many), render(wide)];

    expect(slackProblems(message.payload)).toEqual([]);
    expectAllAlertsTold(message, many);
    expect(slackProblems(digested.payload)).toEqual([]);
    expectAllClustersTold(digested, wide);
    expect(digested.accounts[0]?.cluster).toBe('id-700');
  });
});

test.each([
  { why: 'new', item: news({ count: 3 }), says: '🔴 *new* `a-rule` (high): 3 found, 0 allowed' },
  {
    why: 'grew',
    item: news({ cause: 'worse', before: 12, count: 15, severity: 'low', sinceMs: atMs - 2 * dayMs }),
    says: '🟠 *worse* `a-rule` (low), firing for 2d: 12 → 15 found, 0 allowed',
  },
  {
    why: 'came back',
    item: news({ cause: 'reopened', before: 9, count: 15, waived: 2, sinceMs: atMs - 2 * dayMs }),
    says: '🔴 *reopened* `a-rule` (high), first seen 2d ago: 15 found, 0 allowed, 2 waived',
  },
  {
    why: 'a waiver ran out',
    item: news({ cause: 'waiver-expired', count: 1 }),
    says: '🔴 *back since a waiver expired* `a-rule` (high): 1 found, 0 allowed',
  },
  {
    why: 'still there',
    item: news({ cause: 'reminder', before: 1_500, count: 1_500, sinceMs: atMs - 40 * dayMs }),
    says: '🔴 *still there* `a-rule` (high), firing for 40d: 1,500 found, 0 allowed',
  },
  {
    why: 'fixed',
    item: news({ cause: 'resolved', count: 4, sinceMs: atMs - 9 * dayMs, overMs: atMs }),
    says: '✅ *resolved* `a-rule` (high) after 9d: 4 found before, 0 allowed',
  },
  {
    why: 'waived, not fixed',
    item: news({ cause: 'waived', count: 4, sinceMs: atMs - 9 * dayMs, overMs: atMs }),
    says: '⚪ *waived* `a-rule` (high) after 9d: 4 found before, 0 allowed',
  },
  {
    why: 'the policy changed',
    item: news({ cause: 'policy-changed', count: 4, max: 2, sinceMs: atMs - 9 * dayMs, overMs: atMs }),
    says: '⚪ *no longer watched for* `a-rule` (high) after 9d: 4 found before, 2 allowed',
  },
  {
    why: 'no longer judged',
    item: news({ rule: '', severity: 'critical' }),
    says: '🟡 *cannot be judged* (critical)',
  },
  {
    why: 'judged again',
    item: news({ rule: '', cause: 'resolved', sinceMs: atMs - dayMs, overMs: atMs }),
    says: '✅ *can be judged again* after 24h (high)',
  },
  {
    why: 'one of ourselves',
    item: news({ rule: '', reasons: [{ kind: 'silence-ending', message: 'S-1' }] }),
    says: '🟡 *ends soon* (high)',
  },
])('$why: $says', ({ item, says }) => {
  expect(sectionsOf(renderSlack(alerts({ news: [item] })))[1]?.split('\n')[0]).toBe(says);
});

test('the waivers that ran out are named, as far as there is room', () => {
  const waivers = ['W-12', '<!here>', ...Array.from({ length: 8 }, (_, i) => `${i}`.repeat(64))];
  const item = news({ cause: 'waiver-expired', count: 1, expired: { waivers, omitted: 3 } });

  const { payload } = renderSlack(alerts({ news: [item] }));

  expect(sectionsOf({ payload } as SlackMessage)[1]?.split('\n')[1]).toBe(
    `Expired: \`W-12\`, \`&lt;!here&gt;\`, \`${'0'.repeat(61)}…\`, \`${'1'.repeat(61)}…\`, \`${'2'.repeat(61)}…\` and 8 more`,
  );
  expect(payload.text).toContain(
    `back since a waiver expired (W-12, &lt;!here&gt;, ${'0'.repeat(64)} and 10 more): 1 found`,
  );
});

test.each([
  { told: changes, header: /^🔴 prod-us: 1 new, 2 back, 2 worse, 1 still there, .*, \d+ more$/u },
  { told: fixed, header: /^✅ prod-us: 2 resolved$/ },
  { told: blind, header: /^🟡 prod-us: cannot be judged$/u },
  { told: judgedAgain, header: /^✅ prod-us: can be judged again, 3 more stand$/ },
  {
    told: alerts({ news: [news({ cause: 'resolved' }), news({ cause: 'waived' })] }),
    header: /^⚪ prod-us: 1 waived, 1 resolved$/,
  },
  {
    told: alerts({ news: [news({ rule: '' }), news({ cause: 'resolved' })] }),
    header: /^🟡 .*: cannot be judged, 1 resolved$/u,
  },
  { told: alerts({ news: [news({ rule: '' }), news({})] }), header: /^🔴 .*: cannot be judged, 1 new$/u },
  { told: first, header: /^🔴 First look at 3 clusters: 13 alerts stand$/u },
  { told: reminder, header: /^🔴 Still there: 2 alerts in 1 cluster$/u },
  { told: digest('first', [clusterNews()]), header: /^🔵 First look at 1 cluster: nothing to tell$/u },
])('the header: $header', ({ told, header }) => {
  expect(headerOf(told)).toMatch(header);
});

test('a new finding says whether the image is new or the weakness is', () => {
  const [, , , worse] = sectionsOf(renderSlack(changes));

  expect(worse).toMatch(
    /`CVE-2026-1021` in `openssl 1\.1\.1k` \(newly disclosed\)\n {5}image `.*:1\.21\.0`\n {5}about: /,
  );
  expect(worse).toMatch(
    /`CVE-2026-1022` in `openssl 1\.1\.1k` \(image new to the report\)\n {5}image `.*:2\.0\.0`\n {5}fix: /,
  );
});

test('what is held says so, what stands is counted, what grew unseen is not invented', () => {
  const text = sectionsOf(renderSlack(changes)).join('\n');

  expect(text).toContain('Still as it was: the report looked at much less than the one before: hosts from 12 to 3');
  expect(text).toContain('4 more alerts stand as told');
  expect(text).toContain('Which of them are new is not known.');
  const severity = alerts({ news: [news({ cause: 'worse', before: 3, count: 3 })] });
  expect(sectionsOf(renderSlack(severity))[1]).toContain('Its severity is higher than before.');
});

test('the first digest says what it is, and what comes after', () => {
  const [lead] = sectionsOf(renderSlack(first));

  expect(lead).toMatch(/the first look at these clusters, or the memory of earlier runs was lost/);
  expect(lead).toMatch(/From now on only changes are told/);
  expect(sectionsOf(renderSlack(reminder))[0]).toMatch(/The oldest has fired since 2026-10-14 05:33 UTC, for 41d/);
});

test('news about ourselves does not speak of a cluster, a policy or a pass', () => {
  const text = sectionsOf(renderSlack(failingReceiver)).join('\n');

  expect(text).toContain('This is about Portcullis itself');
  expect(text).not.toMatch(/policy|pass|judged/i);
});

test('no long name crowds what is told out of the header', () => {
  const long = alerts({ cluster: { id: '', name: 'c'.repeat(100_000) }, news: [news({ rule: 'r'.repeat(64) })] });

  expect(headerOf(long)).toMatch(/^🔴 c+…: 1 new$/u);
});

test('the checker of this suite finds what Slack would refuse', () => {
  const section = (text: string): SlackPayload => ({
    text: 'x',
    blocks: [{ type: 'section', text: { type: 'mrkdwn', text, verbatim: true } }],
    unfurl_links: false,
    unfurl_media: false,
  });

  expect(slackProblems(section('fine'))).toEqual([]);
  for (const bad of [
    '',
    'x'.repeat(3_001),
    '<!channel>',
    'a & b',
    '@here',
    '`open',
    '*open',
    '~no~',
    'a\u202eb',
    '\ud83d',
  ]) {
    expect(slackProblems(section(bad)), bad.slice(0, 20)).not.toEqual([]);
  }
  const block = section('x').blocks?.[0];
  expect(slackProblems({ ...section('x'), blocks: block ? Array(51).fill(block) : [] })).not.toEqual([]);
  expect(slackProblems({ ...section('x'), blocks: [] })).not.toEqual([]);
});
