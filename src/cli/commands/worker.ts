import type { Command } from 'commander';
import { wholeNumber } from '../options.ts';
import { QUEUE_VARIABLE, queueOption } from '../queue-option.ts';
import { readVersion } from '../version.ts';

interface Options {
  readonly queue: string;
  readonly concurrency?: number;
  readonly threads?: number;
}

const description =
  'Runs trials for `gradient-doctor treat --queue` on any machine that reaches the same Redis or Valkey server. ' +
  'Start as many as you like.';

const examples = `
Models and data come over the server, by content hash: a worker needs no files.
Only trials of its own version are taken. With one thread per trial, the
default, results are those of a local run. Ctrl-C ends the trials it has and
leaves; once more, and other workers take them.

The address, with its password, may stand in the environment instead:
  ${QUEUE_VARIABLE}=redis://:PASSWORD@HOST:6379 gradient-doctor worker

Example:
  gradient-doctor worker --queue redis://queue.example:6379 --concurrency 4

Exit code: 0 stopped, 2 the server is not reached or unusable, 130 stopped at
once.`;

/** Declares `worker`. */
export function configure(command: Command): void {
  command
    .description(description)
    .addOption(queueOption('redis://[:PASSWORD@]HOST[:PORT][/DATABASE], rediss:// for TLS').makeOptionMandatory())
    .option(
      '--concurrency <n>',
      'trials at the same time (default: the physical cores)',
      wholeNumber('--concurrency', 1, 1024),
    )
    .option('--threads <n>', 'threads of each trial (default: 1)', wholeNumber('--threads', 1, 1024))
    .option('--verbose', 'on failure, show the stack for a bug report')
    .addHelpText('after', examples)
    .action((options: Options) => work(options));
}

async function work({ queue, concurrency, threads = 1 }: Options): Promise<void> {
  const { showQueue } = await import('../../trials/node/bullmq.ts');
  const { startWorker } = await import('../../trials/node/bullmq-worker.ts');
  const { WorkerPool } = await import('../../trials/node/worker-pool.ts');
  const { physicalCores } = await import('../../trials/node/cores.ts');
  const say = (text: string) => process.stderr.write(`${text}\n`);
  const shown = showQueue(queue);
  const workers = concurrency ?? physicalCores();
  const version = readVersion();
  const entry = new URL('../../trial-worker.js', import.meta.url);
  const pool = new WorkerPool({ entry, workers, threads });
  const worker = await startWorker({
    url: queue,
    version,
    concurrency: workers,
    run: pool.run,
    onNotice: say,
    onTrial: ({ plan, seed, steps, status, seconds, error }) =>
      say(`${plan}, seed ${seed}, ${steps} steps: ${error ?? status} (${seconds.toFixed(1)} s)`),
  });
  say(`waiting for trials of version ${version} at ${shown}, ${workers} at a time; Ctrl-C to stop`);
  await new Promise<void>((resolve, reject) => {
    let times = 0;
    const stop = () => {
      times += 1;
      if (times === 1) {
        say('ending the trials that run; once more to give them to other workers');
        worker.drain().then(resolve, reject);
      } else if (times === 2) {
        process.exitCode = 130;
        worker.giveUp();
        // The server may be gone, and with it whoever would take them.
        setTimeout(() => process.kill(process.pid, 'SIGKILL'), 10_000).unref();
      } else process.kill(process.pid, 'SIGKILL');
    };
    process.on('SIGINT', stop);
    process.on('SIGTERM', stop);
  });
  await pool.close();
}
