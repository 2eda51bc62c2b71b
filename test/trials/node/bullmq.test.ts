import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { nodeRuntime } from '../../../src/runtime/node/onnxruntime.ts';
import { queueExecutor, showQueue } from '../../../src/trials/node/bullmq.ts';
import { startWorker } from '../../../src/trials/node/bullmq-worker.ts';
import type { Artifacts, Executor, TrialResult, TrialTask } from '../../../src/trials/trial.ts';
import { runTrial } from '../../../src/verbs/run-trial.ts';
import { plainEnvironment, program, runCli } from '../../cli/run-cli.ts';
import { smallTrials, version, withoutSeconds } from '../tasks.ts';
import { freePort, RedisServer, serverProgram } from './redis-server.ts';

const withServer = describe.skipIf(serverProgram === undefined);
if (serverProgram === undefined) process.stderr.write('SKIPPED: no redis-server, so the queue is not tested\n');

/** A worker process as it is shipped. */
class WorkerProcess {
  readonly child: ChildProcess;
  readonly ended: Promise<number | null>;
  text = '';

  constructor(url: string, ...args: string[]) {
    this.child = spawn(process.execPath, [program, 'worker', '--queue', url, '--concurrency', '1', ...args], {
      env: plainEnvironment(),
    });
    this.child.stderr!.on('data', (chunk) => {
      this.text += chunk;
    });
    this.ended = new Promise((resolve) => this.child.on('close', resolve));
  }

  async says(pattern: RegExp): Promise<void> {
    for (let i = 0; i < 3000 && !pattern.test(this.text) && this.child.exitCode === null; i++) await sleep(10);
    expect(this.text).toMatch(pattern);
  }

  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<number | null> {
    this.child.kill(signal);
    return this.ended;
  }
}

/** What running here gives, by task. */
async function locally(tasks: readonly TrialTask[], artifacts: Artifacts) {
  const runtime = nodeRuntime({ threads: 1 });
  const results = new Map<string, unknown>();
  for (const task of tasks) results.set(task.id, withoutSeconds(await runTrial(task, artifacts, { runtime })));
  return results;
}

async function collect(results: AsyncIterable<TrialResult>): Promise<TrialResult[]> {
  const list: TrialResult[] = [];
  for await (const result of results) list.push(result);
  return list;
}

