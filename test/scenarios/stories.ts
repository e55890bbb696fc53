import type { Finding } from '../../lib/core/report.ts';
import { dayMs, vuls } from '../support/scripted.ts';
import type { Story } from '../support/story.ts';

const shows = (...numbers: number[]) => ({ prod: { findings: { vulnerabilities: vuls(...numbers) } } });
const cluster = (...numbers: number[]) => ({ findings: { vulnerabilities: vuls(...numbers) } });
const hosts = (count: number, ...numbers: number[]) => ({ prod: { ...cluster(...numbers), hosts: count } });
const images = (...rows: readonly (readonly [image: string, ...numbers: number[]])[]) => ({
  prod: {
    findings: {
      vulnerabilities: rows.flatMap(([image, ...numbers]) => vuls(...numbers).map((v) => ({ ...v, image }))),
    },
  },
});
const privileged = (...names: string[]): Finding[] =>
  names.map((container) => ({
    container,
    container_id: 'x',
    status: 'running',
    pod: container,
    host: 'h',
    summary: '',
  }));

const waiver = (expires: string) =>
  `waivers:\n  - {id: W, rule: r, where: 'vulnerability == "CVE-1"', reason: x, owner: y, expires: ${expires}}\n`;
const rule = 'rules:\n  - {id: r, on: vulnerabilities, max: 0}\n';

