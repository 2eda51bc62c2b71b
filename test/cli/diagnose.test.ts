import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { encodeNpy } from '../../src/data/index.ts';
import { tensorOf } from '../../src/graph/tensor.ts';
import { widthOf } from '../../src/report/text.ts';
import { runCli, runShell } from './run-cli.ts';

const folder = mkdtempSync(join(tmpdir(), 'gradient-doctor-cli-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const file = (name: string) => join(folder, name);
const sigmoid = 'examples/sigmoid10.yaml';
const relu = 'examples/relu10.yaml';

describe('gradient-doctor diagnose', () => {
  it('finds that ten sigmoids vanish on real digits, and that ten ReLUs do not', async () => {
    const [bad, good] = await Promise.all([
      runCli(['diagnose', sigmoid, '--data', 'mnist']),
      runCli(['diagnose', relu, '--data', 'mnist']),
    ]);
    expect(bad).toMatchObject({ code: 0, stderr: '' });
    expect(bad.stdout).toMatch(/✗ vanishing {3}the first layer \(hidden\.0\)/);
    expect(bad.stdout).toContain('64 real digits (mnist, seed 0)');
    expect(good).toMatchObject({ code: 0, stderr: '' });
    expect(good.stdout).toContain('✓ healthy');
    for (const line of bad.stdout.split('\n')) expect(widthOf(line)).toBeLessThanOrEqual(80);
  });

  it('exits with 1 for --check only where a finding is an error', async () => {
    expect((await runCli(['diagnose', sigmoid, '--check'])).code).toBe(1);
    expect((await runCli(['diagnose', relu, '--check'])).code).toBe(0);
  });

  it('reads idx files, leaves rows out, and draws weights by Fixup', async () => {
    const head = (type: number, ...dims: number[]) => [
      0,
      0,
      type,
      dims.length,
      ...dims.flatMap((dim) => [0, 0, 0, dim]),
    ];
    const floats = new Uint8Array(new Float32Array(24).map((_, i) => (i === 6 ? Number.NaN : Math.cos(i))).buffer);
    for (let i = 0; i < floats.length; i += 4) floats.subarray(i, i + 4).reverse();
    writeFileSync(file('t-images-idx2-float'), Uint8Array.from([...head(13, 8, 3), ...floats]));
    writeFileSync(file('t-labels-idx1-ubyte'), Uint8Array.from([...head(8, 8), 0, 1, 0, 1, 0, 1, 0, 1]));
    const net = file('residual.yaml');
    const block = '{ residual: [{ dense: 4 }, relu, { dense: 4 }], repeat: 2 }';
    writeFileSync(net, `input: 3\nlayers: [{ dense: 4 }, ${block}, { dense: 2 }]\n`);
    const options = ['--input', file('t-images-idx2-float'), '--target', file('t-labels-idx1-ubyte')];
    const more = ['--missing', 'leave-out', '--init', 'fixup'];
    const { code, stdout, stderr } = await runCli(['diagnose', net, ...options, ...more]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    // Zero logits: ln 2.
    expect(stdout).toMatch(/7 rows of t-images-idx2-float\s+cross-entropy 0\.693/);
    expect(stdout).toContain('1 of 8 rows lacks a value and was left out: 2');
    expect(stdout).toContain('fixup: 2 residual branches');
  });

  it('says plainly that inputs are synthetic', async () => {
    expect((await runCli(['diagnose', relu])).stdout).toMatch(/64 synthetic inputs: .*\(no data given\)/);
  });

  it('gives the same bytes for the same input, in the contract of the JSON report', async () => {
    const args = ['diagnose', sigmoid, '--data', 'mnist', '--format', 'json', '--batch', '8', '--seed', '3'];
    const [first, second] = [await runCli(args), await runCli(args)];
    expect(first.stdout).toBe(second.stdout);
    const report = JSON.parse(first.stdout);
    expect(report).toMatchObject({
      schema: 'gradient-doctor/report@1',
      verdict: 'vanishing',
      model: { parameters: 784 * 100 + 100 + 9 * (100 * 100 + 100) + 1010 },
      probe: { batch: 8, seed: 3, lossKind: 'cross-entropy', data: 'mnist', real: true },
    });
    const parts = Object.values<number>(report.attribution.byKind);
    expect(parts.reduce((sum, x) => sum + x, 0)).toBeCloseTo(report.attribution.totalDecades, 6);
    // Each σ′ is at most 1/4, so ten of them take at least 10 log₁₀ 4 = 6.02 decades.
    expect(report.attribution.byKind['activation-derivative']).toBeLessThanOrEqual(-10 * Math.log10(4));
    expect(report.flow[0].decadesFromOutput).toBe(0);
  });

  it('takes arrays by name, and the loss that is asked for', async () => {
    const x = new Float32Array(4 * 784).map((_, i) => Math.sin(i));
    writeFileSync(file('x.npy'), encodeNpy(tensorOf('float32', [4, 784], x)));
    writeFileSync(file('y.npy'), encodeNpy(tensorOf('int64', [4], [1, 0, 9, 3])));
    const args = ['--input', `input=${file('x.npy')}`, '--target', file('y.npy'), '--loss', 'cross-entropy'];
    const { code, stdout, stderr } = await runCli(['diagnose', relu, ...args, '--format', 'json']);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(JSON.parse(stdout).probe).toMatchObject({ batch: 4, data: 'x.npy', lossKind: 'cross-entropy' });
  });

  it('writes a file whole, and overwrites only with --force', async () => {
    const path = file('report.json');
    const args = ['diagnose', relu, '--batch', '4', '--format', 'json', '--output', path];
    const first = await runCli(args);
    expect(first).toMatchObject({ code: 0, stdout: '' });
    expect(JSON.parse(readFileSync(path, 'utf8')).verdict).toBe('healthy');
    writeFileSync(path, 'mine');
    const refused = await runCli(args);
    expect(refused).toMatchObject({ code: 2, stdout: '' });
    expect(refused.stderr).toBe(`gradient-doctor: ${path}: already exists; --force overwrites it\n`);
    expect(readFileSync(path, 'utf8')).toBe('mine');
    expect((await runCli([...args, '--force'])).code).toBe(0);
    expect(readFileSync(path, 'utf8')).toContain('gradient-doctor/report@1');
    expect(readdirSync(folder).filter((name) => name.endsWith('.tmp'))).toEqual([]);
  });

  it('leaves nothing behind when it is interrupted', async () => {
    const path = file('interrupted.json');
    // The shell's exit status of a program that Ctrl-C ended is 128 + SIGINT.
    const line = `$CLI diagnose ${sigmoid} --data mnist --batch 5000 -o ${path} & sleep 0.4; kill -INT $!; wait $!; exit $?`;
    const { code, stdout, stderr } = await runShell(`set -m; ${line}`);
    expect({ code, stdout }).toEqual({ code: 130, stdout: '' });
    expect(stderr).not.toContain('gradient-doctor:');
    expect(existsSync(path)).toBe(false);
  });

  it('colours for people only: NO_COLOR wins over FORCE_COLOR, a pipe is plain', async () => {
    const args = ['diagnose', relu, '--batch', '4'];
    const colour = '\x1b[';
    expect((await runCli(args)).stdout).not.toContain(colour);
    expect((await runCli(args, { FORCE_COLOR: '1' })).stdout).toContain(colour);
    expect((await runCli(args, { FORCE_COLOR: '0' })).stdout).not.toContain(colour);
    expect((await runCli(args, { FORCE_COLOR: '1', NO_COLOR: '1' })).stdout).not.toContain(colour);
  });

  it('keeps to ASCII where the locale or the terminal knows nothing else', async () => {
    for (const env of [{ LANG: 'C' }, { LC_ALL: 'POSIX' }, { TERM: 'dumb' }]) {
      const { stdout } = await runCli(['diagnose', sigmoid, '--batch', '4'], env);
      expect(stdout).toMatch(/^[\n -~]+$/);
    }
  });

  it('ends without a word when its reader has seen enough', async () => {
    const { stdout, stderr, code } = await runShell(`$CLI diagnose ${relu} --format json | head -1`);
    expect({ stdout, stderr, code }).toEqual({ stdout: '{\n', stderr: '', code: 0 });
  });

  it.skipIf(!existsSync('/dev/full'))('says in one line that its result could not be written', async () => {
    const { stderr, code } = await runShell(`$CLI diagnose ${relu} --batch 4 > /dev/full`);
    expect(stderr).toMatch(/^gradient-doctor: the result: cannot be written: ENOSPC.*\n$/);
    expect(code).toBe(2);
  });
});
