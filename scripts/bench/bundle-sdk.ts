import { build } from 'esbuild';
import { installedClients } from './sdk-clients.ts';

/** A bundle of nothing but the AWS SDK's clients, made with the options of Portcullis's own. */
export async function bundleSdk(root: string): Promise<Uint8Array> {
  const { outputFiles } = await build({
    stdin: {
      contents: installedClients(root)
        .map((client) => `export { ${client.exports.join(', ')} } from '${client.package}';`)
        .join('\n'),
      resolveDir: root,
    },
    write: false,
    bundle: true,
    format: 'esm',
    platform: 'node',
    target: 'node24',
    mainFields: ['module', 'main'],
    minify: true,
    legalComments: 'none',
    banner: { js: `import{createRequire}from'node:module';const require=createRequire(import.meta.url);` },
    logLevel: 'warning',
  });
  return outputFiles[0]?.contents ?? new Uint8Array();
}
