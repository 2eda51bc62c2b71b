// Style, types, build, tests: what CI runs. Arguments go to vitest: `npm test -- test/flow`.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
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

/**
 * Keras for patches that are pasted into it, in an environment of its own: large, so that it is installed where CI asks for
 * it. Elsewhere GRADIENT_DOCTOR_KERAS_PYTHON may name a Python that has it.
 */
function installKeras() {
  if (!process.env.CI || process.env.GRADIENT_DOCTOR_KERAS_PYTHON) return;
  const folder = fileURLToPath(new URL('../build/keras', import.meta.url));
  const python = join(folder, 'bin', 'python');
  const runs = (program, args, timeout) => spawnSync(program, args, { stdio: 'ignore', timeout }).status === 0;
  // Not imported: Keras would look for TensorFlow, as long as nothing says otherwise.
  const find = 'import importlib.util as u, sys; sys.exit(any(u.find_spec(m) is None for m in ("keras", "jax")))';
  const has = () => runs(python, ['-c', find], 60_000);
  if (!has()) {
    process.stderr.write('$ pip install keras jax (into build/keras)\n');
    const packages = ['keras==3.15.1', 'jax==0.10.2'];
    const pip = ['-m', 'pip', 'install', '--quiet', '--retries', '1', ...packages];
    if (!runs('python3', ['-m', 'venv', folder], 60_000) || !runs(python, pip, 300_000) || !has()) {
      process.stderr.write('keras cannot be installed\n');
      return;
    }
  }
  process.env.GRADIENT_DOCTOR_KERAS_PYTHON = python;
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
installKeras();
runTool('vitest/vitest.mjs', ['run', ...process.argv.slice(2)]);
