// Each framework runs in a process of its own and answers one line of JSON to each line of JSON it is sent.
import { spawn, spawnSync } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

export const python = ['/usr/bin/python3', 'python3'].find(
  (path) => spawnSync(path, ['-c', 'import torch'], { stdio: 'ignore' }).status === 0,
);

const here = (name) => fileURLToPath(new URL(name, import.meta.url));

/** What starts each framework's worker; PyTorch only where python3 has it. */
export const frameworks = {
  ours: (network) => start(process.execPath, [here('our-worker.mjs'), network]),
  ...(python && { torch: (network) => start(python, [here('torch-worker.py'), network]) }),
  wasm: (network) => start(process.execPath, [here('tfjs-worker.mjs'), 'wasm', network]),
  cpu: (network) => start(process.execPath, [here('tfjs-worker.mjs'), 'cpu', network]),
};

/** Runs a Python script to its end: the JSON it prints. */
export function runPython(script, args) {
  const { stdout, status } = spawnSync(python, [here(script), ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  if (status !== 0) throw new Error(`${script} ended with ${status}`);
  return JSON.parse(stdout.toString());
}

function start(program, args) {
  const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  const waiting = [];
  createInterface({ input: child.stdout }).on('line', (line) => waiting.shift()?.(JSON.parse(line)));
  child.on('exit', () => {
    for (const answer of waiting.splice(0)) answer({ error: 'the process ended' });
  });
  child.stdin.on('error', () => {});
  return {
    /** `{ variant, count }` → `{ ms, peak }`: the median of `count` steps, MiB held at most so far; or `{ error }`. */
    ask: (question, limit = 120_000) =>
      new Promise((resolve) => {
        const late = setTimeout(() => {
          child.kill('SIGKILL');
          resolve({ error: `over ${Math.round(limit / 1000)} s`, late: true });
        }, limit);
        waiting.push((answer) => {
          clearTimeout(late);
          resolve(answer);
        });
        child.stdin.write(`${JSON.stringify(question)}\n`);
      }),
    end: () => child.stdin.end(),
  };
}
