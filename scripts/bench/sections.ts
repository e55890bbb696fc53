import type { Section } from './section.ts';
import { coldStart } from './sections/cold-start.ts';
import { evaluation } from './sections/evaluation.ts';
import { functions } from './sections/functions.ts';
import { intakeOf } from './sections/intake.ts';
import { memory } from './sections/memory.ts';
import { oversized } from './sections/oversized.ts';
import { slack } from './sections/slack.ts';

export const sections: readonly Section[] = [
  intakeOf('two-lists'),
  intakeOf('every-list'),
  memory,
  oversized,
  evaluation,
  slack,
  coldStart,
  functions,
];

export const sectionNames: readonly string[] = sections.map(({ name }) => name);
