#!/usr/bin/env node
import process from 'node:process';
import { run } from './run.ts';

process.on('uncaughtException', (error) => {
  process.stderr.write(`portcullis: internal error, not a verdict: ${error.stack}\n`);
  process.exit(4);
});
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  // A reader that went away, such as head: there is nobody left to tell.
  if (error.code === 'EPIPE') return;
  process.stderr.write(`portcullis: no verdict: standard output cannot be written (${error.code ?? 'error'})\n`);
  process.exit(4);
});
// What cannot be said changes no verdict.
process.stderr.on('error', () => {});

process.exitCode = await run(process.argv.slice(2), {
  env: process.env,
  stdin: process.stdin,
  stdout: process.stdout,
  stderr: process.stderr,
  nowMs: Date.now,
});
