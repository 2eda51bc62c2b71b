// The main job on real input: two networks that differ in activation and initialization only, on real digits.
import { build, install, run } from './steps.mjs';

install();
build();
for (const model of ['examples/sigmoid10.yaml', 'examples/relu10.yaml']) {
  const args = ['dist/cli/main.js', 'diagnose', model, '--data', 'mnist'];
  process.stdout.write(`\n$ node ${args.join(' ')}\n\n`);
  run(process.execPath, args);
}
