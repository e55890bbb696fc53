import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { expect, test } from 'vitest';

const root = resolve(import.meta.dirname, '..');

/** What each folder may import: folders of ours, then packages. `node:` is allowed everywhere but in core. */
const allowed: Readonly<Record<string, { readonly folders: readonly string[]; readonly packages: readonly string[] }>> =
  {
    'lib/core': {
      folders: [],
      packages: [
        'zod/mini',
        'yaml',
        're2js',
        '@marcbachmann/cel-js',
        'fastest-levenshtein',
        'node:crypto',
        'node:util',
      ],
    },
    'lib/app': { folders: ['lib/core'], packages: ['node:crypto', 'node:zlib'] },
    'lib/hss': { folders: ['lib/core', 'lib/http', 'lib/app/ports.ts'], packages: ['zod/mini', 'node:'] },
    'lib/notifiers': {
      folders: ['lib/core', 'lib/http', 'lib/app/ports.ts'],
      packages: ['@slack/webhook', 'standardwebhooks', 'node:'],
    },
    'lib/secrets': {
      folders: ['lib/core', 'lib/http', 'lib/app/ports.ts'],
      packages: ['@aws-sdk/client-secrets-manager', 'node:'],
    },
    'lib/stores': { folders: ['lib/core', 'lib/app/state.ts'], packages: ['@aws-sdk/client-dynamodb', 'node:'] },
    'lib/s3': {
      folders: ['lib/core', 'lib/http', 'lib/app/objects.ts', 'lib/app/ports.ts'],
      packages: ['@aws-sdk/client-s3'],
    },
    'lib/pages': {
      folders: ['lib/core', 'lib/s3', 'lib/app/objects.ts', 'lib/app/pages.ts'],
      packages: ['node:'],
    },
    'lib/http': { folders: ['lib/core'], packages: ['undici/', 'node:'] },
    'lib/config': { folders: ['lib/core'], packages: ['zod/mini', 'node:'] },
    'lib/simulator': { folders: [], packages: ['node:'] },
    'lib/queue': { folders: [], packages: ['@aws-sdk/client-sqs'] },
    'lib/remote': {
      folders: ['lib/core', 'lib/http', 'lib/app/ports.ts'],
      packages: ['@aws-sdk/client-lambda', '@aws-sdk/credential-provider-node', '@smithy/signature-v4', 'node:'],
    },
    'lib/compose.ts': {
      folders: [
        'lib/app',
        'lib/config',
        'lib/core',
        'lib/hss',
        'lib/http',
        'lib/notifiers',
        'lib/s3',
        'lib/secrets',
        'lib/stores',
      ],
      packages: ['node:'],
    },
    'lib/cli': {
      folders: ['lib/compose.ts', 'lib/app', 'lib/config', 'lib/core', 'lib/pages', 'lib/remote', 'lib/simulator'],
      packages: ['node:'],
    },
    functions: {
      folders: ['lib/compose.ts', 'lib/app', 'lib/config', 'lib/core', 'lib/pages', 'lib/queue'],
      packages: ['zod/mini', '@aws-lambda-powertools/', 'node:'],
    },
  };

function sourceFiles(folder: string): string[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts') && !name.endsWith('.d.ts'))
    .map((name) => join(folder, name));
}

interface Import {
  readonly from: string;
  readonly to: string;
}

function importsOf(file: string): Import[] {
  const text = readFileSync(join(root, file), 'utf8');
  return [
    ...text.matchAll(
      /(?:^|\s)(?:import|export)\b[^'";]*?\bfrom\s+'([^']+)'|\bimport\(\s*'([^']+)'\s*\)|^import\s+'([^']+)'/gm,
    ),
  ].map(([, from, dynamic, bare]) => {
    const specifier = (from ?? dynamic ?? bare) as string;
    return {
      from: file,
      to: specifier.startsWith('.') ? relative(root, resolve(root, dirname(file), specifier)) : specifier,
    };
  });
}

const files = [...sourceFiles('lib'), ...sourceFiles('functions')];
const imports = files.flatMap(importsOf);

function layerOf(file: string): string | undefined {
  return Object.keys(allowed).find((layer) => file === layer || file.startsWith(`${layer}/`));
}

test('every file belongs to a layer', () => {
  expect(files.length).toBeGreaterThan(50);
  expect(files.filter((file) => layerOf(file) === undefined)).toEqual([]);
});

test('imports go only along the arrows of the layout', () => {
  const wrong = imports.filter(({ from, to }) => {
    const layer = layerOf(from) as string;
    const rule = allowed[layer];
    const isOurs = to.startsWith('lib/') || to.startsWith('functions/');
    if (isOurs)
      return layerOf(to) !== layer && !rule?.folders.some((folder) => to === folder || to.startsWith(`${folder}/`));
    return !rule?.packages.some(
      (name) => to === name || ((name.endsWith('/') || name.endsWith(':')) && to.startsWith(name)),
    );
  });
  expect(wrong).toEqual([]);
});

test('imports are found at all: as many as the compiler sees', () => {
  const seen = files.flatMap((file) => {
    const source = readFileSync(join(root, file), 'utf8');
    return (source.match(/^(import|export)\b.*from '|^} from '|import\('/gm) ?? []).map(() => file);
  });
  expect(imports.length).toBe(seen.length);
});

test.each(['lib/core', 'lib/app'])('%s knows no clock, no chance, no environment and no process', (folder) => {
  const impure = sourceFiles(folder).filter((file) =>
    /\bDate\.now\(|new Date\(\)|\bMath\.random\b|\bprocess\.|\bsetTimeout\b|\bfetch\(/.test(
      readFileSync(join(root, file), 'utf8'),
    ),
  );
  expect(impure).toEqual([]);
});

test('only functions and the entry of the command touch the process', () => {
  const touching = files.filter((file) =>
    /\bprocess\.(env|argv|exit|std)/.test(readFileSync(join(root, file), 'utf8')),
  );
  expect(touching.filter((file) => file !== 'lib/cli/main.ts' && !file.startsWith('functions/'))).toEqual([]);
});

test('names of the wire stand in the schema and in the simulator only', () => {
  const wire =
    /'(local_image_vul_list|baseline_detection_list|privileged_container_list|app_list|launch_params|vul_name)'/;
  const knowing = files.filter((file) => wire.test(readFileSync(join(root, file), 'utf8')));
  expect(knowing.filter((file) => file !== 'lib/hss/schema.ts' && !file.startsWith('lib/simulator/'))).toEqual([]);
});

test('there are no circles', () => {
  const edges = new Map(
    files.map((file) => [
      file,
      importsOf(file)
        .map(({ to }) => to)
        .filter((to) => to.startsWith('lib/')),
    ]),
  );
  const circles: string[][] = [];
  const done = new Set<string>();
  const visit = (file: string, path: readonly string[]): void => {
    if (path.includes(file)) circles.push([...path.slice(path.indexOf(file)), file]);
    else if (!done.has(file)) {
      for (const next of edges.get(file) ?? []) visit(next, [...path, file]);
      done.add(file);
    }
  };
  for (const file of files) visit(file, []);
  expect(circles).toEqual([]);
});
