import { basename } from 'node:path';
import type { Command } from 'commander';
import { UsageError } from '../../graph/errors.ts';
import { type LossKind, lossKinds } from '../../training/losses.ts';
import { optimizers } from '../../training/optimizers/index.ts';
import type { DifferentiatedModel } from '../../verbs/differentiate.ts';
import { collect, oneOf, positiveNumber, wholeNumber } from '../options.ts';
import { checkOutput } from '../output.ts';
import { Progress } from '../progress.ts';
import { usageLines } from '../usage-lines.ts';

interface Options {
  readonly wrt: string[];
  readonly loss: LossKind | 'auto';
  readonly modelOutput?: string;
  readonly batch?: number;
  readonly shape?: string[];
  readonly output?: string;
  readonly force?: boolean;
  readonly threads?: number;
  readonly optimizer?: string;
  readonly lr?: number;
}

const losses = ['auto', ...lossKinds] as const;

const optimizerNames = Object.keys(optimizers);

const description = `Writes the model with its loss and backward pass as one plain ONNX file of standard operators:
inputs as before plus the target, outputs as before plus "loss" and one "grad:<name>" per
requested value. Stock onnxruntime runs it in Python, JavaScript, C++ and the browser.
With --optimizer the file is a whole training step: parameters and optimizer state are inputs and come
back as "<name>:next", to be fed as "<name>" to the next run; a second file gives what to start from.`;

const examples = `
Examples:
  gradient-doctor differentiate model.onnx --batch 32 --output gradient.onnx
  gradient-doctor differentiate model.onnx --batch 32 --optimizer adam \\
      --lr 1e-3 --output step.onnx
  gradient-doctor differentiate model.onnx --wrt inputs
  gradient-doctor differentiate model.onnx --wrt conv1.weight /relu/Relu_out
  gradient-doctor differentiate model.onnx --shape tokens=8,128

With --wrt inputs: saliency, adversarial examples. --shape where more than the
batch is open.`;

/** Declares `differentiate <model>`. */
export function configure(command: Command): void {
  command
    .description(description)
    .argument('<model>', 'an ONNX model (.onnx) or a network in a few lines (.yaml, .json)')
    .option('--wrt <names...>', 'parameters, inputs, or values by name', ['parameters'])
    .option('--loss <kind>', losses.join(', '), oneOf('--loss', losses), 'auto')
    .option('--model-output <name>', 'the output to compute the loss from (default: the first)')
    .option('--batch <n>', 'size of open batch dimensions (default: 1)', wholeNumber('--batch', 1, 1_000_000))
    .option('--shape <name=dims>', "an input's whole shape, such as tokens=8,128; repeat for several", collect)
    .option(
      '--optimizer <name>',
      `write a training step: ${optimizerNames.join(', ')}`,
      oneOf('--optimizer', optimizerNames),
    )
    .option(
      '--lr <x>',
      "its learning rate, in the usage shown (default: the optimizer's usual one)",
      positiveNumber('--lr'),
    )
    .option(
      '-o, --output <file>',
      'where to write (default: <model>.gradient.onnx in this folder, <model>.step.onnx with an optimizer)',
    )
    .option('--force', 'overwrite that file')
    .option('--threads <n>', 'threads of the runtime (default: the number of cores)', wholeNumber('--threads', 1, 1024))
    .option('--verbose', 'on failure, show the stack for a bug report')
    .addHelpText('after', examples)
    .action((model: string, options: Options) => differentiateFile(model, options));
}

