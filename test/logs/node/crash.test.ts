import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DataError } from '../../../src/graph/errors.ts';
import { currentMetrics } from '../../../src/logs/metrics.ts';
import { loadCheckpoint, saveCheckpoint } from '../../../src/logs/node/checkpoint-folder.ts';
import { EventFileReader, listEventFiles } from '../../../src/logs/node/event-file.ts';
import { readMetricsFile } from '../../../src/logs/node/metrics-file.ts';
import { openRunFolder, type RunConfig } from '../../../src/logs/node/run-folder.ts';
import { seeded } from '../../helpers/random.ts';

const child = fileURLToPath(new URL('write-run.mjs', import.meta.url));
const config: RunConfig = { model: { name: 'm', hash: 'sha256:1' }, data: null, options: {}, seed: 0, versions: {} };

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'crash-'));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

/** Steps that the logs of a run keep, as TensorBoard and `currentMetrics` see them; damage throws. */
async function loggedSteps(path: string): Promise<{ events: number[]; metrics: number[] }> {
  let events: number[] = [];
  for (const file of await listEventFiles(path)) {
    for await (const event of new EventFileReader(file).read()) {
      if (event.restart) events = events.filter((step) => step < event.step);
      else if (event.values.length > 0) events.push(event.step);
    }
  }
  const { lines } = await readMetricsFile(join(path, 'metrics.jsonl'));
  return { events, metrics: currentMetrics(lines).map(({ step }) => step) };
}

const upTo = (n: number) => Array.from({ length: n }, (_, i) => i + 1);

describe('a run that is killed', () => {
  it('leaves a loadable state at any moment, and its logs lack no step', async () => {
    const path = join(directory, 'run');
    const random = seeded(3);
    let saved = 0;
    let started = 0;
    for (let i = 0; i < 20; i++) {
      // Some die while they start, most while they write.
      const fromStart = i % 4 === 0;
      const { said, steps } = await runAndKill(path, fromStart ? 30 + 60 * random() : 40 * random(), fromStart);
      started += steps > 0 ? 1 : 0;
      const { checkpoint, skipped } = await loadCheckpoint(join(path, 'checkpoint'));
      expect(skipped).toEqual([]);
      expect(checkpoint?.step ?? 0).toBeGreaterThanOrEqual(Math.max(said, saved));
      saved = checkpoint?.step ?? 0;
      if (!checkpoint) continue;
      expect(checkpoint.state).toEqual({ step: saved });
      const { data } = checkpoint.tensors.get('w')!;
      expect(data.length).toBe(30_000);
      expect((data as Float32Array).every((x) => x === saved)).toBe(true);
      const { events, metrics } = await loggedSteps(path);
      expect(events.slice(0, saved)).toEqual(upTo(saved));
      expect(metrics.slice(0, saved)).toEqual(upTo(saved));
    }
    expect(started).toBeGreaterThan(10);
    const folder = await openRunFolder(path, config, { mode: 'resume' });
    expect(folder.checkpoint!.step).toBe(saved);
    await folder.close();
    expect(await loggedSteps(path)).toEqual({ events: upTo(saved), metrics: upTo(saved) });
    // No half-written one; a third when it was killed before the oldest was removed.
    const kept = readdirSync(join(path, 'checkpoint'));
    expect(kept.filter((name) => !/^step-\d{12}\.safetensors$/.test(name))).toEqual([]);
    expect([2, 3]).toContain(kept.length);
  }, 60_000);

  /** The last step the run said it had saved. */
  function runAndKill(path: string, delay: number, fromStart: boolean): Promise<{ said: number; steps: number }> {
    return new Promise((resolve, reject) => {
      const run = spawn(process.execPath, [child, path], { stdio: ['ignore', 'pipe', 'inherit'] });
      let output = '';
      const kill = () => setTimeout(() => run.kill('SIGKILL'), delay);
      if (fromStart) kill();
      run.stdout.setEncoding('utf8').on('data', (text: string) => {
        if (output === '' && !fromStart) kill();
        output += text;
      });
      run.on('error', reject);
      run.on('close', (_, signal) => {
        const lines = output.split('\n').slice(0, -1);
        if (signal !== 'SIGKILL' || lines.some((line) => !/^\d+$/.test(line))) reject(new Error(output));
        resolve({ said: Number(lines.at(-1) ?? 0), steps: lines.length });
      });
    });
  }
});

