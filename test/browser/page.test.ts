import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import type { Evaluation } from '../../lib/core/evaluation.ts';
import { renderPage } from '../../lib/core/render/page.ts';
import { failing, passing, policyFile, undetermined } from '../fixtures/formats/samples.ts';
import { atMs, evaluation, kept, rule, vulnerability, waiver } from '../fixtures/render/samples.ts';
import { startBrowser } from '../support/browser.ts';

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const started = await startBrowser();
if (typeof started === 'string') console.warn(`pages were opened in no browser, since none starts here: ${started}`);

const folder = mkdtempSync(join(tmpdir(), 'portcullis-page-'));
afterEach(() => Promise.all(isBrowser(started) ? started.contexts().map((context) => context.close()) : []));
afterAll(async () => {
  if (isBrowser(started)) await started.close();
  rmSync(folder, { recursive: true });
});

function isBrowser(browser: Browser | string): browser is Browser {
  return typeof browser !== 'string';
}

const attack = `<img src=x onerror=alert(1)><script>alert(2)</script>"'\u202e</td></table>https://evil.example/`;
const long = 'registry.example/a-team-with-a-name/'.repeat(20);

/** All that a page can hold, with names that were made to break it. */
const hostile = evaluation({
  cluster: { id: attack, name: `${attack}${long}`, category: attack },
  policy: { name: attack, digest: `sha256:${'cd'.repeat(32)}` },
  rules: [
    rule('vulnerabilities', {
      id: 'no-high-vulnerabilities',
      message: attack,
      count: 100_000,
      waived: 2,
      findings: Array.from({ length: 100 }, (_, i) =>
        vulnerability(i, { image: long, package: attack, solution: long }),
      ),
      waivedFindings: [{ ...vulnerability(200), waiver: attack }],
      since: { new: 3, fixed: 4, before: 99_997 },
    }),
    rule('ports', {
      findings: [kept(1, { path: long.replaceAll('/', ''), port: 1, listen_address: long, host: long })],
    }),
  ],
  baseline: { reportId: 'r-0', scannedAtMs: atMs - 864e5, digest: `sha256:${'12'.repeat(32)}` },
  waivers: [{ ...waiver(attack, 'expired', 2), rule: long, owner: long, reason: long, ticket: attack }],
  notes: [{ message: attack }],
});

const pages: Readonly<Record<string, Evaluation>> = {
  failing: { ...failing, wayToGreen: { of: 45, omitted: 2, steps: Array(12).fill(failing.wayToGreen?.steps[0]) } },
  undetermined: {
    ...undetermined,
    isLetThrough: true,
    stored: { atMs: atMs - 72e5, reason: { kind: 'source-unreachable', message: 'no answer within 30s' } },
  },
  passing,
  hostile,
};

/** What happened while a page was open. */
interface Opened {
  readonly page: Page;
  readonly url: string;
  readonly requests: readonly string[];
  readonly complaints: readonly string[];
}

async function open(text: string, options: BrowserContextOptions = {}): Promise<Opened> {
  if (!isBrowser(started)) throw new Error(started);
  const file = join(folder, 'page.html');
  writeFileSync(file, text);
  const page = await (await started.newContext(options)).newPage();
  const requests: string[] = [];
  const complaints: string[] = [];
  page.on('request', (request) => requests.push(request.url()));
  page.on('console', (message) => complaints.push(message.text()));
  page.on('pageerror', (error) => complaints.push(error.message));
  page.on('dialog', (dialog) => {
    complaints.push(dialog.message());
    void dialog.dismiss();
  });
  const url = pathToFileURL(file).href;
  await page.goto(url);
  return { page, url, requests, complaints };
}

const told = (name: string) => renderPage(pages[name] ?? passing, { policyFile });
const at = (width: number, colorScheme: 'light' | 'dark' = 'light') =>
  ({ viewport: { width, height: 900 }, colorScheme }) as const;

async function problemsOf(page: Page): Promise<readonly string[]> {
  await page.evaluate(axe);
  return page.evaluate(async () => {
    const { axe } = globalThis as unknown as { axe: { run(): Promise<{ violations: Violation[] }> } };
    interface Violation {
      readonly id: string;
      readonly nodes: readonly { readonly html: string; readonly failureSummary: string }[];
    }
    const { violations } = await axe.run();
    return violations.flatMap(({ id, nodes }) => nodes.map((node) => `${id}: ${node.html} ${node.failureSummary}`));
  });
}

