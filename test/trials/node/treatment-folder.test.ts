import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { clearTrials, keepRounds, readRounds } from '../../../src/trials/node/treatment-folder.ts';

const folder = mkdtempSync(join(tmpdir(), 'gradient-doctor-rounds-'));
afterAll(() => rmSync(folder, { recursive: true }));
const rounds = [{ plans: ['use-relu', 'use-gelu'], rungs: [{ steps: 30, seeds: 1, keep: 1 }] }];

describe('the rounds of a run', () => {
  it('come back as they were kept', async () => {
    expect(await readRounds(folder)).toEqual([]);
    await keepRounds(folder, rounds);
    expect(await readRounds(folder)).toEqual(rounds);
  });

  it.each([
    '',
    '{',
    'null',
    '[{"plans":[],"rungs":[]}]',
    '[{"plans":["a"],"rungs":[{"steps":-1,"seeds":1,"keep":1}]}]',
  ])('are refused where the file holds %j', async (text) => {
    writeFileSync(join(folder, 'rounds.json'), text);
    await expect(readRounds(folder)).rejects.toMatchObject({ code: 'rounds' });
  });

  it('are removed with the trials, and nothing else is', async () => {
    for (const name of ['trials.jsonl', 'rounds.json', 'notes.txt']) writeFileSync(join(folder, name), 'x');
    await clearTrials(folder);
    expect(readdirSync(folder)).toEqual(['notes.txt']);
    await clearTrials(join(folder, 'missing'));
    expect(existsSync(join(folder, 'missing'))).toBe(false);
  });
});
