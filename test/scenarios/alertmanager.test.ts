import fc from 'fast-check';
import { expect, test } from 'vitest';
import { renderAlertmanager } from '../../lib/core/render/alertmanager.ts';
import type { RuleSeverity } from '../../lib/core/severity.ts';
import { policyOf } from '../support/evaluate.ts';
import {
  dayMs,
  hourMs,
  type ScriptedAnswer,
  type ScriptedOptions,
  scripted,
  startMs,
  vuls,
} from '../support/scripted.ts';

const rule = (severity: string) => `rules:\n  - {id: r, on: vulnerabilities, max: 0, severity: ${severity}}\n`;

/** An Alertmanager that is sent everything, a day between two runs, and what fires there after each. */
function watched(options: ScriptedOptions = {}) {
  const world = scripted({ receivers: { am: 'summary' }, reposts: ['am'], ...options });
  const am = world.receivers.get('am');
  if (am === undefined) throw new Error('no receiver');
  const firing = new Map<string, string>();
  let nowMs = startMs;
  return {
    world,
    am,
    /** @param after days */
    async run(cluster: { readonly rows?: readonly number[]; readonly reported?: number } | undefined, after = 1) {
      nowMs += after * dayMs;
      const { rows = [], ...more } = cluster ?? {};
      const findings = { vulnerabilities: vuls(...rows), ports: [] };
      if (cluster !== undefined) world.clusters.set('prod', { findings, scannedAtMs: nowMs - hourMs, ...more });
      await world.run(nowMs);
      for (const { labels, endsAt } of am.accepted
        .splice(0)
        .flatMap((notice) => renderAlertmanager(notice, nowMs + 365 * dayMs))) {
        // The labels are the identity.
        const key = JSON.stringify(labels);
        if (Date.parse(endsAt) > nowMs) firing.set(key, `${labels.rule ?? 'undetermined'} ${labels.severity}`);
        else firing.delete(key);
      }
      return [...firing.values()].sort();
    },
  };
}

test('a cluster that cannot be judged fires by the worst that it hides, and as nothing else', async () => {
  const low = '  - {id: r, on: vulnerabilities, max: 0, severity: low, where: \'package == "x"\'}\n';
  const { run } = watched({ policy: `rules:\n${low}  - {id: p, on: ports, max: 0, severity: critical}\n` });

  expect(await run({})).toEqual([]);
  expect(await run(undefined, 3)).toEqual(['undetermined critical']);
  expect(await run({ reported: 5 })).toEqual(['undetermined low']);
  expect(await run(undefined, 3)).toEqual(['undetermined critical']);
  expect(await run({})).toEqual([]);
});

test('an alert whose rule has another severity fires under that one only, and ends under both where neither end was told', async () => {
  const { run, world, am } = watched({ policy: rule('critical') });

  await run({});
  expect(await run({ rows: [1] })).toEqual(['r critical']);
  world.policy = policyOf(rule('low'));
  expect(await run({ rows: [1] })).toEqual(['r low']);
  world.policy = policyOf(rule('high'));
  am.usual = 'refuse';
  expect(await run({ rows: [1, 2] })).toEqual(['r low']);
  am.usual = 'accept';
  expect(await run({})).toEqual([]);
});

test('what is worse and told elsewhere ends under the severity that was told here', async () => {
  const routes = [{ when: 'transition == "new"', receivers: ['am'] }, { receivers: ['chat'] }];
  const { run, world } = watched({ policy: rule('low'), receivers: { am: 'summary', chat: 'summary' }, routes });

  await run({});
  expect(await run({ rows: [1] })).toEqual(['r low']);
  world.policy = policyOf(rule('critical'));
  expect(await run({ rows: [1, 2] })).toEqual(['r low']);
  expect(await run({})).toEqual([]);
});

interface Day {
  readonly severity: RuleSeverity;
  readonly rows: readonly number[];
  readonly answer: ScriptedAnswer;
}

test('whatever severities come and answers get lost, nothing fires in the end but what does', async () => {
  const day: fc.Arbitrary<Day> = fc.record({
    severity: fc.constantFrom('critical', 'high', 'medium', 'low'),
    rows: fc.constantFrom([], [1], [1, 2]),
    answer: fc.constantFrom<ScriptedAnswer[]>('accept', 'accept', 'refuse', 'lost'),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(day, { minLength: 1, maxLength: 8 }), async (days) => {
      const { run, world, am } = watched({ policy: rule('high') });
      await run({});
      for (const { severity, rows, answer } of days) {
        world.policy = policyOf(rule(severity));
        am.usual = answer;
        const fires = await run({ rows });
        if (answer === 'accept') expect(fires).toEqual(rows.length > 0 ? [`r ${severity}`] : []);
      }
      am.usual = 'accept';
      expect(await run({})).toEqual([]);
    }),
    { numRuns: 60 },
  );
});
