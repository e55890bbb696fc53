import { isCollection, isMap, isScalar, LineCounter, type Node, parseDocument, type YAMLError } from 'yaml';
import type * as z from 'zod/mini';
import { hint } from './suggest.ts';

/** Something wrong in a YAML file, where it stands and what to do. Lines and columns count from 1. */
export interface Issue {
  readonly file: string;
  readonly line: number;
  readonly column: number;
  /** How much of the line it concerns. */
  readonly length: number;
  readonly message: string;
  /** The line of the file; empty when it is blank or beyond the end. */
  readonly text: string;
}

export type Path = readonly (string | number)[];

/** A YAML file as data, with the position of every part of it. */
export interface YamlFile {
  readonly data: unknown;
  /** An issue at the value of `path`, at its key when `at` is `key`, or at a range inside a value's text. */
  issue(path: Path, message: string, at?: 'value' | 'key' | { readonly start: number; readonly end: number }): Issue;
  /** The line of the value at `path`, from 1. */
  line(path: Path): number;
}

/**
 * Read YAML 1.2, one document. A key given twice is an error.
 * @param quotes whether messages may quote the file: not where a secret may stand in it by mistake
 */
export function readYaml(
  text: string,
  file: string,
  quotes = true,
): { readonly yaml?: YamlFile; readonly issues: readonly Issue[] } {
  const lines = text.split(/\r?\n/);
  const counter = new LineCounter();
  const at = (start: number, end: number, message: string): Issue => {
    const { line, col } = counter.linePos(start);
    const lineText = lines[line - 1] ?? '';
    const length = Math.max(1, Math.min(end - start, lineText.length - col + 1));
    return { file, line: Math.max(1, line), column: Math.max(1, col), length, message, text: lineText };
  };
  const document = parseDocument(text, { lineCounter: counter, prettyErrors: false });
  const problems = [...document.errors, ...document.warnings];
  if (problems.length > 0) {
    return {
      issues: problems.map((e) => at(e.pos[0], e.pos[1], `YAML: ${quotes ? syntaxMessage(e) : plainSyntax(e.code)}`)),
    };
  }
  let data: unknown;
  try {
    data = document.toJS({ maxAliasCount: 100 });
  } catch (error) {
    return { issues: [at(0, 1, quotes ? `YAML: ${(error as Error).message}` : 'YAML: cannot be read')] };
  }
  const find = (path: Path): { node: Node | null; key: Node | null } => {
    let node: Node | null = document.contents;
    let key: Node | null = null;
    for (const part of path) {
      if (isMap(node)) {
        const pair = node.items.find((item) => isScalar(item.key) && String(item.key.value) === String(part));
        if (pair === undefined) break;
        key = pair.key as Node;
        node = (pair.value as Node | null) ?? key;
      } else if (isCollection(node)) {
        const item = node.items[Number(part)] as Node | undefined;
        if (item === undefined) break;
        key = null;
        node = item;
      } else break;
    }
    return { node, key };
  };
  const rangeOf = (node: Node | null): [number, number] => [node?.range?.[0] ?? 0, node?.range?.[1] ?? 0];
  return {
    issues: [],
    yaml: {
      data,
      issue(path, message, where = 'value') {
        const { node, key } = find(path);
        if (where === 'key') return at(...rangeOf(key ?? node), message);
        const [start, end] = rangeOf(node);
        if (where === 'value') return at(start, isCollection(node) ? start + 1 : end, message);
        // Inside the text of a scalar that stands on one line: quotes shift it by one.
        const source = text.slice(start, end);
        if (!isScalar(node) || /[\n|>]/.test(source.slice(0, 1)) || source.includes('\n'))
          return at(start, end, message);
        const shift = /^["']/.test(source) ? 1 : 0;
        return at(start + shift + where.start, start + shift + Math.max(where.end, where.start + 1), message);
      },
      line: (path) => counter.linePos(rangeOf(find(path).node)[0]).line || 1,
    },
  };
}

function syntaxMessage({ code, message }: YAMLError): string {
  if (code === 'MULTIPLE_DOCS') return 'there is more than one document (a line with ---)';
  return message.split('\n')[0] ?? code;
}

/** What is wrong, in words that hold nothing of the file: `UNRESOLVED_ALIAS` is "unresolved alias". */
function plainSyntax(code: string): string {
  return code.toLowerCase().replaceAll('_', ' ');
}

/** `policies/production.yaml:7:5: message`, the line, and a mark under what it concerns. */
export function formatIssue(issue: Issue): string {
  const head = `${issue.file}:${issue.line}:${issue.column}: ${issue.message.replaceAll(/[\p{Cc}\p{Cf}]/gu, ' ')}`;
  if (issue.text.trim() === '') return head;
  const number = String(issue.line);
  // A window on a long line, so that a line of 10,000 characters does not bury the message.
  const from = issue.column > 100 ? issue.column - 60 : 0;
  const shown = issue.text.slice(from, from + 140).replaceAll(/[\p{Cc}\p{Cf}]/gu, ' ');
  const mark = '^'.repeat(Math.max(1, Math.min(issue.length, shown.length - (issue.column - 1 - from))));
  return `${head}\n  ${number} | ${shown}\n  ${' '.repeat(number.length)} | ${' '.repeat(issue.column - 1 - from)}${mark}`;
}

/** By line, then column. */
export function sortIssues(issues: readonly Issue[]): Issue[] {
  return [...issues].sort((a, b) => a.line - b.line || a.column - b.column);
}

/** Check data against a schema. All issues at once, each in words and at its place. */
export function checkSchema<T>(
  yaml: YamlFile,
  schema: z.ZodMiniType<T>,
  quotes = true,
): { readonly value?: T; readonly issues: readonly Issue[] } {
  const result = schema.safeParse(yaml.data);
  if (result.success) return { value: result.data, issues: [] };
  return {
    issues: result.error.issues.flatMap((issue) => schemaIssues({ yaml, schema, quotes }, issue as SchemaIssue)),
  };
}

/** What zod says of one problem; which members there are depends on `code`. */
interface SchemaIssue {
  readonly code: string;
  readonly path: readonly PropertyKey[];
  readonly message: string;
  readonly input?: unknown;
  readonly expected?: string;
  readonly keys?: readonly string[];
  readonly values?: readonly unknown[];
  readonly errors?: readonly (readonly SchemaIssue[])[];
}

/** The schema's own words, where it has some. */
function wanted({ message, expected }: SchemaIssue): string {
  return message.startsWith('has to be') ? message : `has to be ${articled(expected ?? 'something else')}`;
}

interface Checked {
  readonly yaml: YamlFile;
  readonly schema: z.ZodMiniType;
  readonly quotes: boolean;
}

function schemaIssues(checked: Checked, issue: SchemaIssue): Issue[] {
  const { yaml, schema, quotes } = checked;
  const path = issue.path as Path;
  const name = path.length === 0 ? 'the file' : dotted(path);
  const value = valueAt(yaml.data, path);
  switch (issue.code) {
    case 'unrecognized_keys':
      return (issue.keys ?? []).map((key) => {
        const known = keysAt(schema, path);
        const said =
          quotes || isWord(key)
            ? `${dotted([...path, key])}: unknown key${hint(key, known)}`
            : `${name}: a key that is unknown, and not shown: it may be a secret; known: ${known.join(', ')}`;
        return yaml.issue([...path, key], said, 'key');
      });
    case 'invalid_type':
      if (value === undefined && path.length > 0) {
        return [yaml.issue(path.slice(0, -1), `${name}: is required, and missing`)];
      }
      return [yaml.issue(path, `${name}: ${wanted(issue)}, not ${typeName(value, quotes)}`)];
    case 'invalid_value': {
      const values = (issue.values ?? []).map(String);
      if (value === undefined)
        return [yaml.issue(path.slice(0, -1), `${name}: is required (${values.join(', ')}), and missing`)];
      const wanted =
        values.length === 1
          ? `; has to be ${values[0]}`
          : quotes
            ? hint(String(value), values)
            : `; known: ${values.join(', ')}`;
      return [
        yaml.issue(path, `${name}: ${quotes ? JSON.stringify(value) : 'this'} is not a value it can have${wanted}`),
      ];
    }
    case 'invalid_union': {
      const [nearest] = [...(issue.errors ?? [])].sort((a, b) => depth(b) - depth(a));
      if (nearest === undefined || depth(nearest) === 0) return [yaml.issue(path, `${name}: ${issue.message}`)];
      return nearest.flatMap((inner) => schemaIssues(checked, { ...inner, path: [...path, ...inner.path] as Path }));
    }
    default:
      return [yaml.issue(path, `${name}: ${issue.message}`)];
  }
}

/** As keys are; a secret has digits or signs. */
function isWord(key: string): boolean {
  return /^[A-Za-z_-]{1,40}$/.test(key);
}

function depth(issues: readonly SchemaIssue[]): number {
  return Math.max(0, ...issues.map((issue) => issue.path.length + (issue.code === 'unrecognized_keys' ? 1 : 0)));
}

/** `rules[0].min_severity` */
export function dotted(path: Path): string {
  return path.map((part, i) => (typeof part === 'number' ? `[${part}]` : i === 0 ? part : `.${part}`)).join('');
}

function valueAt(data: unknown, path: Path): unknown {
  let value = data;
  for (const part of path) value = (value as Record<string | number, unknown> | null | undefined)?.[part];
  return value;
}

function typeName(value: unknown, quotes: boolean): string {
  if (value === null || value === undefined) return 'empty';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object') return 'a map';
  const shown = typeof value === 'number' ? String(value) : JSON.stringify(value);
  return quotes ? `${articled(typeof value)} (${shown})` : articled(typeof value);
}

function articled(type: string): string {
  const words: Readonly<Record<string, string>> = { object: 'a map', array: 'a list', int: 'a whole number' };
  return words[type] ?? `a ${type}`;
}

interface SchemaDef {
  readonly def?: {
    readonly shape?: Readonly<Record<string, SchemaDef>>;
    readonly element?: SchemaDef;
    readonly innerType?: SchemaDef;
    readonly valueType?: SchemaDef;
    readonly options?: readonly SchemaDef[];
  };
}

/** The keys that a schema knows at a path. */
function keysAt(schema: z.ZodMiniType, path: Path): string[] {
  const visit = (at: SchemaDef | undefined, rest: Path): string[] => {
    const def = at?.def;
    if (def === undefined) return [];
    if (def.options) return def.options.flatMap((option) => visit(option, rest));
    if (def.innerType) return visit(def.innerType, rest);
    if (rest.length === 0) return Object.keys(def.shape ?? {});
    const [head, ...tail] = rest;
    return visit(def.shape?.[String(head)] ?? def.element ?? def.valueType, tail);
  };
  return [...new Set(visit(schema as SchemaDef, path))];
}
