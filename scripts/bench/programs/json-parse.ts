import { readFileSync } from 'node:fs';
import type { WireReport } from '../../../lib/simulator/wire.ts';
import { answer, args } from './answer.ts';
import { type RuleSet, tallyOf, tallyReport } from './tally.ts';

/** The whole report as a string, the whole string as objects, and a loop. */
const [file, rules] = args();
const report = JSON.parse(readFileSync(file, 'utf8')) as WireReport;
answer(tallyReport(report, tallyOf(rules as RuleSet)));
