import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';

/**
 * Physical cores this process may use: two threads of one core share its arithmetic units, so that a second trainer
 * there gains nothing. Where the system does not tell, the processors it may use.
 */
export function physicalCores(): number {
  const processors = availableParallelism();
  const cores = new Set<string>();
  try {
    for (const block of readFileSync('/proc/cpuinfo', 'utf8').split(/\n\s*\n/)) {
      const core = /^core id\s*:\s*(\d+)/m.exec(block)?.[1];
      const socket = /^physical id\s*:\s*(\d+)/m.exec(block)?.[1];
      if (core !== undefined) cores.add(`${socket}/${core}`);
    }
  } catch {
    // No Linux.
  }
  const physical = cores.size === 0 ? processors : Math.min(processors, cores.size);
  return Math.max(1, Math.min(physical, quota()));
}

/** Processors' worth of time a control group grants, rounded up (cgroups version 2, cpu.max: `quota period`). */
function quota(): number {
  try {
    const [limit, period] = readFileSync('/sys/fs/cgroup/cpu.max', 'utf8').trim().split(' ').map(Number);
    if (limit! > 0 && period! > 0) return Math.ceil(limit! / period!);
  } catch {
    // None.
  }
  return Number.POSITIVE_INFINITY;
}
