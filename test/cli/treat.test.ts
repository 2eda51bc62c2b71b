import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { encodeNpy } from '../../src/data/index.ts';
import { tensorOf } from '../../src/graph/tensor.ts';
import { createRandom } from '../../src/random/random.ts';
import { type Outcome, plainEnvironment, program, runCli } from './run-cli.ts';

const folder = mkdtempSync(join(tmpdir(), 'gradient-doctor-treat-'));
afterAll(() => rmSync(folder, { recursive: true }));
const at = (name: string) => join(folder, name);

/** Eight sigmoids that pass nothing. */
writeFileSync(
  at('sick.yaml'),
  `
input: 2
layers:
  - dense: {units: 6, activation: sigmoid, repeat: 8, name: hidden}
  - dense: {units: 2, name: out}
init: glorot-uniform
loss: cross-entropy
optimizer: {adam: {lr: 0.01}}
`,
);
writeFileSync(
  at('healthy.yaml'),
  'input: 2\nlayers:\n  - dense: {units: 8, activation: relu}\n  - dense: 2\ninit: he\nloss: cross-entropy\n',
);
const here = (args: readonly string[]) => runCli(['treat', ...args], {}, folder);
/** One plan, four trials of known length: nothing depends on how fast the machine is. */
const quick = ['--remedy', 'use-relu', '--seeds', '2', '--steps', '120', '--budget', '8trials', '--batch', '32'];
const circles = ['--data', 'circles', '--samples', '400', '--workers', '1', '--threads', '1'];
const trialsIn = (run: string) => {
  const path = join(folder, run, 'trials.jsonl');
  return existsSync(path)
    ? readFileSync(path, 'utf8')
        .split('\n')
        .slice(1)
        .filter((line) => line !== '')
    : [];
};

