// Style, types, build, tests: what CI runs. Arguments go to vitest: `npm test -- test/flow`.
import { spawnSync } from 'node:child_process';
import { build, install, runTool } from './steps.mjs';

/** The queue is tested against a real server; where one can neither be found nor installed, its tests say that they are skipped. */
function installRedis() {
  const has = (program) => spawnSync(program, ['--version'], { stdio: 'ignore' }).status === 0;
  if (has('redis-server') || has('valkey-server') || process.getuid?.() !== 0 || !has('apt-get')) return;
  process.stderr.write('$ apt-get install redis-server\n');
  const options = { stdio: 'ignore', timeout: 120_000, env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' } };
  const apt = (...args) => spawnSync('apt-get', args, options).status === 0;
  const install = ['install', '-y', '--no-install-recommends', 'redis-server'];
  if (!apt(...install) && !(apt('update') && apt(...install)))
    process.stderr.write('redis-server cannot be installed\n');
}

install();
runTool('@biomejs/biome/bin/biome', ['check', '.']);
runTool('typescript/bin/tsc', ['-p', 'tsconfig.json', '--noEmit']);
build();
installRedis();
runTool('vitest/vitest.mjs', ['run', ...process.argv.slice(2)]);
