import { inspect } from 'node:util';

/** A string that prints as `<secret>` wherever it is logged, joined or serialised. */
export class Secret {
  readonly #value: string;

  constructor(value: string) {
    this.#value = value;
  }

  /** The text itself: for the header or the URL that needs it, never for a message. */
  reveal(): string {
    return this.#value;
  }

  toString(): string {
    return '<secret>';
  }

  toJSON(): string {
    return '<secret>';
  }

  [inspect.custom](): string {
    return '<secret>';
  }
}

/** A Huawei Cloud access key; with a security token it is a temporary one. */
export interface Credentials {
  readonly ak: string;
  readonly sk: Secret;
  readonly securityToken?: Secret | undefined;
}
