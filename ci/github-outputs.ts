import { readFileSync } from 'node:fs';
import process from 'node:process';
import { exitCodes } from '../lib/core/evaluation.ts';
import { parseResult } from '../lib/core/result.ts';

/**
 * The outputs of action.yml that are about the verdict, from a result file and the exit code that the gate ended with.
 * Words and numbers only: nothing that a report or a policy says can be an output of its own.
 */
const [file = '', exitCode = ''] = process.argv.slice(2);
const evaluation = parseResult(readFileSync(file, 'utf8'));
if (evaluation === undefined) throw new Error('is no result');
const { verdict, isLetThrough = false, report, rules } = evaluation;
const expected = isLetThrough && verdict === 'undetermined' ? exitCodes.pass : exitCodes[verdict];
if (exitCode !== String(expected)) throw new Error(`exit code ${exitCode} with the verdict ${verdict}`);

const violations = rules
  .filter(({ status }) => status === 'fail' || status === 'warn')
  .reduce((sum, { count }) => sum + count, 0);
const age = report.ageSeconds === undefined ? '' : Math.floor(report.ageSeconds);
process.stdout.write(`verdict=${verdict}\nviolations=${violations}\nreport-age=${age}\nlet-through=${isLetThrough}\n`);
