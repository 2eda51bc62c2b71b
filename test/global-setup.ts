import { spawnSync } from 'node:child_process';
import { chmodSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));

/** Compiles src once: the command line is tested as the program that is shipped. */
export default function setup(): void {
  const args = ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.build.json'];
  const { status, stdout } = spawnSync(process.execPath, args, { cwd: root, encoding: 'utf8' });
  // Type errors are for `tsc --noEmit` to report; what was emitted is what would run.
  if (status !== 0) process.stderr.write(`tsc -p tsconfig.build.json:\n${stdout}`);
  chmodSync(`${root}/dist/cli/main.js`, 0o755);
}
