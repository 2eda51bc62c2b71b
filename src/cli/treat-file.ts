import { access, rm } from 'node:fs/promises';
import { basename, dirname, extname, join } from 'node:path';
import { DataError, UsageError } from '../graph/errors.ts';
import type { Treatment } from '../report/treatment/treatment.ts';
import { type Framework, frameworks } from '../report/treatment/words.ts';
import type { CallOptions, Format, RunOptions } from './commands/treat.ts';
import { commandOf, measuring } from './measure-options.ts';
import { checkFolder, checkOutput, terminalOptions, writeResult } from './output.ts';
import { trainCommandOf } from './train-command.ts';
import { readRunOptions, writeRunOptions } from './treat-folder.ts';
import { TreatmentProgress } from './treatment-progress.ts';
import { readVersion } from './version.ts';

type Options = RunOptions & CallOptions;

/** Reports that a run folder gets. */
const reports: readonly (readonly [file: string, format: Format])[] = [
  ['report.html', 'html'],
  ['report.md', 'markdown'],
  ['report.json', 'json'],
];

/**
 * Treats a model from a file: follows it on standard error, writes the redesigned network and the reports. `given` are
 * the options that stand on the command line. Undefined where there was nothing to report. Throws UserError.
 */
export async function treatFile(path: string, call: Options, given: Partial<Options>): Promise<Treatment | undefined> {
  const { out, resume = false, force = false } = call;
  checkCall(call);
  await checkOutput(call, out);
  const options: Options = resume ? { ...call, ...(await readRunOptions(out!)), ...given } : call;
  const target = out === undefined ? besideModel(path) : join(out, 'treated.onnx');
  if (!force && !resume) await refuseExisting(out === undefined ? [target] : folderFiles(out));
  const progress = new TreatmentProgress({ resumed: resume });
  progress.say('loading');
  const { nodeRuntime, readModel, treat, writeModel } = await import('../node.ts');
  const { frameworkOf } = await import('./framework.ts');
  const interrupt = new AbortController();
  const stop = () => {
    if (interrupt.signal.aborted) process.exit(130);
    interrupt.abort();
    progress.note('stopping, and reporting what is known so far; once more to stop at once');
  };
  process.on('SIGINT', stop);
  process.on('SIGTERM', stop);
  try {
    const model = await readModel(path);
    if (out === undefined) await checkFolder(target);
    const words = [
      ['--budget', options.budget?.text],
      ['--seeds', options.seeds],
      ['--samples', options.samples],
      ['--validation', options.validation],
      ...(options.remedy ?? []).map((ids) => ['--remedy', ids.join('+')] as const),
      ['--anyway', options.anyway ? '' : undefined],
      ['--out', out],
      ['--queue', options.queue === undefined ? undefined : await hidden(options.queue)],
      ['--workers', options.workers],
    ] as const;
    if (out !== undefined && !resume) await writeRunOptions(out, options);
    const { steps: _, optimizer, ...measured } = measuring(options);
    let treatment: Treatment | undefined;
    const events = treat(model, {
      ...measured,
      ...(optimizer !== undefined && { optimizer: { name: optimizer } }),
      runtime: nodeRuntime({ threads: options.threads }),
      steps: options.steps,
      budget: options.budget,
      seeds: options.seeds,
      samples: options.samples,
      validation: options.validation,
      plans: options.remedy,
      anyway: options.anyway,
      workers: options.workers,
      queue: options.queue,
      folder: out,
      existing: resume ? 'resume' : force ? 'replace' : undefined,
      version: readVersion(),
      command: commandOf(['treat', path], options, words),
      signal: interrupt.signal,
      onProgress: (message) => progress.say(message),
      onTrialProgress: (trial) => progress.run(trial),
      onNotice: (text) => progress.note(text),
    });
    for await (const event of events) {
      progress.see(event);
      if (event.kind === 'end') treatment = event.treatment;
    }
    progress.stop();
    if (!treatment) return undefined;
    if (treatment.winner) {
      const { design } = treatment.winner;
      await writeModel(design.model, target, { overwrite: force || resume });
      const train = trainCommandOf(target, design.training, options);
      treatment = { ...treatment, written: { path: target, train } };
    } else if (out !== undefined) {
      // What an earlier part of the run recommended is not recommended any more.
      await rm(target, { force: true });
    }
    const shown = options.framework ?? frameworkOf(model);
    const show: readonly Framework[] = shown === 'all' ? frameworks : [shown];
    if (out !== undefined) await writeReports(out, treatment, options, show);
    await writeResult(await render(options.format, treatment, show, options), options);
    if (interrupt.signal.aborted) {
      process.exitCode = 130;
      if (out !== undefined) process.stderr.write(`go on: gradient-doctor treat ${path} --out ${out} --resume\n`);
    }
    return treatment;
  } finally {
    process.off('SIGINT', stop);
    process.off('SIGTERM', stop);
    progress.stop();
  }
}

function checkCall({ out, resume, force, queue, workers }: CallOptions): void {
  if (resume && out === undefined) {
    throw new UsageError("--resume needs the run's folder", { code: 'no-folder', hint: '--out runs/NAME' });
  }
  if (resume && force) {
    throw new UsageError('--resume goes on with a run, --force replaces it', { code: 'resume-or-force' });
  }
  if (queue !== undefined && workers !== undefined) {
    throw new UsageError('--workers are threads of this machine, --queue runs trials elsewhere', {
      code: 'queue-and-workers',
      hint: 'give one of them',
    });
  }
}

/** `sigmoid10.yaml` → `sigmoid10.treated.onnx` in the same folder. */
function besideModel(path: string): string {
  return join(dirname(path), `${basename(path, extname(path))}.treated.onnx`);
}

function folderFiles(out: string): string[] {
  return ['treated.onnx', 'trials.jsonl', ...reports.map(([file]) => file)].map((file) => join(out, file));
}

/** Refuses before any work is done for it. */
async function refuseExisting(paths: readonly string[]): Promise<void> {
  for (const path of paths) {
    const exists = await access(path).then(
      () => true,
      () => false,
    );
    if (!exists) continue;
    const hint = path.endsWith('trials.jsonl') ? '--resume goes on, --force begins anew' : '--force overwrites it';
    throw new DataError('already exists', { code: 'file-exists', where: path, hint });
  }
}

async function writeReports(
  out: string,
  treatment: Treatment,
  options: Options,
  show: readonly Framework[],
): Promise<void> {
  const { writeFileSafely } = await import('../runtime/node/files.ts');
  for (const [file, format] of reports) {
    const text = await render(format, treatment, show, { ...options, output: file });
    await writeFileSafely(join(out, file), text, { overwrite: true });
  }
}

async function render(
  format: Format,
  treatment: Treatment,
  show: readonly Framework[],
  options: Options,
): Promise<string> {
  if (format === 'json') return (await import('../report/treatment/json.ts')).renderTreatmentJson(treatment);
  if (format === 'html') {
    return (await import('../report/treatment/html.ts')).renderTreatmentHtml(treatment, { frameworks: show });
  }
  if (format === 'markdown') {
    const { renderTreatmentMarkdown } = await import('../report/treatment/markdown.ts');
    return renderTreatmentMarkdown(treatment, { frameworks: show, version: readVersion() });
  }
  const { renderTreatment } = await import('../report/treatment/terminal.ts');
  return renderTreatment(treatment, { ...terminalOptions(options), frameworks: show });
}

/** A queue's address without its password: the command stands in reports. */
async function hidden(queue: string): Promise<string> {
  return (await import('../trials/node/bullmq.ts')).showQueue(queue);
}
