import { spawn } from 'node:child_process';
import { appendFileSync, existsSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { openTrialStore, type TrialStoreIdentity } from '../../../src/trials/node/store.ts';
import type { TrialResult } from '../../../src/trials/trial.ts';

const root = mkdtempSync(join(tmpdir(), 'gradient-doctor-store-'));
afterAll(() => rmSync(root, { recursive: true }));
let count = 0;
const folderOf = () => join(root, `run-${count++}`);
const linesOf = (folder: string) => readFileSync(join(folder, 'trials.jsonl'), 'utf8').split('\n').slice(0, -1);

const identity: TrialStoreIdentity = { model: 'a'.repeat(64), version: '1.0.0', settings: { data: 'blobs', seeds: 3 } };
const resultOf = (n: number, more: Partial<TrialResult> = {}): TrialResult => ({
  id: `trial-${n}`,
  plan: 'use-relu',
  seed: n,
  steps: 100,
  status: 'done',
  training: [{ step: 100, loss: n / 3 }],
  heldOut: { loss: n / 7, rows: 40 },
  seconds: 0.5,
  ...more,
});
const resume = (folder: string, more: Partial<TrialStoreIdentity> = {}) =>
  openTrialStore(folder, { ...identity, ...more }, { resume: true });

/** A folder in which so many trials were kept. */
async function folderWith(...results: TrialResult[]): Promise<string> {
  const folder = folderOf();
  const store = await openTrialStore(folder, identity);
  for (const result of results) await store.add(result);
  await store.close();
  return folder;
}

describe('the trial store', () => {
  it('gives back what was kept; what could not be run is tried again', async () => {
    const broken = resultOf(2, {
      status: 'fault',
      training: [{ step: 3, loss: Number.NaN }],
      heldOutLosses: [Infinity],
    });
    const folder = await folderWith(resultOf(1), broken, resultOf(3, { status: 'failed', error: 'out of memory' }));
    const store = await resume(folder);
    expect(new Map(store.results)).toEqual(
      new Map([
        ['trial-1', resultOf(1)],
        ['trial-2', broken],
      ]),
    );
    expect(store.damaged).toEqual([]);
    await store.close();
    expect(existsSync(join(folder, 'trials.lock'))).toBe(false);
  });

  it('finds every result that ended, wherever its last line was torn', async () => {
    const whole = readFileSync(join(await folderWith(resultOf(1), resultOf(2), resultOf(3)), 'trials.jsonl'));
    const ends = [...whole.keys()].filter((i) => whole[i] === 10);
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 0, max: whole.length }), async (length) => {
        const folder = folderOf();
        const before = await openTrialStore(folder, identity);
        await before.close();
        writeFileSync(join(folder, 'trials.jsonl'), whole.subarray(0, length));
        const kept = Math.max(0, ends.filter((end) => end < length).length - 1);
        const store = await resume(folder);
        expect([...store.results.keys()]).toEqual([1, 2, 3].slice(0, kept).map((n) => `trial-${n}`));
        expect(store.damaged).toEqual([]);
        await store.add(resultOf(9));
        await store.close();
        expect(linesOf(folder)).toHaveLength(kept + 2);
      }),
      { numRuns: 40 },
    );
  });

  it('keeps a damaged line aside, tells its number, and runs that trial again', async () => {
    const folder = await folderWith(resultOf(1), resultOf(2), resultOf(3), resultOf(4));
    const lines = linesOf(folder);
    // A digit of a loss that is still a digit, and a line of something else.
    const flipped = lines[2]!.replace('0.2857142857142857', '0.2957142857142857');
    expect(flipped).not.toBe(lines[2]);
    writeFileSync(
      join(folder, 'trials.jsonl'),
      `${[lines[0], lines[1], flipped, '\u0000\u0000', lines[4]].join('\n')}\n`,
    );
    const store = await resume(folder);
    expect([...store.results.keys()]).toEqual(['trial-1', 'trial-4']);
    expect(store.damaged).toEqual([
      { line: 3, reason: 'does not match its checksum' },
      { line: 4, reason: 'is not a line of a trial store' },
    ]);
    expect(readFileSync(join(folder, 'trials.damaged.jsonl'), 'utf8')).toBe(`${flipped}\n\u0000\u0000\n`);
    await store.add(resultOf(2));
    await store.close();
    const again = await resume(folder);
    expect([...again.results.keys()]).toEqual(['trial-1', 'trial-4', 'trial-2']);
    expect(again.damaged).toEqual([]);
    await again.close();
  });

  it.each([
    ['another model', { model: 'b'.repeat(64) }, /of the model aaaaaaaaaaaa…, this is bbbbbbbbbbbb…/],
    ['another version', { version: '2.0.0' }, /were run by version 1.0.0, this is 2.0.0/],
    ['another setting', { settings: { data: 'spiral', seeds: 3 } }, /had data "blobs", now it is "spiral"/],
    ['a setting that is gone', { settings: { seeds: 3 } }, /had data "blobs", now it is not given/],
  ])('refuses trials of %s, and leaves them as they were', async (_, other, message) => {
    const folder = await folderWith(resultOf(1));
    const before = readFileSync(join(folder, 'trials.jsonl'));
    await expect(resume(folder, other)).rejects.toThrow(message);
    expect(readFileSync(join(folder, 'trials.jsonl'))).toEqual(before);
    await (await resume(folder)).close();
  });

  it('refuses a folder that has trials unless asked to go on, and a file that is none', async () => {
    const folder = await folderWith(resultOf(1));
    await expect(openTrialStore(folder, identity)).rejects.toThrow('holds trials already');
    writeFileSync(join(folder, 'trials.jsonl'), 'id,loss\n1,2\n');
    await expect(resume(folder)).rejects.toThrow(/expected "schema": "gradient-doctor\/trials@1"/);
    expect(linesOf(folder)).toEqual(['id,loss', '1,2']);
  });

  it('lets one process write at a time', async () => {
    const folder = await folderWith(resultOf(1));
    const store = await resume(folder);
    await expect(resume(folder)).rejects.toThrow(`process ${process.pid} is at work on the trials in this folder`);
    await store.add(resultOf(2));
    await store.close();
    const lock = join(folder, 'trials.lock');
    // Of another machine nothing can be known.
    writeFileSync(lock, '{"pid":1,"host":"elsewhere.example"}\n');
    await expect(resume(folder)).rejects.toThrow(/process 1 on elsewhere\.example is at work/);
    rmSync(lock);
    // An id that another process has by now.
    const { hostname } = await import('node:os');
    writeFileSync(lock, `${JSON.stringify({ pid: process.pid, host: hostname(), began: '1' })}\n`);
    const next = await resume(folder);
    expect([...next.results.keys()]).toEqual(['trial-1', 'trial-2']);
    await next.close();
  });

  it('loses nothing to kill -9 at any moment, and repeats nothing', async () => {
    const folder = folderOf();
    const script = `
      import { openTrialStore } from '${new URL('../../../dist/trials/node/store.js', import.meta.url).href}';
      const store = await openTrialStore(process.argv[1], ${JSON.stringify(identity)}, { resume: true });
      let n = 0;
      while (store.results.has('trial-' + n)) n++;
      process.stdout.write('from ' + n + ' of ' + store.results.size + '\\n');
      for (;; n++) {
        await store.add({ ...${JSON.stringify(resultOf(0))}, id: 'trial-' + n, seed: n, heldOutLosses: Array(2000).fill(n / 7) });
        process.stdout.write('kept ' + n + '\\n');
      }`;
    let promised = -1;
    for (let i = 0; i < 8; i++) {
      const child = spawn(process.execPath, ['--input-type=module', '-e', script, folder], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      let text = '';
      child.stdout.on('data', (chunk) => (text += chunk));
      const ended = new Promise((resolve) => child.on('close', resolve));
      for (let j = 0; j < 2000 && !/kept/.test(text); j++) await sleep(2);
      await sleep(30 * Math.random());
      child.kill('SIGKILL');
      await ended;
      const [, from, size] = /^from (\d+) of (\d+)\n/.exec(text) ?? [];
      // All that was promised before is there, in one piece; at most one more that was written, not yet promised.
      expect(Number(from)).toBe(Number(size));
      expect(Number(from) - (promised + 1)).toBeGreaterThanOrEqual(0);
      expect(Number(from) - (promised + 1)).toBeLessThanOrEqual(1);
      promised = Number([...text.matchAll(/^kept (\d+)\n/gm)].at(-1)![1]);
    }
    const store = await resume(folder);
    for (let n = 0; n <= promised; n++) expect(store.results.get(`trial-${n}`)?.seed).toBe(n);
    expect(store.damaged).toEqual([]);
    await store.close();
  });

  it('says what is wrong with a folder it cannot use', async () => {
    const folder = folderOf();
    appendFileSync(folder, 'a file');
    await expect(openTrialStore(folder, identity)).rejects.toThrow(/exist|not a directory/i);
    truncateSync(folder);
  });
});
