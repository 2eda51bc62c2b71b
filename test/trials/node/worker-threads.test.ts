import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { nodeRuntime } from '../../../src/runtime/node/onnxruntime.ts';
import { physicalCores } from '../../../src/trials/node/cores.ts';
import { WorkerPool } from '../../../src/trials/node/worker-pool.ts';
import { localExecutor } from '../../../src/trials/node/worker-threads.ts';
import type { TrialResult } from '../../../src/trials/trial.ts';
import { runTrial } from '../../../src/verbs/run-trial.ts';
import { entry, smallTrials, withoutSeconds } from '../tasks.ts';

const folder = mkdtempSync(join(tmpdir(), 'gradient-doctor-workers-'));
afterAll(() => rmSync(folder, { recursive: true }));
/** A worker of the test's own, which logs what it is sent. */
const scripted = (name: string, body: string) => {
  const path = join(folder, `${name}.mjs`);
  const log = join(folder, `${name}.log`);
  writeFileSync(
    path,
    `import { appendFileSync, readFileSync, existsSync } from 'node:fs';
     import { parentPort as port } from 'node:worker_threads';
     const log = ${JSON.stringify(log)};
     const seen = () => existsSync(log) ? readFileSync(log, 'utf8') : '';
     const done = ({ id, plan, seed, steps }) => port.postMessage({ kind: 'result', result:
       { id, plan, seed, steps, status: 'done', training: [], seconds: 0 } });
     port.on('message', (message) => {
       const { kind, hash, task, bytes } = message;
       appendFileSync(log, kind + ' ' + (hash?.slice(0, 4) ?? task?.seed ?? '') + (bytes ? ' ' + bytes.buffer.byteLength : '') + '\\n');
       if (kind === 'end') port.close();
       ${body}
     });`,
  );
  return { entry: pathToFileURL(path), log: () => readFileSync(log, 'utf8').trim().split('\n') };
};
async function collect(results: AsyncIterable<TrialResult>): Promise<TrialResult[]> {
  const list: TrialResult[] = [];
  for await (const result of results) list.push(result);
  return list;
}

