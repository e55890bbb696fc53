import { execFileSync } from 'node:child_process';
import { expect, test } from 'vitest';

test('what the documents show is what the commands print and what is in the files', () => {
  expect(execFileSync('node', ['scripts/docs.ts', '--check'], { encoding: 'utf8' })).toBe('');
}, 60_000);
