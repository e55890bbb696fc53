import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { formatNames, loadFormat } from '../../lib/cli/formats.ts';
import { version } from '../../lib/core/version.ts';
import { policyFile, samples } from '../fixtures/formats/samples.ts';

const extensions: Readonly<Record<string, string>> = {
  markdown: 'md',
  html: 'html',
  github: 'github.txt',
  gitlab: 'gitlab.json',
  'gitlab-container': 'gitlab-container.json',
  sarif: 'sarif.json',
  junit: 'junit.xml',
};

const cases = Object.keys(extensions).flatMap((format) =>
  Object.entries(samples).map(([name, told]) => ({ format, name, told })),
);

test.each(cases)('the whole output: $format, $name', async ({ format, name, told }) => {
  const render = await loadFormat(format);
  const text = render(told, { colour: false, columns: 100, policyFile });

  await expect(text).toMatchFileSnapshot(`../fixtures/formats/${name}.${extensions[format]}`);
  expect(render(structuredClone(told), { colour: true, columns: 60, policyFile })).toBe(text);
});

test('every format has an example here or among those of the terminal', () => {
  expect([...Object.keys(extensions), 'table', 'json'].sort()).toEqual([...formatNames].sort());
});

test('every format is in the documentation', () => {
  const text = readFileSync('docs/formats.md', 'utf8');

  expect(formatNames.filter((name) => !text.includes(`| \`${name}\` | `))).toEqual([]);
});

test('the version that formats tell is that of the package', () => {
  expect(JSON.parse(readFileSync('package.json', 'utf8'))).toMatchObject({ version });
});
