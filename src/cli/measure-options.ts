import type { Command } from 'commander';
import type { Missing } from '../data/index.ts';
import type { NodeDiagnoseOptions } from '../node.ts';
import { type LossKind, lossKinds } from '../training/losses.ts';
import { optimizers } from '../training/optimizers/index.ts';
import { collect, initHelp, initialWeights, missingRows, oneOf, positiveNumber, wholeNumber } from './options.ts';

/** What every command that measures a model lets its users choose. */
export interface MeasureOptions {
  readonly input?: string[];
  readonly target?: string;
  readonly data?: string;
  readonly missing?: Missing;
  readonly loss: LossKind | 'auto';
  readonly modelOutput?: string;
  readonly batch?: number;
  readonly seed?: number;
  readonly init?: string;
  readonly optimizer?: string;
  readonly lr?: number;
  readonly steps?: number;
  readonly threads?: number;
}

const losses = ['auto', ...lossKinds] as const;
const optimizerNames = Object.keys(optimizers);
const LARGEST_SEED = 2 ** 32 - 1;

/** Declares the options that say what is fed, with which weights, what a step is, and how many of them. */
export function declareMeasuring(command: Command): Command {
  return declareSubject(command).option(
    '--steps <n>',
    'train so many steps, look again, confirm or withdraw',
    wholeNumber('--steps', 0, 1_000_000),
  );
}

/** Declares the options that say what is fed, with which weights, and what a step is. */
export function declareSubject(command: Command): Command {
  return command
    .option('--input <[name=]file>', 'a .npy or idx array for a model input; repeat for several inputs', collect)
    .option('--target <file>', 'a .npy or idx array of labels or values for --input')
    .option('--data <name|file>', 'a built-in data set; a .npz, .npy, .csv or idx file; a folder of images')
    .option('--missing <what>', 'rows that lack a value: error, leave-out (default: NaN is measured)', missingRows)
    .option('--loss <kind>', `${losses.join(', ')}`, oneOf('--loss', losses), 'auto')
    .option('--model-output <name>', 'the output to compute the loss from (default: the first)')
    .option('--batch <n>', 'samples (default: 64)', wholeNumber('--batch', 1, 1_000_000))
    .option('--seed <n>', 'of everything random (default: 0)', wholeNumber('--seed', 0, LARGEST_SEED))
    .option('--init <scheme>', initHelp, initialWeights)
    .option(
      '--optimizer <name>',
      `judge the size of its first step, and train --steps with it: ${optimizerNames.join(', ')}`,
      oneOf('--optimizer', optimizerNames),
    )
    .option('--lr <x>', "its learning rate (default: the optimizer's usual one)", positiveNumber('--lr'));
}

/** Declares the option for the runtime's threads. */
export function declareThreads(command: Command): Command {
  const parse = wholeNumber('--threads', 1, 1024);
  return command.option('--threads <n>', 'threads of the runtime (default: the number of cores)', parse);
}

/** The options as the library takes them; the runtime is the caller's. */
export function measuring(options: MeasureOptions): NodeDiagnoseOptions {
  return {
    data: options.data,
    missing: options.missing,
    inputs: options.input,
    target: options.target,
    loss: options.loss,
    output: options.modelOutput,
    size: options.batch,
    seed: options.seed,
    init: options.init,
    optimizer: options.optimizer,
    learningRate: options.lr,
    steps: options.steps,
  };
}

/**
 * The command that gives a report again, wherever it is written to: `gradient-doctor <verb> <paths> <options>`, with
 * options of the verb's own after them.
 */
export function commandOf(
  words: readonly string[],
  options: MeasureOptions,
  own: readonly (readonly [name: string, value: string | number | undefined])[] = [],
): string {
  const named: (readonly [string, string | number | undefined])[] = [
    ['--data', options.data],
    ...(options.input ?? []).map((input): [string, string] => ['--input', input]),
    ['--target', options.target],
    ['--missing', options.missing],
    ['--loss', options.loss === 'auto' ? undefined : options.loss],
    ['--model-output', options.modelOutput],
    ['--batch', options.batch],
    ['--seed', options.seed],
    ['--init', options.init],
    ['--optimizer', options.optimizer],
    ['--lr', options.lr],
    ['--steps', options.steps],
    ['--threads', options.threads],
    ...own,
  ];
  const chosen = named.flatMap(([name, value]) =>
    value === undefined ? [] : value === '' ? [name] : [name, String(value)],
  );
  return ['gradient-doctor', ...words, ...chosen].map(quoteWord).join(' ');
}

/** A word as a shell takes it. */
export function quoteWord(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
