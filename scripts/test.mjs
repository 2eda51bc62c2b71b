// Style, types, build, tests: what CI runs. Arguments go to vitest: `npm test -- test/flow`.
import { spawnSync } from 'node:child_process';
import { build, install, runTool } from './steps.mjs';

/** A Debian package that tests run against; where it can neither be found nor installed, they say that they are skipped. */
function installPackage(name, isThere, timeout) {
  const has = (program, ...args) => spawnSync(program, args, { stdio: 'ignore' }).status === 0;
  if (isThere(has) || process.getuid?.() !== 0 || !has('apt-get', '--version')) return;
  process.stderr.write(`$ apt-get install ${name}\n`);
  const options = { stdio: 'ignore', timeout, env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' } };
  const apt = (...args) => spawnSync('apt-get', args, options).status === 0;
  const install = ['install', '-y', '--no-install-recommends', name];
  if (!apt(...install) && !(apt('update') && apt(...install))) process.stderr.write(`${name} cannot be installed\n`);
}

install();
runTool('@biomejs/biome/bin/biome', ['check', '.']);
runTool('typescript/bin/tsc', ['-p', 'tsconfig.json', '--noEmit']);
build();
// The queue's server, and what patches are pasted into.
installPackage('redis-server', (has) => has('redis-server', '--version') || has('valkey-server', '--version'), 120_000);
const findTorch = ['-c', 'import importlib.util as u, sys; sys.exit(u.find_spec("torch") is None)'];
installPackage(
  'python3-torch',
  (has) => has('python3', ...findTorch) || has('/usr/bin/python3', ...findTorch),
  300_000,
);
runTool('vitest/vitest.mjs', ['run', ...process.argv.slice(2)]);
