import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { widthOf } from '../../src/report/text.ts';
import { runCli } from './run-cli.ts';

const folder = mkdtempSync(join(tmpdir(), 'gradient-doctor-compare-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const file = (name: string) => join(folder, name);
const sigmoid = 'examples/sigmoid10.yaml';
const relu = 'examples/relu10.yaml';
const small = ['--batch', '8', '--threads', '1'];

beforeAll(async () => {
  const save = (model: string, name: string) =>
    runCli(['diagnose', model, ...small, '--format', 'json', '-o', file(name)]);
  await Promise.all([save(sigmoid, 'sigmoid.json'), save(relu, 'relu.json')]);
});

describe('gradient-doctor compare', () => {
  it('says of two models which is better and by how much, in 80 columns', async () => {
    const { code, stdout, stderr } = await runCli(['compare', sigmoid, relu, '--data', 'mnist']);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    // Ten sigmoids take at least ten times log10 4 decades; ten He-initialized ReLUs hardly any.
    expect(stdout.replace(/\s+/g, ' ')).toMatch(
      /✓ b is better: the first layer receives 10\^-?0\.\d instead of 10\^-6\.\d of the output's gradient/,
    );
    expect(stdout).toMatch(/gone +vanishing-gradient \(error\)/);
    expect(stdout).toMatch(/hidden\.0 +-6\.\d +-?0\.\d +\d\.\d better/);
    for (const line of stdout.split('\n')) expect(widthOf(line)).toBeLessThanOrEqual(80);
  });

  it('takes a report for either side, and gives the same as diagnosing the model', async () => {
    const args = [...small, '--format', 'json'];
    const [models, reports, mixed] = await Promise.all([
      runCli(['compare', sigmoid, relu, ...args]),
      runCli(['compare', file('sigmoid.json'), file('relu.json'), '--format', 'json']),
      runCli(['compare', file('sigmoid.json'), relu, ...args]),
    ]);
    const [a, b, c] = [models, reports, mixed].map(({ stdout }) => {
      const { a: left, b: right, ...rest } = JSON.parse(stdout);
      return { ...rest, a: { ...left, label: '' }, b: { ...right, label: '' } };
    });
    expect(a).toMatchObject({ schema: 'gradient-doctor/comparison@1', outcome: 'better', notes: [] });
    expect(b).toEqual(a);
    expect(c).toEqual(a);
  });

  it('exits with 1 for --check on a regression from a to b, and only in that direction', async () => {
    const check = (a: string, b: string, ...more: string[]) =>
      runCli(['compare', file(a), file(b), '--check', ...more]);
    expect((await check('sigmoid.json', 'relu.json')).code).toBe(0);
    expect((await check('relu.json', 'relu.json')).code).toBe(0);
    const worse = await check('relu.json', 'sigmoid.json', '--format', 'markdown');
    expect(worse).toMatchObject({ code: 1, stderr: '' });
    expect(worse.stdout).toMatch(/^### ❌ b is worse: the first layer receives 10\^-6/);
    // A new error is a regression whatever the tolerance for decades.
    expect((await check('relu.json', 'sigmoid.json', '--tolerance', '100')).code).toBe(1);
  });

  it('says where both are reports that options for measuring change nothing', async () => {
    const { stdout } = await runCli(['compare', file('relu.json'), file('relu.json'), '--seed', '3']);
    expect(stdout).toContain('note: both are reports, which are taken as they are: --seed changed nothing');
  });

  it('writes a file, and overwrites only with --force', async () => {
    const args = ['compare', file('relu.json'), file('relu.json'), '-o', file('out.txt')];
    expect(await runCli(args)).toMatchObject({ code: 0, stdout: '' });
    expect(readFileSync(file('out.txt'), 'utf8')).toContain('a and b do alike');
    expect(await runCli(args)).toMatchObject({ code: 2, stdout: '' });
  });

  it('says in one line what is wrong with a report', async () => {
    const whole = readFileSync(file('relu.json'), 'utf8');
    writeFileSync(file('cut.json'), whole.slice(0, 5000));
    writeFileSync(file('next.json'), whole.replace('report@1', 'report@2'));
    const cases = [
      ['cut.json', /cut\.json: is no whole JSON report: .*make the report again/],
      ['next.json', /next\.json: is a report of another kind: its schema is "gradient-doctor\/report@2"/],
      ['missing.json', /missing\.json: there is no such file/],
    ] as const;
    for (const [name, message] of cases) {
      const { code, stdout, stderr } = await runCli(['compare', file(name), file('relu.json')]);
      expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
      expect(stderr).toMatch(message);
      expect(stderr.trimEnd()).not.toContain('\n');
    }
  });
});

describe('gradient-doctor diagnose, for comments and plots', () => {
  it('writes Markdown with a chart and every series beside it', async () => {
    const path = file('series.csv');
    const { code, stdout, stderr } = await runCli([
      'diagnose',
      sigmoid,
      ...small,
      '--format',
      'markdown',
      '--series',
      path,
    ]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: `written to ${path}\n` });
    expect(stdout).toMatch(/^### ❌ vanishing: the first layer \(hidden\.0\) receives 10\^-6/);
    expect(stdout).toContain('```mermaid\nflowchart TD\n');
    expect(stdout).toContain('gradient-doctor diagnose examples/sigmoid10.yaml --batch 8 --threads 1\n');
    const lines = readFileSync(path, 'utf8').trimEnd().split('\n');
    expect(lines[0]).toBe('series,layer,name,kind,step,x,value');
    const decades = lines
      .filter((line) => line.startsWith('layer-decades,'))
      .map((line) => Number(line.split(',').at(-1)));
    expect(decades).toHaveLength(11);
    expect(decades.at(-1)).toBe(0);
    expect(decades[0]).toBeLessThan(-10 * Math.log10(4));
  });

  it('refuses a table of no known format, or one that exists, before any work', async () => {
    const wrong = await runCli(['diagnose', sigmoid, '--series', 'x.xlsx']);
    expect(wrong).toMatchObject({ code: 2, stdout: '' });
    expect(wrong.stderr).toBe(
      'gradient-doctor: --series: "x.xlsx" names no known format; expected a name that ends in .csv or .json\n',
    );
    const taken = await runCli(['diagnose', sigmoid, '--series', file('relu.json')]);
    expect(taken.stderr).toContain('already exists; --force overwrites it');
  });
});
