// Ratios that the README and the closing notes quote, measured on this machine in one run.
import { build, install, run } from './steps.mjs';

install();
build();
run(process.execPath, ['bench/main.mjs', ...process.argv.slice(2)]);
