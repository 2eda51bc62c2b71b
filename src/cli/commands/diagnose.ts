import type { Command } from 'commander';
import { UsageError } from '../../graph/errors.ts';
import type { ReportSubject } from '../../report/subject.ts';
import { dataSetsHelp } from '../data-sets-help.ts';
import { commandOf, declareMeasuring, declareThreads, type MeasureOptions, measuring } from '../measure-options.ts';
import { oneOf } from '../options.ts';
import { checkOutput, type OutputOptions, terminalOptions, writeResult } from '../output.ts';
import { Progress } from '../progress.ts';
import { readVersion } from '../version.ts';

interface Options extends OutputOptions, MeasureOptions {
  readonly format: (typeof formats)[number];
  readonly check?: boolean;
  readonly allLayers?: boolean;
  readonly series?: string;
}

const formats = ['text', 'json', 'markdown', 'html'] as const;

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
  gradient-doctor diagnose model.onnx --format html -o report.html
  gradient-doctor diagnose model.onnx --format markdown --series numbers.csv

Exit code: 0 done, 1 --check found an error, 2 unusable input or usage.`;

/** Declares `diagnose <model>`. */
export function configure(command: Command): void {
  declareMeasuring(
    command
      .description(description)
      .argument('<model>', 'an ONNX model (.onnx) or a network in a few lines (.yaml, .json)'),
  )
    .option('--format <kind>', formats.join(', '), oneOf('--format', formats), 'text')
    .option('-o, --output <file>', 'write the report to a file instead of standard output')
    .option('--force', 'overwrite files that exist')
    .option('--series <file>', 'also write every number as a table to plot: .csv or .json (docs/series.md)', seriesFile)
    .option('--check', 'exit with 1 when a finding is an error')
    .option('--all-layers', 'show every layer, however many there are');
  declareThreads(command)
    .option('--verbose', 'on failure, show the stack for a bug report')
    .addHelpText('after', examples)
    .action((model: string, options: Options) => diagnoseFile(model, options));
}

async function diagnoseFile(path: string, options: Options): Promise<void> {
  await checkOutput(options);
  await checkOutput({ ...options, output: options.series });
  if (options.output !== undefined && options.output === options.series) {
    throw new UsageError('names the same file as --output', { code: 'option-value', where: '--series' });
  }
  const progress = new Progress();
  progress.say('loading');
  try {
    const { diagnose, nodeRuntime } = await import('../../node.ts');
    const subject = await diagnose(path, {
      ...measuring(options),
      runtime: nodeRuntime({ threads: options.threads }),
      onProgress: (message) => progress.say(message),
      command: commandOf(['diagnose', path], options),
    });
    progress.end();
    if (options.series !== undefined) await writeSeries(subject, options.series, options);
    await writeResult(await render(subject, options), options);
    const failed = subject.diagnosis.findings.some(({ severity }) => severity === 'error');
    if (options.check && failed) process.exitCode = 1;
  } finally {
    progress.end();
  }
}

async function writeSeries(subject: ReportSubject, output: string, { force }: Options): Promise<void> {
  const { renderSeries } = await import('../../report/series.ts');
  await writeResult(renderSeries(subject, seriesFormatOf(output)!), { output, force });
}

function seriesFormatOf(path: string): 'csv' | 'json' | undefined {
  return (['csv', 'json'] as const).find((format) => path.toLowerCase().endsWith(`.${format}`));
}

/** Checks the file's ending before anything is read. */
function seriesFile(path: string): string {
  if (seriesFormatOf(path) !== undefined) return path;
  const hint = 'expected a name that ends in .csv or .json';
  throw new UsageError(`"${path}" names no known format`, { code: 'option-value', where: '--series', hint });
}

async function render(subject: ReportSubject, options: Options): Promise<string> {
  if (options.format === 'json') return (await import('../../report/json.ts')).renderJson(subject);
  if (options.format === 'html') return (await import('../../report/html/index.ts')).renderHtml(subject);
  if (options.format === 'markdown') {
    return (await import('../../report/markdown.ts')).renderMarkdown(subject, { version: readVersion() });
  }
  const { renderTerminal } = await import('../../report/terminal.ts');
  return renderTerminal(subject, { ...terminalOptions(options), allLayers: options.allLayers });
}
