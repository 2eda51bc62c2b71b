import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { currentMetrics, parseMetrics } from '../../src/logs/metrics.ts';
import { EventFileReader, listEventFiles } from '../../src/logs/node/event-file.ts';
import { type Outcome, plainEnvironment, program, runCli } from './run-cli.ts';

const folder = mkdtempSync(join(tmpdir(), 'gradient-doctor-train-'));
afterAll(() => rmSync(folder, { recursive: true }));
const at = (name: string) => join(folder, name);

const network = at('digits.yaml');
writeFileSync(
  network,
  `
input: 784
layers:
  - dense: {units: 24, name: first}
  - batch-norm: {name: norm}
  - relu
  - dropout: 0.2
  - dense: {units: 10, name: out}
init: he
loss: cross-entropy
optimizer: {adam: {lr: 0.002}}
batch: 16
`,
);
const basic = ['train', network, '--data', 'mnist', '--samples', '480', '--validation', '0.1', '--threads', '1'];
/** 27 steps an epoch. */
const long = [...basic, '--epochs', '4', '--checkpoint-every', '10'];

const trainedBytes = (run: string) => readFileSync(join(run, 'model.onnx')).toString('base64');
const metricsOf = (run: string) =>
  currentMetrics(parseMetrics(readFileSync(join(run, 'metrics.jsonl'), 'utf8'), run).lines as never);
const checkpointsIn = (run: string) => {
  const path = join(run, 'checkpoint');
  return existsSync(path) ? readdirSync(path).filter((name) => /^step-\d+\.safetensors$/.test(name)) : [];
};

/** Starts a training that would go on for long, waits for its first checkpoint and sends a signal. */
async function interrupt(args: readonly string[], run: string, signal: NodeJS.Signals): Promise<Outcome> {
  const child = spawn(process.execPath, [program, ...args], { env: plainEnvironment() });
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', (text) => (stdout += text));
  child.stderr.on('data', (text) => (stderr += text));
  const closed = new Promise<Outcome>((resolve) =>
    child.on('close', (code, by) => resolve({ code, signal: by, stdout, stderr })),
  );
  for (let i = 0; i < 2000 && checkpointsIn(run).length === 0 && child.exitCode === null; i++) await sleep(5);
  child.kill(signal);
  return closed;
}

