import { InputError } from '../core/errors.ts';

/** @throws {InputError} */
export function checkRegion(region: string | undefined): void {
  if (region !== undefined && !/^[a-z]{2,}(?:-[a-z]+)+-\d{1,2}$/.test(region))
    throw new InputError('--region: has to be a region of AWS such as eu-west-1');
}

/** Why there are no credentials, in our words: an error of the SDK may hold parts of files and answers. */
export function credentialsProblem({ name }: Error): string {
  const known = /^[A-Za-z]{1,60}$/.test(name) && name !== 'Error' ? ` (${name})` : '';
  return `there are no AWS credentials to ask it with${known}`;
}
