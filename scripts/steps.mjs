// What the other scripts share. Plain Node without dependencies: it runs before anything is installed.
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, readFileSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const inRoot = (...parts) => join(root, ...parts);

/** Runs a program in the repository and shows its output; ends this process where it fails. */
export function run(program, args, options = {}) {
  const { status, signal, error } = spawnSync(program, args, { cwd: root, stdio: 'inherit', ...options });
  if (error) {
    process.stderr.write(`${program} cannot be run: ${error.message}\n`);
    process.exit(1);
  }
  if (status !== 0) process.exit(status ?? (signal === 'SIGINT' ? 130 : 1));
}

/** Runs a tool of node_modules by its script, which needs no shell on any system. */
export function runTool(path, args) {
  run(process.execPath, [inRoot('node_modules', path), ...args]);
}

/**
 * Installs what package-lock.json says unless it is there already. No install scripts: nothing here needs one.
 * Not `npm ci`: it refuses a lock file that does not list the optional packages of every other platform, and a registry
 * mirror that lacks them writes such lock files.
 */
export function install() {
  if (isInstalled()) return;
  const args = ['install', '--ignore-scripts', '--no-save', '--no-audit', '--no-fund'];
  process.stderr.write(`$ npm ${args.join(' ')}\n`);
  run('npm', args, { shell: process.platform === 'win32' });
}

/** npm keeps what it installed in node_modules/.package-lock.json: every package must be there in its version. */
function isInstalled() {
  const installed = inRoot('node_modules', '.package-lock.json');
  if (!existsSync(installed)) return false;
  const packages = (path) => Object.entries(JSON.parse(readFileSync(path, 'utf8')).packages ?? {});
  const versions = new Map(packages(installed).map(([name, { version }]) => [name, version]));
  return packages(inRoot('package-lock.json')).every(
    ([name, { version, optional }]) =>
      name === '' || (optional && !versions.has(name)) || versions.get(name) === version,
  );
}

/** Compiles src to dist. */
export function build() {
  rmSync(inRoot('dist'), { recursive: true, force: true });
  runTool('typescript/bin/tsc', ['-p', 'tsconfig.build.json']);
  chmodSync(inRoot('dist', 'cli', 'main.js'), 0o755);
}
