// Published results reproduced: npm run papers [-- he-2015 …] [--draw]
import { build, install, run } from './steps.mjs';

install();
build();
run(process.execPath, ['examples/papers/run.mjs', ...process.argv.slice(2)]);
