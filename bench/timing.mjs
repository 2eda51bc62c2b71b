import { cpus } from 'node:os';

/** Long enough for the threads of another session to stop spinning. */
const PAUSE_MS = 30;

/**
 * Median milliseconds of several functions run in turn, so that whatever else the machine does hits all alike. Each turn
 * is a burst after a pause, whose first run is not counted: the threads of the function before spin for a while.
 */
export async function interleave(functions, { rounds = 15, atLeastMs = 2000, burst = 3 } = {}) {
  const names = Object.keys(functions);
  for (const name of names) for (let i = 0; i < 3; i++) await functions[name]();
  const times = Object.fromEntries(names.map((name) => [name, []]));
  const start = performance.now();
  for (let round = 0; round < rounds || performance.now() - start < atLeastMs; round++) {
    for (const name of names) {
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
      await functions[name]();
      for (let i = 0; i < burst; i++) {
        const before = performance.now();
        await functions[name]();
        times[name].push(performance.now() - before);
      }
    }
  }
  return Object.fromEntries(names.map((name) => [name, median(times[name])]));
}

export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)];
}

export function machine() {
  return `${cpus()[0]?.model ?? 'unknown processor'}, ${cpus().length} cores, Node ${process.version}`;
}

/** A Markdown table. */
export function table(head, rows) {
  const line = (cells) => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}
