import type { Command } from 'commander';
import type { Missing } from '../../data/index.ts';
import { suggest } from '../../graph/did-you-mean.ts';
import { UsageError } from '../../graph/errors.ts';
import type { Model } from '../../graph/graph.ts';
import type { JsonValue } from '../../logs/json-values.ts';
import type { Clipping } from '../../training/clipping.ts';
import { type LossKind, lossKinds } from '../../training/losses.ts';
import { optimizers } from '../../training/optimizers/index.ts';
import { type ScheduleChoice, scheduleKinds } from '../../training/schedule-choice.ts';
import type { TrainEvent, TrainOptions } from '../../verbs/train.ts';
import { dataSetsHelp } from '../data-sets-help.ts';
import {
  collect,
  fractionNumber,
  initHelp,
  initialWeights,
  missingRows,
  nonNegativeNumber,
  oneOf,
  positiveNumber,
  wholeNumber,
} from '../options.ts';
import { describeRun, TrainingProgress } from '../training-progress.ts';

/** Options as they stand in a run's configuration too. */
interface Options {
  readonly data?: string;
  readonly input?: string[];
  readonly target?: string;
  readonly samples?: number;
  readonly missing?: Missing;
  readonly validation?: number;
  readonly loss?: LossKind | 'auto';
  readonly modelOutput?: string;
  readonly init?: string;
  readonly epochs?: number;
  readonly steps?: number;
  readonly batch?: number;
  readonly accumulate?: number;
  readonly optimizer?: string;
  readonly lr?: number;
  readonly weightDecay?: number;
  readonly schedule?: ScheduleChoice;
  readonly warmUp?: number;
  readonly clipNorm?: number;
  readonly clipValue?: number;
  readonly agc?: number;
  readonly freeze?: string[];
  readonly seed?: number;
  readonly histogramEvery?: number;
  readonly checkpointEvery?: number;
  readonly threads?: number;
}

/** What belongs to one call, not to the run. */
interface CallOptions {
  readonly out?: string;
  readonly resume?: boolean;
  readonly force?: boolean;
  readonly check?: boolean;
  readonly verbose?: boolean;
}

const losses = ['auto', ...lossKinds] as const;
const optimizerNames = Object.keys(optimizers);
const LARGEST_SEED = 2 ** 32 - 1;
const HISTOGRAM_EVERY = 50;
const CHECKPOINT_SECONDS = 60;

const description =
  'Trains the model with the monitors on: the norm of every gradient and update at every step. ' +
  'Stops where the numbers break or the loss diverges, and says where that began.';

const examples = `
${dataSetsHelp()}
Schedules:
  ${scheduleKinds.join(', ')};
with numbers: step:10:0.1 (every 10 epochs to a tenth), exponential:0.95 (each
epoch), cosine:0.01 (down to a hundredth), plateau:5:0.5 (patience, factor),
one-cycle:0.3 (up to --lr over 0.3 of all steps, then down to nearly nothing).

Examples:
  gradient-doctor train network.yaml --data mnist --epochs 15 --validation 0.2
  gradient-doctor train model.onnx --data train.npz --out runs/first \\
      --optimizer adamw --lr 3e-4 --schedule cosine --warm-up 500 --clip-norm 1
  gradient-doctor train model.onnx --out runs/first --resume     goes on exactly
  gradient-doctor train model.onnx --out runs/first --resume --epochs 30
  tensorboard --logdir runs

A run folder holds the trained model (model.onnx), config.json, TensorBoard's
event files, metrics.jsonl and checkpoints.

Exit code: 0 done, 1 --check and a fault, 2 unusable input or usage,
130 interrupted with everything saved.`;

