import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';

interface Docs {
  operatorsPage(): Promise<string>;
  topicPages(options: { examples: boolean }): Promise<Map<string, string>>;
  withoutNumbers(page: string): string;
}
const script = '../scripts/docs.mjs';
const docs = (await import(script)) as Docs;

it('docs/operators.md is what the tables say (npm run docs)', async () => {
  expect(readFileSync('docs/operators.md', 'utf8')).toBe(await docs.operatorsPage());
});

it('the pages of topics are what explain says, numbers apart (npm run docs)', async () => {
  const pages = await docs.topicPages({ examples: false });
  expect([...pages.keys()]).toContain('rules.md');
  for (const [file, page] of pages) {
    const stored = readFileSync(`docs/${file}`, 'utf8');
    expect(docs.withoutNumbers(stored), file).toBe(page);
    // Every topic of these families was computed.
    expect(stored.split('<!-- computed -->').length, file).toBeGreaterThan(8);
  }
});