async function differentiateFile(path: string, options: Options): Promise<void> {
  if (options.lr !== undefined && options.optimizer === undefined) {
    throw new UsageError('a gradient has no learning rate', {
      code: 'option-value',
      where: '--lr',
      hint: 'add --optimizer, such as --optimizer sgd',
    });
  }
  const kind = options.optimizer === undefined ? 'gradient' : 'step';
  const output = options.output ?? `${basename(path).replace(/\.(onnx|ya?ml|json)$/i, '')}.${kind}.onnx`;
  const stateFile = output.replace(/(\.onnx)?$/i, '.state.onnx');
  await checkOutput({ output, force: options.force });
  if (options.optimizer !== undefined) await checkOutput({ output: stateFile, force: options.force });
  const shapes = new Map((options.shape ?? []).map(parseShape));
  const progress = new Progress();
  progress.say('differentiating');
  try {
    const { readModel, differentiate, writeModel } = await import('../../node.ts');
    const result = await differentiate(await readModel(path), {
      wrt: options.wrt,
      loss: options.loss,
      output: options.modelOutput,
      size: options.batch,
      shapes,
      threads: options.threads,
      ...(options.optimizer !== undefined && { optimizer: { name: options.optimizer }, learningRate: options.lr }),
    });
    const files = await writeModel(result.model, output, { overwrite: options.force });
    if (result.step) files.push(...(await writeModel(result.step.initial, stateFile, { overwrite: options.force })));
    progress.end();
    process.stdout.write(describe(result, files, result.step ? stateFile : undefined));
  } finally {
    progress.end();
  }
}

function parseShape(text: string): [string, number[]] {
  const cut = text.lastIndexOf('=');
  const dims = text
    .slice(cut + 1)
    .split(',')
    .map(Number);
  if (cut > 0 && dims.every((dim) => Number.isInteger(dim) && dim > 0 && dim <= 2 ** 31))
    return [text.slice(0, cut), dims];
  throw new UsageError(`"${text}" is not possible`, {
    code: 'option-value',
    where: '--shape',
    hint: 'expected an input and its whole shape, such as tokens=8,128',
  });
}

function describe(result: DifferentiatedModel, files: readonly string[], stateFile?: string): string {
  const { nodesBefore, nodesAfter, plan, disconnected, step, model } = result;
  const state = new Set([step?.learningRateInput, ...(step?.state ?? []).map(({ input }) => input)]);
  const fed = model.graph.inputs.filter(({ name }) => !state.has(name));
  const inputs = fed.map(({ name, type, shape }) => `${name}: ${type} [${shape?.join(', ')}]`);
  const operators = Object.entries(result.operators)
    .slice(0, 12)
    .map(([op, count]) => `${count} ${op}`)
    .join(', ');
  const more = Object.keys(result.operators).length - 12;
  const lines = [
    `written to ${files.join(', ')}`,
    '',
    `  loss       ${plan.reason}`,
    `  nodes      ${nodesBefore} forward, ${nodesAfter} with loss${step ? ',' : ' and'} backward pass${step ? ' and optimizer' : ''}`,
    `  operators  ${operators}${more > 0 ? `, ${more} more` : ''}`,
    `  inputs     ${inputs.join('\n             ')}`,
    ...(step ? stepLines(step, result.loss) : [gradientLine(result)]),
    ...(disconnected.length > 0 ? [`  no path    from the loss to ${disconnected.join(', ')}`] : []),
    ...result.notes.map((note) => `  note       ${note}`),
    '',
    ...usageLines(result, files[0]!, stateFile),
  ];
  return `${lines.join('\n')}\n`;
}

function gradientLine({ gradients }: DifferentiatedModel): string {
  const shown = [...gradients.values()];
  return `  outputs    loss and ${shown.length} ${shown.length === 1 ? 'gradient' : 'gradients'}: ${shown.slice(0, 3).join(', ')}${shown.length > 3 ? ', …' : ''}`;
}

function stepLines(step: NonNullable<DifferentiatedModel['step']>, loss: string): string[] {
  const parameters = step.state.filter(({ role }) => role === 'parameter');
  const others = step.state.length - parameters.length;
  const [first] = parameters;
  return [
    `             ${step.learningRateInput}, ${parameters.length} parameters${others > 0 ? ` and ${others} tensors of state` : ''}`,
    `  outputs    ${loss}, and what each of these becomes: ${first!.output} is the next run's ${first!.input}, …`,
  ];
}
