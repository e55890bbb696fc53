import { expect, test } from 'vitest';
import type { Finding } from '../../lib/core/report.ts';
import { alertName, type Broken, port, privileged, type Rule, several, vulnerability } from '../support/almanac.ts';
import { dayMs } from '../support/scripted.ts';
import { dateOf, storyOf, tallyTable } from '../support/transcript.ts';
import { type Entry, type Morning, newsIn, Year } from '../support/year.ts';

const criticals: Rule = {
  id: 'no-criticals',
  severity: 'critical',
  on: 'vulnerabilities',
  max: 0,
  yaml: 'min_severity: Critical',
  asksFor: ({ severity }) => severity === 'Critical',
};
const highs: Rule = {
  id: 'few-highs',
  severity: 'high',
  on: 'vulnerabilities',
  max: 3,
  yaml: `where: 'severity == "High"'`,
  asksFor: ({ severity }) => severity === 'High',
};
const mediums: Rule = {
  id: 'medium-budget',
  severity: 'medium',
  on: 'vulnerabilities',
  max: 5,
  per: 'image',
  yaml: `where: 'severity == "Medium"'`,
  asksFor: ({ severity }) => severity === 'Medium',
};
const noPrivileged: Rule = {
  id: 'no-privileged',
  severity: 'high',
  on: 'privileged_containers',
  max: 0,
  yaml: `where: 'status == "running"'`,
  asksFor: ({ status }) => status === 'running',
};
const telnet: Rule = {
  id: 'no-telnet',
  severity: 'low',
  on: 'ports',
  max: 0,
  yaml: `where: 'port == 23', enforce: warn`,
  asksFor: (finding) => finding.port === 23,
};

const glibc = vulnerability('CVE-2026-1040', 'Critical', 'edge/proxy:4.2.0', 'glibc 2.31');
const debug = privileged('debug-shell', 'node-2');