/** What must be heard of what happens, whatever else happens to the job itself. The first day is 2026-01-05. */
export const stories: readonly Story[] = [
  {
    name: 'an alert is new, worse, resolved, reopened and new again',
    isTimed: true,
    steps: [
      { at: '0d', shows: shows(), hears: [] },
      { at: '1d', shows: shows(1, 2), hears: ['chat: prod new r 2'] },
      { at: '2d', shows: shows(1, 2, 3), hears: ['chat: prod worse r 3'] },
      { at: '3d', shows: shows(1, 2, 4), hears: ['chat: prod worse r 3'] },
      { at: '4d', shows: shows(), hears: ['chat: prod resolved r 3'] },
      { at: '5d', shows: shows(1), hears: ['chat: prod reopened r 1'] },
      { at: '6d', shows: shows(), hears: ['chat: prod resolved r 1'] },
      { at: '15d', shows: shows(5), hears: ['chat: prod new r 1'] },
      { at: '16d', shows: shows(), hears: ['chat: prod resolved r 1'] },
    ],
  },
  {
    name: 'what comes back when it was forgotten is new, or back since a waiver expired',
    isTimed: true,
    memory: 1,
    policy: rule,
    steps: [
      { at: '0d', shows: shows(), hears: [] },
      { at: '1d', shows: shows(1), hears: ['chat: prod new r 1'] },
      { at: '2d', shows: shows(), hears: ['chat: prod resolved r 1'] },
      { at: '40d', shows: shows(2), hears: ['chat: prod new r 1'] },
      { at: '41d', shows: shows(1), hears: ['chat: prod worse r 1'] },
      { at: '42d', shows: shows(1), policy: rule + waiver('2026-04-05'), hears: ['chat: prod waived r 1'] },
      { at: '90d', shows: shows(1), hears: [] },
      { at: '91d', shows: shows(1), hears: ['chat: prod waiver-expired r 1'] },
    ],
  },
  {
    name: 'first looks are told in one message, later ones with what changed',
    steps: [
      {
        at: '0d',
        shows: { a: cluster(1), b: cluster(1, 2), c: cluster() },
        hears: ['digest first chat: a standing r 1', 'digest first chat: b standing r 2'],
      },
      {
        at: '1d',
        shows: { a: cluster(1, 3), d: cluster(1, 2, 3) },
        hears: ['chat: a worse r 2', 'digest first chat: d standing r 3'],
      },
      {
        at: '2d',
        shows: { a: cluster(1, 3), b: cluster(), c: cluster(1), d: cluster(1, 2, 3) },
        hears: ['chat: b resolved r 2', 'chat: c new r 1'],
      },
      {
        at: '3d',
        shows: { a: cluster(), b: cluster(), c: cluster(), d: cluster(1), e: cluster(7), f: cluster(8) },
        hears: [
          'chat: a resolved r 2',
          'chat: c resolved r 1',
          'digest first chat: e standing r 1',
          'digest first chat: f standing r 1',
        ],
      },
    ],
  },
  {
    name: 'each receiver hears of what stands as it asked',
    receivers: { chat: 'all', soc: 'baseline', lake: 'summary' },
    steps: [
      { at: '0d', shows: shows(1), hears: ['chat: prod new r 1', 'digest first lake: prod standing r 1'] },
      {
        at: '1d',
        shows: shows(1, 2),
        hears: ['chat: prod worse r 2', 'soc: prod worse r 2', 'lake: prod worse r 2'],
      },
      {
        at: '2d',
        shows: shows(),
        hears: ['chat: prod resolved r 2', 'soc: prod resolved r 2', 'lake: prod resolved r 2'],
      },
    ],
  },
  {
    name: 'a report that looked at much less ends nothing, until it settles',
    memory: 4,
    steps: [
      { at: '0d', shows: hosts(10), hears: [] },
      { at: '1d', shows: hosts(10, 1), hears: ['chat: prod new r 1'] },
      { at: '2d', shows: hosts(4), hears: ['chat: prod new coverage-dropped'] },
      { at: '3d', shows: hosts(4), hears: [] },
      { at: '4d', shows: hosts(4), hears: ['chat: prod resolved r 1', 'chat: prod resolved coverage-dropped'] },
      { at: '5d', shows: hosts(4, 2), hears: ['chat: prod new r 1'] },
      { at: '6d', shows: hosts(4), hears: ['chat: prod resolved r 1'] },
      { at: '7d', shows: hosts(4), hears: [] },
      { at: '8d', shows: hosts(4), hears: [] },
    ],
  },
  {
    name: 'a report that looked at much less ends nothing either when it is judged again',
    isTimed: true,
    steps: [
      { at: '0d', shows: hosts(10), hears: [] },
      { at: '1d', shows: hosts(10, 1), hears: ['chat: prod new r 1'] },
      { at: '2d', shows: hosts(4), hears: ['chat: prod new coverage-dropped'] },
      { at: '2d1h', policy: rule.replace('}', ', message: Patch}'), hears: [] },
      { at: '2d2h', policy: rule.replace('}', ', message: Patch now}'), hears: [] },
      { at: '3d', shows: hosts(10), hears: ['chat: prod resolved r 1', 'chat: prod resolved coverage-dropped'] },
    ],
  },
  {
    name: 'a report grows old while its alert stands',
    isTimed: true,
    steps: [
      { at: '0d', shows: shows(), hears: [] },
      { at: '1d', shows: shows(1), hears: ['chat: prod new r 1'] },
      { at: '1d12h', hears: [] },
      { at: '2d6h', hears: ['chat: prod new report-stale'] },
      { at: '3d', hears: [] },
      { at: '4d', shows: shows(1, 2), hears: ['chat: prod worse r 2', 'chat: prod resolved report-stale'] },
      { at: '5d', shows: shows(), hears: ['chat: prod resolved r 2'] },
    ],
  },
  {
    name: 'a cluster and then HSS itself are gone for a while',
    isTimed: true,
    steps: [
      { at: '0d', shows: { a: cluster(), b: cluster() }, hears: [] },
      { at: '1d', shows: { a: cluster(1), b: cluster(1) }, hears: ['chat: a new r 1', 'chat: b new r 1'] },
      { at: '1d1h', shows: { b: 'gone' }, hears: ['chat: b new cluster-absent'] },
      { at: '1d2h', hears: [] },
      { at: '1d3h', hss: 'down', hears: ['chat: source prod new source-unreachable'] },
      { at: '1d4h', hears: [] },
      {
        at: '2d',
        hss: 'up',
        shows: { a: cluster(), b: cluster(1) },
        hears: [
          'chat: b resolved cluster-absent',
          'chat: a resolved r 1',
          'chat: source prod resolved source-unreachable',
        ],
      },
      { at: '3d', shows: { b: cluster() }, hears: ['chat: b resolved r 1'] },
    ],
  },
  {
    name: 'alerts go where they are routed',
    receivers: { soc: 'summary', chat: 'summary' },
    routes: [{ when: 'severity == "critical"', receivers: ['soc', 'chat'] }, { receivers: ['chat'] }],
    policy:
      'rules:\n  - {id: r, on: vulnerabilities, max: 0}\n  - {id: p, on: privileged_containers, max: 0, severity: critical}\n',
    steps: [
      { at: '0d', shows: shows(), hears: [] },
      {
        at: '1d',
        shows: { prod: { findings: { vulnerabilities: vuls(1), privileged_containers: privileged('x') } } },
        hears: ['soc: prod new p 1', 'chat: prod new p 1', 'chat: prod new r 1'],
      },
      {
        at: '2d',
        shows: { prod: { findings: { vulnerabilities: vuls(1, 2), privileged_containers: privileged('x', 'y') } } },
        hears: ['soc: prod worse p 2', 'chat: prod worse p 2', 'chat: prod worse r 2'],
      },
      {
        at: '3d',
        shows: { prod: { findings: { vulnerabilities: vuls(1, 2) } } },
        hears: ['soc: prod resolved p 2', 'chat: prod resolved p 2'],
      },
      { at: '4d', shows: shows(), hears: ['chat: prod resolved r 2'] },
    ],
  },
  {
    name: 'each group has an alert of its own',
    policy: 'rules:\n  - {id: r, on: vulnerabilities, max: 1, per: [image]}\n',
    steps: [
      { at: '0d', shows: images(['app', 1], ['db', 1]), hears: [] },
      { at: '1d', shows: images(['app', 1, 2], ['db', 1]), hears: ['chat: prod new r(app) 2'] },
      {
        at: '2d',
        shows: images(['app', 1, 2, 3], ['db', 1, 2], ['web', 1, 2, 3, 4]),
        hears: ['chat: prod new r(web) 4', 'chat: prod new r(db) 2', 'chat: prod worse r(app) 3'],
      },
      {
        at: '3d',
        shows: images(['app', 1], ['web', 1, 2, 3, 4]),
        hears: ['chat: prod resolved r(app) 3', 'chat: prod resolved r(db) 2'],
      },
      {
        at: '4d',
        shows: images(['app', 1, 2], ['web', 1]),
        hears: ['chat: prod reopened r(app) 2', 'chat: prod resolved r(web) 4'],
      },
    ],
  },
  {
    name: 'a waiver ends what fires, and expires',
    isTimed: true,
    steps: [
      { at: '0d', shows: shows(), hears: [] },
      { at: '1d', shows: shows(1), hears: ['chat: prod new r 1'] },
      { at: '2d', shows: shows(1), policy: rule + waiver('2026-01-08'), hears: ['chat: prod waived r 1'] },
      { at: '3d', shows: shows(1), hears: [] },
      { at: '4d', shows: shows(1), hears: ['chat: prod waiver-expired r 1'] },
      { at: '5d', shows: shows(), hears: ['chat: prod resolved r 1'] },
    ],
  },
  {
    name: 'the policy changes',
    isTimed: true,
    policy: 'rules:\n  - {id: r, on: vulnerabilities, max: 0}\n  - {id: s, on: privileged_containers, max: 5}\n',
    steps: [
      { at: '0d', shows: shows(), hears: [] },
      {
        at: '1d',
        shows: { prod: { findings: { vulnerabilities: vuls(1), privileged_containers: privileged('x', 'y') } } },
        hears: ['chat: prod new r 1'],
      },
      {
        at: '1d2h',
        policy: 'rules:\n  - {id: r, on: vulnerabilities, max: 0}\n  - {id: s, on: privileged_containers, max: 1}\n',
        hears: ['chat: prod new s 2'],
      },
      {
        at: '1d4h',
        policy: 'rules:\n  - {id: s, on: privileged_containers, max: 1}\n',
        hears: ['chat: prod policy-changed r 1'],
      },
      { at: '2d', shows: shows(1), hears: ['chat: prod resolved s 2'] },
    ],
  },
  {
    name: 'what stands is told again, less and less often, in one message',
    isTimed: true,
    steps: [
      { at: '0d', shows: { a: cluster(), b: cluster() }, hears: [] },
      { at: '1d', shows: { a: cluster(1), b: cluster(2) }, hears: ['chat: a new r 1', 'chat: b new r 1'] },
      { at: '2d', shows: { a: cluster(1), b: cluster(2) }, hears: [] },
      {
        at: '4d1h',
        shows: { a: cluster(1), b: cluster(2) },
        hears: ['digest reminder chat: a reminder r 1', 'digest reminder chat: b reminder r 1'],
      },
      { at: '5d', shows: { a: cluster(1), b: cluster(2) }, hears: [] },
      { at: '7d4h', shows: { a: cluster(1), b: cluster(2, 3) }, hears: ['chat: b worse r 2'] },
      { at: '10d3h', shows: { a: cluster(1), b: cluster(2, 3) }, hears: ['digest reminder chat: a reminder r 1'] },
      { at: '10d5h', hears: ['digest reminder chat: b reminder r 2'] },
      { at: '11d', shows: { a: cluster(), b: cluster() }, hears: ['chat: a resolved r 1', 'chat: b resolved r 2'] },
    ],
  },
  {
    name: 'a silence mutes, and what it muted speaks when it ends',
    isTimed: true,
    steps: [
      { at: '0d', shows: { a: cluster(), b: cluster() }, hears: [] },
      { at: '1d', shows: { a: cluster(1), b: cluster(1) }, hears: ['chat: a new r 1', 'chat: b new r 1'] },
      {
        at: '2d',
        silence: { id: 'S-1', where: 'cluster == "a"', until: '5d' },
        shows: { a: cluster(1, 2), b: cluster(1, 2) },
        hears: ['chat: b worse r 2'],
      },
      { at: '3d', shows: { a: cluster(1, 2), b: cluster() }, hears: ['chat: b resolved r 2'] },
      { at: '4d6h', shows: { a: cluster(1, 2), b: cluster() }, hears: ['chat: silence S-1 new silence-ending'] },
      {
        at: '5d1h',
        shows: { a: cluster(1, 2), b: cluster() },
        hears: ['chat: a worse r 2', 'chat: silence S-1 resolved silence-ending'],
      },
      { at: '6d', shows: { a: cluster(), b: cluster() }, hears: ['chat: a resolved r 2'] },
    ],
  },
  {
    name: 'what was told before a silence and still fires is told when it ends',
    isTimed: true,
    steps: [
      { at: '0d', shows: shows(), hears: [] },
      { at: '1d', shows: shows(1), hears: ['chat: prod new r 1'] },
      {
        at: '1d1h',
        silence: { id: 'S-1', where: 'cluster == "prod"', until: '2d' },
        hears: ['chat: silence S-1 new silence-ending'],
      },
      {
        at: '2d',
        shows: shows(1),
        hears: ['digest reminder chat: prod reminder r 1', 'chat: silence S-1 resolved silence-ending'],
      },
      { at: '3d', shows: shows(1), hears: [] },
    ],
  },
  {
    name: 'an alert comes and goes under a silence, another one ends under it',
    isTimed: true,
    steps: [
      { at: '0d', shows: { a: cluster(), b: cluster() }, hears: [] },
      { at: '1d', shows: { a: cluster(), b: cluster(1) }, hears: ['chat: b new r 1'] },
      {
        at: '2d',
        silence: { id: 'S-1', where: 'rule == "r"', until: '5d' },
        shows: { a: cluster(1), b: cluster(1) },
        hears: [],
      },
      { at: '3d', shows: { a: cluster(), b: cluster() }, hears: [] },
      { at: '5d1h', shows: { a: cluster(), b: cluster() }, hears: ['chat: b resolved r 1'] },
      { at: '6d', shows: { a: cluster(1), b: cluster() }, hears: ['chat: a new r 1'] },
    ],
  },
  {
    name: 'a receiver is down, and the others hear of it',
    isTimed: true,
    receivers: { chat: 'summary', soc: 'summary' },
    countsRuns: true,
    steps: [
      { at: '0d', shows: shows(), hears: [] },
      { at: '1d', shows: shows(1), down: ['soc'], hears: ['chat: prod new r 1'] },
      { at: '1d1h', down: ['soc'], hears: [] },
      { at: '1d2h', down: ['soc'], hears: ['chat: receiver soc new receiver-failing'] },
      { at: '1d3h', down: ['soc'], hears: [] },
      { at: '1d4h', down: ['soc'], hears: [] },
      { at: '1d5h', hears: ['chat: receiver soc resolved receiver-failing', 'soc: prod new r 1'] },
      { at: '2d', shows: shows(), hears: ['chat: prod resolved r 1', 'soc: prod resolved r 1'] },
    ],
  },
  {
    name: 'an alert comes and goes while a receiver is down',
    receivers: { chat: 'summary', soc: 'summary' },
    options: { failingAfterRuns: 100, owedForMs: 30 * dayMs },
    steps: [
      { at: '0d', shows: shows(), hears: [] },
      { at: '1d', shows: shows(1), down: ['soc'], hears: ['chat: prod new r 1'] },
      { at: '2d', shows: shows(1, 2), down: ['soc'], hears: ['chat: prod worse r 2'] },
      { at: '3d', shows: shows(), hears: ['chat: prod resolved r 2', 'soc: prod resolved r 2'] },
      { at: '4d', shows: shows(3), hears: ['chat: prod new r 1', 'soc: prod new r 1'] },
    ],
  },
  {
    name: 'one cluster that a receiver takes no message about keeps back none of the others of a digest',
    isTimed: true,
    steps: [
      {
        at: '0d',
        shows: { a: cluster(1), b: cluster(2), c: cluster(3) },
        faults: ['b'],
        hears: ['digest first chat: a standing r 1', 'digest first chat: c standing r 1'],
      },
      { at: '0d1h', hears: ['digest first chat: b standing r 1'] },
      {
        at: '1d',
        shows: { a: cluster(), b: cluster(), c: cluster() },
        faults: ['a'],
        hears: ['chat: b resolved r 1', 'chat: c resolved r 1'],
      },
      { at: '1d1h', hears: ['chat: a resolved r 1'] },
    ],
  },
];
