import { basename } from 'node:path';
import type { Command } from 'commander';
import { UsageError } from '../../graph/errors.ts';
import { type LossKind, lossKinds } from '../../training/losses.ts';
import type { DifferentiatedModel } from '../../verbs/differentiate.ts';
import { collect, oneOf, wholeNumber } from '../options.ts';
import { checkOutput } from '../output.ts';
import { Progress } from '../progress.ts';

interface Options {
  readonly wrt: string[];
  readonly loss: LossKind | 'auto';
  readonly modelOutput?: string;
  readonly batch?: number;
  readonly shape?: string[];
  readonly output?: string;
  readonly force?: boolean;
  readonly threads?: number;
}

const losses = ['auto', ...lossKinds] as const;

const description = `Writes the model with its loss and backward pass as one plain ONNX file of standard operators:
inputs as before plus the target, outputs as before plus "loss" and one "grad:<name>" per
requested value. Stock onnxruntime runs it in Python, JavaScript, C++ and the browser.`;

const examples = `
Examples:
  gradient-doctor differentiate model.onnx --batch 32 --output gradient.onnx
  gradient-doctor differentiate model.onnx --wrt inputs          saliency, adversarial examples
  gradient-doctor differentiate model.onnx --wrt conv1.weight /layer4/Relu_output_0
  gradient-doctor differentiate model.onnx --shape tokens=8,128  where more than the batch is open`;

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
    .option('-o, --output <file>', 'where to write (default: <model>.gradient.onnx in this folder)')
    .option('--force', 'overwrite that file')
    .option('--threads <n>', 'threads of the runtime (default: the number of cores)', wholeNumber('--threads', 1, 1024))
    .option('--verbose', 'on failure, show the stack for a bug report')
    .addHelpText('after', examples)
    .action((model: string, options: Options) => differentiateFile(model, options));
}

async function differentiateFile(path: string, options: Options): Promise<void> {
  const output = options.output ?? `${basename(path).replace(/\.(onnx|ya?ml|json)$/i, '')}.gradient.onnx`;
  await checkOutput({ output, force: options.force });
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
    });
    const files = await writeModel(result.model, output, { overwrite: options.force });
    progress.end();
    process.stdout.write(describe(result, files));
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

function describe(result: DifferentiatedModel, files: readonly string[]): string {
  const { nodesBefore, nodesAfter, plan, gradients, disconnected, target, model } = result;
  const inputs = model.graph.inputs.map(({ name, type, shape }) => ({
    name,
    text: `${name}: ${type} [${shape?.join(', ')}]`,
  }));
  const operators = Object.entries(result.operators)
    .slice(0, 12)
    .map(([op, count]) => `${count} ${op}`)
    .join(', ');
  const more = Object.keys(result.operators).length - 12;
  const shown = [...gradients.values()];
  const lines = [
    `written to ${files.join(', ')}`,
    '',
    `  loss       ${plan.reason}`,
    `  nodes      ${nodesBefore} forward, ${nodesAfter} with loss and backward pass`,
    `  operators  ${operators}${more > 0 ? `, ${more} more` : ''}`,
    `  inputs     ${inputs.map(({ text }) => text).join('\n             ')}`,
    `  outputs    loss and ${shown.length} gradients: ${shown.slice(0, 3).join(', ')}${shown.length > 3 ? ', …' : ''}`,
    ...(disconnected.length > 0 ? [`  no path    from the loss to ${disconnected.join(', ')}`] : []),
    ...result.notes.map((note) => `  note       ${note}`),
    '',
    ...pythonLines(
      files[0]!,
      model.graph.inputs.map(({ name }) => name),
      target,
      shown,
    ),
    '',
    ...javascriptLines(
      files[0]!,
      model.graph.inputs.map(({ name }) => name),
      shown,
    ),
  ];
  return `${lines.join('\n')}\n`;
}

function pythonLines(
  file: string,
  inputs: readonly string[],
  target: string | undefined,
  gradients: readonly string[],
): string[] {
  const feeds = inputs.map((name) => `${JSON.stringify(name)}: ${name === target ? 'labels' : 'x'}`).join(', ');
  return [
    '  Python      import onnxruntime as ort',
    `              session = ort.InferenceSession(${JSON.stringify(file)})`,
    `              loss, gradient = session.run(["loss", ${JSON.stringify(gradients[0] ?? 'loss')}], {${feeds}})`,
  ];
}

function javascriptLines(file: string, inputs: readonly string[], gradients: readonly string[]): string[] {
  const feeds = inputs.map((name) => `${JSON.stringify(name)}: tensor`).join(', ');
  return [
    "  JavaScript  import * as ort from 'onnxruntime-node'",
    `              const session = await ort.InferenceSession.create(${JSON.stringify(file)})`,
    `              const results = await session.run({${feeds}})`,
    `              results[${JSON.stringify(gradients[0] ?? 'loss')}].data`,
  ];
}
