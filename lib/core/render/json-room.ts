import { jsonText } from './escape.ts';

/** As much of the lists of a rule as is shown. */
interface RuleLists {
  readonly findings: readonly object[];
  readonly omitted: number;
  readonly known_findings?: readonly object[];
  readonly waived_findings?: readonly object[];
  readonly groups?: readonly object[];
  readonly omitted_groups?: number;
}

/**
 * A result of which the JSON, as a text inside JSON once more, has at most so many bytes: of all lists the first entries,
 * which are the worst, as many of each as there is room for. What is left out is counted.
 */
export function fitted<R extends { readonly rules: readonly RuleLists[] }>(result: R, bytes: number): R {
  let left = bytes - bytesWithin(jsonText({ ...result, rules: result.rules.map((rule) => first(rule, noneOf)) }, 2));
  const shown = result.rules.map(() => ({ ...noneOf }));
  let open = lists.flatMap((list) => result.rules.map((rule, i) => ({ list, entries: rule[list] ?? [], i })));
  for (let nth = 0; open.length > 0; nth++) {
    open = open.filter(({ list, entries, i }) => {
      const entry = entries[nth];
      if (entry === undefined) return false;
      const needed = bytesWithin(`${jsonText(entry, 2)},\n`.replaceAll('\n', `\n${indent}`));
      if (needed > left) return false;
      left -= needed;
      (shown[i] as Shown)[list]++;
      return true;
    });
  }
  return { ...result, rules: result.rules.map((rule, i) => first(rule, shown[i] as Shown)) };
}

const lists = ['findings', 'groups', 'known_findings', 'waived_findings'] as const;
type Shown = Record<(typeof lists)[number], number>;

const noneOf: Shown = { findings: 0, groups: 0, known_findings: 0, waived_findings: 0 };

/** Where an entry stands in the text. */
const indent = ' '.repeat(8);

function first<R extends RuleLists>(rule: R, shown: Shown): R {
  const { findings, omitted, groups, omitted_groups: more = 0, known_findings: known, waived_findings: waived } = rule;
  return {
    ...rule,
    findings: findings.slice(0, shown.findings),
    omitted: omitted + Math.max(0, findings.length - shown.findings),
    ...(known && { known_findings: known.slice(0, shown.known_findings) }),
    ...(waived && { waived_findings: waived.slice(0, shown.waived_findings) }),
    ...(groups && {
      groups: groups.slice(0, shown.groups),
      omitted_groups: more + Math.max(0, groups.length - shown.groups),
    }),
  };
}

const encoder = new TextEncoder();

/** As a text of JSON, in UTF-8. */
export function bytesWithin(text: string): number {
  return encoder.encode(JSON.stringify(text)).length;
}
