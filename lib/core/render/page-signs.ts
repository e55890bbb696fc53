import type { RuleStatus } from '../evaluation.ts';
import { type Html, html } from './html.ts';

/** Told apart by their shape, with or without colour; a word always stands beside one. */
const shapes: Readonly<Record<RuleStatus, Html>> = {
  pass: html`<circle cx="8" cy="8" r="7"/><path class="ink" d="M4.6 8.3 7 10.7l4.4-5"/>`,
  fail: html`<path d="M5.1 1h5.8L15 5.1v5.8L10.9 15H5.1L1 10.9V5.1z"/><path class="ink" d="m5.3 5.3 5.4 5.4m0-5.4-5.4 5.4"/>`,
  undetermined: html`<path d="M8 .4 14.6 4.2v7.6L8 15.6 1.4 11.8V4.2z"/><path class="ink" d="M5.9 6.2a2.1 2.1 0 1 1 3 1.9c-.6.3-.9.7-.9 1.3m0 2.2v.1"/>`,
  warn: html`<path d="M8 1 15.5 14.5H.5z"/><path class="ink" d="M8 6v4m0 2.2v.1"/>`,
  observed: html`<rect x="1" y="1" width="14" height="14" rx="3"/><path class="ink" d="M3.5 8S5.2 5 8 5s4.5 3 4.5 3-1.7 3-4.5 3-4.5-3-4.5-3z"/><circle class="dot" cx="8" cy="8" r="1"/>`,
};

/** A sign, for the eye only. */
export function signHtml(status: RuleStatus): Html {
  return html`<svg class="sign ${status}" viewBox="0 0 16 16" aria-hidden="true">${shapes[status]}</svg>`;
}

/** The sign and the word of a status. */
export function statusHtml(status: RuleStatus): Html {
  return html`<span class="status ${status}">${signHtml(status)} ${status}</span>`;
}
