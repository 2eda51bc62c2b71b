// `npm run bench -- [section …]`: every figure is a median of interleaved runs. Sections named, or all, are measured anew
// and take their place in bench/results.md; the others stay as they were.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { machine } from './timing.mjs';

const sections = {
  backward: async () => (await import('./backward.mjs')).benchBackward(),
  training: async () => (await import('./training.mjs')).benchTraining(),
  memory: async () => (await import('./memory.mjs')).benchMemory(),
  mnist: async () => (await import('./mnist.mjs')).benchMnist(),
  trials: async () => (await import('./trials.mjs')).benchTrials(),
};

const wanted = process.argv.slice(2);
const unknown = wanted.filter((name) => !(name in sections));
if (unknown.length > 0) {
  process.stderr.write(`no section is called ${unknown.join(', ')}: there are ${Object.keys(sections).join(', ')}\n`);
  process.exit(2);
}

const path = new URL('results.md', import.meta.url);
const marker = (name) => `<!-- ${name} -->`;
const saved = existsSync(path) ? readFileSync(path, 'utf8') : '';

/** What results.md says under a section's marker. */
function kept(name) {
  const [, after] = saved.split(`${marker(name)}\n`);
  return after?.split('\n<!-- ')[0].trim();
}

const texts = Object.fromEntries(Object.keys(sections).map((name) => [name, kept(name)]));
for (const name of wanted.length > 0 ? wanted : Object.keys(sections)) {
  const start = performance.now();
  texts[name] = await sections[name]();
  process.stderr.write(`${name}: ${((performance.now() - start) / 1000).toFixed(0)} s\n`);
  // Written after each section: an interrupted run keeps what it measured.
  const parts = Object.entries(texts).flatMap(([part, text]) => (text ? [`${marker(part)}\n${text}`] : []));
  writeFileSync(path, `${['# Measured', `${machine()}.`, ...parts].join('\n\n')}\n`);
}
process.stdout.write(readFileSync(path, 'utf8'));
