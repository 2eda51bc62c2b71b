// Trains and diagnoses the labelled corpus; what was trained before is kept in bench/calibration/labels.json.
import { build, install, run } from './steps.mjs';

install();
build();
run(process.execPath, ['bench/calibration/main.mjs', ...process.argv.slice(2)]);
