import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';

interface Package {
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

test('the lock file has every optional package, of other machines too: npm ci asks for all of them', () => {
  const packages: Record<string, Package> = JSON.parse(readFileSync('package-lock.json', 'utf8')).packages;
  const missing = Object.entries(packages).flatMap(([path, { optionalDependencies = {} }]) =>
    Object.keys(optionalDependencies).filter(
      (name) => !(`node_modules/${name}` in packages) && !(`${path}/node_modules/${name}` in packages),
    ),
  );
  expect(missing).toEqual([]);
});
