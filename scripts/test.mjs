// Style, types, build, tests: what CI runs. Arguments go to vitest: `npm test -- test/flow`.
import { build, install, runTool } from './steps.mjs';

install();
runTool('@biomejs/biome/bin/biome', ['check', '.']);
runTool('typescript/bin/tsc', ['-p', 'tsconfig.json', '--noEmit']);
build();
runTool('vitest/vitest.mjs', ['run', ...process.argv.slice(2)]);
