/** A command as GitHub's runner finds it in a line of a log. */
export interface WorkflowCommand {
  readonly command: string;
  readonly properties: Readonly<Record<string, string>>;
  readonly data: string;
}

const known = new Set([
  'add-mask',
  'add-matcher',
  'add-path',
  'debug',
  'echo',
  'endgroup',
  'error',
  'group',
  'notice',
  'remove-matcher',
  'save-state',
  'set-env',
  'set-output',
  'stop-commands',
  'warning',
]);

/**
 * By the grammar of the runner: `::name key=value,key=value::data`, white space before it or not, and the old
 * `##[name key=value;key=value]data` wherever it stands in a line.
 */
export function workflowCommands(log: string): readonly WorkflowCommand[] {
  return log.split(/\r\n|[\r\n]/).flatMap((line) => newCommand(line) ?? oldCommand(line) ?? []);
}

function newCommand(line: string): WorkflowCommand | undefined {
  const text = line.trimStart();
  const end = text.startsWith('::') ? text.indexOf('::', 2) : -1;
  return end < 0 ? undefined : parsed(text.slice(2, end), ',', text.slice(end + 2), true);
}

function oldCommand(line: string): WorkflowCommand | undefined {
  const start = line.indexOf('##[');
  const end = start < 0 ? -1 : line.indexOf(']', start);
  return end < 0 ? undefined : parsed(line.slice(start + 3, end), ';', line.slice(end + 1), false);
}

function parsed(info: string, separator: string, data: string, escapes: boolean): WorkflowCommand | undefined {
  const [command = '', ...rest] = info.split(' ');
  if (!known.has(command)) return undefined;
  const pairs = rest.join(' ').trim().split(separator).filter(Boolean);
  const properties = pairs.flatMap((pair) => {
    const at = pair.indexOf('=');
    return at <= 0 || at === pair.length - 1 ? [] : [[pair.slice(0, at), unescaped(pair.slice(at + 1), escapes)]];
  });
  return { command, properties: Object.fromEntries(properties), data: unescaped(data, false) };
}

function unescaped(text: string, isProperty: boolean): string {
  const lines = text.replaceAll('%0D', '\r').replaceAll('%0A', '\n');
  const marks = isProperty ? lines.replaceAll('%3A', ':').replaceAll('%2C', ',') : lines;
  return marks.replaceAll('%25', '%');
}
