import type { Remedy } from '../evaluation.ts';
import { workload } from '../fingerprint.ts';
import { type Phrase, quantity, say } from './words.ts';

/** What to change, and what that clears: `upgrade openssl in registry/app:1.2.3 clears 41 of 63`. */
export function remedyPhrase(remedy: Remedy, of: number): Phrase {
  const { words, values } = changeOf(remedy);
  const clears = ` clears ${quantity(remedy.clears)} of ${quantity(of)}`;
  return { words: [...words.slice(0, -1), `${words.at(-1) ?? ''}${clears}`], values };
}

/** Says no more than the findings have in common: what they differ in is not in the subject. */
function changeOf({ on, subject }: Remedy): Phrase {
  const text = (field: string) => String(subject[field] ?? '');
  const joined = (separator: string, ...fields: readonly string[]) => fields.map(text).filter(Boolean).join(separator);
  const image = joined(':', 'image', 'image_version');
  const place = text('container') || workload(subject.pod) || text('host');

  switch (on) {
    case 'vulnerabilities':
      if (!text('package')) return say`rebuild ${image} on fixed packages`;
      return image ? say`upgrade ${text('package')} in ${image}` : say`upgrade ${text('package')}`;
    case 'baseline_checks':
      return say`meet the check ${text('check')}`;
    case 'baseline_items':
      return text('item') ? say`fix ${text('item')}` : say`meet the check ${text('check')}`;
    case 'privileged_containers': {
      const owner = text('workload') || workload(subject.pod);
      return owner
        ? say`run ${text('container')} of ${owner} without privileges`
        : say`run ${text('container')} without privileges`;
    }
    case 'ports':
      return place ? say`close port ${text('port')} of ${place}` : say`close port ${text('port')}`;
    case 'packages':
      return place
        ? say`remove ${joined(' ', 'package', 'package_version')} from ${place}`
        : say`remove ${joined(' ', 'package', 'package_version')}`;
    case 'processes':
      return place
        ? say`stop ${text('command') || text('hash')} in ${place}`
        : say`stop ${text('command') || text('hash')}`;
    case 'cluster':
      return say`change the cluster ${text('name')}`;
  }
}