/** What happens in a year, each before the morning's scan. Everything else is a quiet day. */
const calendar: readonly Entry[] = [
  {
    on: '2026-01-05',
    what: 'Portcullis is set up. prod-eu has a Critical in an old image, staging a telnet port and an image over its budget; prod-us is clean.',
    does(year) {
      year.found('prod-eu', vulnerability('CVE-2025-0101', 'Critical', 'legacy/report:0.9.0', 'log4j 2.14.0'));
      year.found('prod-eu', ...several(2, 'CVE-2025-0200', 'High', 'shop/cart:2.1.0'));
      year.found('prod-us', ...several(1, 'CVE-2025-0200', 'High', 'shop/cart:2.1.0'));
      year.found('prod-us', ...several(2, 'CVE-2025-0500', 'Low', 'shop/checkout:1.8.0'));
      year.found('prod-eu', ...several(2, 'CVE-2025-0500', 'Low', 'shop/checkout:1.8.0'));
      year.found('staging', ...several(6, 'CVE-2025-0300', 'Medium', 'shop/search:1.0.0'), port(23, 'old-router'));
    },
  },
  {
    on: '2026-01-12',
    what: 'legacy/report is taken out of prod-eu.',
    does: (year) => year.gone('prod-eu', 'legacy/report'),
  },
  {
    on: '2026-01-19',
    what: 'CVE-2026-1001 (Critical) is disclosed in shop/checkout:1.8.0, which runs in prod-eu and prod-us.',
    does(year) {
      for (const cluster of ['prod-eu', 'prod-us'])
        year.found(cluster, vulnerability('CVE-2026-1001', 'Critical', 'shop/checkout:1.8.0'));
    },
  },
  {
    on: '2026-01-20',
    what: 'prod-us gets shop/checkout:1.8.1, which has it fixed.',
    does: (year) => year.gone('prod-us', 'shop/checkout:1.8.0'),
  },
  {
    on: '2026-01-22',
    what: 'prod-eu gets shop/checkout:1.8.1.',
    does: (year) => year.gone('prod-eu', 'shop/checkout:1.8.0'),
  },
  {
    on: '2026-02-02',
    what: 'prod-us rolls out shop/pay:3.0.0, which brings four High; three are allowed, and one is there already.',
    does: (year) => year.found('prod-us', ...several(4, 'CVE-2025-0600', 'High', 'shop/pay:3.0.0', 'zlib 1.2.11')),
  },
  {
    on: '2026-02-05',
    what: 'shop/pay:3.0.1 has three of them fixed.',
    does(year) {
      year.gone('prod-us', 'shop/pay:3.0.0');
      year.found('prod-us', ...several(1, 'CVE-2025-0603', 'High', 'shop/pay:3.0.1', 'zlib 1.2.12'));
    },
  },
  ...['2026-02-16', '2026-02-18', '2026-02-20', '2026-02-22'].map((on) => ({
    on,
    what: 'A privileged debug-shell runs in staging.',
    does: (year: Year) => year.found('staging', debug),
  })),
  ...['2026-02-17', '2026-02-19', '2026-02-21', '2026-02-23'].map((on) => ({
    on,
    what: 'The debug-shell is stopped.',
    does: (year: Year) => year.gone('staging', 'debug-shell'),
  })),
  {
    on: '2026-03-02',
    what: 'CVE-2026-1040 (Critical) is disclosed in edge/proxy:4.2.0, which runs in prod-eu. There is no fix.',
    does: (year) => year.found('prod-eu', glibc),
  },
  {
    on: '2026-03-04',
    what: 'It is waived until the end of May 4.',
    does: (year) =>
      year.policy((before) => ({
        ...before,
        waivers: [{ id: 'W-glibc', rule: 'no-criticals', vulnerability: 'CVE-2026-1040', to: '2026-05-04' }],
      })),
  },
  {
    on: '2026-03-14',
    what: 'Saturday: HSS cannot be reached.',
    does: (year) => year.hss(false),
  },
  { on: '2026-03-16', what: 'HSS answers again.', does: (year) => year.hss(true) },
  {
    on: '2026-03-23',
    what: 'Four High are disclosed in shop/cart:2.1.0 of prod-us.',
    does: (year) => year.found('prod-us', ...several(4, 'CVE-2026-1200', 'High', 'shop/cart:2.1.0', 'curl 8.1.0')),
  },
  {
    on: '2026-03-24',
    what: 'The report of prod-us counts all its vulnerabilities and lists only those of other images than shop/cart.',
    does: (year) => year.shows('prod-us', { cuts: ({ fields }) => fields.image === 'shop/cart' }),
  },
  {
    on: '2026-03-26',
    what: 'The report of prod-us is whole again, and shop/cart:2.2.0 has the four fixed.',
    does(year) {
      year.showsAll('prod-us');
      year.gone('prod-us', 'shop/cart:2.1.0');
      year.found('prod-us', vulnerability('CVE-2025-0200', 'High', 'shop/cart:2.2.0'));
    },
  },
  {
    on: '2026-04-06',
    what: 'A new cluster, prod-asia, has five High and a privileged vendor agent.',
    does: (year) =>
      year.found(
        'prod-asia',
        ...several(5, 'CVE-2025-0700', 'High', 'edge/ads:7.0.0', 'busybox 1.33.0'),
        privileged('vendor-agent', 'node-1'),
      ),
  },
  {
    on: '2026-04-08',
    what: 'edge/ads:7.1.0 has all five fixed.',
    does: (year) => year.gone('prod-asia', 'edge/ads'),
  },
  {
    on: '2026-04-09',
    what: 'Ops silence no-privileged in prod-asia until April 23: the vendor works on it.',
    does: (year) => year.silence('prod-asia', 'no-privileged', '2026-04-23', 'the vendor works on it'),
  },
  {
    on: '2026-04-15',
    what: 'A second vendor container is privileged.',
    does: (year) => year.found('prod-asia', privileged('vendor-updater', 'node-1')),
  },
  { on: '2026-04-22', what: 'The silence has a day left.', does() {} },
  { on: '2026-04-23', what: 'The silence is over.', does() {} },
  {
    on: '2026-04-27',
    what: 'Both vendor containers run without privileges.',
    does: (year) => year.gone('prod-asia', 'vendor-agent', 'vendor-updater'),
  },
  { on: '2026-05-05', what: 'The waiver of CVE-2026-1040 has expired.', does() {} },
  { on: '2026-05-07', what: 'edge/proxy:4.3.0 has it fixed.', does: (year) => year.gone('prod-eu', 'edge/proxy') },
  {
    on: '2026-05-26',
    what: 'Four High are disclosed in edge/dns:9.1.0 of prod-eu, on the nodes of the second zone.',
    does: (year) => year.found('prod-eu', ...several(4, 'CVE-2026-1500', 'High', 'edge/dns:9.1.0', 'bind 9.16.1')),
  },
  {
    on: '2026-06-01',
    what: 'The agents of the second zone of prod-eu are down: 5 of 12 hosts are looked at, and edge/dns is not.',
    does: (year) => year.shows('prod-eu', { hosts: 5, misses: ({ fields }) => fields.image === 'edge/dns' }),
  },
  { on: '2026-06-03', what: 'The agents are up again.', does: (year) => year.showsAll('prod-eu') },
  { on: '2026-06-05', what: 'edge/dns:9.2.0 has the four fixed.', does: (year) => year.gone('prod-eu', 'edge/dns') },
  {
    on: '2026-07-06',
    what: 'The pager of on-call is down. CVE-2026-2001 (Critical) is disclosed in shop/cart:2.2.0 of prod-us.',
    does(year) {
      year.receiver('oncall', false);
      year.found('prod-us', vulnerability('CVE-2026-2001', 'Critical', 'shop/cart:2.2.0', 'expat 2.4.0'));
    },
  },
  { on: '2026-07-08', what: 'It is the third morning on which the pager takes nothing.', does() {} },
  { on: '2026-07-09', what: 'What the pager was owed first is owed for three days now, and given up.', does() {} },
  {
    on: '2026-07-10',
    what: 'The pager is up again, and ops send again what it did not take.',
    async does(year) {
      year.receiver('oncall', true);
      await year.replay();
    },
  },
  {
    on: '2026-07-13',
    what: 'shop/cart:2.3.0 has it fixed.',
    does(year) {
      year.gone('prod-us', 'shop/cart:2.2.0');
      year.found('prod-us', vulnerability('CVE-2025-0200', 'High', 'shop/cart:2.3.0'));
    },
  },
  {
    on: '2026-08-03',
    what: 'The policy allows no High any more, and does not ask for telnet ports.',
    does: (year) =>
      year.policy((before) => ({
        ...before,
        rules: before.rules.filter(({ id }) => id !== 'no-telnet').map((rule) => (rule === highs ? noHighs : rule)),
      })),
  },
  {
    on: '2026-08-12',
    what: 'prod-eu has its High fixed.',
    does: (year) => year.gone('prod-eu', 'shop/cart:2.1.0'),
  },
  {
    on: '2026-09-07',
    what: 'prod-us is made smaller: 4 hosts of 12 are left, and shop/pay is not among what runs there.',
    does(year) {
      year.shows('prod-us', { hosts: 4 });
      year.doubt('prod-us', 2);
      year.gone('prod-us', 'shop/pay');
      year.gone('prod-us', 'shop/cart');
    },
  },
  { on: '2026-09-09', what: 'It is the third report of so few hosts: they are taken for all there are.', does() {} },
  {
    on: '2026-09-21',
    what: 'The file with the memory of alerts is deleted by mistake.',
    does: (year) => year.forgets(),
  },
  { on: '2026-10-12', what: 'The cluster staging is deleted.', does: (year) => year.deleted('staging') },
  { on: '2026-10-15', what: 'Ops leave staging out by clusters.exclude.', does: (year) => year.leftOut('staging') },
  {
    on: '2026-11-02',
    what: 'CVE-2026-3001 (Critical) is disclosed in edge/vpn:5.0.0 of prod-asia, which nobody owns.',
    does: (year) =>
      year.found('prod-asia', vulnerability('CVE-2026-3001', 'Critical', 'edge/vpn:5.0.0', 'wolfssl 5.1')),
  },
  {
    on: '2026-11-16',
    what: 'CVE-2026-3002 (Critical) is disclosed in it too.',
    does: (year) =>
      year.found('prod-asia', vulnerability('CVE-2026-3002', 'Critical', 'edge/vpn:5.0.0', 'wolfssl 5.1')),
  },
  {
    on: '2026-11-23',
    what: 'In prod-asia edge/ads:8.0.0 and edge/tags:1.0.0 go over their budget of Medium.',
    does: (year) =>
      year.found(
        'prod-asia',
        ...several(6, 'CVE-2026-3100', 'Medium', 'edge/ads:8.0.0', 'lua 5.3.0'),
        ...several(8, 'CVE-2026-3200', 'Medium', 'edge/tags:1.0.0', 'lua 5.3.0'),
      ),
  },
  {
    on: '2026-12-01',
    what: 'edge/ads:8.0.1 has one of its Medium fixed.',
    does(year) {
      year.gone('prod-asia', 'edge/ads:8.0.0');
      year.found('prod-asia', ...several(5, 'CVE-2026-3100', 'Medium', 'edge/ads:8.0.1', 'lua 5.3.1'));
    },
  },
  {
    on: '2026-12-14',
    what: 'edge/vpn:5.1.0 has both Critical fixed.',
    does: (year) => year.gone('prod-asia', 'edge/vpn'),
  },
  {
    on: '2026-12-21',
    what: 'A High is disclosed in shop/checkout:1.8.1 of prod-eu, just before the holidays.',
    does: (year) => year.found('prod-eu', vulnerability('CVE-2026-3500', 'High', 'shop/checkout:1.8.1', 'ffmpeg 6.0')),
  },
];