describe('gradient-doctor treat', () => {
  let outcome: Outcome;
  beforeAll(async () => {
    outcome = await here(['sick.yaml', ...circles, ...quick, '--out', 'run']);
  });

  it('trains baseline and redesign, says which is better and how sure that is', () => {
    expect(outcome.stderr).toContain('diagnosed: vanishing');
    expect(outcome.stderr).toContain('round 1 of 1: 4 trials of 120 steps, 1 plan and the baseline');
    expect(outcome.code).toBe(0);
    expect(outcome.stdout).toContain('✓ improved   use-relu: held-out loss');
    expect(outcome.stdout).toMatch(/95 %\s+between/);
    expect(outcome.stdout).toContain('nn.ReLU()');
    expect(outcome.stdout).not.toMatch(/undefined|\[object/);
  });

  it('keeps trials, reports and the redesign in the folder', () => {
    const files = readdirSync(at('run'));
    expect(files).toEqual(
      expect.arrayContaining(['trials.jsonl', 'treated.onnx', 'report.html', 'report.md', 'report.json']),
    );
    expect(files.filter((name) => /tmp|lock/.test(name))).toEqual([]);
    expect(trialsIn('run')).toHaveLength(4);
    const json = JSON.parse(readFileSync(at('run/report.json'), 'utf8'));
    expect(json).toMatchObject({ schema: 'gradient-doctor/treatment@1', outcome: 'improved' });
    expect(json.winner.model.path).toBe('run/treated.onnx');
    expect(Object.keys(json.patches[0].patch)).toEqual(['pytorch', 'keras', 'tfjs']);
  });

  it('writes a redesign whose gradient is healthy, and a command that trains it', async () => {
    const report = await runCli(['diagnose', 'run/treated.onnx', '--data', 'circles', '--check'], {}, folder);
    expect(report.code).toBe(0);
    const command = /train it +gradient-doctor (.*)/.exec(outcome.stdout)![1]!.split(' ');
    expect(command).toEqual(expect.arrayContaining(['train', 'run/treated.onnx', '--optimizer', 'adam']));
    const trained = await runCli([...command, '--steps', '20'], {}, folder);
    expect(trained.stdout).toContain('✓ trained');
    expect(trained.code).toBe(0);
  });

  it('overwrites nothing without --force', async () => {
    const again = await here(['sick.yaml', ...circles, ...quick, '--out', 'run']);
    expect(again.code).toBe(2);
    expect(again.stderr).toMatch(/run.*: already exists; --force/);
    const kept = readFileSync(at('run/trials.jsonl'), 'utf8');
    writeFileSync(at('sick.treated.onnx'), 'mine');
    const beside = await here(['sick.yaml', ...circles, ...quick]);
    expect(beside).toMatchObject({ code: 2 });
    expect(beside.stderr).toContain('sick.treated.onnx: already exists; --force overwrites it');
    expect(readFileSync(at('sick.treated.onnx'), 'utf8')).toBe('mine');
    rmSync(at('sick.treated.onnx'));
    expect(readFileSync(at('run/trials.jsonl'), 'utf8')).toBe(kept);
  });

  it('repeats nothing when it is resumed, and needs no options for it', async () => {
    const before = readFileSync(at('run/trials.jsonl'), 'utf8');
    const again = await here(['sick.yaml', '--out', 'run', '--resume', '--format', 'json']);
    expect(again.code).toBe(0);
    expect(again.stderr).toContain('4 trials of 4 known from before');
    expect(readFileSync(at('run/trials.jsonl'), 'utf8')).toBe(before);
    expect(JSON.parse(again.stdout).outcome).toBe('improved');
  });

  it('runs a trial again whose line was damaged, and says so', async () => {
    const lines = readFileSync(at('run/trials.jsonl'), 'utf8').split('\n');
    lines[2] = lines[2]!.replace('"loss":', '"lass":');
    writeFileSync(at('run/trials.jsonl'), lines.join('\n'));
    const again = await here(['sick.yaml', '--out', 'run', '--resume']);
    expect(again.stderr).toContain('3 trials of 4 known from before');
    expect(again.stdout.replace(/\s+/g, ' ')).toContain('line 3 of trials.jsonl does not match its checksum');
    expect(trialsIn('run')).toHaveLength(4);
  });

  it('takes the queue from the environment, and local workers over it', async () => {
    const call = ['sick.yaml', ...circles.slice(0, 4), '--threads', '1', ...quick, '--format', 'json', '--out', 'env'];
    const env = { GRADIENT_DOCTOR_QUEUE: 'redis://:s3cret@127.0.0.1:1' };
    const refused = await runCli(['treat', ...call], env, folder);
    expect(refused.stderr).toMatch(/\n?gradient-doctor: redis:\/\/127\.0\.0\.1:1: the queue cannot be reached: /);
    expect({ ...refused, stderr: '' }).toMatchObject({ code: 2, stdout: '' });
    expect(refused.stderr).not.toContain('s3cret');
    const local = await runCli(['treat', ...call, '--workers', '1', '--force'], env, folder);
    expect(local.code).toBe(0);
    expect(JSON.parse(local.stdout).trials).toMatchObject({ done: 4 });
    const empty = await runCli(['treat', ...call, '--force', '--steps', '5'], { GRADIENT_DOCTOR_QUEUE: '' }, folder);
    expect(empty.code).toBe(0);
  });
});

describe('a run that is stopped', () => {
  const long = [
    'sick.yaml',
    ...circles,
    '--remedy',
    'use-relu',
    '--seeds',
    '2',
    '--steps',
    '1500',
    '--budget',
    '8trials',
  ];

  /** Starts a run, waits for its first result and sends a signal. */
  async function interrupt(run: string, signal: NodeJS.Signals): Promise<Outcome> {
    const child = spawn(process.execPath, [program, 'treat', ...long, '--out', run], {
      cwd: folder,
      env: plainEnvironment(),
    });
    let [stdout, stderr] = ['', ''];
    child.stdout.on('data', (text) => (stdout += text));
    child.stderr.on('data', (text) => (stderr += text));
    const closed = new Promise<Outcome>((resolve) =>
      child.on('close', (code, by) => resolve({ code, signal: by, stdout, stderr })),
    );
    for (let i = 0; i < 6000 && trialsIn(run).length === 0 && child.exitCode === null; i++) await sleep(5);
    child.kill(signal);
    return closed;
  }

  it('reports what is known on Ctrl-C, and goes on with --resume', async () => {
    const stopped = await interrupt('stopped', 'SIGINT');
    expect(stopped.stderr).toContain('stopping, and reporting what is known so far');
    expect(stopped.code).toBe(130);
    expect(stopped.stdout).toContain('! too little evidence');
    expect(stopped.stderr).toContain('--out stopped --resume');
    const known = trialsIn('stopped').length;
    expect(known).toBeGreaterThan(0);
    expect(known).toBeLessThan(4);
    const resumed = await here(['sick.yaml', '--out', 'stopped', '--resume']);
    expect(resumed.stderr).toContain(`of 4 known from before`);
    expect(resumed.stderr).toContain(`${known} trial`);
    expect(resumed.code).toBe(0);
    expect(trialsIn('stopped')).toHaveLength(4);
  });

  it('loses nothing that finished when it is killed', async () => {
    const killed = await interrupt('killed', 'SIGKILL');
    expect(killed.signal).toBe('SIGKILL');
    const before = trialsIn('killed');
    const resumed = await here(['sick.yaml', '--out', 'killed', '--resume']);
    expect(resumed.code).toBe(0);
    const after = trialsIn('killed');
    expect(after.slice(0, before.length)).toEqual(before);
    expect(after).toHaveLength(4);
  });
});

it('shows its options and examples with --help, in 80 columns', async () => {
  const { code, stdout } = await here(['--help']);
  expect(code).toBe(0);
  for (const word of ['--budget', '--resume', '--remedy', '--queue', 'Examples:']) expect(stdout).toContain(word);
  for (const line of stdout.split('\n')) expect(line.length).toBeLessThanOrEqual(80);
});

describe('what cannot be treated', () => {
  writeFileSync(at('only.npy'), encodeNpy(tensorOf('float32', [60, 2], new Float32Array(120).fill(1))));
  it.each([
    [['sick.yaml', '--remedy', 'use-rleu'], 'no remedy "use-rleu"; did you mean "use-relu"?'],
    [['sick.yaml', '--remedy', 'use-relu++'], '--remedy: "use-relu++" is not possible'],
    [['sick.yaml', '--budget', '10'], '--budget: "10" is not possible; a time or a number of trials'],
    [['sick.yaml', '--budget', '5trials,9trials'], '"5trials,9trials" is not possible'],
    [['sick.yaml', '--budget', '1.5trials'], '"1.5trials" is not possible'],
    [['sick.yaml', '--resume'], "--resume needs the run's folder; --out runs/NAME"],
    [['sick.yaml', '--out', 'nothing-here', '--resume'], 'there is no run to go on with'],
    [['sick.yaml', '--out', 'x', '--resume', '--force'], '--resume goes on with a run, --force replaces it'],
    [['sick.yaml', '--framework', 'torch'], '--framework: "torch" is not possible'],
    [['sick.yaml', '--data', 'mnst'], '"mnst" is neither a built-in data set nor a file'],
    [['sick.yaml', '--queue', 'redis://x', '--workers', '2'], '--workers are threads of this machine'],
    [['sick.yaml', '--data', 'circles', '--queue', 'redis://u:hush@127.0.0.1:1'], 'redis://127.0.0.1:1'],
    [['none.yaml'], 'none.yaml'],
    [['none/such.yaml'], 'none/such.yaml: there is no such file'],
    [['sick.yaml', '--data', 'circles', '-o', 'none/report.txt'], 'none/report.txt: there is no directory "none"'],
    [['sick.yaml', '--data', 'circles', '--out', 'healthy.yaml'], 'healthy.yaml: is not a folder; name a folder'],
    [['sick.yaml', '--input', 'only.npy'], 'only.npy: holds no target: there is nothing to train candidates for'],
  ])('%j', async (args, message) => {
    const { code, stderr, stdout } = await here(args);
    expect(stderr).toContain(message);
    expect(stderr).not.toContain('hush');
    expect(stderr.trim().split('\n')).toHaveLength(1);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  });

  it('recommends no change for a healthy network', async () => {
    const { code, stdout } = await here(['healthy.yaml', '--data', 'circles', '--check']);
    expect(stdout).toContain('✓ healthy');
    expect(code).toBe(0);
    expect(existsSync(at('healthy.treated.onnx'))).toBe(false);
  });

  it('says what can be said without data, labels it, and proves nothing', async () => {
    const { code, stdout } = await here(['sick.yaml', '--remedy', 'use-relu', '--check', '--format', 'markdown']);
    expect(stdout).toContain('⚠️ gradient only');
    expect(stdout).toContain('nothing was trained');
    expect(code).toBe(1);
    expect(existsSync(at('sick.treated.onnx'))).toBe(true);
    rmSync(at('sick.treated.onnx'));
  });

  it('ends in time with what is known where the budget is shorter than a trial', async () => {
    const { code, stdout } = await here(['sick.yaml', '--data', 'circles', '--budget', '0.01s', '--workers', '1']);
    expect(stdout).toContain('! too little evidence');
    expect(stdout.replace(/\s+/g, ' ')).toContain('no trial ended within the budget');
    expect(code).toBe(0);
  });

  it('judges by the training loss where a file has too few rows to hold any out', async () => {
    const random = createRandom(1);
    const x = Array.from({ length: 120 }, () => random.normal());
    writeFileSync(at('x.npy'), encodeNpy(tensorOf('float32', [60, 2], x)));
    const labels = Array.from({ length: 60 }, (_, i) => (x[2 * i]! > 0 ? 1 : 0));
    writeFileSync(at('y.npy'), encodeNpy(tensorOf('int64', [60], labels)));
    const files = ['--input', 'x.npy', '--target', 'y.npy'];
    const { code, stdout } = await here(['sick.yaml', ...files, ...quick, '--workers', '1', '--format', 'json']);
    const { trials, notes, confidence, outcome } = JSON.parse(stdout);
    expect(code).toBe(0);
    expect(trials).toMatchObject({ heldOut: false, data: 'x.npy' });
    expect(notes.join()).toContain('too few rows to hold any out');
    expect(confidence.sentences.join()).toContain('Judged by the training loss');
    expect(outcome).toBe('improved');
    rmSync(at('sick.treated.onnx'));
  });
});
