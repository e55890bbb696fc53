import { type ASTNode, Environment, type ParseResult } from '@marcbachmann/cel-js';
import { compileFast } from './fast-expression.ts';
import { compilePattern, PatternError } from './pattern.ts';
import { type FieldType, type Finding, type FindingKind, fields } from './report.ts';
import { findingSeverities } from './severity.ts';
import { hint } from './suggest.ts';

/** A CEL expression over the fields of one kind of thing, type-checked. */
export interface Expression {
  readonly text: string;
  /** The fields it names. */
  readonly fields: ReadonlySet<string>;
  /** What must hold for it to be true: `field == "text"` terms that are joined by `&&` at the top. */
  readonly equalities: ReadonlyMap<string, string>;
  /** What is joined by `&&` at the top, each a condition of its own; of one alone, itself. */
  readonly terms: readonly string[];
  /** @returns undefined when it cannot be told, since a field that decides it is absent or a function fails on it */
  test(finding: Finding): boolean | undefined;
}

/** What is wrong with an expression, and where in its text. */
export interface ExpressionProblem {
  readonly message: string;
  readonly start: number;
  readonly end: number;
}

/** A field is of a type, or one of a closed set of words. */
export type FieldTypes = Readonly<Record<string, FieldType | readonly string[]>>;

/** Compile a `where` of a rule on `kind`. */
export function compileWhere(kind: FindingKind, text: string): Expression | ExpressionProblem {
  return compileExpression(fields[kind], text);
}

export function isProblem(result: Expression | ExpressionProblem): result is ExpressionProblem {
  return 'message' in result;
}

/** Compile a CEL expression over named, typed fields. It must be a condition: true or false. */
export function compileExpression(types: FieldTypes, text: string): Expression | ExpressionProblem {
  const environment = environmentOf(types);
  let parsed: ParseResult;
  try {
    parsed = environment.parse(unreserve(text));
  } catch (error) {
    return problem(error, text, types);
  }
  const checked = parsed.check();
  if (!checked.valid) return problem(checked.error, text, types);
  if (checked.type !== 'bool') {
    return { message: `is of type ${checked.type}, but has to be a condition (bool)`, start: 0, end: text.length };
  }
  const named = new Set<string>();
  const found = findProblem(parsed.ast, types, named);
  if (found !== undefined) return found;
  const test =
    compileFast(parsed.ast, { fieldOf: reserve, typeOf: (field) => plainType(types[field]) }) ??
    walkTree(parsed, types);
  const severity = Object.keys(types).find((field) => types[field] === 'severity' && named.has(field));
  return {
    text,
    fields: named,
    equalities: equalities(parsed.ast, types),
    terms: termsOf(parsed.ast, text),
    test: severity === undefined || namesUnknown(parsed.ast, severity) ? test : unknownIsAbsent(test, severity),
  };
}

/** Whether the condition says itself what is to become of a severity that is unknown. */
function namesUnknown(node: ASTNode, severity: string): boolean {
  const parts = children(node);
  const asks = parts.some((part) => part.op === 'id' && reserve(part.args) === severity);
  const words = parts.flatMap((part) => (part.op === 'list' ? part.args : [part]));
  return (
    (asks && words.some((word) => literal(word) === 'Unknown')) || parts.some((part) => namesUnknown(part, severity))
  );
}

/** A severity that is unknown may be any: of a condition that asks for another one nothing can be told. */
function unknownIsAbsent(test: Expression['test'], severity: string): Expression['test'] {
  return (finding) => {
    if (finding[severity] !== 'Unknown') return test(finding);
    return test(Object.create(finding, { [severity]: { value: undefined } }) as Finding);
  };
}

/** Evaluation by the library. */
function walkTree(parsed: ParseResult, types: FieldTypes): Expression['test'] {
  const view = new View(types);
  return (finding) => {
    view.finding = finding;
    try {
      return parsed(view.variables) === true;
    } catch {
      return undefined;
    }
  };
}