const noHighs: Rule = { ...highs, max: 0 };

const receivers = { chat: 'summary', oncall: 'summary', auditor: 'baseline' } as const;

const year = new Year({
  from: '2026-01-05',
  to: '2027-01-04',
  receivers,
  routes: [
    { when: 'severity == "critical"', receivers: ['oncall', 'chat', 'auditor'] },
    { receivers: ['chat', 'auditor'] },
  ],
  demands: { rules: [criticals, highs, mediums, noPrivileged, telnet], waivers: [] },
});
const mornings = await year.live(calendar);

test('reads like a story', async () => {
  const text = `${storyOf(mornings)}\n${tallyTable(mornings, Object.keys(receivers))}\n`;

  await expect(text).toMatchFileSnapshot('../fixtures/year.txt');
});

/** Everything that was said of rules on the morning it was true, not as a letter of days ago. */
const told = mornings.flatMap((morning) =>
  morning.said
    .filter(({ isReplayed }) => !isReplayed)
    .flatMap((said) => newsIn(said).map((news) => ({ ...news, receiver: said.receiver, morning }))),
);
const ofRules = told.filter(({ item }) => item.rule !== '');
const when = ({ name, item, morning }: (typeof told)[number]) => `${dateOf(morning.nowMs)} ${item.cause} ${name}`;