/** Declares `train <model>`. */
export function configure(command: Command): void {
  const whole = (name: string, low = 1, high = 1e9) => wholeNumber(name, low, high);
  command
    .description(description)
    .argument('<model>', 'an ONNX model (.onnx) or a network in a few lines (.yaml, .json)')
    .option('--data <name|file>', 'a built-in data set; a .npz, .npy, .csv or idx file; a folder of images')
    .option('--input <[name=]file>', 'a .npy or idx array for a model input; repeat for several inputs', collect)
    .option('--target <file>', 'a .npy or idx array of labels or values for --input')
    .option('--samples <n>', 'rows taken in all, drawn by the seed (default: all there are)', whole('--samples'))
    .option('--missing <what>', 'rows that lack a value: error, leave-out (default: error)', missingRows)
    .option('--validation <part>', 'part of the rows kept to score on (default: 0)', fractionNumber('--validation'))
    .option('--init <scheme>', initHelp, initialWeights)
    .option('--epochs <n>', 'passes over the data (default: 10)', whole('--epochs'))
    .option('--steps <n>', 'updates at most', whole('--steps'))
    .option('--batch <n>', "rows of a batch (default: the file's own, else 32)", wholeNumber('--batch', 1, 1_000_000))
    .option('--accumulate <n>', 'batches whose mean gradient makes one update', wholeNumber('--accumulate', 1, 100_000))
    .option('--loss <kind>', `${losses.join(', ')} (default: auto)`, oneOf('--loss', losses))
    .option('--model-output <name>', 'the output to compute the loss from (default: the first)')
    .option(
      '--optimizer <name>',
      `${optimizerNames.join(', ')} (default: the file's own, else adam)`,
      oneOf('--optimizer', optimizerNames),
    )
    .option('--lr <x>', "learning rate (default: the file's own, else the optimizer's usual)", positiveNumber('--lr'))
    .option('--weight-decay <x>', "the optimizer's: decoupled for adamw and lion", nonNegativeNumber('--weight-decay'))
    .option('--schedule <kind>', 'how the learning rate changes (default: constant)', parseSchedule)
    .option('--warm-up <steps>', 'steps over which the learning rate rises from a tenth', whole('--warm-up'))
    .option('--clip-norm <x>', 'clip the gradient to this global norm', positiveNumber('--clip-norm'))
    .option('--clip-value <x>', 'clip every element of the gradient', positiveNumber('--clip-value'))
    .option('--agc <factor>', "clip each unit's gradient to this part of its weights", positiveNumber('--agc'))
    .option('--freeze <names...>', 'parameters that stay as they are; prefix* for several')
    .option('--seed <n>', 'of everything random (default: 0)', wholeNumber('--seed', 0, LARGEST_SEED))
    .option('-o, --out <folder>', 'keep the run in a folder')
    .option('--resume', 'go on with the run in that folder, with its own options where none are given')
    .option('--force', 'replace the run in that folder')
    .option(
      '--histogram-every <n>',
      `steps between histograms (default: ${HISTOGRAM_EVERY})`,
      whole('--histogram-every'),
    )
    .option(
      '--checkpoint-every <n>',
      `steps between checkpoints (default: ${CHECKPOINT_SECONDS} seconds)`,
      whole('--checkpoint-every'),
    )
    .option('--check', 'exit with 1 when training stops on a fault')
    .option('--threads <n>', 'threads of the runtime (default: the number of cores)', wholeNumber('--threads', 1, 1024))
    .option('--verbose', 'on failure, show the stack for a bug report')
    .addHelpText('after', examples)
    .action((model: string, options: Options & CallOptions) => trainFile(model, options));
}

async function trainFile(path: string, given: Options & CallOptions): Promise<void> {
  const { out, resume = false, force = false, check, verbose: _, ...own } = given;
  if ((resume || force) && out === undefined) {
    throw new UsageError(`${resume ? '--resume' : '--force'} needs the run's folder`, {
      code: 'no-folder',
      hint: '--out runs/NAME',
    });
  }
  if (resume && force) {
    throw new UsageError('--resume goes on with a run, --force replaces it', { code: 'resume-or-force' });
  }
  const progress = new TrainingProgress();
  const { nodeRuntime, openData, readModel, train, writeModel } = await import('../../node.ts');
  const { openRunFolder, readRunConfig } = await import('../../logs/node/run-folder.ts');
  const options: Options =
    resume && out !== undefined ? { ...((await readRunConfig(out)).options as unknown as Options), ...own } : own;
  const model = await readModel(path);
  const training = trainingOf(options, model);
  const runtime = nodeRuntime({ threads: options.threads });
  const { data: name, input: inputs, target, samples, missing, validation, seed } = options;
  const data = await openData(model, { data: name, inputs, target, samples, missing, validation, seed });
  const folder =
    out === undefined
      ? undefined
      : await openRunFolder(
          out,
          {
            model: { name: model.name, hash: await hashModel(model) },
            data: { name: data.name, rows: data.size },
            options: withoutUndefined(options),
            seed: seed ?? model.training?.seed ?? 0,
            versions: { runtime: runtime.name, node: process.version },
          },
          { mode: resume ? 'resume' : force ? 'force' : 'new' },
        );
  const interrupt = new AbortController();
  const stop = () => {
    if (interrupt.signal.aborted) process.exit(130);
    interrupt.abort();
    progress.note('stopping after this step; once more to stop at once');
  };
  process.on('SIGINT', stop);
  process.on('SIGTERM', stop);
  try {
    if (folder) for (const damaged of folder.skipped) progress.note(damaged.describe());
    if (resume && folder && !folder.checkpoint)
      progress.note('no checkpoint was saved yet: starting from the beginning');
    if (folder && folder.changes.length > 0) progress.note(`not as the run was started: ${folder.changes.join(', ')}`);
    const { hasTrainingForm } = await import('../../training/inference-form.ts');
    const { recordRun, resumeFrom } = await import('../../verbs/record-run.ts');
    let events: AsyncIterable<TrainEvent> = train(model, {
      ...training,
      runtime,
      data,
      ...(folder && {
        inspectEvery: options.histogramEvery ?? HISTOGRAM_EVERY,
        checkpointEvery:
          options.checkpointEvery === undefined ? { seconds: CHECKPOINT_SECONDS } : { steps: options.checkpointEvery },
        resume: resumeFrom(folder.checkpoint),
      }),
      signal: interrupt.signal,
    });
    if (folder) events = recordRun(events, folder);
    const files: string[] = [];
    for await (const event of events) {
      progress.see(event);
      if (event.kind === 'fault' && check) process.exitCode = 1;
      if (event.kind !== 'end') continue;
      if (folder) {
        files.push(...(await writeModel(event.model, folder.file('model.onnx'), { overwrite: true })));
        if (hasTrainingForm(event.trainingModel)) {
          files.push(
            ...(await writeModel(event.trainingModel, folder.file('model.training.onnx'), { overwrite: true })),
          );
        }
      }
      if (event.reason === 'aborted') process.exitCode = 130;
    }
    progress.end();
    process.stdout.write(describeRun(progress, { path, out, files }));
  } finally {
    process.off('SIGINT', stop);
    process.off('SIGTERM', stop);
    progress.end();
    await folder?.close();
    await data.close();
  }
}

