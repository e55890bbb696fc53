import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import process from 'node:process';
import type { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';

export interface Command {
  readonly file: string;
  readonly args: readonly string[];
  /** In place of that of the bench. */
  readonly env?: Readonly<Record<string, string>>;
}

/** One run of a program, in a process of its own. */
export interface Run {
  /** From the start of the process to its end. */
  readonly wallMs: number;
  /** User and system time of all its threads; undefined where it cannot be told. */
  readonly cpuMs: number | undefined;
  readonly peakMiB: number | undefined;
  /** `undefined`: ended by a signal. */
  readonly exitCode: number | undefined;
  readonly stdout: string;
  readonly stderr: string;
}

/** What a program took: one of ours writes it to descriptor 3 at its end. @see programs/usage.ts */
interface Usage {
  readonly cpuMs: number;
  readonly peakKiB: number;
}

/** Run a program; one that is not ours is watched from outside, where the system lets us. */
export async function runChild({ file, args, env }: Command): Promise<Run> {
  const startMs = performance.now();
  const child = spawn(file, args, { stdio: ['ignore', 'pipe', 'pipe', 'pipe'], env });
  const ended = new Promise<{ exitCode: number | undefined; wallMs: number }>((resolve, reject) => {
    child.on('error', reject);
    child.on('exit', (code) => resolve({ exitCode: code ?? undefined, wallMs: performance.now() - startMs }));
  });
  const watched = watch(file === process.execPath ? undefined : child.pid);
  try {
    const [{ exitCode, wallMs }, stdout, stderr, usageText] = await Promise.all([
      ended,
      text(child.stdout as Readable),
      text(child.stderr as Readable),
      text(child.stdio[3] as Readable),
    ]);
    const usage = usageText === '' ? watched.usage() : (JSON.parse(usageText) as Usage);
    return {
      wallMs,
      cpuMs: usage?.cpuMs,
      peakMiB: usage && usage.peakKiB / 1024,
      exitCode,
      stdout,
      stderr,
    };
  } finally {
    watched.stop();
  }
}

interface Watch {
  usage(): Usage | undefined;
  stop(): void;
}

/** Look at what another process took so far, until it ends: of its last moments nothing is seen. Linux only. */
function watch(pid: number | undefined): Watch {
  let usage: Usage | undefined;
  const timer = setInterval(() => {
    usage = usageOf(pid) ?? usage;
  }, 20);
  return { usage: () => usage, stop: () => clearInterval(timer) };
}

function usageOf(pid: number | undefined): Usage | undefined {
  if (pid === undefined) return undefined;
  try {
    const mark = /^VmHWM:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
    // After the name in brackets; user and system time are the 14th and 15th field, in hundredths of a second.
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
    if (mark === undefined) return undefined;
    return { peakKiB: Number(mark), cpuMs: (Number(stat[11]) + Number(stat[12])) * 10 };
  } catch {
    // It has ended, or this is not Linux.
    return undefined;
  }
}
