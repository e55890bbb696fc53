import { buildFunctions } from './package/build.ts';

/** Has `serverless package` and `serverless deploy` build the functions first, so that they never ship old ones. */
export default class ServerlessBuild {
  readonly hooks = { 'before:package:createDeploymentArtifacts': buildFunctions };
}
