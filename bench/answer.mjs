// The Node side of a worker: times what it is asked for.
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { median } from './timing.mjs';

/** Answers questions from stdin; `variants` is name → () → a function that runs one step, made when first asked for. */
export async function answer(variants) {
  const made = {};
  for await (const line of createInterface({ input: process.stdin })) {
    const { variant, count } = JSON.parse(line);
    try {
      made[variant] ??= await variants[variant]();
      const times = [];
      for (let i = 0; i < count; i++) {
        const before = performance.now();
        await made[variant]();
        times.push(performance.now() - before);
      }
      reply({ ms: median(times), peak: peak() });
    } catch (error) {
      reply({ error: String(error?.message ?? error).split('\n')[0] });
    }
  }
  process.exit(0);
}

function reply(value) {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}

/** Memory held at most, in MiB (Linux: VmHWM). */
function peak() {
  try {
    return Number(/VmHWM:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))[1]) / 1024;
  } catch {
    return process.resourceUsage().maxRSS / 1024;
  }
}
