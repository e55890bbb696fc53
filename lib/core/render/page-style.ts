import { hash } from 'node:crypto';

/** All of the look of a page. Nothing in it is asked for elsewhere: no font, no image. */
export const style = `
:root {
  color-scheme: light dark;
  --page: #fff; --soft: #f5f6f8; --line: #d9dde3; --text: #1b1f24; --muted: #57606a; --link: #1a5fb4;
  --fail: #b3261e; --pass: #1b6e3f; --undetermined: #7d4a00; --warn: #845400; --observed: #2b5aa0; --ink: #fff;
  --mono: ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #15181c; --soft: #1e2227; --line: #353b43; --text: #e3e7ec; --muted: #a3acb7; --link: #8ab8f5;
    --fail: #ff9a90; --pass: #7fd3a3; --undetermined: #f2c063; --warn: #f2c063; --observed: #97bdf5; --ink: #15181c;
  }
}
*, ::before, ::after { box-sizing: border-box; }
body {
  margin: 0 auto; padding: 1.5rem clamp(.75rem, 3vw, 2rem); max-width: 78rem;
  background: var(--page); color: var(--text);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "Open Sans", sans-serif;
  overflow-wrap: anywhere; -webkit-text-size-adjust: 100%; text-size-adjust: 100%;
}
h1, h2, h3, p, ol, ul, dl, dd { margin: 0; }
h1 { font-size: 1.6rem; line-height: 1.25; font-weight: 650; letter-spacing: -.01em; }
h2 { margin: 2.25rem 0 .6rem; font-size: 1.1rem; line-height: 1.3; font-weight: 650; }
h3 { font-size: 1rem; line-height: 1.4; font-weight: 600; }
a { color: var(--link); text-decoration-thickness: 1px; text-underline-offset: .2em; }
code { font-family: var(--mono); font-size: .87em; unicode-bidi: isolate; }
small, .muted { color: var(--muted); font-size: .87em; }
.none { color: var(--muted); }
time { white-space: nowrap; }
.sign { width: 1em; height: 1em; vertical-align: -.125em; flex: none; fill: currentColor; }
.sign .ink { fill: none; stroke: var(--ink); stroke-width: 1.7; stroke-linecap: round; stroke-linejoin: round; }
.sign .dot { fill: var(--ink); }
.fail { color: var(--fail); } .pass { color: var(--pass); } .undetermined { color: var(--undetermined); }
.warn { color: var(--warn); } .observed { color: var(--observed); }
.status { font-weight: 600; white-space: nowrap; }

.verdict { display: flex; gap: 1rem; align-items: flex-start; padding-bottom: 1.1rem; border-bottom: 3px solid currentColor; }
.verdict > .sign { width: 2.6rem; height: 2.6rem; margin-top: .1rem; }
.verdict h1 code { font-size: .95em; color: var(--text); }
.verdict .of { color: var(--text); font-weight: 400; }
.verdict p { color: var(--text); margin-top: .25rem; }
.loud { margin-top: 1rem; padding: .8rem 1rem; border: 2px solid var(--warn); border-radius: 6px; background: var(--soft); }
.loud .sign { color: var(--warn); }
.loud strong { color: var(--warn); font-size: 1.1rem; }
.facts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(15rem, 100%), 1fr)); gap: .75rem 1.75rem; margin-top: 1.1rem; }
.facts dt { color: var(--muted); font-size: .8rem; }
.facts small { display: block; line-height: 1.4; }

ol, ul { padding-left: 1.5rem; }
li { padding: .15rem 0; }
li > small { display: block; }
.more { color: var(--muted); padding: .4rem 0; }
.rule { margin-top: 1.5rem; padding-top: 1rem; border-top: 1px solid var(--line); }
.rule > p { margin-top: .15rem; }
.rule h3 { display: flex; flex-wrap: wrap; gap: 0 .6rem; align-items: baseline; }
.rule .message { margin: .5rem 0; padding-left: .75rem; border-left: 3px solid var(--line); }

table { width: 100%; table-layout: fixed; border-collapse: collapse; margin: .5rem 0; font-size: .9rem; line-height: 1.45; }
caption { text-align: left; color: var(--muted); font-size: .87rem; padding-bottom: .3rem; }
th, td { padding: .38rem .9rem .38rem 0; text-align: left; vertical-align: top; border-bottom: 1px solid var(--line); font-weight: 400; }
th:last-child, td:last-child { padding-right: 0; }
thead th { color: var(--muted); font-size: .8rem; border-bottom-color: var(--muted); vertical-align: bottom; }
.number { text-align: right; padding-right: 1.6rem; font-variant-numeric: tabular-nums; }
col.number { width: 5.6rem; } col.short { width: 7.5rem; } col.medium { width: 11rem; } col.named { width: 16rem; }
th small, td small { display: block; }
th small.cut, td small.cut { display: inline; }
.grade { font-weight: 600; }
.Critical, .High, .Unknown { color: var(--fail); } .Medium { color: var(--warn); } .Low { color: var(--muted); }
.print { user-select: all; font-size: .74rem; }
.print code { font-size: 1em; }
details { margin: .25rem 0; }
summary { cursor: pointer; color: var(--link); padding: .25rem 0; width: fit-content; }
:focus-visible { outline: 2px solid var(--link); outline-offset: 2px; border-radius: 2px; }
footer { margin-top: 3rem; padding-top: .9rem; border-top: 1px solid var(--line); color: var(--muted); font-size: .87rem; }

@media (max-width: 68rem) {
  time, .status { white-space: normal; }
  th, td { padding-right: .6rem; }
  .number { padding-right: 1rem; }
  col.number { width: 4.9rem; } col.short { width: 6.2rem; } col.medium { width: 8rem; } col.named { width: 9rem; }
}
@media screen and (max-width: 48rem) {
  h1 { font-size: 1.3rem; }
  .verdict { gap: .7rem; }
  .verdict > .sign { width: 1.9rem; height: 1.9rem; }
  table, caption, tbody, tr, th, td { display: block; }
  thead { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
  thead tr, thead th { display: block; }
  tbody { border-top: 1px solid var(--line); }
  tbody tr { padding: .45rem 0; border-bottom: 1px solid var(--line); }
  tbody th, tbody td { padding: .08rem 0; border: 0; text-align: left; }
  tbody td:empty { display: none; }
  tbody .number { display: inline-block; padding-right: 1.25rem; }
  tbody td:has(.status)::before, tbody td:has(.grade)::before { content: none; }
  tbody th::before, tbody td::before { content: attr(data-label) "  "; color: var(--muted); font-size: .8rem; font-weight: 400; white-space: pre; }
}
@page { margin: 15mm; }
@media print {
  :root {
    color-scheme: light;
    --page: #fff; --soft: #fff; --line: #ccc; --text: #000; --muted: #444; --link: #000; --ink: #fff;
    --fail: #9c1c14; --pass: #14532d; --undetermined: #6b3f00; --warn: #6b4400; --observed: #1f4680;
  }
  body { max-width: none; padding: 0; font-size: 10pt; }
  .sign { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  table { font-size: 8.5pt; }
  caption, thead th { font-size: 8pt; }
  th, td { padding-top: .2rem; padding-bottom: .2rem; }
  .print { font-size: 6.2pt; }
  col.number { width: 4.2rem; } col.short { width: 5.2rem; } col.medium { width: 6.4rem; } col.named { width: 8rem; }
  h2, h3, caption, thead { break-after: avoid; }
  tr, li { break-inside: avoid; }
  details::details-content { display: block; content-visibility: visible; }
  a { text-decoration: none; }
}
`;

/** Nothing is loaded and nothing runs; of styles only ours. */
export function contentPolicy(): string {
  return `default-src 'none'; style-src 'sha256-${hash('sha256', style, 'base64')}'; base-uri 'none'; form-action 'none'`;
}
