import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import { type Around, command } from '../support/command.ts';

const report = 'docs/examples/report.json';
const policy = 'policies/production.yaml';
const now = ['--now', '2026-11-02T08:00:00Z'];
const folder = mkdtempSync(join(tmpdir(), 'portcullis-report-'));
const out = join(folder, 'page.html');
beforeEach(() => rmSync(out, { force: true }));
afterAll(() => rmSync(folder, { recursive: true }));

const made = (args: readonly string[], around?: Around) =>
  command(['report', '--report', report, '--policy', policy, ...now, ...args], around);

test('the page is made, whatever the verdict: the same as that of the gate', async () => {
  const ran = await made(['--out', out]);
  const gate = await command(['gate', '--report', report, '--policy', policy, ...now, '--format', 'html']);

  expect(ran).toEqual({ code: 0, stdout: '', stderr: '' });
  expect(readFileSync(out, 'utf8')).toBe(gate.stdout);
  expect(gate).toMatchObject({
    code: 1,
    stderr: '',
    stdout: expect.stringContaining('<title>FAIL: prod-eu by policy'),
  });
});

test.each([
  { how: 'plain', stdin: readFileSync(report) },
  { how: 'gzip', stdin: gzipSync(readFileSync(report)) },
])('a report on standard input, $how; without --out the page goes to standard output', async ({ stdin }) => {
  const ran = await command(['report', '--report', '-', '--policy', policy, ...now], { stdin });

  expect(ran).toEqual({ ...(await made([])), code: 0, stderr: '' });
  expect(ran.stdout).toMatch(/^<!DOCTYPE html>\n/);
});

test('what the report lacks is undetermined on the page, and no error', async () => {
  const ran = await command(['report', '--report', '-', '--policy', policy, ...now], { stdin: '{"cluster_id": "x"' });

  expect(ran).toMatchObject({ code: 0, stdout: expect.stringContaining('<title>UNDETERMINED: ') });
  expect((await made(['--max-age', '1h'])).stdout).toContain('<strong>report-stale</strong>');
});

test('what is new since a baseline', async () => {
  const { stdout } = await made(['--baseline', 'docs/examples/baseline.json']);

  expect(stdout).toMatch(/against the baseline: \d+ before, \d+ new, \d+ fixed/);
  expect(stdout).toContain('<h2 id="baseline">Against the baseline</h2>');
});

describe('what was asked for wrongly', () => {
  test.each([
    { args: ['report'], says: 'report: needs --report FILE --policy FILE' },
    { args: ['report', '--report', report], says: 'report: needs --report FILE --policy FILE' },
    { args: ['report', 'x'], says: 'report: unexpected argument x' },
    { args: ['report', '--format', 'html'], says: 'report: unknown option --format' },
    {
      args: ['report', '--report', '/nowhere.json', '--policy', policy],
      says: '--report /nowhere.json: cannot be read',
    },
    { args: ['report', '--report', '-', '--policy', policy], says: '--report -: reads standard input' },
    { args: ['report', '--report', report, '--policy', report], says: 'docs/examples/report.json' },
    {
      args: ['report', '--report', report, '--policy', policy, '--out', policy],
      says: `--out ${policy}: would write over what is read`,
    },
    {
      args: ['report', '--report', report, '--policy', policy, '--baseline', report],
      says: `baseline ${report}: `,
    },
    {
      args: ['report', '--report', report, '--policy', policy, '--out', '/nowhere/page.html'],
      says: '--out /nowhere/page.html: cannot be written (ENOENT)',
    },
  ])('$args', async ({ args, says }) => {
    const ran = await command(args);

    expect(ran).toMatchObject({ code: 3, stdout: '', stderr: expect.stringContaining(says) });
  });

  test('no page of an earlier run is left to be taken for this one', async () => {
    writeFileSync(out, 'PASS');
    const ran = await command(['report', '--report', '/nowhere.json', '--policy', policy, '--out', out]);

    expect(ran.code).toBe(3);
    expect(existsSync(out)).toBe(false);
  });
});

test('its help names its exit codes', async () => {
  const ran = await command(['report', '--help']);

  expect(ran).toMatchObject({ code: 0, stdout: expect.stringContaining('0 the page was made, whatever the verdict') });
});
