import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { tensorOf } from '../../../src/graph/tensor.ts';
import { readMetricsFile } from '../../../src/logs/node/metrics-file.ts';
import { hashBytes, openRunFolder, type RunConfig, readRunConfig } from '../../../src/logs/node/run-folder.ts';
import { histogramOf } from '../../../src/logs/tensorboard/histogram.ts';

const config: RunConfig = {
  model: { name: 'net.onnx', hash: hashBytes(Uint8Array.of(1)) },
  data: { name: 'mnist', batch: 64 },
  options: { epochs: 2, clip: Infinity },
  seed: 7,
  versions: { node: 'v20' },
};

let directory: string;
let path: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'run-'));
  path = join(directory, 'deep', 'run');
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

/** A folder with a run of two steps, and one file of its owner's. */
async function makeRun(): Promise<Map<string, string>> {
  const folder = await openRunFolder(path, config);
  for (const step of [1, 2]) {
    folder.logStep(step, { scalars: [['loss', step]], histograms: [['w', histogramOf(Float32Array.of(1))]] });
    folder.logMetrics({ step, loss: step });
    const tensors = new Map([['w', tensorOf('float32', [1], [step])]]);
    await folder.saveCheckpoint({ step, tensors, state: { epoch: 0 } });
  }
  folder.logMetrics({ step: 3, loss: 3 });
  await folder.close();
  writeFileSync(join(path, 'notes.txt'), 'mine');
  return contents();
}

function contents(): Map<string, string> {
  const files = readdirSync(path, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return new Map(files.map((file) => join(file.parentPath, file.name)).map((f) => [f, readFileSync(f, 'latin1')]));
}

describe('a run folder', () => {
  it('is made with everything in it', async () => {
    await makeRun();
    expect(readdirSync(path).filter((name) => !name.startsWith('events.'))).toEqual([
      'checkpoint',
      'config.json',
      'metrics.jsonl',
      'notes.txt',
    ]);
    expect(await readRunConfig(path)).toEqual(config);
  });

  it('that holds anything is refused, and stays as it was', async () => {
    const before = await makeRun();
    await expect(openRunFolder(path, config)).rejects.toMatchObject({
      name: 'DataError',
      code: 'run-folder-exists',
      where: path,
      hint: 'resume the run in it, force a new one in its place, or name another folder',
    });
    expect(contents()).toEqual(before);
    writeFileSync(join(directory, 'file'), '');
    await expect(openRunFolder(join(directory, 'file'), config)).rejects.toMatchObject({ code: 'not-a-folder' });
  });

  it('is resumed at its last checkpoint; later lines are void', async () => {
    await makeRun();
    const folder = await openRunFolder(path, config, { mode: 'resume' });
    expect(folder.checkpoint).toMatchObject({ step: 2, state: { epoch: 0 } });
    expect([...folder.checkpoint!.tensors.get('w')!.data]).toEqual([2]);
    expect([folder.changes, folder.skipped]).toEqual([[], []]);
    await folder.close();
    expect((await readMetricsFile(join(path, 'metrics.jsonl'))).lines.at(-1)).toEqual({ step: 2, restart: true });
  });

  it('says what differs from the run it resumes', async () => {
    await makeRun();
    const other = { ...config, seed: 8, options: { epochs: 3, clip: Infinity, momentum: 0.9 } };
    const folder = await openRunFolder(path, other, { mode: 'resume' });
    expect(folder.changes).toEqual(['options.epochs', 'options.momentum', 'seed']);
    expect(folder.config).toEqual(config);
    await folder.close();
    const { lines } = await readMetricsFile(join(path, 'metrics.jsonl'));
    expect(lines.at(-1)).toEqual({ step: 2, restart: true, changed: ['options.epochs', 'options.momentum', 'seed'] });
  });

  it('of another model is not resumed, and stays as it was', async () => {
    const before = await makeRun();
    const model = { name: 'other.onnx', hash: hashBytes(Uint8Array.of(2)) };
    await expect(openRunFolder(path, { ...config, model }, { mode: 'resume' })).rejects.toMatchObject({
      code: 'run-of-another-model',
      message: expect.stringMatching(/trained "net.onnx" \(sha256:.*this is "other.onnx"/),
    });
    expect(contents()).toEqual(before);
  });

  it('without a run is neither resumed nor forced', async () => {
    await expect(openRunFolder(path, config, { mode: 'resume' })).rejects.toMatchObject({ code: 'no-run' });
    expect(existsSync(path)).toBe(false);
    mkdirSync(path, { recursive: true });
    writeFileSync(join(path, 'metrics.jsonl'), 'somebody else');
    const before = contents();
    await expect(openRunFolder(path, config, { mode: 'resume' })).rejects.toMatchObject({ code: 'no-run' });
    await expect(openRunFolder(path, config, { mode: 'force' })).rejects.toMatchObject({ code: 'run-folder-foreign' });
    writeFileSync(join(path, 'config.json'), '{"name":"of a web server"}');
    await expect(openRunFolder(path, config, { mode: 'force' })).rejects.toMatchObject({ code: 'run-config' });
    await expect(openRunFolder(path, config, { mode: 'resume' })).rejects.toMatchObject({ code: 'run-config' });
    rmSync(join(path, 'config.json'));
    expect(contents()).toEqual(before);
  });

  it('is forced: a new run in the place of the old one, and nothing else is touched', async () => {
    await makeRun();
    const folder = await openRunFolder(path, { ...config, seed: 9 }, { mode: 'force' });
    await folder.close();
    expect(readFileSync(join(path, 'notes.txt'), 'utf8')).toBe('mine');
    expect(readdirSync(join(path, 'checkpoint'))).toEqual([]);
    expect(readdirSync(path).filter((name) => name.startsWith('events.')).length).toBe(1);
    expect((await readRunConfig(path)).seed).toBe(9);
    expect((await readMetricsFile(join(path, 'metrics.jsonl'))).lines).toEqual([]);
  });

  it('left by a crash before it was a run is as good as empty', async () => {
    mkdirSync(join(path, 'checkpoint'), { recursive: true });
    writeFileSync(join(path, '.config.json.0b5e.tmp'), '{');
    await (await openRunFolder(path, config)).close();
    expect(readdirSync(path).some((name) => name.endsWith('.tmp'))).toBe(false);
  });
});
