import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { root, runCli, runShell } from './run-cli.ts';

const relu = 'examples/relu10.yaml';

describe('gradient-doctor', () => {
  it('shows its commands and examples with --help, in 80 columns', async () => {
    const { code, stdout, stderr } = await runCli(['--help']);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toContain('diagnose');
    expect(stdout).toContain('Examples:');
    for (const line of stdout.split('\n')) expect(line.length).toBeLessThanOrEqual(80);
    for (const unfinished of ['watch']) expect(stdout).not.toMatch(new RegExp(`^  ${unfinished}`, 'm'));
  });

  it('loads the runtime only when it is needed', async () => {
    const preload = join(mkdtempSync(join(tmpdir(), 'gradient-doctor-preload-')), 'loaded.cjs');
    const test = `Object.keys(require.cache).some((path) => path.includes('onnxruntime-node'))`;
    writeFileSync(preload, `process.on('exit', () => process.stderr.write('runtime: ' + ${test}));`);
    const env = { NODE_OPTIONS: `--require ${preload}` };
    for (const args of [
      ['--help'],
      ['--version'],
      ['diagnose', '--help'],
      ['train', '--help'],
      ['treat', '--help'],
      ['diagnose', relu, '--batch', '0'],
    ]) {
      expect((await runCli(args, env)).stderr).toMatch(/runtime: false$/);
    }
    expect((await runCli(['diagnose', relu, '--batch', '4'], env)).stderr).toBe('runtime: true');
    rmSync(dirname(preload), { recursive: true });
  });

  it('prints its version', async () => {
    const { version } = JSON.parse(readFileSync(`${root}package.json`, 'utf8'));
    expect(await runCli(['--version'])).toMatchObject({ code: 0, stdout: `${version}\n`, stderr: '' });
  });

  it.each(['diagnose', 'compare', 'theory', 'train', 'treat', 'differentiate', 'explain', 'worker'])(
    'shows the help of %s in 80 columns',
    async (command) => {
      const { code, stdout } = await runCli([command, '--help']);
      expect(code).toBe(0);
      expect(stdout).toContain(`Usage: gradient-doctor ${command}`);
      expect(stdout.split('\n').filter((line) => line.length > 80)).toEqual([]);
    },
  );

  it('shows every option of diagnose', async () => {
    const { code, stdout } = await runCli(['help', 'diagnose']);
    expect(code).toBe(0);
    for (const option of ['--input', '--target', '--data', '--loss', '--model-output', '--batch', '--seed']) {
      expect(stdout).toContain(option);
    }
    for (const option of ['--optimizer', '--lr', '--format', '--output', '--check', '--all-layers', '--threads']) {
      expect(stdout).toContain(option);
    }
  });

  it('shows every option of train', async () => {
    const { code, stdout } = await runCli(['help', 'train']);
    expect(code).toBe(0);
    for (const option of ['--epochs', '--steps', '--validation', '--schedule', '--clip-norm', '--resume', '--force']) {
      expect(stdout).toContain(option);
    }
  });

  it('shows its help and exits with 2 when nothing is asked', async () => {
    const { code, stdout, stderr } = await runCli([]);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(/^Usage: gradient-doctor/);
  });
});

describe('unusable usage or input', () => {
  it.each<[string, string[], RegExp]>([
    ['an unknown command', ['diagnoze'], /unknown command 'diagnoze'; did you mean diagnose\?/],
    ['an unknown option', ['diagnose', relu, '--bacth', '3'], /unknown option '--bacth'; did you mean --batch\?/],
    ['a result without a name', ['diagnose', relu, '-o', ''], /--output: "" names no file/],
    ['no model', ['diagnose'], /missing required argument 'model'; /],
    ['a second model', ['diagnose', relu, relu], /too many arguments/],
    ['a batch of 0', ['diagnose', relu, '--batch', '0'], /--batch: "0" .*; expected a whole number from 1 to 1000000$/],
    ['half a sample', ['diagnose', relu, '--batch', '1.5'], /--batch: "1.5" .* whole number/],
    ['a rate in words', ['diagnose', relu, '--lr', 'abc'], /--lr: "abc" .*; expected a number above 0/],
    ['a negative rate', ['diagnose', relu, '--lr=-1'], /--lr: "-1" .*; expected a number above 0/],
    ['an infinite rate', ['diagnose', relu, '--lr', 'Infinity'], /--lr: "Infinity"/],
    ['a negative seed', ['diagnose', relu, '--seed=-1'], /--seed: "-1"/],
    ['an unknown loss', ['diagnose', relu, '--loss', 'ms'], /--loss: "ms" .*did you mean "mse"\?$/],
    ['an unknown optimizer', ['diagnose', relu, '--optimizer', 'adm'], /--optimizer: "adm" .*did you mean "adam"\?$/],
    [
      'an unknown format',
      ['diagnose', relu, '--format', 'xml'],
      /--format: "xml" .*accepted: text, json, markdown, html$/,
    ],
    ['a missing model', ['diagnose', 'nope.onnx'], /nope\.onnx: there is no such file$/],
    ['a directory', ['diagnose', '.'], /is a directory, expected a file$/],
    ['a file that is no model', ['diagnose', 'LICENSE'], /LICENSE: .*ONNX/],
    [
      'a mistyped data set',
      ['diagnose', relu, '--data', 'minst'],
      /--data: "minst" is neither .*; did you mean "mnist"\? or a file: \.npz .*$/,
    ],
    ['an unknown data set', ['diagnose', relu, '--data', 'x'], /data sets: mnist, .*; or a file: \.npz .*$/],
    ['a mistyped scheme', ['diagnose', relu, '--init', 'orthgonal'], /--init: .*; did you mean "orthogonal"\?$/],
    ['a target alone', ['diagnose', relu, '--target', 'y.npy'], /--target .*; add --input FILE\.npy$/],
    ['data twice', ['diagnose', relu, '--data', 'mnist', '--input', 'x.npy'], /--data and --input both/],
    [
      'an input that is no array',
      ['diagnose', relu, '--input', 'LICENSE'],
      /LICENSE: is neither a \.npy nor an idx file; /,
    ],
    ['a missing input', ['diagnose', relu, '--input', 'input=no.npy'], /no\.npy: there is no such file/],
    ['an unknown output', ['diagnose', relu, '--model-output', 'zz'], /no float output "zz"; its outputs: /],
    ['a directory that is missing', ['diagnose', relu, '-o', 'no/such/report.txt'], /no\/such\/report\.txt: /],
  ])('%s: one line on standard error, exit 2', async (_, args, message) => {
    const { code, stdout, stderr } = await runCli(args);
    expect(stderr).toMatch(/^gradient-doctor: [^\n]+\n$/);
    expect(stderr.trimEnd()).toMatch(message);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  });

  it('does not send the escape sequences of a file name to the terminal', async () => {
    const { code, stderr } = await runCli(['diagnose', '\x1b[31mred\n.onnx']);
    expect(code).toBe(2);
    expect(stderr).toMatch(/^gradient-doctor: \\x1b\[31mred \.onnx: there is no such file\n$/);
  });

  it('shows the stack only with --verbose', async () => {
    expect((await runCli(['diagnose', 'nope.onnx', '--verbose'])).stderr).toMatch(/\n {4}at /);
  });

  it('ends without a word when its reader has seen enough', async () => {
    const { stdout, stderr, code } = await runShell('$CLI diagnose --help | head -1');
    expect({ stdout, stderr, code }).toEqual({
      stdout: 'Usage: gradient-doctor diagnose [options] <model>\n',
      stderr: '',
      code: 0,
    });
  });
});
