import { InputError } from '../core/errors.ts';
import type { Secret } from '../core/secret.ts';
import type { Give, Secrets } from './secrets.ts';

/**
 * Secrets as one run reads them: once each, and once more where the other side refuses it. One that is missing is not
 * asked for again for every message; one that could not be asked for is, since it may be there.
 */
export function onceEach(secrets: Pick<Secrets, 'secret'>): Secrets['secret'] {
  const given = new Map<string, Give<Secret>>();
  return (reference) => {
    const give = given.get(reference) ?? once(secrets.secret(reference));
    given.set(reference, give);
    return give;
  };
}

function once(give: Give<Secret>): Give<Secret> {
  let known: Promise<Secret> | undefined;
  let isRefreshed = false;
  return (refresh) => {
    const before = known;
    if (before !== undefined && (!refresh || isRefreshed)) return before;
    isRefreshed ||= refresh;
    const asked = give(refresh);
    // The last value is as good as before where there is no newer one.
    known = before === undefined ? asked : asked.catch(() => before);
    asked.catch((error: unknown) => {
      if (known === asked && !(error instanceof InputError)) known = undefined;
    });
    return asked;
  };
}
