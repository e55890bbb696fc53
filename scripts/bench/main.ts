import process from 'node:process';
import { Bench } from './bench.ts';
import { loadNow, machineLine } from './machine.ts';
import { help, type Options, parseOptions } from './options.ts';
import { sectionText, writeBlock } from './page.ts';
import { sections } from './sections.ts';

/** Measure, and print each table as soon as it is there. What is not measured is said; a missed budget is no failure. */
async function main(options: Options): Promise<void> {
  const loadBefore = loadNow();
  const texts: string[] = [];
  const say = (text: string) => {
    texts.push(text);
    process.stdout.write(`${text}\n\n`);
  };
  await Bench.within(options, async (bench) => {
    for (const section of sections) {
      if (options.only.length === 0 || options.only.includes(section.name)) {
        if (process.stderr.isTTY) process.stderr.write(`measuring ${section.name} ...\n`);
        say(sectionText(await section.measure(bench)));
      }
    }
  });
  say(machineLine(Date.now(), options.runs, loadBefore));
  if (options.write !== undefined) await writeBlock(options.write, texts.join('\n\n'));
}

try {
  const options = parseOptions(process.argv.slice(2));
  if (options === undefined) process.stdout.write(help);
  else await main(options);
} catch (error) {
  process.stderr.write(`bench: ${(error as Error).message}\n`);
  process.exitCode = 1;
}