withServer('trials over a queue', () => {
  let server: RedisServer;
  let executor: Executor;
  const notices: string[] = [];
  const workers: WorkerProcess[] = [];
  const startProcess = (...args: string[]) => {
    const worker = new WorkerProcess(server.url, ...args);
    workers.push(worker);
    return worker;
  };

  beforeAll(async () => {
    server = await RedisServer.start('--appendonly', 'yes', '--appendfsync', 'always');
    executor = await queueExecutor({ url: server.url, version, onNotice: (text) => notices.push(text) });
  });
  afterAll(async () => {
    await executor?.close();
    await Promise.all(workers.map((worker) => worker.kill()));
    await server?.remove();
  });

  it('gives what a local run gives, progress and all, and says while no worker is there', async () => {
    const { artifacts, taskOf } = await smallTrials();
    const tasks = await Promise.all([1, 2, 3].map((seed) => taskOf({ seed })));
    const steps: number[] = [];
    const running = collect(executor.run(tasks, artifacts, { onProgress: ({ step }) => steps.push(step) }));
    while (notices.length === 0) await sleep(20);
    expect(notices[0]).toContain(`gradient-doctor worker --queue redis://127.0.0.1:${server.port}`);
    const worker = startProcess('--concurrency', '2');
    const results = await running;
    const expected = await locally(tasks, artifacts);
    expect(new Map(results.map((result) => [result.id, withoutSeconds(result)]))).toEqual(expected);
    await worker.says(/seed 3, 60 steps: done/);
    // A run that asks for the same gets what was done.
    const [again] = await collect(executor.run(tasks.slice(0, 1), artifacts));
    expect(again).toEqual(results.find(({ id }) => id === tasks[0]!.id));
    expect(executor.parallel).toBe(2);
  });

  it('runs a trial elsewhere whose worker was killed in the middle of it', async () => {
    for (const worker of workers.splice(0)) await worker.kill();
    const { artifacts, taskOf } = await smallTrials();
    const task = await taskOf({ seed: 11, steps: 1500 });
    let begun = false;
    const running = collect(executor.run([task], artifacts, { onProgress: () => (begun = true) }));
    const first = startProcess();
    for (let i = 0; i < 3000 && !begun; i++) await sleep(5);
    expect(begun).toBe(true);
    await first.kill('SIGKILL');
    const second = startProcess();
    const [result] = await running;
    expect(withoutSeconds(result!)).toEqual((await locally([task], artifacts)).get(task.id));
    await second.says(/seed 11, 1500 steps: done/);
    expect(first.text).not.toMatch(/done/);
  });

  it('goes on after the server was restarted, and says so', async () => {
    notices.length = 0;
    const { artifacts, taskOf } = await smallTrials();
    const tasks = await Promise.all([21, 22, 23].map((seed) => taskOf({ seed, steps: 400 })));
    let begun = false;
    const running = collect(executor.run(tasks, artifacts, { onProgress: () => (begun = true) }));
    for (let i = 0; i < 3000 && !begun; i++) await sleep(5);
    expect(begun).toBe(true);
    await server.stop();
    await sleep(500);
    await server.start();
    const results = await running;
    const expected = await locally(tasks, artifacts);
    expect(new Map(results.map((result) => [result.id, withoutSeconds(result)]))).toEqual(expected);
    expect(notices.join('\n')).toMatch(/is lost; waiting[\s\S]*connected to .* again/);
  });

  it('survives a server that forgot everything', async () => {
    const { artifacts, taskOf } = await smallTrials();
    const tasks = await Promise.all([31, 32].map((seed) => taskOf({ seed, steps: 300 })));
    const running = collect(executor.run(tasks, artifacts));
    await sleep(300);
    await server.stop();
    rmSync(`${server.folder}/appendonlydir`, { recursive: true, force: true });
    await server.start();
    const results = await running;
    expect(results.map(({ status }) => status)).toEqual(['done', 'done']);
  });

  it('ends cleanly when aborted, and its worker gives the trial up', async () => {
    const { artifacts, taskOf } = await smallTrials();
    const tasks = await Promise.all([41, 42].map((seed) => taskOf({ seed, steps: 200_000 })));
    const abort = new AbortController();
    const results = collect(
      executor.run(tasks, artifacts, { signal: abort.signal, onProgress: () => abort.abort(new Error('enough')) }),
    );
    expect(await results).toEqual([]);
    const next = await taskOf({ seed: 43 });
    const [result] = await collect(executor.run([next], artifacts));
    expect(result!.status).toBe('done');
  });

  it('drains on Ctrl-C: the trial it has is ended first', async () => {
    for (const worker of workers.splice(0)) await worker.kill();
    const { artifacts, taskOf } = await smallTrials();
    const task = await taskOf({ seed: 51, steps: 600 });
    let begun = false;
    const running = collect(executor.run([task], artifacts, { onProgress: () => (begun = true) }));
    const worker = startProcess();
    for (let i = 0; i < 3000 && !begun; i++) await sleep(5);
    expect(await worker.kill('SIGINT')).toBe(0);
    expect(worker.text).toMatch(/seed 51, 600 steps: done/);
    expect((await running)[0]!.status).toBe('done');
  });

  it('tells a failed trial from a failed run', async () => {
    const { artifacts, taskOf } = await smallTrials();
    const worker = await startWorker({
      url: server.url,
      version,
      concurrency: 1,
      run: async () => Promise.reject(new Error('out of memory')),
    });
    const [result] = await collect(executor.run([await taskOf({ seed: 71 })], artifacts));
    expect(result).toMatchObject({ status: 'failed', seed: 71, error: 'out of memory' });
    await worker.drain();
  });
});

