import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';

it('docs/operators.md is what the tables say (npm run docs)', async () => {
  const script = '../scripts/docs.mjs';
  const { operatorsPage } = (await import(script)) as { operatorsPage: () => Promise<string> };
  expect(readFileSync('docs/operators.md', 'utf8')).toBe(await operatorsPage());
});
