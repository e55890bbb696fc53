import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';

/**
 * Keeps what the documents show true. Between `<!-- run: COMMAND -->` or `<!-- show: FILE -->` and `<!-- end -->`
 * stands what the command prints, or what is in the file. `npm run docs` writes it anew; with `--check` it only tells
 * which documents are out of date.
 */
const documents = [
  'README.md',
  'docs/architecture.md',
  'docs/policy.md',
  'docs/config.md',
  'docs/deploy.md',
  'docs/formats.md',
  'docs/gate.md',
  'docs/operations.md',
  'docs/webhooks.md',
  'docs/machine.md',
];

const block = /^<!-- (run|show): (.+?) -->\n[\s\S]*?^<!-- end -->$/gm;

function written(document: string): string {
  return readFileSync(document, 'utf8').replaceAll(block, (_, kind: string, what: string) => {
    const shown = kind === 'show' ? readFileSync(what, 'utf8') : output(what);
    const language = kind === 'show' ? (/\.(\w+)$/.exec(what)?.[1] ?? '') : 'text';
    const head = kind === 'show' ? '' : `$ ${what}\n`;
    return `<!-- ${kind}: ${what} -->\n\`\`\`${language}\n${head}${shown.trimEnd()}\n\`\`\`\n<!-- end -->`;
  });
}

/** What a command prints, and its exit code when that is not 0. */
function output(command: string): string {
  const script = `${command} 2>&1; code=$?; [ $code = 0 ] || echo "exit code $code"`;
  return execFileSync('bash', ['-c', script], { encoding: 'utf8', env: { ...process.env, NO_COLOR: '1' } });
}

const { values } = parseArgs({ options: { check: { type: 'boolean' } } });
const stale = documents.filter((document) => {
  const now = written(document);
  if (now === readFileSync(document, 'utf8')) return false;
  if (values.check !== true) writeFileSync(document, now);
  return true;
});
for (const document of stale)
  console.log(`${document}: ${values.check === true ? 'is out of date: npm run docs' : 'written'}`);
process.exitCode = values.check === true && stale.length > 0 ? 1 : 0;
