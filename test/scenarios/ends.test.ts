import { describe, expect, test } from 'vitest';
import { policyOf } from '../support/evaluate.ts';
import { hourMs, type Scripted, scripted, startMs, vuls } from '../support/scripted.ts';

type Rows = ReturnType<typeof vuls>;

/** One run for each step, an hour apart, and what is heard of it; without rows the report is the one before. */
function steps(world: Scripted) {
  let hours = 0;
  return async (vulnerabilities: Rows | undefined, policy?: string, after = 1) => {
    hours += after;
    const nowMs = startMs + hours * hourMs;
    if (policy !== undefined) world.policy = policyOf(policy);
    if (vulnerabilities !== undefined)
      world.clusters.set('prod', { findings: { vulnerabilities }, scannedAtMs: nowMs - hourMs / 2 });
    await world.run(nowMs);
    return world.heard();
  };
}

const rule = (rest: string) => `rules:\n  - {id: r, on: vulnerabilities, ${rest}}\n`;

describe('when the policy is edited and a newer report comes', () => {
  test.each([
    { why: 'more are allowed', edited: rule('max: 5'), says: ['chat: prod policy-changed r 2'] },
    {
      why: 'less is looked at',
      edited: rule(`max: 0, where: 'package == "other"'`),
      says: ['chat: prod policy-changed r 2'],
    },
    {
      why: 'it goes by groups',
      edited: rule('max: 0, per: [image]'),
      says: ['chat: prod new r(app) 2', 'chat: prod policy-changed r 2'],
    },
  ])('nothing is called resolved that is still there: $why', async ({ edited, says }) => {
    const step = steps(scripted({ policy: rule('max: 0') }));
    await step(vuls());
    expect(await step(vuls(1, 2))).toEqual(['chat: prod new r 2']);
    expect(await step(vuls(1, 2), edited)).toEqual(says);
    expect(await step(vuls(1, 2))).toEqual([]);
  });

  test.each([
    { why: 'another rule is added', edited: `${rule('max: 0')}  - {id: other, on: ports, max: 0}\n` },
    { why: 'its severity is another one', edited: rule('max: 0, severity: low') },
  ])('what was fixed is resolved, where the rule asks for the same: $why', async ({ edited }) => {
    const step = steps(scripted({ policy: rule('max: 0') }));
    await step(vuls());
    await step(vuls(1, 2));
    expect(await step(vuls(), edited)).toEqual(['chat: prod resolved r 2']);
  });
});
