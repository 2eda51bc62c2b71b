import type { Command } from 'commander';
import type { Comparison } from '../../report/compare.ts';
import { declareMeasuring, declareThreads, type MeasureOptions, measuring } from '../measure-options.ts';
import { nonNegativeNumber, oneOf } from '../options.ts';
import { checkOutput, type OutputOptions, terminalOptions, writeResult } from '../output.ts';
import { Progress } from '../progress.ts';

interface Options extends OutputOptions, MeasureOptions {
  readonly format: (typeof formats)[number];
  readonly tolerance?: number;
  readonly check?: boolean;
  readonly allLayers?: boolean;
}

const formats = ['text', 'json', 'markdown'] as const;

const description =
  'Puts two models or two reports side by side and says what got better or worse from a to b, and by how many decades ' +
  '(powers of ten) of gradient. Models are diagnosed first, both with the same options; reports are taken as they are.';

const examples = `
A regression is a new error, an error that got worse, or a first layer whose
gradient is farther from the output's by more than --tolerance decades.

Examples:
  gradient-doctor compare before.onnx after.onnx --data mnist
  gradient-doctor compare main.json model.onnx --data mnist --check
  gradient-doctor compare a.json b.json --format markdown -o comment.md

Reports are written by gradient-doctor diagnose MODEL --format json.

Exit code: 0 done, 1 --check found a regression, 2 unusable input or usage.`;

/** Declares `compare <a> <b>`. */
export function configure(command: Command): void {
  const accepted = 'a model (.onnx, .yaml, .json) or a JSON report';
  declareMeasuring(
    command.description(description).argument('<a>', accepted).argument('<b>', 'what it is compared with'),
  )
    .option('--tolerance <decades>', 'a change up to this is none (default: 0.5)', nonNegativeNumber('--tolerance'))
    .option('--format <kind>', formats.join(', '), oneOf('--format', formats), 'text')
    .option('-o, --output <file>', 'write the comparison to a file instead of standard output')
    .option('--force', 'overwrite that file')
    .option('--check', 'exit with 1 on a regression from a to b')
    .option('--all-layers', 'show every layer, however many there are');
  declareThreads(command)
    .option('--verbose', 'on failure, show the stack for a bug report')
    .addHelpText('after', examples)
    .action((a: string, b: string, options: Options) => compareFiles(a, b, options));
}

async function compareFiles(a: string, b: string, options: Options): Promise<void> {
  await checkOutput(options);
  const progress = new Progress();
  progress.say('loading');
  try {
    const { compare, nodeRuntime } = await import('../../node.ts');
    const comparison = await compare(a, b, {
      ...measuring(options),
      runtime: nodeRuntime({ threads: options.threads }),
      tolerance: options.tolerance,
      onProgress: (message) => progress.say(message),
    });
    progress.end();
    await writeResult(await render(comparison, options), options);
    if (options.check && comparison.regressions.length > 0) process.exitCode = 1;
  } finally {
    progress.end();
  }
}

async function render(comparison: Comparison, options: Options): Promise<string> {
  if (options.format === 'json') return (await import('../../report/compare.ts')).renderComparisonJson(comparison);
  if (options.format === 'markdown') {
    return (await import('../../report/compare-markdown.ts')).renderComparisonMarkdown(comparison);
  }
  const { renderComparison } = await import('../../report/compare-terminal.ts');
  return renderComparison(comparison, { ...terminalOptions(options), allLayers: options.allLayers });
}
