import { type DefaultTreeAdapterTypes, defaultTreeAdapter, parse } from 'parse5';

export type Node = DefaultTreeAdapterTypes.ChildNode;
export type Element = DefaultTreeAdapterTypes.Element;

/** A page as a browser takes it. */
export interface Page {
  /** What an HTML5 parser had to put right. */
  readonly errors: readonly string[];
  /** In the order of the document. */
  readonly elements: readonly Element[];
}

export function parsePage(text: string): Page {
  const errors: string[] = [];
  const document = parse(text, { onParseError: ({ code, startLine }) => errors.push(`${startLine}: ${code}`) });
  return { errors, elements: document.childNodes.flatMap(elementsOf) };
}

/** The element and all that are inside. */
export function elementsOf(node: Node): readonly Element[] {
  if (!defaultTreeAdapter.isElementNode(node)) return [];
  return [node, ...node.childNodes.flatMap(elementsOf)];
}

/** The elements inside with one of the names. */
export function within(element: Element, ...names: readonly string[]): readonly Element[] {
  return element.childNodes.flatMap(elementsOf).filter(({ tagName }) => names.includes(tagName));
}

export function textOf(node: Node): string {
  if (defaultTreeAdapter.isTextNode(node)) return node.value;
  return 'childNodes' in node ? node.childNodes.map(textOf).join('') : '';
}

export function attribute({ attrs }: Element, name: string): string | undefined {
  return attrs.find((one) => one.name === name)?.value;
}

/** What may stand on a page, and with which attributes. No script, no image, no form, nothing that loads. */
const ours: Readonly<Record<string, RegExp>> = {
  html: /^lang$/,
  head: /^$/,
  meta: /^(?:charset|http-equiv|name|content)$/,
  title: /^$/,
  style: /^$/,
  body: /^$/,
  header: /^$/,
  main: /^$/,
  footer: /^$/,
  section: /^(?:class|aria-labelledby)$/,
  div: /^class$/,
  h1: /^$/,
  h2: /^id$/,
  h3: /^id$/,
  p: /^class$/,
  dl: /^class$/,
  dt: /^$/,
  dd: /^$/,
  ol: /^start$/,
  ul: /^$/,
  li: /^$/,
  a: /^href$/,
  code: /^$/,
  bdi: /^$/,
  strong: /^$/,
  small: /^class$/,
  span: /^class$/,
  time: /^datetime$/,
  wbr: /^$/,
  details: /^$/,
  summary: /^$/,
  table: /^role$/,
  caption: /^$/,
  colgroup: /^$/,
  col: /^class$/,
  thead: /^role$/,
  tbody: /^role$/,
  tr: /^role$/,
  th: /^(?:role|scope|class|data-label)$/,
  td: /^(?:role|class|data-label)$/,
  svg: /^(?:class|viewBox|aria-hidden)$/,
  path: /^(?:class|d)$/,
  circle: /^(?:class|cx|cy|r)$/,
  rect: /^(?:x|y|width|height|rx)$/,
};

const classes =
  /^(?:verdict|of|loud|facts|none|cut|more|muted|rule|message|sign|status|grade|print|number|short|medium|named|wide|ink|dot|fail|pass|undetermined|warn|observed|Critical|High|Medium|Low|Unknown)$/;

/** What is wrong with a page, whoever wrote the texts on it. Empty: nothing. */
export function pageProblems({ errors, elements }: Page): readonly string[] {
  const ids = elements.flatMap((element) => attribute(element, 'id') ?? []);
  const problems = errors.map((error) => `not valid: ${error}`);
  for (const [i, id] of ids.entries()) {
    if (ids.indexOf(id) !== i) problems.push(`id ${id} twice`);
    if (!/^[a-z]+(?:-\d+)?$/.test(id)) problems.push(`id ${id}`);
  }
  for (const element of elements) {
    const { tagName, attrs } = element;
    const known = ours[tagName];
    if (known === undefined) problems.push(`an element ${tagName}`);
    for (const { name, value } of attrs) {
      if (known?.test(name) === false) problems.push(`${tagName}: an attribute ${name}`);
      if (name === 'class' && !value.split(' ').every((one) => classes.test(one))) problems.push(`class ${value}`);
      if (name === 'href' && !(value.startsWith('#') && ids.includes(value.slice(1))))
        problems.push(`a link to ${value}`);
      if (name === 'aria-labelledby' && !ids.includes(value)) problems.push(`labelled by ${value}, which is not there`);
    }
  }
  problems.push(...headingProblems(elements), ...elements.filter(isTable).flatMap(tableProblems));
  return problems;
}

function headingProblems(elements: readonly Element[]): readonly string[] {
  const levels = elements.flatMap(({ tagName }) => (/^h\d$/.test(tagName) ? [Number(tagName[1])] : []));
  const problems = levels.filter((level, i) => level > (levels[i - 1] ?? 0) + 1).map((level) => `a lone h${level}`);
  return levels.filter((level) => level === 1).length === 1 ? problems : [...problems, 'not one h1'];
}

function isTable({ tagName }: Element): boolean {
  return tagName === 'table';
}

/** Every cell has a column, which has a heading; every row has a name. */
function tableProblems(table: Element): readonly string[] {
  const problems: string[] = [];
  const columns = within(table, 'th').filter((th) => attribute(th, 'scope') === 'col');
  const labels = columns.map(textOf);
  if (textOf(within(table, 'caption')[0] ?? table) === '') problems.push('a table without a caption');
  if (labels.length === 0 || labels.includes('')) problems.push(`columns ${labels.join(', ')}`);
  for (const row of within(table, 'tr').slice(1)) {
    const cells = row.childNodes.flatMap((node) => (defaultTreeAdapter.isElementNode(node) ? [node] : []));
    if (cells.map((cell) => attribute(cell, 'data-label')).join('|') !== labels.join('|'))
      problems.push('cells astray');
    if (cells.filter((cell) => attribute(cell, 'scope') === 'row').length !== 1) problems.push('a row without a name');
  }
  return problems;
}
