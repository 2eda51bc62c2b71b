import type { Command } from 'commander';
import { parseInitialization } from '../../random/parse-initialization.ts';
import type { ReportSubject } from '../../report/subject.ts';
import { type LossKind, lossKinds } from '../../training/losses.ts';
import { optimizers } from '../../training/optimizers/index.ts';
import { dataSetsHelp } from '../data-sets-help.ts';
import { collect, oneOf, positiveNumber, wholeNumber } from '../options.ts';
import { checkOutput, type OutputOptions, terminalOptions, writeResult } from '../output.ts';
import { Progress } from '../progress.ts';

interface Options extends OutputOptions {
  readonly input?: string[];
  readonly target?: string;
  readonly data?: string;
  readonly loss: LossKind | 'auto';
  readonly modelOutput?: string;
  readonly batch?: number;
  readonly seed?: number;
  readonly init?: string;
  readonly optimizer?: string;
  readonly lr?: number;
  readonly steps?: number;
  readonly format: 'text' | 'json';
  readonly check?: boolean;
  readonly allLayers?: boolean;
  readonly threads?: number;
}

const losses = ['auto', ...lossKinds] as const;
const formats = ['text', 'json'] as const;
const optimizerNames = Object.keys(optimizers);
const LARGEST_SEED = 2 ** 32 - 1;

const description =
  'Runs the model forward and backward once, measures the gradient everywhere, and ' +
  'says where it vanishes or explodes, why, and what to try.';

const examples = `
${dataSetsHelp()}

Examples:
  gradient-doctor diagnose model.onnx --data mnist
  gradient-doctor diagnose model.onnx --input x.npy --target labels.npy
  gradient-doctor diagnose model.onnx --input ids=i.npy --input mask=m.npy
  gradient-doctor diagnose model.onnx --data train.csv --optimizer adam
  gradient-doctor diagnose model.onnx --data mnist --steps 10
  gradient-doctor diagnose model.onnx --data adding:150 --init orthogonal
  gradient-doctor diagnose model.onnx --check --format json -o report.json

Exit code: 0 done, 1 --check found an error, 2 unusable input or usage.`;

/** Checks a scheme's name before anything is read. */
function initial(text: string): string {
  if (text !== 'keep' && text !== 'lsuv') parseInitialization(text, '--init', ['keep', 'lsuv']);
  return text;
}

/** Declares `diagnose <model>`. */
export function configure(command: Command): void {
  command
    .description(description)
    .argument('<model>', 'an ONNX model (.onnx) or a network in a few lines (.yaml, .json)')
    .option('--input <[name=]file>', 'a .npy array for a model input; repeat for several inputs', collect)
    .option('--target <file>', 'a .npy array of labels or values for --input')
    .option('--data <name|file>', 'a built-in data set, or a .npz, .npy or .csv file')
    .option('--loss <kind>', `${losses.join(', ')}`, oneOf('--loss', losses), 'auto')
    .option('--model-output <name>', 'the output to compute the loss from (default: the first)')
    .option('--batch <n>', 'samples (default: 64)', wholeNumber('--batch', 1, 1_000_000))
    .option('--seed <n>', 'of everything random (default: 0)', wholeNumber('--seed', 0, LARGEST_SEED))
    .option('--init <scheme>', 'weights: keep, lsuv, or drawn anew: he, glorot, orthogonal, … (default: keep)', initial)
    .option(
      '--optimizer <name>',
      `judge the size of its first step, and train --steps with it: ${optimizerNames.join(', ')}`,
      oneOf('--optimizer', optimizerNames),
    )
    .option('--lr <x>', "its learning rate (default: the optimizer's usual one)", positiveNumber('--lr'))
    .option('--steps <n>', 'train so many steps, look again, confirm or withdraw', wholeNumber('--steps', 0, 1_000_000))
    .option('--format <kind>', formats.join(', '), oneOf('--format', formats), 'text')
    .option('-o, --output <file>', 'write the report to a file instead of standard output')
    .option('--force', 'overwrite that file')
    .option('--check', 'exit with 1 when a finding is an error')
    .option('--all-layers', 'show every layer, however many there are')
    .option('--threads <n>', 'threads of the runtime (default: the number of cores)', wholeNumber('--threads', 1, 1024))
    .option('--verbose', 'on failure, show the stack for a bug report')
    .addHelpText('after', examples)
    .action((model: string, options: Options) => diagnoseFile(model, options));
}

async function diagnoseFile(path: string, options: Options): Promise<void> {
  await checkOutput(options);
  const progress = new Progress();
  progress.say('loading');
  try {
    const { diagnose, nodeRuntime } = await import('../../node.ts');
    const subject = await diagnose(path, {
      runtime: nodeRuntime({ threads: options.threads }),
      data: options.data,
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
      onProgress: (message) => progress.say(message),
      command: commandOf(path, options),
    });
    progress.end();
    await writeResult(await render(subject, options), options);
    const failed = subject.diagnosis.findings.some(({ severity }) => severity === 'error');
    if (options.check && failed) process.exitCode = 1;
  } finally {
    progress.end();
  }
}

async function render(subject: ReportSubject, options: Options): Promise<string> {
  if (options.format === 'json') return (await import('../../report/json.ts')).renderJson(subject);
  const { renderTerminal } = await import('../../report/terminal.ts');
  return renderTerminal(subject, { ...terminalOptions(options), allLayers: options.allLayers });
}

/** The command that gives this report again, wherever it is written to. */
function commandOf(path: string, options: Options): string {
  const words = ['gradient-doctor', 'diagnose', path];
  const add = (name: string, value: string | number | undefined) => {
    if (value !== undefined) words.push(name, String(value));
  };
  add('--data', options.data);
  for (const input of options.input ?? []) add('--input', input);
  add('--target', options.target);
  add('--loss', options.loss === 'auto' ? undefined : options.loss);
  add('--model-output', options.modelOutput);
  add('--batch', options.batch);
  add('--seed', options.seed);
  add('--init', options.init);
  add('--optimizer', options.optimizer);
  add('--lr', options.lr);
  add('--steps', options.steps);
  add('--threads', options.threads);
  return words.map(quoteWord).join(' ');
}

function quoteWord(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
