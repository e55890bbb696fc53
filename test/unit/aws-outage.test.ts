import { expect, test } from 'vitest';
import { isAwsOutage } from '../../lib/http/aws-outage.ts';

test.each([
  { name: 'TimeoutError', status: undefined, outage: true },
  { name: 'ECONNRESET', status: undefined, outage: true },
  { name: 'InternalServiceError', status: 500, outage: true },
  { name: 'ThrottlingException', status: 400, outage: true },
  { name: 'TooManyRequestsException', status: 400, outage: true },
  { name: 'SlowDown', status: 503, outage: true },
  { name: 'ResourceNotFoundException', status: 400, outage: false },
  { name: 'AccessDeniedException', status: 403, outage: false },
  { name: 'CredentialsProviderError', status: undefined, outage: false },
])('$name, status $status: outage $outage', ({ name, status, outage }) => {
  const error = Object.assign(new Error('what the service says'), { name, $metadata: { httpStatusCode: status } });
  expect(isAwsOutage(error)).toBe(outage);
});

test('without a region nothing was asked', () => {
  expect(isAwsOutage(new Error('Region is missing'))).toBe(false);
});
