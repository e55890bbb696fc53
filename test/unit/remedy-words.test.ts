import { expect, test } from 'vitest';
import type { Remedy } from '../../lib/core/evaluation.ts';
import { remedyPhrase } from '../../lib/core/render/remedy-words.ts';
import { spell } from '../../lib/core/render/words.ts';
import { findingKinds } from '../../lib/core/report.ts';

const image = { image: 'registry/app', image_version: '1.2.3' };

const told: readonly (Pick<Remedy, 'on' | 'subject'> & { readonly says: string })[] = [
  {
    on: 'vulnerabilities',
    subject: { ...image, package: 'openssl' },
    says: 'upgrade <openssl> in <registry/app:1.2.3>',
  },
  { on: 'vulnerabilities', subject: { package: 'openssl' }, says: 'upgrade <openssl>' },
  { on: 'vulnerabilities', subject: { image: 'registry/app' }, says: 'rebuild <registry/app> on fixed packages' },
  { on: 'baseline_checks', subject: { check: 'SSH' }, says: 'meet the check <SSH>' },
  { on: 'baseline_items', subject: { check: 'SSH', item: 'Disable root' }, says: 'fix <Disable root>' },
  { on: 'baseline_items', subject: { check: 'SSH' }, says: 'meet the check <SSH>' },
  {
    on: 'privileged_containers',
    subject: { container: 'agent', pod: 'agent-7d9c6b5f4d-x2k8p' },
    says: 'run <agent> of <agent> without privileges',
  },
  { on: 'privileged_containers', subject: { container: 'agent' }, says: 'run <agent> without privileges' },
  { on: 'ports', subject: { port: 22, container: 'ssh' }, says: 'close port <22> of <ssh>' },
  { on: 'ports', subject: { port: 22, host: 'node-1' }, says: 'close port <22> of <node-1>' },
  { on: 'ports', subject: { port: 22 }, says: 'close port <22>' },
  { on: 'packages', subject: { package: 'nc', package_version: '1.1' }, says: 'remove <nc 1.1>' },
  { on: 'packages', subject: { package: 'nc', container: 'web' }, says: 'remove <nc> from <web>' },
  { on: 'processes', subject: { command: 'sleep 1d', host: 'node-1' }, says: 'stop <sleep 1d> in <node-1>' },
  { on: 'processes', subject: {}, says: 'stop <?>' },
  { on: 'cluster', subject: { name: 'prod-eu' }, says: 'change the cluster <prod-eu>' },
];

test.each(told)('$says', ({ says, ...remedy }) => {
  const phrase = remedyPhrase({ ...remedy, clears: 1_041, rules: {} }, 1_063);

  expect(spell(phrase, (value) => `<${value}>`)).toBe(`${says} clears 1,041 of 1,063`);
});

test('there is a sentence for every kind of finding', () => {
  expect(new Set(told.map(({ on }) => on))).toEqual(new Set(findingKinds));
});
