import { formatDuration } from '../duration.ts';
import type { Evaluation } from '../evaluation.ts';
import { version } from '../version.ts';
import { type Html, html, nameHtml, plainHtml, proseHtml, styleHtml } from './html.ts';
import { notesHtml, reasonsHtml, wayHtml } from './page-advice.ts';
import { comparisonHtml, countsHtml, waiversHtml } from './page-record.ts';
import { rulesHtml } from './page-rules.ts';
import { timeHtml } from './page-section.ts';
import { signHtml } from './page-signs.ts';
import { contentPolicy, style } from './page-style.ts';
import type { FileOptions } from './policy-file.ts';
import { capital, clusterOf, letThrough, reportAge, storedAnswer, summaryOf } from './words.ts';

/**
 * The result as a page for people, in one file: no script, and nothing to be loaded. The same result gives the same bytes.
 *
 * What others wrote is shown as text, of a bounded length; where it is cut, it says so. Lists are bounded each, the sections of
 * rules together: so a page has less than 6 MiB, whatever the report.
 */
export function renderPage(evaluation: Evaluation, options: FileOptions = {}): string {
  const title = `${evaluation.verdict.toUpperCase()}: `;
  return html`<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${contentPolicy()}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<meta name="robots" content="noindex, nofollow">
<meta name="format-detection" content="telephone=no, date=no, address=no, email=no">
<title>${title}${plainHtml(clusterOf(evaluation), 80)} by policy ${plainHtml(policyName(evaluation), 80)}</title>
${styleHtml(style)}
</head>
<body>
${headHtml(evaluation)}<main>
${factsHtml(evaluation)}${reasonsHtml(evaluation)}${wayHtml(evaluation.wayToGreen)}${rulesHtml(evaluation, options)}${comparisonHtml(evaluation)}${waiversHtml(evaluation.waivers)}${notesHtml(evaluation)}${countsHtml(evaluation)}</main>
<footer>
<p>Made by portcullis ${version} of the result as of ${timeHtml(evaluation.evaluatedAtMs)}. What others wrote is shown as text; where it is cut, its length stands beside it.</p>
</footer>
</body>
</html>
`.html;
}

/** The verdict, in words and by its sign, and what must not be overlooked beside it. */
function headHtml(evaluation: Evaluation): Html {
  const { verdict, report, stored, isLetThrough } = evaluation;
  const ageMs = report.ageSeconds === undefined ? undefined : report.ageSeconds * 1000;
  return html`<header>
<div class="verdict ${verdict}">${signHtml(verdict)}
<div>
<h1>${verdict.toUpperCase()} <span class="of">${nameHtml(clusterOf(evaluation))} by policy ${nameHtml(policyName(evaluation))}</span></h1>
<p>${capital(summaryOf(evaluation))}; ${reportAge(report.scannedAtMs, ageMs)}.</p>
</div>
</div>
${isLetThrough && html`<p class="loud">${signHtml('warn')} <strong>${letThrough(evaluation)}</strong></p>\n`}${
  stored &&
  html`<p class="loud">${signHtml('warn')} <strong>${storedAnswer(stored.atMs, evaluation.evaluatedAtMs)}</strong> ${proseHtml(stored.reason.message)}</p>\n`
}</header>
`;
}

function policyName({ policy }: Evaluation): string {
  return policy.name || '(unnamed)';
}

/** What was looked at, by what, and when. */
function factsHtml(evaluation: Evaluation): Html {
  const { cluster, report, policy, baseline, evaluatedAtMs } = evaluation;
  const age = report.ageSeconds === undefined ? 'of unknown age' : `${formatDuration(report.ageSeconds * 1000)} old`;
  const facts: readonly (readonly [label: string, value: Html, details: readonly (Html | false)[]])[] = [
    [
      'Cluster',
      nameHtml(clusterOf(evaluation)),
      [cluster.id !== '' && nameHtml(cluster.id), cluster.category !== '' && nameHtml(cluster.category, 60)],
    ],
    [
      'Report scanned',
      report.scannedAtMs === undefined ? html`no report` : html`${timeHtml(report.scannedAtMs)}, ${age}`,
      [report.id !== '' && nameHtml(report.id), report.digest !== '' && nameHtml(report.digest, 100)],
    ],
    ['Policy', nameHtml(policyName(evaluation)), [nameHtml(policy.digest, 100)]],
    ['Judged as of', timeHtml(evaluatedAtMs), []],
  ];
  const compared: typeof facts =
    baseline === 'none'
      ? [['Baseline', html`none yet`, []]]
      : baseline
        ? [
            [
              'Baseline scanned',
              timeHtml(baseline.scannedAtMs),
              [baseline.reportId !== '' && nameHtml(baseline.reportId), nameHtml(baseline.digest, 100)],
            ],
          ]
        : [];
  return html`<dl class="facts">
${[...facts, ...compared].map(
  ([label, value, details]) =>
    html`<div><dt>${label}</dt><dd>${value}${details.map((detail) => detail && html`<small>${detail}</small>`)}</dd></div>\n`,
)}</dl>
`;
}
