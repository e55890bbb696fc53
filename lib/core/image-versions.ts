import { imageKey, textNumber } from './fingerprint.ts';
import { keptIdentities } from './identities.ts';
import type { Finding } from './report.ts';

type Value = Finding[string];

/** The different image versions among findings. */
export class ImageVersions {
  /** Name by name: putting a key together for every finding would take longer than what it is for. */
  readonly #versions = new Map<Value, Set<Value>>();
  #count = 0;

  add({ image, image_version: version }: Finding): void {
    if (this.#count > keptIdentities) return;
    const known = this.#versions.get(image);
    if (known?.has(version)) return;
    if (known === undefined) this.#versions.set(image, new Set([version]));
    else known.add(version);
    this.#count++;
  }

  /** Each as a number, ascending; undefined: they are more than are kept, and then none can be told to be new. */
  numbers(): readonly number[] | undefined {
    if (this.#count > keptIdentities) return undefined;
    const keys = [...this.#versions].flatMap(([image, versions]) =>
      [...versions].map((version) => imageKey({ image, image_version: version })),
    );
    return keys.map(textNumber).sort((a, b) => a - b);
  }
}