describe('gradient-doctor train', () => {
  const whole = at('whole');
  let outcome: Outcome;
  beforeAll(async () => {
    outcome = await runCli([...long, '--out', whole]);
  });

  it('trains, says what came of it, and keeps the run in a folder', () => {
    expect(outcome.stderr).toContain('432 rows of mnist, 48 more to score on, batches of 16, adam at 0.002');
    expect(outcome.code).toBe(0);
    expect(outcome.stdout).toMatch(/✓ trained\n {2}108 steps, 4 epochs in /);
    expect(outcome.stdout).toMatch(/validation loss \S+, accuracy \d+\.\d %/);
    expect(outcome.stdout).toContain(`tensorboard --logdir ${whole}`);
    expect(readdirSync(whole)).toEqual(
      expect.arrayContaining(['checkpoint', 'config.json', 'metrics.jsonl', 'model.onnx']),
    );
    expect(readdirSync(whole)).toContain('model.training.onnx');
    for (const line of outcome.stdout.split('\n')) expect(line).not.toMatch(/undefined|NaN|\[object/);
  });

  it('logs every step, with tags that stand together by layer, and histograms every 50', async () => {
    const steps = new Map<string, number[]>();
    for (const file of await listEventFiles(whole)) {
      for await (const { step, values = [] } of new EventFileReader(file).read()) {
        for (const { tag } of values) steps.set(tag, [...(steps.get(tag) ?? []), step]);
      }
    }
    const every = Array.from({ length: 108 }, (_, i) => i + 1);
    for (const tag of ['loss/batch', 'accuracy/batch', 'training/learning_rate', 'training/gradient_norm']) {
      expect(steps.get(tag), tag).toEqual(every);
    }
    for (const layer of ['first', 'norm', 'out']) {
      for (const quantity of ['gradient_norm', 'update_norm', 'weight_norm']) {
        expect(steps.get(`${layer}/${quantity}`), `${layer}/${quantity}`).toEqual(every);
      }
      expect(steps.get(`${layer}/activation`)).toEqual([1, 51, 101]);
    }
    expect(steps.get('first/weight_gradient')).toEqual([1, 51, 101]);
    expect(steps.get('first/weight_value')).toEqual([1, 51, 101]);
    expect(steps.get('loss/validation')).toEqual([27, 54, 81, 108]);
  });

  it('goes on after kill −9 as if nothing had happened, to the bit', async () => {
    const killed = at('killed');
    expect((await interrupt([...long, '--out', killed], killed, 'SIGKILL')).signal).toBe('SIGKILL');
    expect(checkpointsIn(killed).length).toBeGreaterThan(0);
    expect(existsSync(join(killed, 'model.onnx'))).toBe(false);
    // No option but the folder: the run knows its own.
    const { code, stdout, stderr } = await runCli(['train', network, '--out', killed, '--resume']);
    expect({ code, stderr }).toMatchObject({ code: 0 });
    expect(stdout).toMatch(/108 steps, from step \d+ on, 4 epochs/);
    expect(trainedBytes(killed)).toBe(trainedBytes(whole));
    expect(metricsOf(killed)).toEqual(metricsOf(whole));
  });

  it('ends in order on Ctrl-C: saved, exit code 130, and how to go on', async () => {
    const stopped = at('stopped');
    const args = [...basic, '--epochs', '4000', '--checkpoint-every', '10', '--out', stopped];
    const { code, stdout, stderr } = await interrupt(args, stopped, 'SIGINT');
    expect({ code, stderr }).toMatchObject({ code: 130 });
    expect(stderr).toContain('stopping after this step');
    expect(stdout).toContain('! interrupted');
    expect(stdout).toContain(`gradient-doctor train ${network} --out ${stopped} --resume`);
    expect(existsSync(join(stopped, 'model.onnx'))).toBe(true);
    const steps = metricsOf(stopped).filter(({ loss }) => loss !== undefined);
    const reached = Number(/(\d+) steps/.exec(stdout.replaceAll(' ', ' '))![1]);
    expect(steps).toHaveLength(reached);
    expect(checkpointsIn(stopped).at(-1)).toBe(`step-${String(reached).padStart(12, '0')}.safetensors`);
  });

  it('refuses a folder with a run, and leaves it as it was', async () => {
    const before = trainedBytes(whole);
    const { code, stderr } = await runCli([...basic, '--out', whole]);
    expect(code).toBe(2);
    expect(stderr).toMatch(/not empty.*(resume|force)/);
    expect(trainedBytes(whole)).toBe(before);
    const other = at('other.yaml');
    writeFileSync(other, readFileSync(network, 'utf8').replace('units: 24', 'units: 25'));
    const resumed = await runCli(['train', other, '--out', whole, '--resume']);
    expect(resumed.code).toBe(2);
    expect(resumed.stderr).toContain('the run in it trained "digits"');
    expect(trainedBytes(whole)).toBe(before);
  });

  it('replaces a run where told to', async () => {
    const run = at('replaced');
    const first = await runCli([...basic, '--steps', '3', '--out', run]);
    const second = await runCli([...basic, '--steps', '5', '--out', run, '--force']);
    expect([first.code, second.code]).toEqual([0, 0]);
    expect(metricsOf(run).filter(({ loss }) => loss !== undefined)).toHaveLength(5);
  });

  it('stops on a fault, says where, and exits with 1 under --check', async () => {
    const run = at('fault');
    const args = [...basic, '--optimizer', 'sgd', '--lr', '1e30', '--out', run, '--check'];
    const { code, stdout } = await runCli(args);
    expect(code).toBe(1);
    expect(stdout).toMatch(/✗ (non-finite|divergence) {3}.* at step \d/);
    expect(stdout).toMatch(/where {6}(first|norm|out)/);
    expect(stdout).toMatch(/diagnosis {2}\S+: \S+/);
    expect(metricsOf(run).some(({ fault }) => fault !== undefined)).toBe(true);
    expect((await runCli([...basic, '--optimizer', 'sgd', '--lr', '1e30'])).code).toBe(0);
  });
});

describe('unusable options of train', () => {
  it.each<[string, string[], RegExp]>([
    ['a learning rate of zero', ['--lr', '0'], /--lr: "0" is not possible; expected a number above 0/],
    ['a batch of none', ['--batch', '0'], /--batch: "0" is not possible; expected a whole number from 1/],
    ['a batch larger than the data', ['--batch', '5000'], /--batch: a batch of 5000 rows cannot be filled/],
    ['a negative clipping norm', ['--clip-norm', '-1'], /--clip-norm: "-1" is not possible/],
    ['two ways of clipping', ['--clip-norm', '1', '--clip-value', '1'], /--clip-norm and --clip-value both clip/],
    ['all rows for validation', ['--validation', '1'], /--validation: "1" is not possible/],
    ['an unknown schedule', ['--schedule', 'cosin'], /no schedule "cosin"; did you mean "?cosine"?/],
    [
      'a schedule with a word for a number',
      ['--schedule', 'step:x'],
      /--schedule: "step:x" is not possible; accepted: step:every:factor/,
    ],
    ['an unknown optimizer', ['--optimizer', 'adamm'], /--optimizer: "adamm" is not possible; did you mean "?adam/],
    ['resuming without a folder', ['--resume'], /--resume needs the run's folder; --out runs\/NAME/],
    [
      'resuming what is not there',
      ['--resume', '--out', at('nowhere')],
      /nowhere.*config\.json: there is no such file|no run/,
    ],
    ['resume and force', ['--resume', '--force', '--out', at('x')], /--resume goes on with a run, --force replaces it/],
  ])('%s: one line on standard error, exit 2', async (_, args, message) => {
    const { code, stdout, stderr } = await runCli([...basic, ...args]);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(message);
    expect(stderr.trimEnd().split('\n')).toHaveLength(1);
  });

  it('data that hold NaN: says which row', async () => {
    const csv = at('rows.csv');
    const rows = Array.from({ length: 40 }, (_, i) => `${i === 30 ? 'nan' : Math.sin(i)},${Math.cos(i)},${i % 2}`);
    writeFileSync(csv, `a,b,label\n${rows.join('\n')}\n`);
    const model = at('table.yaml');
    writeFileSync(model, 'input: 2\nlayers:\n  - dense: {units: 2}\nloss: cross-entropy\n');
    const { code, stderr } = await runCli(['train', model, '--data', csv, '--batch', '8', '--epochs', '2']);
    expect(code).toBe(2);
    expect(stderr).toMatch(/rows\.csv:32, column 1 "a": missing value "nan"/);
    const mended = await runCli([
      ...['train', model, '--data', csv, '--batch', '8', '--epochs', '2', '--missing', 'leave-out'],
      ...['--samples', '16', '--schedule', 'one-cycle:0.5', '--init', 'he'],
    ]);
    expect(mended.code, mended.stderr).toBe(0);
    expect(mended.stderr).toContain('note: 1 of 40 rows lacks a value and was left out: 30');
    expect(mended.stderr).toContain('note: 16 of 39 rows, drawn with seed 0');
    expect(mended.stderr).toContain('note: the weights were drawn anew: he, seed 0');
    expect(mended.stdout).toMatch(/4 steps, 2 epochs/);
    const wrong = await runCli(['train', model, '--data', csv, '--init', 'fixup', '--missing', 'leave-out']);
    expect(wrong.code).toBe(2);
    expect(wrong.stderr).toMatch(/^gradient-doctor: --init: fixup is for residual networks, .*; he, glorot/);
  });
});
