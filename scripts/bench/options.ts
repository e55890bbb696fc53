import { parseArgs } from 'node:util';
import { sectionNames } from './sections.ts';

export interface Options {
  /** How often each contender runs. */
  readonly runs: number;
  /** The large report; the small one has a tenth of it, the oversized one half as much again. */
  readonly megabytes: number;
  /** For the evaluation alone. */
  readonly findings: number;
  /** Fresh processes for each import time. */
  readonly starts: number;
  /** Sections; empty: all. */
  readonly only: readonly string[];
  /** A page whose generated block is replaced. */
  readonly write: string | undefined;
}

export const help = `npm run bench -- [OPTIONS]   measure Portcullis against its budgets

  --runs N       how often each contender runs; the median counts (3)
  --mb N         megabytes of the large report (400)
  --findings N   findings for the evaluation alone (1000000)
  --starts N     fresh processes for each import time (15)
  --only NAME    one section, or several: ${sectionNames.join(', ')}
  --write FILE   put the tables into this page, between its markers
`;

/** @throws {Error} an option that is not known, a value that is no whole number of 1 or more */
export function parseOptions(argv: readonly string[]): Options | undefined {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      runs: { type: 'string', default: '3' },
      mb: { type: 'string', default: '400' },
      findings: { type: 'string', default: '1000000' },
      starts: { type: 'string', default: '15' },
      only: { type: 'string', multiple: true, default: [] },
      write: { type: 'string' },
      help: { type: 'boolean', short: 'h' },
    },
  });
  if (values.help) return undefined;
  for (const name of values.only) {
    if (!sectionNames.includes(name)) throw new Error(`--only ${name}: is none of ${sectionNames.join(', ')}`);
  }
  return {
    runs: wholeNumber('--runs', values.runs),
    megabytes: wholeNumber('--mb', values.mb),
    findings: wholeNumber('--findings', values.findings),
    starts: wholeNumber('--starts', values.starts),
    only: values.only,
    write: values.write,
  };
}

function wholeNumber(option: string, text: string): number {
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new Error(`${option} ${text}: has to be a whole number of 1 or more`);
  return Number(text);
}
