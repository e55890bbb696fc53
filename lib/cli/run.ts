import { readFile } from 'node:fs/promises';
import { InputError } from '../core/errors.ts';
import { logLines } from '../core/render/escape.ts';
import { hint } from '../core/suggest.ts';
import { RemoteError } from '../remote/answer.ts';
import { OutputError } from './output-error.ts';
import type { Terminal } from './terminal.ts';

interface Command {
  readonly summary: string;
  /** Each command's code is loaded when it is run. */
  load(): Promise<{
    readonly run: (args: readonly string[], terminal: Terminal) => Promise<number>;
    readonly help: string;
  }>;
}

const commands: Readonly<Record<string, Command>> = {
  gate: {
    summary: 'pass, fail or undetermined: the newest report of a cluster, or a report at hand',
    load: async () => {
      const { gateCommand, gateHelp } = await import('./gate.ts');
      return { run: gateCommand, help: gateHelp };
    },
  },
  explain: {
    summary: 'why a verdict is as it is, and the fewest changes that lead to green',
    load: async () => {
      const { explainCommand, explainHelp } = await import('./explain.ts');
      return { run: explainCommand, help: explainHelp };
    },
  },
  report: {
    summary: 'a page for people of a report at hand',
    load: async () => {
      const { reportCommand, reportHelp } = await import('./report.ts');
      return { run: reportCommand, help: reportHelp };
    },
  },
  scan: {
    summary: 'judge every cluster of every source once, and tell the receivers',
    load: async () => {
      const { scanCommand, scanHelp } = await import('./scan.ts');
      return { run: scanCommand, help: scanHelp };
    },
  },
  silence: {
    summary: 'mute messages about some alerts for a time',
    load: async () => {
      const { silenceCommand, silenceHelp } = await import('./silence.ts');
      return { run: silenceCommand, help: silenceHelp };
    },
  },
  routes: {
    summary: 'where an alert would go, and by which route',
    load: async () => {
      const { routesCommand, routesHelp } = await import('./routes.ts');
      return { run: routesCommand, help: routesHelp };
    },
  },
  deliveries: {
    summary: 'what receivers are owed, and what was given up',
    load: async () => {
      const { deliveriesCommand, deliveriesHelp } = await import('./deliveries.ts');
      return { run: deliveriesCommand, help: deliveriesHelp };
    },
  },
  demo: {
    summary: 'all of it on this machine, with nothing to configure',
    load: async () => {
      const { demoCommand, demoHelp } = await import('./demo.ts');
      return { run: demoCommand, help: demoHelp };
    },
  },
};

const help = `portcullis COMMAND [OPTIONS]

${Object.entries(commands)
  .map(([name, { summary }]) => `  ${name.padEnd(10)} ${summary}`)
  .join('\n')}

portcullis COMMAND --help tells the options of a command.
Exit code: 0 pass, 1 fail, 2 undetermined, 3 invalid input, 4 internal error.
`;

/** Run a command. Nothing is thrown: what goes wrong is told on standard error. @returns the exit code */
export async function run(argv: readonly string[], terminal: Terminal): Promise<number> {
  try {
    return await dispatch(argv, terminal);
  } catch (error) {
    if (error instanceof InputError) {
      terminal.stderr.write(`portcullis: ${logLines(error.message)}\n`);
      return 3;
    }
    if (error instanceof RemoteError || error instanceof OutputError) {
      terminal.stderr.write(`portcullis: no verdict: ${logLines(error.message)}\n`);
      return 4;
    }
    const told = logLines((error as Error).stack ?? String(error));
    terminal.stderr.write(`portcullis: internal error, not a verdict: ${told}\n`);
    return 4;
  }
}

async function dispatch([name, ...args]: readonly string[], terminal: Terminal): Promise<number> {
  if (name === undefined || name === '--help' || name === '-h' || name === 'help') {
    terminal.stdout.write(help);
    return name === undefined ? 3 : 0;
  }
  if (name === '--version') {
    const { version } = JSON.parse(await readFile(new URL('../../package.json', import.meta.url), 'utf8'));
    terminal.stdout.write(`${version}\n`);
    return 0;
  }
  const command = Object.hasOwn(commands, name) ? commands[name] : undefined;
  if (command === undefined) throw new InputError(`there is no command ${name}${hint(name, Object.keys(commands))}`);
  const { run, help: commandHelp } = await command.load();
  // Beside options it may be the value of one: a mistake, and no verdict.
  if (args.some(isHelp) && args.every((arg) => isHelp(arg) || !arg.startsWith('-'))) {
    terminal.stdout.write(commandHelp);
    return 0;
  }
  return run(args, terminal);
}

function isHelp(arg: string): boolean {
  return arg === '--help' || arg === '-h';
}
