import type { Command } from 'commander';
import { UsageError } from '../../graph/errors.ts';
import type { Explanation, Topic } from '../../report/explanation.ts';
import { oneOf, wholeNumber } from '../options.ts';
import { checkOutput, type OutputOptions, terminalOptions, writeResult } from '../output.ts';
import { Progress } from '../progress.ts';

interface Options extends OutputOptions {
  readonly activation?: string;
  readonly layers?: number;
  readonly width?: number;
  readonly init?: string;
  readonly seed?: number;
  readonly format: (typeof formats)[number];
}

const formats = ['text', 'markdown', 'json'] as const;
const LARGEST_SEED = 2 ** 32 - 1;

const description =
  'Explains a rule, a remedy, an activation, an initialization, an optimizer or an idea: what it is, its formula with ' +
  'every symbol named, and an example that is computed while you wait. Without a topic it lists them.';

const examples = `
Examples:
  gradient-doctor explain                       all topics
  gradient-doctor explain sigmoid tanh relu     side by side
  gradient-doctor explain vanishing-gradient
  gradient-doctor explain he
  gradient-doctor explain chain-rule --activation sigmoid --layers 20`;

/** Declares `explain [topics...]`. */
export function configure(command: Command): void {
  command
    .description(description)
    .argument('[topics...]', 'names or other names of topics; several of one family are compared')
    .option('--activation <name>', 'for chain-rule: the activation (default: sigmoid)')
    .option('--layers <n>', 'for chain-rule: layers of the chain (default: 10)', wholeNumber('--layers', 1, 200))
    .option('--width <n>', 'for chain-rule: units of each layer (default: 1)', wholeNumber('--width', 1, 1024))
    .option('--init <scheme>', 'for chain-rule: weights drawn by a scheme (default: identity, all 1)')
    .option('--seed <n>', 'for chain-rule: of the weights (default: 0)', wholeNumber('--seed', 0, LARGEST_SEED))
    .option('--format <kind>', formats.join(', '), oneOf('--format', formats), 'text')
    .option('-o, --output <file>', 'write to a file instead of standard output')
    .option('--force', 'overwrite that file')
    .option('--verbose', 'on failure, show the stack for a bug report')
    .addHelpText('after', examples)
    .action((topics: string[], options: Options) => explainTopics(topics, options));
}

async function explainTopics(names: readonly string[], options: Options): Promise<void> {
  await checkOutput(options);
  const { activation, layers, width, init, seed } = options;
  const chain = Object.fromEntries(
    Object.entries({ activation, layers, width, init, seed }).filter(([, value]) => value !== undefined),
  );
  const given = Object.keys(chain).length > 0;
  const { listTopics } = await import('../../verbs/explain.ts');
  if (names.length === 0) {
    if (given) {
      throw new UsageError(`--${Object.keys(chain)[0]} belongs to a topic`, {
        code: 'usage',
        hint: 'explain chain-rule',
      });
    }
    await writeResult(await renderList(listTopics(), options), options);
    return;
  }
  const progress = new Progress();
  progress.say('computing the example');
  try {
    const { explain } = await import('../../node.ts');
    const explanation = await explain(names, given ? { chain } : {});
    progress.end();
    await writeResult(await render(explanation, options), options);
  } finally {
    progress.end();
  }
}

async function render(explanation: Explanation, options: Options): Promise<string> {
  if (options.format === 'json') {
    return (await import('../../report/explanation-json.ts')).renderExplanationJson(explanation);
  }
  if (options.format === 'markdown') {
    return (await import('../../report/explanation-markdown.ts')).renderExplanationMarkdown(explanation);
  }
  return (await import('../../report/explanation-text.ts')).renderExplanation(explanation, terminalOptions(options));
}

async function renderList(topics: readonly Topic[], options: Options): Promise<string> {
  if (options.format === 'json') return (await import('../../report/explanation-json.ts')).renderTopicsJson(topics);
  if (options.format === 'markdown') {
    return (await import('../../report/explanation-markdown.ts')).renderTopicsMarkdown(topics);
  }
  return (await import('../../report/explanation-text.ts')).renderTopics(topics, terminalOptions(options));
}