function plainType(type: FieldTypes[string] | undefined): 'text' | 'int' | undefined {
  if (type === undefined || type === 'time') return undefined;
  return type === 'int' ? 'int' : 'text';
}

const celTypes: Readonly<Record<FieldType, string>> = {
  severity: 'string',
  string: 'string',
  text: 'string',
  int: 'int',
  time: 'google.protobuf.Timestamp',
};

/** RE2 asks for linear time; the library's own `matches` may take exponential time on a name that is made for it. */
function registerMatches(environment: Environment): void {
  const matches = (text: string, pattern: string) => compilePattern(pattern).test(text);
  environment.registerFunction('string.Matches(string): bool', matches);
  environment.registerFunction('Matches(string, string): bool', matches);
}

const environments = new WeakMap<FieldTypes, Environment>();

function environmentOf(types: FieldTypes): Environment {
  let environment = environments.get(types);
  if (environment === undefined) {
    environment = new Environment({ limits: { maxAstNodes: 2000, maxDepth: 50 } });
    for (const [field, type] of Object.entries(types))
      environment.registerVariable(unreserve(field), typeof type === 'string' ? celTypes[type] : 'string');
    registerMatches(environment);
    environments.set(types, environment);
  }
  return environment;
}

/** The fields of a finding as CEL's types: BigInt for int, Date for timestamp. An absent field is an unknown variable. */
class View {
  finding: Finding = {};
  readonly variables: Record<string, unknown> = {};

  constructor(types: FieldTypes) {
    for (const [field, type] of Object.entries(types)) {
      const get =
        type === 'int' || type === 'time'
          ? () => {
              const value = this.finding[field];
              if (typeof value !== 'number') return undefined;
              return type === 'int' ? BigInt(value) : new Date(value);
            }
          : () => this.finding[field];
      Object.defineProperty(this.variables, unreserve(field), { get, enumerable: true });
    }
  }
}

/**
 * Names of ours for what CEL or the library has otherwise, as long as they are, so that positions stay: `Package`, since
 * CEL reserves `package`, and `Matches`, a `matches` that takes linear time. Strings and comments are left alone.
 */
function unreserve(text: string): string {
  return text.replace(
    /[rRbB]{0,2}(?:"""[\s\S]*?"""|'''[\s\S]*?'''|"(?:\\[\s\S]|[^"\\])*"|'(?:\\[\s\S]|[^'\\])*')|\/\/.*|(?<![\w.])package(?!\w)|(?<!\w)matches(?=\s*\()/g,
    (found) => (found === 'package' ? 'Package' : found === 'matches' ? 'Matches' : found),
  );
}

function reserve(name: string): string {
  return name === 'Package' ? 'package' : name === 'Matches' ? 'matches' : name;
}

interface CelFailure {
  readonly code?: string;
  readonly summary?: string;
  readonly message?: string;
  readonly range?: { readonly start: number; readonly end: number };
}

function problem(error: unknown, text: string, types: FieldTypes): ExpressionProblem {
  const failure = error as CelFailure;
  const start = Math.min(failure.range?.start ?? 0, text.length);
  const end = Math.max(start, Math.min(failure.range?.end ?? text.length, text.length));
  const summary = (failure.summary ?? failure.message ?? 'cannot be read').split('\n')[0] as string;
  const unknown = /^Unknown variable: (.+)$/.exec(summary)?.[1];
  if (unknown !== undefined) {
    return { message: `unknown field ${reserve(unknown)}${hint(unknown, Object.keys(types))}`, start, end };
  }
  return { message: summary.replaceAll('Package', 'package').replaceAll('Matches', 'matches'), start, end };
}

/** Walk every node; note the fields named; find what type-checks but can never be meant. */
function findProblem(node: ASTNode, types: FieldTypes, named: Set<string>): ExpressionProblem | undefined {
  if (node.op === 'id') {
    named.add(reserve(node.args));
    return undefined;
  }
  const wrong = impossibleWord(node, types) ?? wordAsText(node, types) ?? invalidPattern(node);
  if (wrong !== undefined) return wrong;
  for (const child of children(node)) {
    const found = findProblem(child, types, named);
    if (found !== undefined) return found;
  }
  return undefined;
}

