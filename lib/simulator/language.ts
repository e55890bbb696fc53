import type { LooseReport } from './clusters.ts';

/** Texts that depend on `x-language`; everything else, names of checks included, is the same in both languages here. */
const chinese = new Map(
  Object.entries({
    solution: '请升级到安全版本并重新构建镜像。',
    vul_description: '该软件存在安全漏洞。',
    check_type_desc: '基线检查。',
    check_description: '该检查项未通过。',
    check_remediation: '请按照加固建议进行整改。',
    event_abstract: '检测到特权容器。',
  }),
);

/**
 * The report's JSON in the language asked for. Without the header it is Chinese, which the errors of HSS that people
 * quote suggest to be the default; so a client that forgets the header gets texts its readers may not understand.
 *
 * @see hss-api: part 2, "x-language"
 */
export function reportJson(report: LooseReport, language: string | undefined): string {
  if (language === 'en-us') return JSON.stringify(report);
  return JSON.stringify(report, (key, value: unknown) =>
    typeof value === 'string' && value !== '' ? (chinese.get(key) ?? value) : value,
  );
}
