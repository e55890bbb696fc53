import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';

/** The name that IAM has for the service of a client. */
const services: Readonly<Record<string, string>> = {
  '@aws-sdk/client-dynamodb': 'dynamodb',
  '@aws-sdk/client-lambda': 'lambda',
  '@aws-sdk/client-s3': 's3',
  '@aws-sdk/client-secrets-manager': 'secretsmanager',
  '@aws-sdk/client-sqs': 'sqs',
};

/**
 * The actions of IAM that the code of a function needs: by the commands of the AWS SDK in all modules of ours that its entry
 * imports, statically or not, over any number of steps. A command in a method counts when another of these modules calls a
 * method of that name, other than from one of the same name that passes the call on; any other command counts as it stands.
 * @throws {Error} a client or a command that is not known here
 */
export async function actionsCalled(root: string, entry: string): Promise<string[]> {
  const { metafile } = await build({
    absWorkingDir: root,
    entryPoints: [entry],
    outdir: 'out',
    write: false,
    metafile: true,
    bundle: true,
    format: 'esm',
    platform: 'node',
    packages: 'external',
    logLevel: 'silent',
  });
  const modules = Object.entries(metafile.inputs).map(([file, { imports }]) => ({
    file,
    source: readFileSync(join(root, file), 'utf8'),
    clients: imports.map(({ path }) => path).filter((path) => path.startsWith('@aws-sdk/client-')),
  }));
  const commands = await Promise.all(
    [...new Set(modules.flatMap(({ clients }) => clients))].map(async (client) => {
      const service = services[client];
      if (service === undefined) throw new Error(`${client}: name its service here`);
      return { service, names: Object.keys((await import(client)) as object) };
    }),
  );
  const actions = modules.flatMap(({ file, source }) =>
    commandsIn(source).flatMap(({ name, method }) => {
      const [of, ...more] = commands.filter(({ names }) => names.includes(`${name}Command`));
      if (of === undefined || more.length > 0) throw new Error(`${file}: ${name}Command is of no client, or of many`);
      const isCalled = modules.some((one) => one.file !== file && calls(one.source, method));
      return isCalled ? [`${of.service}:${name.replace(/^(\w+Message(?:Visibility)?)Batch$/, '$1')}`] : [];
    }),
  );
  return [...new Set(actions)].sort();
}

/** Members of an object or a class, as Biome writes them: `look: (a) => ...`, `async look() {`. */
const member = /^(?:readonly )?(?:async )?(?:(\w+): .*=>|(?!if|for|while|switch|catch)(\w+)\((?!.*=>).*\{$)/;
const declaration = /^(?:export )?(?:async )?function \w+/;

/** The commands that a module makes, each with the method that it stands in, if it stands in one. */
export function commandsIn(source: string): { readonly name: string; readonly method: string | undefined }[] {
  const lines = source.split('\n');
  return lines.flatMap((line, at) =>
    [...line.matchAll(/\bnew (?:\w+\.)?(\w+)Command\(/g)].map(([, name = '']) => ({
      name,
      method: methodAround(lines, at),
    })),
  );
}

function calls(source: string, method: string | undefined): boolean {
  if (method === undefined) return true;
  const lines = source.split('\n');
  return lines.some((line, at) => line.includes(`.${method}(`) && methodAround(lines, at) !== method);
}

function methodAround(lines: readonly string[], at: number): string | undefined {
  let depth = Number.POSITIVE_INFINITY;
  for (const line of lines.slice(0, at + 1).reverse()) {
    const text = line.trimStart();
    const indent = line.length - text.length;
    if (text === '' || indent >= depth) continue;
    depth = indent;
    if (declaration.test(text)) return undefined;
    const [, property, method] = member.exec(text) ?? [];
    if (property !== undefined || method !== undefined) return property ?? method;
  }
  return undefined;
}
