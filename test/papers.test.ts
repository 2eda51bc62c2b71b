import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { describe, expect, it } from 'vitest';

interface Check {
  statement: string;
  measured: number | string;
  relation: '<' | '>';
  limit: number | string;
  holds: boolean;
}
interface Verdict {
  outcome: string;
  checks: Check[];
}
interface Paper {
  id: string;
  title: string;
  claim: string;
  url: string;
  settings: Record<string, unknown>;
  judge(rows: readonly unknown[]): Verdict;
}
interface Results {
  paper: string;
  settings: Record<string, unknown>;
  rows: Record<string, unknown>[];
  verdict: Verdict;
}

const folder = 'examples/papers';
const expected = [
  'glorot-bengio-2010',
  'he-2015',
  'he-2016',
  'ioffe-szegedy-2015',
  'le-2015',
  'pascanu-2013',
  'schoenholz-2017',
];
const load = async (id: string) => (await import(pathToFileURL(`${folder}/${id}.mjs`).href)) as Paper;
const kept = (id: string) => JSON.parse(readFileSync(`${folder}/${id}/results.json`, 'utf8')) as Results;

it('every paper has a folder, and every folder a paper', () => {
  const folders = readdirSync(folder, { withFileTypes: true }).flatMap((entry) =>
    entry.isDirectory() ? [entry.name] : [],
  );
  expect(folders.sort()).toEqual(expected);
});

describe.each(expected)('%s', (id) => {
  it('has a page with its claim, a picture without a number that is none, and a line in the table', async () => {
    const paper = await load(id);
    expect(paper.id).toBe(id);
    const page = readFileSync(`${folder}/${id}/README.md`, 'utf8');
    expect(page).toContain(paper.claim);
    expect(page).toContain(paper.url);
    const picture = readFileSync(`${folder}/${id}/picture.svg`, 'utf8');
    expect(picture).toMatch(/^<svg [^>]*xmlns="http:\/\/www.w3.org\/2000\/svg"/);
    expect(picture).not.toMatch(/NaN|undefined|Infinity/);
    expect(existsSync(`${folder}/${id}.mjs`)).toBe(true);
    expect(readFileSync(`${folder}/README.md`, 'utf8')).toContain(`(${id}/README.md)`);
  });

  it('was judged by its own numbers, with the settings that stand in the code', async () => {
    const paper = await load(id);
    const results = kept(id);
    expect(results.paper).toBe(id);
    expect(results.verdict).toEqual(paper.judge(results.rows));
    expect(results.settings).toEqual(JSON.parse(JSON.stringify(paper.settings)));
    for (const { measured, relation, limit, holds, statement } of results.verdict.checks) {
      const [a, b] = [Number(measured), Number(limit)];
      expect(relation === '<' ? a < b : a > b, statement).toBe(holds);
    }
    // The page says what the numbers say.
    const page = readFileSync(`${folder}/${id}/README.md`, 'utf8');
    const held = results.verdict.checks.filter(({ holds }) => holds).length;
    expect(page).toContain(`**The verdict: ${results.verdict.outcome}: ${held} of ${results.verdict.checks.length}.**`);
  });
});

describe('a verdict', () => {
  it('turns when the numbers do', async () => {
    const paper = await load('he-2015');
    const rows = kept('he-2015').rows;
    const scheme = { Xavier: 'He', He: 'Xavier' } as Record<string, string>;
    const swapped = paper.judge(rows.map((row) => ({ ...row, scheme: scheme[row.scheme as string] })));
    expect(swapped.outcome).toBe('did not hold');
  });

  it('holds only when all parts do, and needs a number', async () => {
    const { check, verdictOf } = (await import(pathToFileURL(`${folder}/numbers.mjs`).href)) as {
      check(statement: string, measured: number, relation: '<' | '>', limit: number): Check;
      verdictOf(checks: readonly Check[]): Verdict;
    };
    const yes = check('', 1, '<', 2);
    const no = check('', 2, '<', 2);
    expect([yes.holds, no.holds, check('', Number.NaN, '>', 0).holds]).toEqual([true, false, false]);
    expect(verdictOf([yes, yes]).outcome).toBe('held');
    expect(verdictOf([yes, no]).outcome).toBe('held in part');
    expect(verdictOf([no]).outcome).toBe('did not hold');
  });
});
