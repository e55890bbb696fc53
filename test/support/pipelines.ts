import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parse } from 'yaml';
import type { Ran } from './command.ts';
import { type WorkflowCommand, workflowCommands } from './workflow-commands.ts';

export const root = resolve(import.meta.dirname, '..', '..');

type Env = Readonly<Record<string, string>>;

/** With nothing of this machine in the environment but where programs are, and what Node has made of them before. */
export function shell(
  program: string,
  args: readonly string[],
  { cwd, env = {} }: { readonly cwd: string; readonly env?: Env },
): Promise<Ran> {
  const compiled = join(root, 'node_modules', '.cache', 'compiled');
  const path = { PATH: process.env.PATH ?? '', HOME: cwd, NODE_COMPILE_CACHE: compiled };
  return new Promise((done) => {
    const child = execFile(program, args, { cwd, env: { ...path, ...env } }, (error, stdout, stderr) => {
      done({ code: error === null ? 0 : Number(error.code ?? 255), stdout, stderr });
    });
    child.stdin?.end();
  });
}

interface Action {
  readonly inputs: Readonly<Record<string, { readonly description: string; readonly default?: string }>>;
  readonly outputs: Readonly<Record<string, { readonly description: string; readonly value: string }>>;
  readonly runs: {
    readonly using: string;
    readonly steps: readonly { readonly id: string; readonly shell: string; readonly run: string; readonly env: Env }[];
  };
}

export const action: Action = parse(readFileSync(join(root, 'action.yml'), 'utf8'));

export interface StepRan extends Ran {
  readonly outputs: Env;
  readonly summary: string;
  /** Those that the runner finds in what was printed. */
  readonly commands: readonly WorkflowCommand[];
}

export interface Step {
  readonly with?: Env;
  readonly env?: Env;
  /** `GITHUB_WORKSPACE`, in which it runs. */
  readonly workspace: string;
  /** Where the action was checked out. */
  readonly checkout?: string;
  readonly summary?: string;
}

/** `uses:` of the action in action.yml, as GitHub's runner goes about it. */
export async function useAction(step: Step): Promise<StepRan> {
  const { workspace, checkout = root, summary = '' } = step;
  const temp = mkdtempSync(join(tmpdir(), 'portcullis-runner-'));
  const files = { GITHUB_OUTPUT: join(temp, 'output'), GITHUB_STEP_SUMMARY: join(temp, 'summary') };
  writeFileSync(files.GITHUB_OUTPUT, '');
  writeFileSync(files.GITHUB_STEP_SUMMARY, summary);
  const [only] = action.runs.steps;
  if (only === undefined || action.runs.steps.length !== 1) throw new Error('action.yml has other than one step');
  for (const name of Object.keys(step.with ?? {})) {
    if (!(name in action.inputs)) throw new Error(`action.yml has no input ${name}`);
  }
  const script = join(temp, 'script.sh');
  writeFileSync(script, only.run);
  try {
    const ran = await shell('bash', ['--noprofile', '--norc', '-e', '-o', 'pipefail', script], {
      cwd: workspace,
      env: {
        CI: 'true',
        GITHUB_ACTIONS: 'true',
        GITHUB_ACTION_PATH: checkout,
        GITHUB_WORKSPACE: workspace,
        RUNNER_TEMP: temp,
        ...files,
        ...Object.fromEntries(Object.entries(only.env).map(([name, text]) => [name, evaluated(text, step.with)])),
        ...step.env,
      },
    });
    const set = outputsOf(readFileSync(files.GITHUB_OUTPUT, 'utf8'));
    return {
      ...ran,
      outputs: set,
      summary: readFileSync(files.GITHUB_STEP_SUMMARY, 'utf8'),
      commands: workflowCommands(`${ran.stdout}\n${ran.stderr}`),
    };
  } finally {
    rmSync(temp, { recursive: true, force: true });
  }
}

/** `${{ inputs.name }}`, the only expression that the action has. */
function evaluated(text: string, given: Env = {}): string {
  const [, name = ''] = /^\$\{\{ inputs\.([a-z-]+) \}\}$/.exec(text) ?? [];
  const input = action.inputs[name];
  if (input === undefined) throw new Error(`${text}: is no input of action.yml`);
  return given[name] ?? input.default ?? '';
}

/** As the runner reads GITHUB_OUTPUT: `name=value`, or `name<<END` and lines up to END. */
export function outputsOf(text: string): Env {
  const outputs: Record<string, string> = {};
  const lines = text.split('\n');
  if (lines.at(-1) === '') lines.pop();
  for (let i = 0; i < lines.length; i++) {
    const line = lines[i] ?? '';
    const [equals, heredoc] = [line.indexOf('='), line.indexOf('<<')];
    if (equals >= 0 && (heredoc < 0 || equals < heredoc)) {
      outputs[line.slice(0, equals)] = line.slice(equals + 1);
    } else if (heredoc >= 0) {
      const end = lines.indexOf(line.slice(heredoc + 2), i + 1);
      if (end < 0) throw new Error(`GITHUB_OUTPUT: ${line} has no end`);
      outputs[line.slice(0, heredoc)] = lines.slice(i + 1, end).join('\n');
      i = end;
    } else if (line !== '') throw new Error(`GITHUB_OUTPUT: invalid format ${line}`);
  }
  return outputs;
}
