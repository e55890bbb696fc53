import { InputError } from '../lib/core/errors.ts';
import { buildFunctions } from './package/build.ts';
import { checkParameters } from './package/parameters.ts';

/** As much of osls as is looked at. */
interface Serverless {
  readonly service: {
    readonly provider: { readonly stage: string; readonly environment: { readonly PORTCULLIS_CONFIG: string } };
  };
  readonly configurationInput: { readonly params: Readonly<Record<string, Readonly<Record<string, unknown>>>> };
  /** `Error` is that of mistakes of the user: it is shown without a trace. */
  readonly classes: { readonly Error: new (message: string, code: string) => Error };
}

interface Options {
  /** As given: `NAME=VALUE`. */
  readonly param?: readonly string[];
  readonly stage?: string;
}

/** Has `serverless package` and `serverless deploy` build the functions first, so that they never ship old ones. */
export default class ServerlessBuild {
  readonly hooks: Readonly<Record<string, () => Promise<void>>>;

  constructor(serverless: Serverless, { param = [], stage }: Options) {
    this.hooks = {
      'before:package:createDeploymentArtifacts': async () => {
        try {
          const { default: common, [stage ?? serverless.service.provider.stage]: ofStage } =
            serverless.configurationInput.params;
          checkParameters(param, { ...common, ...ofStage });
          await buildFunctions(serverless.service.provider.environment.PORTCULLIS_CONFIG);
        } catch (error) {
          if (error instanceof InputError) throw new serverless.classes.Error(error.message, 'PORTCULLIS_INPUT');
          throw error;
        }
      },
    };
  }
}
