import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));

/** The first of some Pythons that has all modules; undefined where none does, which is said. */
export function findPython(modules: readonly string[], without: string, own?: string): string | undefined {
  const found = [own, 'python3', '/usr/bin/python3'].find((program) => {
    if (!program) return false;
    const missing = `any(u.find_spec(m) is None for m in ${JSON.stringify(modules)})`;
    const code = `import importlib.util as u, sys; sys.exit(${missing})`;
    return spawnSync(program, ['-c', code], { stdio: 'ignore', timeout: 20_000 }).status === 0;
  });
  if (!found) process.stderr.write(`${without}\n`);
  return found;
}

/**
 * A script of this folder that is called with a folder to write to, prints one line of JSON about its networks, reads one
 * line, the path of a JSON file with what it is asked, and answers with one line of JSON.
 */
export class PythonPartner {
  readonly folder = mkdtempSync(join(tmpdir(), 'gradient-doctor-patches-'));
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;

  constructor(python: string, script: string, environment: Readonly<Record<string, string>> = {}) {
    this.#child = spawn(python, [join(here, script), this.folder], {
      stdio: ['pipe', 'pipe', 'inherit'],
      env: { ...process.env, ...environment },
    });
    this.#lines = createInterface({ input: this.#child.stdout! })[Symbol.asyncIterator]();
  }

  /** What it says next. */
  async hear<T>(): Promise<T> {
    const { value, done } = await this.#lines.next();
    if (done) throw new Error('the script ended without an answer');
    return JSON.parse(value) as T;
  }

  async ask<T>(cases: readonly object[]): Promise<T> {
    const file = join(this.folder, 'cases.json');
    writeFileSync(file, JSON.stringify(cases));
    this.#child.stdin!.write(`${file}\n`);
    return this.hear<T>();
  }

  stop(): void {
    this.#child.kill();
    rmSync(this.folder, { recursive: true, force: true });
  }
}
