import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('../..', import.meta.url));
export const program = `${root}dist/cli/main.js`;

export interface Outcome {
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
}

/** Runs the compiled command line as its users do. `env` replaces what decides on colour and characters. */
export function runCli(args: readonly string[], env: NodeJS.ProcessEnv = {}, cwd = root): Promise<Outcome> {
  return outcomeOf(spawn(process.execPath, [program, ...args], { cwd, env: { ...plainEnvironment(), ...env } }));
}

/** Runs a shell line; `$CLI` is the command line. */
export function runShell(line: string): Promise<Outcome> {
  const env = { ...plainEnvironment(), CLI: `${process.execPath} ${program}` };
  return outcomeOf(spawn('bash', ['-c', line], { cwd: root, env }));
}

/** The environment without anything that changes what the terminal is taken for. */
export function plainEnvironment(): NodeJS.ProcessEnv {
  const { NO_COLOR, FORCE_COLOR, LC_ALL, LC_CTYPE, NODE_OPTIONS, ...rest } = process.env;
  return { ...rest, LANG: 'C.UTF-8', TERM: 'xterm-256color' };
}

function outcomeOf(child: ChildProcess): Promise<Outcome> {
  let stdout = '';
  let stderr = '';
  child.stdout!.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr!.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => resolve({ code, signal, stdout, stderr }));
  });
}
