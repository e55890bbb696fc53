import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type PageSubject, pageKey, pageLink, parseS3Prefix } from '../../lib/core/page-place.ts';
import { slackLink } from '../../lib/core/render/escape.ts';

const subject: PageSubject = {
  source: 'prod',
  clusterId: '8d1cf1a2-6332-11ef-a02c-0255ac101958',
  clusterName: 'prod-us',
  reportId: 'r-20261124-us',
  scannedAtMs: Date.UTC(2026, 10, 24, 2, 20, 58, 123),
  policyDigest: 'sha256:1',
};

test('the name of a page can be read, and is the same for the same report', () => {
  const key = pageKey(subject);
  expect(key).toMatch(/^prod\/prod-us-[0-9a-f]{16}\/20261124T022058Z-[0-9a-f]{16}\.html$/);
  expect(pageKey({ ...subject })).toBe(key);
});

test.each<Partial<PageSubject>>([
  { source: 'prod2' },
  { clusterId: 'another' },
  { reportId: 'another' },
  { policyDigest: 'sha256:2' },
  { scannedAtMs: 0 },
])('that of another %o is another one', (change) => {
  expect(pageKey({ ...subject, ...change })).not.toBe(pageKey(subject));
});

test.each([
  ['prod/eu', 'prod eu'],
  ['../../x', '..\\..\\x'],
  ['', '\u202e'],
  ['A', 'A.'],
])('clusters named %j and %j have the same words, and pages of their own', (one, other) => {
  const keys = [one, other].map((clusterName, i) => pageKey({ ...subject, clusterName, clusterId: `id-${i}` }));
  expect(new Set(keys.map((key) => key.replace(/-[0-9a-f]{16}\//, '/'))).size).toBe(1);
  expect(new Set(keys).size).toBe(2);
});

test('whatever the names and times are, a page stays in its place, and nothing in its name needs escaping', () => {
  const text = fc.oneof(fc.string({ unit: 'binary' }), fc.constantFrom('..', '/', 'con', '%2e%2e', '<!channel>', '\0'));
  fc.assert(
    fc.property(text, text, text, text, fc.double(), (source, clusterId, clusterName, reportId, scannedAtMs) => {
      const key = pageKey({ ...subject, source, clusterId, clusterName, reportId, scannedAtMs });
      expect(key).toMatch(/^[\w-]{1,40}\/[\w-]{1,40}-[0-9a-f]{16}\/(\d{8}T\d{6}Z|undated)-[0-9a-f]{16}\.html$/);
    }),
  );
});

test.each([
  { at: 's3://acme', is: { bucket: 'acme', prefix: '' } },
  { at: 's3://acme/', is: { bucket: 'acme', prefix: '' } },
  { at: 's3://acme/hss/eu', is: { bucket: 'acme', prefix: 'hss/eu/' } },
  { at: 's3://acme/hss/eu/', is: { bucket: 'acme', prefix: 'hss/eu/' } },
  { at: 's3://acme//', is: undefined },
  { at: 's3://acme/../x', is: undefined },
  { at: 's3://ACME/x', is: undefined },
  { at: 's3:///x', is: undefined },
  { at: 's3://', is: undefined },
  { at: 'pages', is: undefined },
])('$at', ({ at, is }) => {
  expect(parseS3Prefix(at)).toEqual(is);
});

test('people open a page by the link of the config, else in the console of AWS', () => {
  const at = { bucket: 'acme', prefix: 'hss/' };
  const link = 'https://reports.example/hss/';
  expect(pageLink({ at, link }, 'prod/a.html', 'eu-west-1')).toBe('https://reports.example/hss/prod/a.html');
  expect(pageLink({ at: { folder: '/srv/pages' }, link }, 'a.html', undefined)).toBe(
    'https://reports.example/hss/a.html',
  );
  expect(pageLink({ at: { folder: '/srv/pages' } }, 'a.html', undefined)).toBeUndefined();
  expect(pageLink({ at }, 'prod/a.html', 'eu-west-1')).toBe(
    'https://eu-west-1.console.aws.amazon.com/s3/object/acme?region=eu-west-1&prefix=hss%2Fprod%2Fa.html',
  );
  expect(pageLink({ at }, 'a.html', 'cn-north-1')).toContain('https://cn-north-1.console.amazonaws.cn/s3/object/acme?');
  expect(pageLink({ at }, 'a.html', undefined)).toBe(
    'https://s3.console.aws.amazon.com/s3/object/acme?prefix=hss%2Fa.html',
  );
});

test('nothing in a URL ends the link of Slack', () => {
  expect(slackLink('https://x.example/a?b=1&c=<!channel>|d e', 'words')).toBe(
    '<https://x.example/a?b=1&amp;c=%3C!channel%3E%7Cd%20e|words>',
  );
});
