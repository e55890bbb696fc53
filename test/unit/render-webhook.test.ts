import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Evaluation } from '../../lib/core/evaluation.ts';
import { resultOf } from '../../lib/core/render/json.ts';
import { documentBytes, renderWebhook, type WebhookDocument } from '../../lib/core/render/webhook.ts';
import { hostileEvaluation, hostileText } from '../fixtures/render/hostile.ts';
import { atMs, evaluation, failing, notice, notices, rule, source, vulnerability } from '../fixtures/render/samples.ts';

function bytesOf(document: WebhookDocument): number {
  return Buffer.byteLength(JSON.stringify(document));
}

function evaluationDocument(told: Evaluation) {
  const document = renderWebhook(notice(told));
  if (document.type !== 'portcullis.evaluation') throw new Error(document.type);
  return document;
}

test.each(Object.keys(notices))('the whole document: %s', async (name) => {
  const told = notices[name];
  if (told === undefined) throw new Error(name);

  const text = `${JSON.stringify(renderWebhook(told), null, 2)}\n`;
  await expect(text).toMatchFileSnapshot(`../fixtures/render/${name}.webhook.json`);
});

test('with room for all, the result is that of the gate', () => {
  expect(evaluationDocument(failing)).toMatchObject({
    version: 1,
    id: 'n-7Qm2xK9d',
    at: '2026-11-24T05:33:10.000Z',
    source: 'prod',
    result: resultOf(failing),
    left_out: { rules: 0, reasons: 0, waivers: 0, notes: 0 },
  });
});

test('a source that could not be looked at has its reasons', () => {
  expect(renderWebhook(source)).toMatchObject({
    type: 'portcullis.source',
    reasons: source.about === 'source' ? source.reasons : [],
  });
});

test('findings that have no room are omitted, the last of each rule first, and counted', () => {
  const findings = Array.from({ length: 300 }, (_, i) => vulnerability(i));
  const many = evaluation({
    rules: [
      rule('vulnerabilities', { id: 'a', findings, count: 100_000 }),
      rule('vulnerabilities', { id: 'b', findings, severity: 'low' }),
    ],
  });
  const document = evaluationDocument(many);

  expect(bytesOf(document)).toBeLessThanOrEqual(documentBytes);
  expect(bytesOf(document)).toBeGreaterThan(documentBytes * 0.95);
  const [a, b] = document.result.rules;
  expect(a?.findings.map(({ fingerprint }) => fingerprint)).toEqual(
    findings.slice(0, a?.findings.length).map(({ fingerprint }) => fingerprint),
  );
  expect(Math.abs((a?.findings.length ?? 0) - (b?.findings.length ?? 0))).toBeLessThanOrEqual(1);
  expect((a?.findings.length ?? 0) + (a?.omitted ?? 0)).toBe(100_000);
  expect((b?.findings.length ?? 0) + (b?.omitted ?? 0)).toBe(300);
});

test('a finding of absurd size hides only itself', () => {
  const findings = [vulnerability(1, { description: 'x'.repeat(100_000) }), vulnerability(2)];
  const [entry] = evaluationDocument(evaluation({ rules: [rule('vulnerabilities', { findings })] })).result.rules;

  expect(entry).toMatchObject({ count: 2, omitted: 1, findings: [{ vulnerability: 'CVE-2026-1002' }] });
});

test('whatever the texts: below 64 KiB, and all is listed or counted', () => {
  fc.assert(
    fc.property(hostileEvaluation, hostileText, (told, sourceName) => {
      const document = renderWebhook({ ...notice(told), source: sourceName });
      if (document.type !== 'portcullis.evaluation') throw new Error(document.type);

      expect(bytesOf(document)).toBeLessThanOrEqual(documentBytes);
      const { result, left_out: leftOut } = document;
      expect(result.rules.length + leftOut.rules).toBe(told.rules.length);
      expect(result.reasons.length + leftOut.reasons).toBe(told.reasons.length);
      expect(result.waivers.length + leftOut.waivers).toBe(told.waivers.length);
      expect(result.notes.length + leftOut.notes).toBe(told.notes.length);
      for (const entry of result.rules) {
        expect(entry.findings.length + entry.omitted).toBe(entry.count);
        const given = told.rules.find(({ id }) => id === entry.id);
        const groups = (given?.groups?.length ?? 0) + (given?.omittedGroups ?? 0);
        expect((entry.groups?.length ?? 0) + (entry.omitted_groups ?? 0)).toBe(groups);
      }
    }),
    { numRuns: 60 },
  );
});

test('reasons of absurd size are left out and counted', () => {
  const reasons = ['x'.repeat(100_000), 'short'].map((message) => ({ kind: 'source-unreachable' as const, message }));
  const document = renderWebhook({ id: 'n-1', source: 's'.repeat(100_000), atMs, about: 'source', reasons });

  expect(bytesOf(document)).toBeLessThan(documentBytes);
  expect(document).toMatchObject({ reasons: [{ message: 'short' }], left_out: 1 });
});