test('what is said to fire does, with that many findings, and what is said to be over is', () => {
  expect(ofRules.length).toBeGreaterThan(100);
  for (const one of ofRules) {
    const { morning, name, item, isOver } = one;
    const truth = brokenOn(morning).get(name);
    if (isOver) expect(truth, when(one)).toBeUndefined();
    else if (morning.clear.has(one.cluster)) expect(truth?.count, when(one)).toBe(item.count);
    if (item.cause === 'policy-changed' && !morning.leftOut.has(one.cluster))
      expect(morning.demands.rules.map(({ id }) => id)).not.toContain(item.rule);
  }
});

test('a finding that is said to be gone is, and one that is said to be new was not there the day before', () => {
  const isThere = (morning: Morning | undefined, cluster: string, fields: Finding) =>
    morning?.rows.get(cluster)?.some((row) => isSame(row.fields, fields)) === true;
  let gone = 0;
  for (const one of ofRules) {
    const { morning, cluster, item } = one;
    const before = mornings[mornings.indexOf(morning) - 1];
    for (const { fields } of item.cause === 'resolved' ? item.goneFindings : []) {
      expect(isThere(morning, cluster, fields), when(one)).toBe(false);
      gone++;
    }
    for (const { fields, origin } of item.findings) {
      if (origin === 'disclosed') expect(isThere(before, cluster, fields), when(one)).toBe(false);
    }
  }
  expect(gone).toBeGreaterThan(20);
});

test('what ends or is waived is called so', () => {
  const waived = ofRules.filter(({ item }) => item.cause === 'waived');
  expect([...new Set(waived.map(when))]).toEqual(['Wed 2026-03-04 waived prod-eu no-criticals']);
  const expired = ofRules.filter(({ item }) => item.cause === 'waiver-expired');
  expect([...new Set(expired.map(when))]).toEqual(['Tue 2026-05-05 waiver-expired prod-eu no-criticals']);
});