function children(node: ASTNode): ASTNode[] {
  const found: ASTNode[] = [];
  const visit = (value: unknown): void => {
    if (Array.isArray(value)) for (const part of value) visit(part);
    else if (isNode(value)) found.push(value);
  };
  visit(node.args);
  return found;
}

function isNode(value: unknown): value is ASTNode {
  return typeof value === 'object' && value !== null && 'op' in value && 'args' in value;
}

function literal(node: ASTNode | undefined): string | undefined {
  return node?.op === 'value' && typeof node.args === 'string' ? node.args : undefined;
}

/** `severity == "high"` is never true where severities are written `High`. */
function impossibleWord(node: ASTNode, types: FieldTypes): ExpressionProblem | undefined {
  if (node.op !== '==' && node.op !== '!=' && node.op !== 'in') return undefined;
  const [left, right] = node.args as [ASTNode, ASTNode];
  const [id, other] = left.op === 'id' ? [left, right] : [right, left];
  if (id.op !== 'id') return undefined;
  const field = reserve(id.args);
  const type = types[field];
  const words = type === 'severity' ? findingSeverities : typeof type === 'object' ? type : undefined;
  if (words === undefined) return undefined;
  for (const candidate of other.op === 'list' ? other.args : [other]) {
    const text = literal(candidate);
    if (text === undefined || (words as readonly string[]).includes(text)) continue;
    return {
      message: `${field} is never "${text}"${hint(text, words)}`,
      start: candidate.start ?? 0,
      end: candidate.end ?? 0,
    };
  }
  return undefined;
}

/** One of a closed set of words is compared as a whole: "Critical" is not above "High" in the alphabet. */
function wordAsText(node: ASTNode, types: FieldTypes): ExpressionProblem | undefined {
  const isEquality = node.op === '==' || node.op === '!=' || node.op === 'in';
  if (isEquality || node.op === '&&' || node.op === '||' || node.op === '?:') return undefined;
  for (const child of children(node)) {
    if (child.op !== 'id') continue;
    const type = types[reserve(child.args)];
    if (type !== 'severity' && typeof type !== 'object') continue;
    const advice = type === 'severity' ? '; for one and all above it use min_severity' : '';
    const message = `${reserve(child.args)} is compared by ==, != or in${advice}`;
    return { message, start: child.start ?? 0, end: child.end ?? 0 };
  }
  return undefined;
}

function invalidPattern(node: ASTNode): ExpressionProblem | undefined {
  const [name, pattern] =
    node.op === 'rcall' ? [node.args[0], node.args[2][0]] : node.op === 'call' ? [node.args[0], node.args[1][1]] : [];
  const text = literal(pattern);
  if (name !== 'Matches' || pattern === undefined || text === undefined) return undefined;
  try {
    compilePattern(text);
    return undefined;
  } catch (error) {
    if (!(error instanceof PatternError)) throw error;
    return {
      message: `"${text}" is no regular expression (RE2 syntax)`,
      start: pattern.start ?? 0,
      end: pattern.end ?? 0,
    };
  }
}

function termsOf(node: ASTNode, text: string): readonly string[] {
  if (node.op === '&&') return (node.args as ASTNode[]).flatMap((side) => termsOf(side, text));
  return [text.slice(node.start, node.end)];
}

function equalities(node: ASTNode, types: FieldTypes, found = new Map<string, string>()): Map<string, string> {
  if (node.op === '&&') for (const side of node.args as ASTNode[]) equalities(side, types, found);
  if (node.op === '==') {
    const [left, right] = node.args as [ASTNode, ASTNode];
    for (const [id, value] of [
      [left, right],
      [right, left],
    ] as const) {
      const text = literal(value);
      if (id.op === 'id' && text !== undefined && reserve(id.args) in types) found.set(reserve(id.args), text);
    }
  }
  return found;
}
