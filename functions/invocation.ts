/** What a handler looks at of the context that Lambda gives it. */
export interface Invocation {
  readonly awsRequestId: string;
  getRemainingTimeInMillis(): number;
}