test('every morning each receiver knows what is broken, and nothing else, as far as it can be known', () => {
  let compared = 0;
  for (const receiver of Object.keys(receivers)) {
    const known = new Set<string>();
    const quiet = new Set<string>();
    for (const morning of mornings) {
      const truth = brokenOn(morning);
      for (const said of morning.said.filter((one) => one.receiver === receiver)) {
        for (const { name, item, isOver } of newsIn(said)) {
          if (item.rule === '') continue;
          if (isOver) known.delete(name);
          else known.add(name);
          quiet.delete(name);
        }
      }
      for (const [name, { cluster }] of truth) {
        const isQuiet = receivers[receiver as keyof typeof receivers] === 'baseline' && morning.firstLook.has(cluster);
        if (isQuiet && !known.has(name)) quiet.add(name);
      }
      for (const name of quiet) if (!truth.has(name)) quiet.delete(name);
      if (morning.down.has(receiver)) continue;
      for (const cluster of morning.clear) {
        const isAsked = ({ rule, ...one }: Broken) =>
          one.cluster === cluster &&
          !morning.isSilenced({ rule, ...one }) &&
          (receiver !== 'oncall' || rule.severity === 'critical');
        const broken = [...truth].filter(([name, one]) => isAsked(one) && !quiet.has(name)).map(([name]) => name);
        const silenced = [...truth].filter(([, one]) => morning.isSilenced(one)).map(([name]) => name);
        const believed = [...known].filter((name) => name.startsWith(`${cluster} `) && !silenced.includes(name));
        expect(believed.sort(), `${receiver} on ${dateOf(morning.nowMs)}`).toEqual(broken.sort());
        compared++;
      }
    }
  }
  expect(compared).toBeGreaterThan(3_000);
});

test('messages are few: of what changed, on the day it did, and reminders that back off', () => {
  const happenings = mornings.reduce((sum, morning, day) => sum + changesOf(morning, mornings[day - 1]), 0);
  // The source, the receiver and the silence begin and end.
  const own = 6;
  for (const receiver of Object.keys(receivers)) {
    const said = mornings.flatMap(({ said: all, world, nowMs }) =>
      all.filter((one) => one.receiver === receiver).map((one) => ({ news: newsIn(one), world, nowMs })),
    );
    const ofChanges = said.filter(({ news }) => news.some(({ item }) => item.cause !== 'reminder'));
    for (const { world, nowMs } of ofChanges) expect(world.length, dateOf(nowMs)).toBeGreaterThan(0);
    expect(ofChanges.length).toBeGreaterThan(10);
    expect(ofChanges.length).toBeLessThanOrEqual(happenings + own);
    expect(said.length - ofChanges.length).toBeLessThanOrEqual(40);
  }
  for (const { name, gaps } of remindersOf('chat')) {
    for (const [i, gap] of gaps.slice(1).entries()) {
      expect(gap, name).toBeGreaterThanOrEqual(Math.min((gaps[i] ?? 0) * 2, (gaps[0] ?? 0) * 8));
    }
  }
});

test('one id is one message', () => {
  const contents = new Map<string, string>();
  let again = 0;
  for (const { receiver, sent } of year.world.receivers.values()) {
    for (const notice of sent) {
      const content = JSON.stringify(newsIn({ receiver, notice, isReplayed: false }).map(({ item }) => item));
      const known = contents.get(notice.id);
      if (known !== undefined) again++;
      expect(known ?? content).toBe(content);
      contents.set(notice.id, content);
    }
  }
  expect(again).toBeGreaterThan(2);
});

function brokenOn({ broken }: Morning): ReadonlyMap<string, Broken> {
  return new Map(broken.map((one) => [alertName(one.cluster, one.rule.id, one.group), one]));
}

function isSame(row: Finding, told: Finding): boolean {
  return ['image', 'image_version', 'vulnerability', 'container', 'port'].every((field) => row[field] === told[field]);
}

/** In how many clusters it is otherwise than the morning before. */
function changesOf(morning: Morning, before: Morning | undefined): number {
  const stateOf = (of: Morning | undefined, cluster: string) =>
    JSON.stringify([
      of?.broken.filter((one) => one.cluster === cluster).map(({ rule, group, count }) => [rule.id, group, count]),
      of?.clear.has(cluster),
      of?.rows.has(cluster),
    ]);
  const clusters = new Set([...morning.rows.keys(), ...(before?.rows.keys() ?? [])]);
  return [...clusters].filter((cluster) => stateOf(morning, cluster) !== stateOf(before, cluster)).length;
}

/** In days, between what was told of an alert and the reminders that followed. */
function remindersOf(receiver: string) {
  const all = new Map<string, { toldMs: number; gaps: number[] }[]>();
  for (const { name, item, morning, ...one } of told) {
    if (one.receiver !== receiver) continue;
    const episodes = all.get(name) ?? [];
    const last = episodes.at(-1);
    if (item.cause === 'reminder' && last !== undefined) {
      last.gaps.push((morning.nowMs - last.toldMs) / dayMs);
      last.toldMs = morning.nowMs;
    } else episodes.push({ toldMs: morning.nowMs, gaps: [] });
    all.set(name, episodes);
  }
  return [...all].flatMap(([name, episodes]) => episodes.map(({ gaps }) => ({ name, gaps })));
}
