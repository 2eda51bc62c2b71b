import type { Command } from 'commander';
import { initialWeights, oneOf, wholeNumber } from '../options.ts';
import { checkOutput, type OutputOptions, terminalOptions, writeResult } from '../output.ts';

interface Options extends OutputOptions {
  readonly init?: string;
  readonly seed?: number;
  readonly modelOutput?: string;
  readonly format: (typeof formats)[number];
}

const formats = ['text', 'json'] as const;
const LARGEST_SEED = 2 ** 32 - 1;

const description =
  "Predicts the gradient's decay from the weights' variances alone: mean-field theory, " +
  'with depth scale, trainable depth and the critical initialization. No data, no run.';

const examples = `
Examples:
  gradient-doctor theory network.yaml
  gradient-doctor theory model.onnx --format json
  gradient-doctor theory network.yaml --init he       what if drawn so

Exit code: 0 done, 2 unusable input or usage.`;

/** Declares `theory <model>`. */
export function configure(command: Command): void {
  command
    .description(description)
    .argument('<model>', 'an ONNX model (.onnx) or a network in a few lines (.yaml, .json)')
    .option('--init <scheme>', 'predict for weights drawn anew: he, glorot, normal:0.02, …', initialWeights)
    .option('--seed <n>', 'of drawing them (default: 0)', wholeNumber('--seed', 0, LARGEST_SEED))
    .option('--model-output <name>', 'the output the gradient comes from (default: the first)')
    .option('--format <kind>', formats.join(', '), oneOf('--format', formats), 'text')
    .option('-o, --output <file>', 'write the report to a file instead of standard output')
    .option('--force', 'overwrite that file')
    .option('--verbose', 'on failure, show the stack for a bug report')
    .addHelpText('after', examples)
    .action((model: string, options: Options) => predict(model, options));
}

async function predict(path: string, options: Options): Promise<void> {
  await checkOutput(options);
  const { readModelSource } = await import('../../readers/index.ts');
  const { openSource } = await import('../../runtime/node/files.ts');
  const { theory } = await import('../../verbs/theory.ts');
  const { init, seed, modelOutput } = options;
  const model = await readModelSource(await openSource(path));
  const subject = await theory(model, { init, seed, output: modelOutput });
  const { renderTheory, renderTheoryJson } = await import('../../report/theory-report.ts');
  const text = options.format === 'json' ? renderTheoryJson(subject) : renderTheory(subject, terminalOptions(options));
  await writeResult(text, options);
}
