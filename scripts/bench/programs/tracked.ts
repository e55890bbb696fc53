import { createReadStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { judgeBytes } from '../../../lib/app/judge.ts';
import { parsePolicy } from '../../../lib/core/policy/parse.ts';
import { readReport } from '../../../lib/hss/read-report.ts';
import { answer, args } from './answer.ts';

/** Judge a report as `scan` does: with what alert memory has to know of every violation. */
const [file, policyFile] = args();
const { policy } = parsePolicy(await readFile(policyFile, 'utf8'), policyFile);
if (policy === undefined) throw new Error(`${policyFile}: is no policy`);
const judge = { policy, nowMs: Date.now(), options: { track: true }, readReport };
const { rules } = await judgeBytes(createReadStream(file, { highWaterMark: 256 * 1024 }), judge);
answer(Object.fromEntries(rules.map(({ id, count }) => [id, count])));
