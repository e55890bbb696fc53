import type { WaiverResult } from '../evaluation.ts';
import { minuteOf, type Phrase, plural, say } from './words.ts';

/** A waiver that somebody has to look at: it waives nothing any more, or soon will not. */
export function needsAttention({ status, isExpiring, fixable = 0 }: WaiverResult): boolean {
  return status === 'expired' || status === 'over-broad' || isExpiring || fixable > 0;
}

/** What a waiver does: `W-12 waives 3 findings of no-high-vulnerabilities until 2027-01-23 05:33 UTC`. */
export function waiverPhrase(waiver: WaiverResult): Phrase {
  const { id, status, count, rule, maxFindings, isExpiring, fixable = 0 } = waiver;
  const date = minuteOf(waiver.expiresAtMs) ?? 'an unknown time';
  const findings = plural(count, 'finding');
  const ending = `${isExpiring ? ', which is soon' : ''}${fixable > 0 ? `; ${plural(fixable, 'more finding')} can be fixed now and count again` : ''}`;
  const phrase = (words: readonly string[]): Phrase => ({ words, values: say`${id} ${rule}`.values });
  switch (status) {
    case 'used':
      return phrase(['', ` waives ${findings} of `, ` until ${date}${ending}`]);
    case 'unused':
      return phrase([
        '',
        ' matches nothing of ',
        ` in this report: remove it, unless another cluster needs it${ending}`,
      ]);
    case 'pending':
      return phrase(['', ` is not in force yet: ${findings} of `, ` would be waived, until ${date}`]);
    case 'expired':
      return phrase(['', ` expired at ${date} and waives nothing: ${findings} of `, ' would have been waived']);
    case 'over-broad': {
      const granted = maxFindings === undefined ? 'more than it was granted for' : `granted for ${maxFindings}`;
      return phrase(['', ` covers ${findings} of `, `, ${granted}: it waives nothing`]);
    }
  }
}

/** Whose it is and why: `team-payments: not reachable, see ticket (SEC-812)`. */
export function waiverGrounds({ owner, reason, ticket }: WaiverResult): Phrase {
  return ticket === undefined ? say`${owner}: ${reason}` : say`${owner}: ${reason} (${ticket})`;
}

/** `waived by W-12 until 2027-01-23 05:33 UTC`; the waiver itself, where it is known. */
export function waivedBy(id: string, waiver: WaiverResult | undefined): Phrase {
  const until = minuteOf(waiver?.expiresAtMs);
  return until === undefined
    ? say`waived by ${id}`
    : { words: ['waived by ', ` until ${until}`], values: say`${id}`.values };
}