describe('trials in worker threads', () => {
  it('give the bits that a run here gives, from one worker or two', async () => {
    const { artifacts, taskOf } = await smallTrials();
    const tasks = await Promise.all([1, 2, 3].map((seed) => taskOf({ seed })));
    const runtime = nodeRuntime({ threads: 1 });
    const here = new Map<string, unknown>();
    for (const task of tasks) here.set(task.id, withoutSeconds(await runTrial(task, artifacts, { runtime })));
    for (const workers of [1, 2]) {
      const executor = localExecutor({ entry, workers });
      const steps = new Map<string, number>();
      const onProgress = ({ id, step }: { id: string; step: number }) => steps.set(id, step);
      const results = await collect(executor.run(tasks, artifacts, { onProgress }));
      expect(new Map(results.map((result) => [result.id, withoutSeconds(result)]))).toEqual(here);
      expect([...steps.values()]).toEqual([60, 60, 60]);
      await executor.close();
    }
  });

  it('are many more than workers, and end early where nobody reads on', async () => {
    const { artifacts, taskOf } = await smallTrials();
    const tasks = await Promise.all(Array.from({ length: 30 }, (_, seed) => taskOf({ seed, steps: 20 })));
    const executor = localExecutor({ entry, workers: 2 });
    const seeds: number[] = [];
    for await (const { seed } of executor.run(tasks, artifacts)) {
      seeds.push(seed);
      if (seeds.length === 5) break;
    }
    expect(new Set(seeds).size).toBe(5);
    // The same workers go on with something else.
    const [next] = await collect(executor.run([tasks[29]!], artifacts));
    expect(next).toMatchObject({ seed: 29, status: 'done' });
    await executor.close();
  });

  it('end within a step when aborted', async () => {
    const { artifacts, taskOf } = await smallTrials();
    const tasks = await Promise.all([1, 2, 3].map((seed) => taskOf({ seed, steps: 1_000_000 })));
    const abort = new AbortController();
    const executor = localExecutor({ entry, workers: 2 });
    const onProgress = () => abort.abort();
    expect(await collect(executor.run(tasks, artifacts, { signal: abort.signal, onProgress }))).toEqual([]);
    expect(await collect(executor.run(tasks, artifacts, { signal: abort.signal }))).toEqual([]);
    await executor.close();
    await expect(collect(executor.run(tasks, artifacts))).rejects.toThrow('closed');
  });

  it('find models again in a worker, which keeps no more bytes of others than it may', async () => {
    const [a, b] = [await smallTrials(), await smallTrials('input: 4\nlayers: [{dense: 3}]\nloss: cross-entropy')];
    const artifacts = new Map([...a.artifacts, ...b.artifacts]);
    const names = [a, b].map(({ model }) => model.slice(0, 4));
    const tasks = [await a.taskOf({ seed: 1 }), await b.taskOf({ seed: 2 }), await a.taskOf({ seed: 3 })];
    const words = async (name: string, mostKept?: number) => {
      const worker = scripted(name, `if (kind === 'run') done(task);`);
      const pool = new WorkerPool({ entry: worker.entry, workers: 1, threads: 1, mostKept });
      for (const task of tasks) await pool.run(task, artifacts);
      await pool.close();
      return worker.log().map((line) => line.split(' ').slice(0, 2).join(' '));
    };
    expect(await words('roomy')).toEqual([
      `artifact ${names[0]}`,
      'run 1',
      `artifact ${names[1]}`,
      'run 2',
      'run 3',
      'end',
    ]);
    expect(await words('narrow', 0)).toEqual([
      `artifact ${names[0]}`,
      'run 1',
      `forget ${names[0]}`,
      `artifact ${names[1]}`,
      'run 2',
      `forget ${names[1]}`,
      `artifact ${names[0]}`,
      'run 3',
      'end',
    ]);
  });

  it('are run once more in a fresh worker where theirs dies, then reported', async () => {
    const { artifacts, taskOf } = await smallTrials();
    const mortal = scripted(
      'mortal',
      `if (kind !== 'run') return;
       const times = seen().split('run ' + task.seed + '\\n').length - 1;
       if (task.seed === 1 && times === 1) process.exit(7);
       if (task.seed === 2) throw new Error('heap exhausted');
       done(task);`,
    );
    const executor = localExecutor({ entry: mortal.entry, workers: 1 });
    const tasks = await Promise.all([1, 2, 3].map((seed) => taskOf({ seed })));
    const results = await collect(executor.run(tasks, artifacts));
    expect(results.map(({ seed, status, error }) => [seed, status, error])).toEqual([
      [1, 'done', undefined],
      [2, 'failed', 'its worker died twice: heap exhausted'],
      [3, 'done', undefined],
    ]);
    await executor.close();
    // A fresh worker knows nothing: the model is sent anew after each death, and only then.
    const model = [...artifacts.keys()][0]!.slice(0, 4);
    const size = [...artifacts.values()][0]!.length;
    const sent = `artifact ${model} ${size}`;
    expect(mortal.log()).toEqual([sent, 'run 1', sent, 'run 1', 'run 2', sent, 'run 2', sent, 'run 3', 'end']);
  });

  it('are sent each artifact once per worker, alone, and forget what is no longer of use', async () => {
    const log = scripted('log', `if (kind === 'run') done(task);`);
    const { artifacts, taskOf, model } = await smallTrials();
    // A view into a larger buffer, of the kind that comes from the network.
    const shared = Buffer.alloc(1_000_000);
    const data = { kind: 'packed', hash: 'd'.repeat(64) } as const;
    const all = new Map([...artifacts, [data.hash, shared.subarray(10, 110)]]);
    const executor = localExecutor({ entry: log.entry, workers: 1 });
    await collect(executor.run(await Promise.all([1, 2].map((seed) => taskOf({ seed, data }))), all));
    await collect(executor.run([await taskOf({ seed: 3 })], artifacts));
    await executor.close();
    expect(shared.length).toBe(1_000_000);
    const size = artifacts.get(model)!.length;
    expect(log.log()).toEqual([
      `artifact ${model.slice(0, 4)} ${size}`,
      'artifact dddd 100',
      'run 1',
      'run 2',
      'forget dddd',
      'run 3',
      'end',
    ]);
  });

  it('fail one by one where the worker cannot start', async () => {
    const { artifacts, taskOf } = await smallTrials();
    const executor = localExecutor({ entry: pathToFileURL(join(folder, 'none.mjs')), workers: 2 });
    const results = await collect(executor.run(await Promise.all([1, 2].map((seed) => taskOf({ seed }))), artifacts));
    expect(results.map(({ status }) => status)).toEqual(['failed', 'failed']);
    expect(results[0]!.error).toMatch(/died twice: Cannot find module/);
    await executor.close();
  });

  it('take whole numbers of workers and threads', () => {
    expect(() => localExecutor({ entry, workers: 0 })).toThrow('0 workers are not possible');
    expect(() => localExecutor({ entry, threads: 1.5 })).toThrow('1.5 threads are not possible');
    expect(localExecutor({ entry }).parallel).toBe(physicalCores());
    expect(physicalCores()).toBeGreaterThanOrEqual(1);
  });
});