describe('a checkpoint that the disk damaged', () => {
  it('is passed over for the one before it', async () => {
    const save = (step: number) => saveCheckpoint(directory, { step, tensors: new Map(), state: {} });
    for (const step of [1, 2, 3]) await save(step);
    const files = readdirSync(directory).sort();
    expect(files).toEqual(['step-000000000002.safetensors', 'step-000000000003.safetensors']);
    const newest = join(directory, files[1]!);
    const bytes = readFileSync(newest);
    writeFileSync(newest, bytes.subarray(0, bytes.length - 9));
    const { checkpoint, skipped } = await loadCheckpoint(directory);
    expect(checkpoint!.step).toBe(2);
    expect(skipped[0]).toBeInstanceOf(DataError);
    expect(skipped[0]!.where).toBe(newest);
    // The run goes on from 2; its next checkpoint does not push out the sound one for the damaged one.
    await save(3);
    expect((await loadCheckpoint(directory)).checkpoint!.step).toBe(3);
    expect(readdirSync(directory).sort()).toEqual(files);
  });
});

describe('a disk that is full', () => {
  const mount = join(tmpdir(), `full-${process.pid}`);
  mkdirSync(mount, { recursive: true });
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=256k', 'tmpfs', mount]).status === 0;
  if (mounted) spawnSync('umount', [mount]);
  else process.stderr.write('SKIPPED: a full file system: mounting one needs root\n');
  rmSync(mount, { recursive: true });

  it.skipIf(!mounted)('is a DataError; earlier files stay, and nothing is lost once there is room', async () => {
    mkdirSync(mount);
    expect(spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=256k', 'tmpfs', mount]).status).toBe(0);
    try {
      const path = join(mount, 'run');
      const folder = await openRunFolder(path, config);
      const tensors = new Map([
        ['w', { type: 'float32' as const, dims: [8000], data: new Float32Array(8000).fill(7) }],
      ]);
      await folder.saveCheckpoint({ step: 0, tensors, state: {} });
      writeFileSync(join(mount, 'filler'), new Uint8Array(150_000));
      let step = 0;
      const fill = async () => {
        for (;;) {
          step++;
          folder.logStep(step, { scalars: [['loss', step]] });
          folder.logMetrics({ step, loss: step });
          if (step % 50 === 0) await folder.flush();
        }
      };
      const full = { name: 'DataError', message: 'cannot be written: the disk is full' };
      await expect(fill()).rejects.toMatchObject(full);
      await expect(folder.saveCheckpoint({ step, tensors, state: {} })).rejects.toMatchObject(full);
      const { events, metrics } = await loggedSteps(path);
      expect([events, metrics]).toEqual([upTo(events.length), upTo(metrics.length)]);
      expect((await loadCheckpoint(join(path, 'checkpoint'))).checkpoint).toMatchObject({ step: 0, tensors });
      expect(JSON.parse(readFileSync(join(path, 'config.json'), 'utf8'))).toMatchObject(config);
      rmSync(join(mount, 'filler'));
      await folder.saveCheckpoint({ step, tensors, state: {} });
      await folder.close();
      expect(await loggedSteps(path)).toEqual({ events: upTo(step), metrics: upTo(step) });
      // No room for even a new run: nothing of it, everything of the old one.
      writeFileSync(join(mount, 'filler'), new Uint8Array(70_000));
      spawnSync('sh', ['-c', `cat /dev/zero > ${join(mount, 'rest')} 2>/dev/null`]);
      await expect(openRunFolder(join(mount, 'new'), config)).rejects.toMatchObject({ name: 'DataError' });
      expect(await loggedSteps(path)).toEqual({ events: upTo(step), metrics: upTo(step) });
    } finally {
      spawnSync('umount', [mount]);
      rmSync(mount, { recursive: true, force: true });
    }
  });

  it('or a limit on file sizes ends a run with one clear error, and a state to go on from', async () => {
    const path = join(directory, 'run');
    // In units of 512 or 1024 bytes: the logs grow beyond it, a checkpoint of 4 kB does not.
    const line = `ulimit -f 20 && exec "$@"`;
    const run = spawnSync('sh', ['-c', line, 'sh', process.execPath, child, path, '1000'], {
      encoding: 'utf8',
      timeout: 25_000,
    });
    const lines = run.stdout.trim().split('\n');
    const error = JSON.parse(lines.at(-1)!);
    expect(error.name).toBe('DataError');
    expect(error.message).toBe('cannot be written: it would be larger than the system allows');
    expect(error.where).toContain(path);
    const { checkpoint, skipped } = await loadCheckpoint(join(path, 'checkpoint'));
    expect(skipped).toEqual([]);
    expect(checkpoint!.step).toBe(lines.length - 1);
    expect((await loggedSteps(path)).metrics.length).toBeGreaterThanOrEqual(checkpoint!.step);
  });
});
