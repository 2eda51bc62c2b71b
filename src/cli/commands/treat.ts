import type { Command } from 'commander';
import { UsageError } from '../../graph/errors.ts';
import type { Treatment } from '../../report/treatment/treatment.ts';
import { type Framework, frameworks } from '../../report/treatment/words.ts';
import { dataSetsHelp } from '../data-sets-help.ts';
import { declareSubject, declareThreads, type MeasureOptions } from '../measure-options.ts';
import { fractionNumber, oneOf, wholeNumber } from '../options.ts';
import type { OutputOptions } from '../output.ts';
import { queueOption } from '../queue-option.ts';

export const formats = ['text', 'json', 'markdown', 'html'] as const;
export type Format = (typeof formats)[number];

/** What decides on the trials: kept in the run folder, and taken from there when it is resumed. */
export interface RunOptions extends MeasureOptions {
  readonly budget?: Budget;
  readonly seeds?: number;
  readonly samples?: number;
  readonly validation?: number;
  readonly remedy?: readonly (readonly string[])[];
  readonly anyway?: boolean;
}

/** What belongs to one call. */
export interface CallOptions extends OutputOptions {
  readonly out?: string;
  readonly resume?: boolean;
  readonly queue?: string;
  readonly workers?: number;
  readonly framework?: Framework | 'all';
  readonly format: Format;
  readonly check?: boolean;
}

export interface Budget {
  readonly seconds?: number;
  readonly trials?: number;
  /** As it was written. */
  readonly text: string;
}

const description =
  'Redesigns a sick network and proves the redesign: diagnoses it, applies the remedies that fit, trains the network ' +
  'as it is and each candidate on your data with the same seeds and rows, and keeps the smallest change that is ' +
  'better beyond chance.';

const examples = `
${dataSetsHelp()}

Examples:
  gradient-doctor treat model.onnx --data mnist --budget 60s
  gradient-doctor treat model.onnx --input x.npy --target y.npy --budget 10m
  gradient-doctor treat network.yaml --data train.csv --out runs/redesign
  gradient-doctor treat network.yaml --out runs/redesign --resume
  gradient-doctor treat model.onnx --data mnist --seeds 5 --steps 1000 \\
      --remedy use-relu+add-batch-norm --remedy use-he-init
  gradient-doctor treat model.onnx --data mnist --queue redis://host:6379
  gradient-doctor treat model.onnx --data mnist --format html -o treatment.html
  gradient-doctor treat model.onnx                 no data: gradient health only

The redesigned network is written beside the model as NAME.treated.onnx, or with
--out to the run folder with the reports (report.html, .md, .json) and every
trial (trials.jsonl). It holds starting weights, ready to train: the report has
the command, and the change as code for your framework.

Exit code: 0 done, 1 --check and a sick network that nothing was found to help,
2 unusable input or usage, 130 interrupted, with a report of what is known.`;

/** Declares `treat <model>`. */
export function configure(command: Command): void {
  declareSubject(
    command
      .description(description)
      .argument('<model>', 'an ONNX model (.onnx) or a network in a few lines (.yaml, .json)'),
  )
    .option('--budget <limit>', 'time or trials: 90s, 10m, 1h, 40trials, 10m,40trials (default: 120s)', parseBudget)
    .option('--seeds <n>', 'trainings of each finalist (default: 3)', wholeNumber('--seeds', 1, 100))
    .option(
      '--steps <n>',
      'steps of the last round (default: what the budget allows)',
      wholeNumber('--steps', 1, 1_000_000),
    )
    .option('--samples <n>', 'rows taken in all, drawn by the seed', wholeNumber('--samples', 1, 1e9))
    .option(
      '--validation <part>',
      'part of the rows held out to judge by (default: 0.2)',
      fractionNumber('--validation'),
    )
    .option('--remedy <a+b>', 'try exactly this plan; repeat for several', collectPlan)
    .option('--anyway', 'try remedies although nothing is found wrong')
    .option('--out <folder>', 'keep the trials, the reports and the redesigned network in a folder')
    .option('--resume', 'go on with the trials in that folder, with its own options where none are given')
    .addOption(queueOption('run the trials on the workers of a Redis or Valkey server (gradient-doctor worker)'))
    .option(
      '--workers <n>',
      'worker threads of this machine, whatever the environment says (default: the physical cores)',
      wholeNumber('--workers', 1, 1024),
    )
    .option(
      '--framework <name>',
      `whose code the change is shown in: ${frameworks.join(', ')}, all`,
      oneOf('--framework', [...frameworks, 'all']),
    )
    .option('--format <kind>', formats.join(', '), oneOf('--format', formats), 'text')
    .option('-o, --output <file>', 'write the report to a file instead of standard output')
    .option('--force', 'overwrite files that exist, and the trials of that folder')
    .option('--check', 'exit with 1 when a sick network was not improved');
  declareThreads(command)
    .option('--verbose', 'on failure, show the stack for a bug report')
    .addHelpText('after', examples)
    .action(async (model: string, all: RunOptions & CallOptions) => {
      const { treatFile } = await import('../treat-file.ts');
      const options = withQueue(all, command.getOptionValueSource('queue'));
      const given = Object.fromEntries(
        Object.entries(options).filter(([name]) => command.getOptionValueSource(name) !== 'default'),
      );
      const treatment = await treatFile(model, options, given);
      if (options.check && treatment && !isGood(treatment)) process.exitCode ??= 1;
    });
}

/** The environment's queue is for calls that say nothing else: `--workers` are threads of this machine. */
function withQueue<T extends CallOptions>(options: T, source: string | undefined): T {
  const unused = source === 'env' && (options.queue === '' || options.workers !== undefined);
  return unused ? { ...options, queue: undefined } : options;
}

/** Whether a pipeline may go on: nothing was wrong, or it was improved. */
function isGood({ outcome }: Treatment): boolean {
  return outcome === 'healthy' || outcome === 'improved';
}

/** `90s`, `10m`, `1.5h`, `40trials`, or a time and trials with a comma between. Throws UsageError. */
export function parseBudget(text: string): Budget {
  const units: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600 };
  let [seconds, trials]: (number | undefined)[] = [];
  for (const part of text.split(',')) {
    const [, digits = '', unit = ''] = /^\s*(\d+(?:\.\d+)?)\s*(s|m|h|trials?)\s*$/.exec(part) ?? [];
    const value = Number(digits);
    const isTrials = unit.startsWith('trial');
    const fits = value > 0 && value <= 1e7 && (!isTrials || Number.isInteger(value));
    if (digits === '' || !fits || (isTrials ? trials : seconds) !== undefined) {
      throw new UsageError(`"${text}" is not possible`, {
        code: 'option-value',
        where: '--budget',
        hint: 'a time or a number of trials: 90s, 10m, 1h, 40trials, or 10m,40trials',
      });
    }
    if (isTrials) trials = value;
    else seconds = value * units[unit]!;
  }
  return { text, ...(seconds !== undefined && { seconds }), ...(trials !== undefined && { trials }) };
}

function collectPlan(text: string, before: readonly (readonly string[])[] = []): string[][] {
  const ids = text.split('+').map((id) => id.trim());
  if (ids.includes('')) {
    throw new UsageError(`"${text}" is not possible`, {
      code: 'option-value',
      where: '--remedy',
      hint: 'remedies by their ids, joined by +: use-relu+add-batch-norm',
    });
  }
  return [...before.map((plan) => [...plan]), ids];
}
