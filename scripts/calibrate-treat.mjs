// Treats sick and healthy networks of the calibration corpus and compares with designs made by hand: over an hour.
import { build, install, run } from './steps.mjs';

install();
build();
run(process.execPath, ['bench/treatment/main.mjs', ...process.argv.slice(2)]);