function trainingOf(options: Options, model: Model): Omit<TrainOptions, 'runtime' | 'data'> {
  const { optimizer, weightDecay, schedule, warmUp } = options;
  const name = optimizer ?? model.training?.optimizer?.name ?? 'adam';
  return {
    loss: options.loss,
    output: options.modelOutput,
    init: options.init,
    batch: options.batch,
    epochs: options.epochs,
    steps: options.steps,
    microBatches: options.accumulate,
    optimizer: { name, options: weightDecay === undefined ? {} : { weightDecay } },
    learningRate: options.lr,
    schedule: { ...schedule, warmUp },
    clipping: clippingOf(options),
    freeze: options.freeze,
    seed: options.seed,
  };
}

function clippingOf({ clipNorm, clipValue, agc }: Options): Clipping | undefined {
  const given = [
    ['--clip-norm', clipNorm],
    ['--clip-value', clipValue],
    ['--agc', agc],
  ].filter(([, value]) => value !== undefined);
  if (given.length > 1) {
    throw new UsageError(`${given.map(([name]) => name).join(' and ')} both clip the gradient`, {
      code: 'clip-twice',
      hint: 'give one of them',
    });
  }
  if (clipNorm !== undefined) return { kind: 'norm', maximum: clipNorm };
  if (clipValue !== undefined) return { kind: 'value', maximum: clipValue };
  return agc === undefined ? undefined : { kind: 'adaptive', factor: agc };
}

/** `cosine`, `step:10:0.1`, `exponential:0.95`, `cosine:0.01`, `cosine-restarts:10`, `one-cycle:0.3`, `plateau:5:0.5`. */
function parseSchedule(text: string): ScheduleChoice {
  const [name = '', ...rest] = text.split(':');
  const kind = scheduleKinds.find((known) => known === name);
  const numbers = rest.map((part) => (part.trim() === '' ? Number.NaN : Number(part)));
  if (kind === undefined) {
    throw new UsageError(`no schedule "${name}"`, {
      code: 'option-value',
      where: '--schedule',
      hint: suggest(name, scheduleKinds, 'accepted'),
    });
  }
  const takes: Record<typeof kind, readonly (keyof ScheduleChoice)[]> = {
    constant: [],
    step: ['every', 'factor'],
    exponential: ['factor'],
    cosine: ['floor'],
    'cosine-restarts': ['every', 'floor'],
    'one-cycle': ['rise'],
    plateau: ['every', 'factor'],
  };
  if (numbers.length > takes[kind].length || !numbers.every(Number.isFinite)) {
    throw new UsageError(`"${text}" is not possible`, {
      code: 'option-value',
      where: '--schedule',
      hint: `accepted: ${[kind, ...takes[kind]].join(':')}`,
    });
  }
  return { kind, ...Object.fromEntries(numbers.map((value, i) => [takes[kind][i], value])) };
}

function withoutUndefined(options: Options): JsonValue {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as unknown as JsonValue;
}

async function hashModel(model: Model): Promise<string> {
  const { hashBytes } = await import('../../logs/node/run-folder.ts');
  const { encodeModelFiles } = await import('../../graph/onnx/encode.ts');
  const { bytes, files } = encodeModelFiles(model, { name: 'model' });
  return hashBytes(bytes, ...files.flatMap(({ parts }) => parts));
}
