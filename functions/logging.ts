import { Logger } from '@aws-lambda-powertools/logger';
import type { Log } from '../lib/app/ports.ts';

/** Where the log of an instance goes. */
export interface Logging {
  readonly log: Log;
  /** The run that the lines belong to from now on. */
  begin(run: string): void;
}

/** JSON, one object a line, as CloudWatch and Powertools have it; level and sampling come from `POWERTOOLS_*`. */
export function powertoolsLogging(): Logging {
  const logger = new Logger({ serviceName: process.env.POWERTOOLS_SERVICE_NAME ?? 'portcullis' });
  return {
    log(level, msg, fields = {}) {
      logger[level](msg, { ...fields });
    },
    begin(run) {
      logger.refreshSampleRateCalculation();
      logger.appendKeys({ run });
    },
  };
}
