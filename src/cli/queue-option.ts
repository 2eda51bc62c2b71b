import { Option } from 'commander';

/** Where the address of the queue may stand instead, with its password. */
export const QUEUE_VARIABLE = 'GRADIENT_DOCTOR_QUEUE';

/** `--queue <url>`, or the environment's. */
export function queueOption(description: string): Option {
  return new Option('--queue <url>', description).env(QUEUE_VARIABLE);
}
