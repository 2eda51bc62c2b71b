// `npm run bench`: every figure is a median of interleaved runs in this one process; results go to bench/results.md.
import { writeFileSync } from 'node:fs';
import { benchBackward } from './backward.mjs';
import { machine } from './timing.mjs';
import { benchTraining } from './training.mjs';

const sections = [await benchBackward(), await benchTraining()];
const text = [`# Measured`, '', `${machine()}.`, '', ...sections.flatMap((section) => [section, ''])].join('\n');
writeFileSync(new URL('results.md', import.meta.url), text);
process.stdout.write(`${text}\n`);
