import { rmSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { pathToFileURL } from 'node:url';
import { type Command, runChild } from './child.ts';
import type { Options } from './options.ts';

/** What is measured, bundled as Portcullis is shipped, so that nobody pays for stripping types. */
export const programs = {
  portcullis: 'lib/cli/main.ts',
  schedule: 'functions/schedule.ts',
  scan: 'functions/scan.ts',
  deliver: 'functions/deliver.ts',
  gate: 'functions/gate.ts',
  ...ours('json-parse', 'stream-json', 'streamparser', 'tracked'),
  ...ours('evaluation', 'slack', 'import-time', 'write-report', 'usage', 'invoke'),
} as const;

export type Program = keyof typeof programs;

function ours<const N extends string>(...names: N[]): Record<N, string> {
  return Object.fromEntries(names.map((name) => [name, `scripts/bench/programs/${name}.ts`])) as Record<N, string>;
}

/** A report to be read. */
export interface ReportFile {
  readonly path: string;
  readonly megabytes: number;
}

/** The folder in which a bench works: its programs, and the reports as they are asked for. */
export class Bench {
  readonly options: Options;
  readonly folder: string;
  readonly #reports = new Map<number, Promise<ReportFile>>();

  constructor(options: Options, folder: string) {
    this.options = options;
    this.folder = folder;
  }

  /** Work in a new folder, which is gone at the end. */
  static async within<T>(options: Options, work: (bench: Bench) => Promise<T>): Promise<T> {
    const folder = await mkdtemp(join(tmpdir(), 'portcullis-bench-'));
    const interrupted = () => {
      rmSync(folder, { recursive: true, force: true });
      process.exit(130);
    };
    process.once('SIGINT', interrupted).once('SIGTERM', interrupted);
    try {
      // In a process of its own: esbuild in this one would be memory that its children seem to start with.
      await succeed({ file: process.execPath, args: [join(import.meta.dirname, 'bundle-programs.ts'), folder] });
      return await work(new Bench(options, folder));
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  }

  module(program: Program | 'sdk'): string {
    return join(this.folder, program, `${program}.mjs`);
  }

  /** A program that says at its end what it took. */
  command(program: Program, ...args: readonly (string | number)[]): Command {
    return { file: process.execPath, args: ['--import', this.#usage, this.module(program), ...args.map(String)] };
  }

  /** The same command from the sources, as in a checkout. */
  checkout(...args: readonly string[]): Command {
    const main = join(import.meta.dirname, '..', '..', programs.portcullis);
    // As the script `portcullis` of package.json does.
    return { file: process.execPath, args: ['--max-semi-space-size=2', '--import', this.#usage, main, ...args] };
  }

  /** Written when it is first asked for. */
  report(megabytes: number): Promise<ReportFile> {
    const known = this.#reports.get(megabytes);
    if (known !== undefined) return known;
    const path = join(this.folder, `report-${megabytes}.json`);
    const written = succeed(this.command('write-report', path, megabytes)).then(() => ({ path, megabytes }));
    this.#reports.set(megabytes, written);
    return written;
  }

  get #usage(): string {
    return pathToFileURL(this.module('usage')).href;
  }
}

async function succeed(command: Command): Promise<void> {
  const { exitCode, stderr } = await runChild(command);
  if (exitCode !== 0) throw new Error(`${command.args.join(' ')}: exit code ${exitCode ?? 'none'}\n${stderr}`);
}
