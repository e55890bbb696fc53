import type { Evaluation, RuleResult } from '../evaluation.ts';
import { commandMessage, commandProperty, logLine, terminalText } from './escape.ts';
import { type Escapes, ruleLines, waivedLines } from './finding-words.ts';
import { type Outcome, outcomeOf } from './outcome.ts';
import { type FileOptions, policyPath } from './policy-file.ts';
import { needsAttention, waiverGrounds, waiverPhrase } from './waiver-words.ts';
import { byUrgency, clusterOf, excess, isBroken, letThrough, plural, quantity, spell, summaryOf } from './words.ts';

/** GitHub shows so many annotations of a kind for a step, and drops the others without a word. */
const shownOfAKind = 10;

type Kind = 'error' | 'warning' | 'notice';

interface Annotation {
  readonly kind: Kind;
  readonly line: number | undefined;
  readonly title: string;
  readonly lines: readonly string[];
}

/**
 * Workflow commands of GitHub: the verdict as a line of the log, then annotations at the lines of the policy, most urgent
 * first, then a line that counts those that have no room.
 */
export function renderGithub(evaluation: Evaluation, options: FileOptions): string {
  const left = { error: 0, warning: 0, notice: 0 };
  const warnings = evaluation.isLetThrough ? shownOfAKind - 1 : shownOfAKind;
  const room = { error: shownOfAKind, warning: warnings, notice: shownOfAKind };
  const commands: string[] = [];
  for (const annotation of annotationsOf(evaluation)) {
    if (room[annotation.kind]-- > 0) commands.push(command(annotation, options));
    else left[annotation.kind]++;
  }
  const passed = evaluation.isLetThrough
    ? [`::warning title=let through::${commandMessage(letThrough(evaluation))}`]
    : [];
  const lines = [headline(evaluation), ...passed, ...commands, ...restLine(left)];
  return `${lines.join('\n')}\n`;
}

function headline(evaluation: Evaluation): string {
  const { verdict, policy } = evaluation;
  const subject = `${escapes.name(clusterOf(evaluation))} by policy ${escapes.name(policy.name || '(unnamed)')}`;
  return logLine(`${verdict.toUpperCase()} ${subject}: ${summaryOf(evaluation)}`);
}

function restLine(left: Readonly<Record<Kind, number>>): readonly string[] {
  const parts = (['error', 'warning', 'notice'] as const)
    .filter((kind) => left[kind] > 0)
    .map((kind) => plural(left[kind], `more ${kind}`));
  return parts.length === 0 ? [] : [`and ${parts.join(', ')}: GitHub shows ${shownOfAKind} of a kind`];
}

function command({ kind, line, title, lines }: Annotation, options: FileOptions): string {
  const file =
    options.policyFile === undefined ? [] : [`file=${commandProperty(terminalText(policyPath(options), 1_000))}`];
  const at = file.length > 0 && line !== undefined ? [`line=${line}`] : [];
  const properties = [...file, ...at, `title=${commandProperty(title)}`].join(',');
  // A message that is empty makes no annotation.
  return `::${kind} ${properties}::${commandMessage(lines.join('\n') || title)}`;
}

function annotationsOf(evaluation: Evaluation): readonly Annotation[] {
  return [
    ...reasonAnnotations(evaluation),
    ...byUrgency(evaluation.rules).flatMap((rule) => ruleAnnotation(rule, evaluation)),
    ...waiverAnnotations(evaluation),
  ];
}

/** A reason that is about rules stands at the first of them, others at the file. */
function reasonAnnotations(evaluation: Evaluation): readonly Annotation[] {
  const { reasons, verdict, rules } = evaluation;
  const isDecisive = verdict === 'undetermined';
  const kind = isDecisive ? 'error' : 'warning';
  const title = `${escapes.name(clusterOf(evaluation))} cannot be judged${isDecisive ? '' : ' in full'}`;
  if (reasons.length === 0) return isDecisive ? [{ kind, line: undefined, title, lines: [] }] : [];
  return reasons.map((reason) => ({
    kind,
    line: rules.find(({ id }) => reason.rules?.includes(id))?.line,
    title: `${title}: ${reason.kind}`,
    lines: [escapes.prose(reason.message), ...(reason.rules?.length ? [`concerns ${some(reason.rules)}`] : [])],
  }));
}

function some(names: readonly string[]): string {
  const more = names.length > 10 ? [`and ${quantity(names.length - 10)} more`] : [];
  return [...names.slice(0, 10).map(escapes.name), ...more].join(', ');
}

const kinds: Readonly<Record<Outcome, Kind>> = {
  failure: 'error',
  undetermined: 'warning',
  warning: 'warning',
  observed: 'notice',
  waived: 'notice',
  pass: 'notice',
};

/** That a rule cannot be judged is told by the reason. Of a rule that holds only what waivers hide is worth a word. */
function ruleAnnotation(rule: RuleResult, evaluation: Evaluation): readonly Annotation[] {
  const outcome = outcomeOf(rule, evaluation);
  const base = { kind: kinds[outcome], line: rule.line };
  const id = escapes.name(rule.id);
  const waived = waivedLines(rule, evaluation.waivers, extent, escapes);
  if (isBroken(rule)) {
    const title = `${id} (${rule.severity}): ${excess(rule)}`;
    return [{ ...base, title, lines: [...ruleLines(rule, extent, escapes), ...waived] }];
  }
  const isTold = evaluation.reasons.some(({ rules }) => rules === undefined || rules.includes(rule.id));
  if (rule.status === 'undetermined' && !isTold)
    return [{ ...base, title: `${id} (${rule.severity}) cannot be judged`, lines: waived }];
  if (rule.waived === 0) return [];
  const how = outcome === 'waived' ? ' holds only by waivers' : '';
  return [{ ...base, kind: 'notice', title: `${id}${how}: ${quantity(rule.waived)} waived`, lines: waived }];
}

function waiverAnnotations({ waivers }: Evaluation): readonly Annotation[] {
  return waivers
    .filter((waiver) => needsAttention(waiver) || waiver.status === 'unused')
    .map((waiver) => ({
      kind: needsAttention(waiver) ? ('warning' as const) : ('notice' as const),
      line: waiver.line,
      title: `waiver ${spell(waiverPhrase(waiver), escapes.name)}`,
      lines: [spell(waiverGrounds(waiver), escapes.prose)],
    }))
    .toSorted((a, b) => Number(b.kind === 'warning') - Number(a.kind === 'warning'));
}

const extent = { findings: 5, length: 2_000 };

const escapes: Escapes = {
  name: (text) => terminalText(text, 100),
  prose: (text) => terminalText(text, 400),
};
