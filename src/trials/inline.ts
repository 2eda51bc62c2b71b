import type { Executor, RunTrial } from './trial.ts';

/** Runs trials one after the other where it is called: in browsers and tests, where there are no workers. */
export function inlineExecutor(runTrial: RunTrial): Executor {
  return {
    name: 'inline',
    parallel: 1,
    async *run(tasks, artifacts, options = {}) {
      const { signal } = options;
      for (const task of tasks) {
        if (signal?.aborted) return;
        const result = await runTrial(task, artifacts, options).catch((error: unknown) => {
          if (signal?.aborted) return undefined;
          throw error;
        });
        if (!result) return;
        yield result;
      }
    },
    close: async () => {},
  };
}
