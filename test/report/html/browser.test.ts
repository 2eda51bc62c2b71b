import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type Browser, chromium, type Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { renderHtml } from '../../../src/report/html/index.ts';
import type { ReportSubject } from '../../../src/report/subject.ts';
import { statisticsOf, subjectOf } from '../../helpers/subjects.ts';
import { chainOf, hostileNames, numbered, withSteps } from './pages.ts';

const executablePath = [process.env.CHROMIUM, '/usr/bin/chromium', '/usr/bin/google-chrome'].find(
  (path) => path !== undefined && existsSync(path),
);
const inPage = readFileSync(new URL('./in-page.mjs', import.meta.url), 'utf8').replaceAll(
  'export function',
  'function',
);
const falling = (count: number) => chainOf(numbered(count), (i) => -0.6 * (count - 1 - i));
const nan = statisticsOf(Number.NaN, Number.NaN);

const subjects: Record<string, ReportSubject> = {
  '5 layers': falling(5),
  '50 layers': falling(50),
  '300 layers': falling(300),
  exploding: chainOf(numbered(30), (i) => 0.4 * (29 - i)),
  '30 steps': withSteps(falling(11), 30),
  'hostile names': withSteps(
    chainOf(hostileNames, (i) => i - hostileNames.length),
    5,
  ),
  'all NaN': subjectOf({
    layers: numbered(4).map((name) => ({ name, gradient: nan, weight: nan })),
    verdict: 'non-finite',
  }),
};

/** A4 less the margins of the page's own @page rule, in CSS pixels. */
const paper = { width: ((210 - 26) / 25.4) * 96, height: ((297 - 26) / 25.4) * 96 };

describe.skipIf(executablePath === undefined)(
  `pages in Chromium (${executablePath ?? 'none found: set CHROMIUM'})`,
  () => {
    let browser: Browser;
    const folder = mkdtempSync(join(tmpdir(), 'gradient-doctor-'));
    const said: string[] = [];
    beforeAll(async () => {
      browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] });
      for (const [name, subject] of Object.entries(subjects))
        writeFileSync(join(folder, `${name}.html`), renderHtml(subject));
    });
    afterAll(async () => {
      await browser?.close();
      rmSync(folder, { recursive: true, force: true });
    });
    const open = async (name: string, options: Parameters<Browser['newPage']>[0]): Promise<Page> => {
      const page = await browser.newPage(options);
      // What its policy blocks, the browser reports here as well.
      page.on('console', (message) => said.push(`${name}: ${message.text()}`));
      page.on('dialog', (dialog) => said.push(`${name}: ${dialog.message()}`));
      page.on('request', (request) => {
        if (!request.url().startsWith('file:')) said.push(`${name}: asks for ${request.url()}`);
      });
      await page.goto(pathToFileURL(join(folder, `${name}.html`)).href);
      return page;
    };
    /** What one of the functions of in-page.mjs finds. */
    const look = <T>(page: Page, question: string) =>
      page.evaluate<T>(`(() => { ${inPage}\nreturn ${question}(); })()`);

    it.each(Object.keys(subjects))('%s: fits a phone, cuts no text, says nothing to the console', async (name) => {
      said.length = 0;
      for (const width of [390, 1100]) {
        const page = await open(name, { viewport: { width, height: 844 } });
        const found = await look<{ width: number; scripts: number }>(page, 'overflow');
        expect(found.width).toBeLessThanOrEqual(width);
        expect(found.scripts).toBe(0);
        expect(await look(page, 'clippedTexts'), `${width} pixels wide`).toEqual([]);
        await page.close();
      }
      expect(said).toEqual([]);
    });

    it.each(['light', 'dark'] as const)(
      'is %s where the system is, with text that can be read',
      async (colorScheme) => {
        for (const name of ['30 steps', 'exploding', 'all NaN']) {
          const page = await open(name, { colorScheme, viewport: { width: 1100, height: 800 } });
          const { body, pairs } = await look<{ body: number; pairs: [string, number][] }>(page, 'contrasts');
          if (colorScheme === 'light') expect(body).toBeGreaterThan(0.8);
          else expect(body).toBeLessThan(0.05);
          expect(pairs.length).toBeGreaterThan(12);
          expect(pairs.filter(([, ratio]) => !(ratio > 4.5))).toEqual([]);
          await page.close();
        }
      },
    );

    it.each(['5 layers', '300 layers', '30 steps'])(
      '%s: prints on A4 without a picture that a page would cut',
      async (name) => {
        const viewport = { width: Math.floor(paper.width), height: Math.floor(paper.height) };
        const page = await open(name, { colorScheme: 'dark', viewport });
        await page.emulateMedia({ media: 'print' });
        const found = await look<{ tallest: number; width: number; body: string; folded: number }>(page, 'printed');
        expect(found.tallest).toBeGreaterThan(100);
        expect(found.tallest).toBeLessThanOrEqual(paper.height);
        expect(found.width).toBeLessThanOrEqual(Math.ceil(paper.width));
        expect(found).toMatchObject({ body: 'rgb(255, 255, 255)', folded: 0 });
        await page.close();
      },
    );
  },
);
