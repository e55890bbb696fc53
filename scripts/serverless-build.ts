import { resolve } from 'node:path';
import { loadConfig } from '../lib/compose.ts';
import { InputError } from '../lib/core/errors.ts';
import { buildFunctions, type FunctionName, root } from './package/build.ts';
import { checkParameters } from './package/parameters.ts';
import { checkPolicies } from './package/policies.ts';
import { checkSecrets, noStatement, secretsElsewhere, secretsStatement } from './package/secrets.ts';

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

interface Utils {
  readonly log: { readonly warning: (text: string) => void };
}

interface Variable {
  /** What stands after the colon. */
  readonly address: FunctionName;
  readonly resolveVariable: (name: string) => Promise<string>;
}

/** Has `serverless package` and `serverless deploy` build the functions first, so that they never ship old ones. */
export default class ServerlessBuild {
  readonly hooks: Readonly<Record<string, () => Promise<void>>>;
  /** `${secrets:FUNCTION}` is the statement that lets a function read the secrets that the config names for it. */
  readonly configurationVariablesSources = {
    secrets: { resolve: async (variable: Variable) => ({ value: await this.#secrets(variable) }) },
  };
  /** Kept until there is something to package: all else that osls does needs no config. */
  #problem: InputError | undefined;
  #elsewhere: readonly string[] = [];

  constructor(serverless: Serverless, { param = [], stage }: Options, { log }: Utils) {
    this.hooks = {
      'before:package:createDeploymentArtifacts': async () => {
        try {
          const { default: common, [stage ?? serverless.service.provider.stage]: ofStage } =
            serverless.configurationInput.params;
          const warnings = checkParameters(param, { ...common, ...ofStage });
          if (this.#problem !== undefined) throw this.#problem;
          await buildFunctions(serverless.service.provider.environment.PORTCULLIS_CONFIG);
          if (this.#elsewhere.length > 0)
            warnings.push(
              `${this.#elsewhere.join(', ')}: the template gives the functions no variables and no files of yours: keep secrets in AWS Secrets Manager, aws-sm://NAME`,
            );
          for (const warning of warnings) log.warning(warning);
        } catch (error) {
          if (error instanceof InputError) throw new serverless.classes.Error(error.message, 'PORTCULLIS_INPUT');
          throw error;
        }
      },
    };
  }

  async #secrets({ address, resolveVariable }: Variable): Promise<object> {
    try {
      const config = await loadConfig(resolve(root, await resolveVariable('param:config')));
      const prefix = await resolveVariable('param:secretsPrefix');
      checkSecrets(config, prefix);
      checkPolicies(config, await resolveVariable('param:policyBucket'), await resolveVariable('param:policyPrefix'));
      this.#elsewhere = secretsElsewhere(config);
      return secretsStatement(config, address, prefix);
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
      this.#problem = error;
      return noStatement;
    }
  }
}
