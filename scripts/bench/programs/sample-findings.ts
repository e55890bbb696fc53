import type { Finding } from '../../../lib/core/report.ts';
import { randomOf } from '../../../lib/simulator/random.ts';
import { vulnerabilityRows } from '../../../lib/simulator/rows.ts';

/**
 * Vulnerabilities as rules see them. About two of five are High. Their texts are those of a parser: concatenated ones
 * would be joined by the first that looks at them, in measured time.
 */
export function sampleFindings(count: number): Finding[] {
  const findings: Finding[] = [];
  for (const row of vulnerabilityRows(randomOf('bench'), count, ['High', 'Medium', 'Low'])) {
    const finding: Finding = {
      severity: row.severity_level,
      image: row.local_image_name,
      image_version: row.local_image_version,
      image_size_bytes: row.local_image_size,
      vulnerability: row.vul_name,
      package: row.app_name,
      package_version: row.app_version,
      solution: row.solution,
      description: row.vul_description,
    };
    findings.push(JSON.parse(JSON.stringify(finding)) as Finding);
  }
  return findings;
}