const unfold = (page: Page) =>
  page.evaluate('for (const fold of document.querySelectorAll("details")) fold.open = true');

/** How far what is there reaches beyond the screen, in pixels. */
const overhang = (page: Page) =>
  page.evaluate('document.documentElement.scrollWidth - document.documentElement.clientWidth');

describe.skipIf(!isBrowser(started))('in a browser', () => {
  describe.each(Object.keys(pages))('the page of %s', (name) => {
    test('asks for nothing, runs nothing, and nothing complains', async () => {
      const { page, url, requests, complaints } = await open(told(name));
      await unfold(page);

      expect(requests).toEqual([url]);
      expect(complaints).toEqual([]);
      expect(await page.evaluate('document.scripts.length + document.images.length + frames.length')).toBe(0);
      expect(await page.evaluate('getComputedStyle(document.body).maxWidth')).not.toBe('none');
    });

    test.each(['light', 'dark'] as const)('has nothing that axe finds wrong, in %s colours', async (scheme) => {
      const { page } = await open(told(name), at(1280, scheme));
      await unfold(page);

      expect(await problemsOf(page)).toEqual([]);
    });

    test.each([320, 769, 1280])('needs no scrolling to the side at %i pixels', async (width) => {
      const { page } = await open(told(name), at(width));
      await unfold(page);

      expect(await overhang(page)).toBe(0);
    });
  });

  test('what a script on it would do is forbidden and told', async () => {
    const text = told('passing').replace('<main>', '<main><script>document.title = "run"</script><img src="x.png">');
    const { page, complaints } = await open(text);

    expect(await page.title()).toBe('PASS: prod-eu by policy production');
    expect(complaints.join('\n')).toMatch(/script[\s\S]*Content Security Policy[\s\S]*image/);
  });

  test('a table stays a table on a narrow screen', async () => {
    const { page } = await open(told('failing'), at(320));
    const rules = page.getByRole('table', { name: '7 rules, the most urgent first' });

    expect(await rules.getByRole('columnheader').allTextContents()).toContain('Allowed');
    expect(await rules.getByRole('rowheader').count()).toBe(7);
    expect(await problemsOf(page)).toEqual([]);
  });

  test('a rule in the table leads to its section', async () => {
    const { page, url } = await open(told('failing'), at(1280));
    await page.getByRole('link', { name: 'listeners' }).click();

    expect(page.url()).toMatch(`${url}#rule-`);
    expect(await page.getByRole('heading', { name: 'listeners' }).isVisible()).toBe(true);
    expect(await page.evaluate('scrollY')).toBeGreaterThan(500);
  });

  test('dark is dark, and light is light', async () => {
    const brightness = async (scheme: 'light' | 'dark') => {
      const { page } = await open(told('failing'), at(1280, scheme));
      const colour = await page.evaluate<string>('getComputedStyle(document.body).backgroundColor');
      return Math.max(...(colour.match(/\d+/g) ?? []).map(Number));
    };

    expect([await brightness('light'), await brightness('dark')]).toEqual([255, expect.closeTo(28, 0)]);
  });

  test('on paper all is unfolded, tables are tables, in black on white, also of a dark screen', async () => {
    // What A4 leaves between margins of 15 mm.
    const { page } = await open(told('hostile'), at(680, 'dark'));
    await page.emulateMedia({ media: 'print', colorScheme: 'dark' });
    const row = page.getByRole('row').filter({ hasText: 'CVE-2026-1099' });

    expect(await row.isVisible()).toBe(true);
    expect(await page.evaluate('getComputedStyle(document.querySelector("tbody tr")).display')).toBe('table-row');
    expect(await page.evaluate('getComputedStyle(document.body).backgroundColor')).toBe('rgb(255, 255, 255)');
    expect(await overhang(page)).toBe(0);
    const pdf = await page.pdf({ format: 'A4' });
    expect(pdf.subarray(0, 5).toString('latin1')).toBe('%PDF-');
    expect(pdf.toString('latin1').match(/\/Type \/Page\b/g)?.length).toBeGreaterThan(5);
  });
});
