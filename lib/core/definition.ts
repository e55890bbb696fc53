import { hash } from 'node:crypto';
import type { PolicyRule } from './policy/parse.ts';

/** What a rule counts, and how many it allows, 16 hex digits: another definition is another question. */
export function definitionOf({ on, min_severity, where, per, max }: PolicyRule): string {
  return hash('sha256', JSON.stringify([on, min_severity, where?.text, per, max]), 'hex').slice(0, 16);
}
