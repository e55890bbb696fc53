import { InputError } from '../lib/core/errors.ts';
import { hint } from '../lib/core/suggest.ts';
import { buildFunctions } from './package/build.ts';

/** As much of osls as is looked at. */
interface Serverless {
  readonly service: { readonly provider: { readonly environment: { readonly PORTCULLIS_CONFIG: string } } };
  readonly configurationInput: { readonly params: { readonly default: object } };
  /** `Error` is that of mistakes of the user: it is shown without a trace. */
  readonly classes: { readonly Error: new (message: string, code: string) => Error };
}

interface Options {
  /** As given: `NAME=VALUE`. */
  readonly param?: readonly string[];
}

/** Has `serverless package` and `serverless deploy` build the functions first, so that they never ship old ones. */
export default class ServerlessBuild {
  readonly hooks: Readonly<Record<string, () => Promise<void>>>;

  constructor(serverless: Serverless, { param = [] }: Options) {
    this.hooks = {
      'before:package:createDeploymentArtifacts': async () => {
        try {
          checkParameters(param, Object.keys(serverless.configurationInput.params.default));
          await buildFunctions(serverless.service.provider.environment.PORTCULLIS_CONFIG);
        } catch (error) {
          if (error instanceof InputError) throw new serverless.classes.Error(error.message, 'PORTCULLIS_INPUT');
          throw error;
        }
      },
    };
  }
}

/** osls takes any name, and a mistake in one would leave the default in place. */
function checkParameters(given: readonly string[], known: readonly string[]): void {
  for (const name of given.map((text) => text.split('=')[0] ?? '')) {
    if (!known.includes(name)) throw new InputError(`--param ${name}: there is no such parameter${hint(name, known)}`);
  }
}