withServer('a worker of another version', () => {
  it('refuses the trials, and the user is told', async () => {
    const server = await RedisServer.start();
    onTestFinished(() => server.remove());
    const run = () => Promise.reject(new Error('not mine'));
    const other = await startWorker({ url: server.url, version: '99.0.0', concurrency: 1, run });
    const executor = await queueExecutor({ url: server.url, version });
    const { artifacts, taskOf } = await smallTrials();
    await expect(collect(executor.run([await taskOf()], artifacts))).rejects.toThrow(
      `of version 99.0.0 and refuses trials of version ${version}`,
    );
    await executor.close();
    await other.drain();
  });
});

withServer('a server with a password', () => {
  it('never shows it', async () => {
    const server = await RedisServer.start('--requirepass', 's3cret-word');
    onTestFinished(() => server.remove());
    const right = `redis://:s3cret-word@127.0.0.1:${server.port}`;
    const wrong = `redis://user:wr0ng-word@127.0.0.1:${server.port}`;
    const worker = new WorkerProcess(right);
    await worker.says(/waiting for trials/);
    await worker.kill('SIGTERM');
    expect(worker.text).toContain(`at redis://127.0.0.1:${server.port}`);
    expect(worker.text).not.toContain('s3cret');
    const refused = await runCli(['worker', '--queue', wrong, '--verbose']);
    expect(refused).toMatchObject({ code: 2, stdout: '' });
    expect(refused.stderr).toContain('refuses the user or password');
    expect(refused.stderr).not.toContain('wr0ng');
    const odd = await runCli(['worker', '--queue', 'redis://:pa ss:w0rd@@host:x']);
    expect(odd.stderr).toMatch(/--queue: the queue is no Redis URL; expected redis:.*\n$/);
    expect(odd.stderr).not.toContain('w0rd');
  });
});

describe('without a server', () => {
  it('says so on one line within seconds', async () => {
    const port = await freePort();
    const start = performance.now();
    const { code, stderr } = await runCli(['worker', '--queue', `redis://127.0.0.1:${port}`]);
    expect(code).toBe(2);
    expect(stderr).toBe(
      `gradient-doctor: redis://127.0.0.1:${port}: the queue cannot be reached: nothing listens there; start a Redis or Valkey server there, or name another\n`,
    );
    expect(performance.now() - start).toBeLessThan(20_000);
    await expect(queueExecutor({ url: `redis://127.0.0.1:${port}`, version })).rejects.toThrow('cannot be reached');
  });

  it('shows URLs without user and password, and refuses others unquoted', () => {
    expect(showQueue('redis://user:pw@host')).toBe('redis://host:6379');
    expect(showQueue('rediss://:pw@[::1]:7000/3')).toBe('rediss://[::1]:7000/3');
    for (const url of ['', 'host:6379', 'http://:pw@host', 'redis://', 'redis://:pw@host/db']) {
      expect(() => showQueue(url)).toThrow(/^the queue is no Redis URL$/);
    }
  });

  it('says what to install where BullMQ is missing', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'gradient-doctor-hook-'));
    const hook = `export const resolve = (name, context, next) => {
      if (name === 'bullmq') throw Object.assign(new Error('none'), { code: 'ERR_MODULE_NOT_FOUND' });
      return next(name, context);
    };`;
    writeFileSync(join(folder, 'hook.mjs'), hook);
    const register = `import { register } from 'node:module'; register('./hook.mjs', import.meta.url);`;
    writeFileSync(join(folder, 'register.mjs'), register);
    const { code, stderr } = await runCli(['worker', '--queue', 'redis://localhost'], {
      NODE_OPTIONS: `--import=${join(folder, 'register.mjs')}`,
    });
    rmSync(folder, { recursive: true });
    expect(stderr).toBe(
      'gradient-doctor: trials over a queue need BullMQ, which is not installed; npm install bullmq ioredis\n',
    );
    expect(code).toBe(2);
  });
});
