import type { RuleId } from '../diagnosis/finding.ts';
import type { RemedyId } from '../diagnosis/remedy-hints.ts';
import { topics as allTopics, findTopic } from '../explain/catalog.ts';
import { activationTexts } from '../explain/topics/activations.ts';
import { UsageError } from '../graph/errors.ts';
import { parseInitialization } from '../random/parse-initialization.ts';
import type { Example, Explanation, Topic } from '../report/explanation.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { activationExample, compareActivations } from './examples/activations.ts';
import { type ChainOptions, chainExample } from './examples/chain.ts';
import { runComparison } from './examples/compare.ts';
import { conceptExamples } from './examples/concepts.ts';
import { compareInitializers, initializerExample } from './examples/initializers.ts';
import { compareOptimizers, optimizerExample } from './examples/optimizers.ts';
import { remedyCases } from './examples/remedies.ts';
import { ruleCases } from './examples/rules.ts';
import { batchExample, clippingExample, guardExample } from './examples/training.ts';

export interface ExplainOptions {
  readonly runtime: Runtime;
  /** False: texts only, nothing is run. Default true. */
  readonly examples?: boolean;
  /** What `chain-rule` walks. */
  readonly chain?: ChainOptions;
}

/** Every topic, by family, without examples. */
export function listTopics(): readonly Topic[] {
  return allTopics;
}

/**
 * Explains topics by name or alias: what, formulas with their symbols, references, and a worked example that the engine
 * computes. Several of one family come side by side. Throws UsageError for an unknown topic or an option out of range.
 */
export async function explain(names: readonly string[], options: ExplainOptions): Promise<Explanation> {
  const { runtime, examples = true, chain } = options;
  const found = [...new Set(names.map(findTopic))];
  if (chain && !found.some(({ id }) => id === 'chain-rule')) {
    const given = Object.keys(chain).map((key) => `--${key}`);
    throw new UsageError(`${given.join(', ')} belong${given.length === 1 ? 's' : ''} to chain-rule`, {
      code: 'option-value',
      where: 'explain',
      hint: 'gradient-doctor explain chain-rule --activation sigmoid --layers 20',
    });
  }
  if (!examples) return { topics: found.map((topic) => ({ topic })) };
  const compare = comparisons[found[0]!.family];
  if (compare && found.every(({ family }) => family === found[0]!.family) && comparable(found) > 1) {
    const comparison = await compare(
      runtime,
      found.map(({ id }) => id),
    );
    return { topics: found.map((topic) => ({ topic })), comparison };
  }
  const explained: Explanation['topics'][number][] = [];
  for (const topic of found) {
    explained.push({ topic, example: await exampleOf(runtime, topic, chain && checkChain(chain)) });
  }
  return { topics: explained };
}

const comparisons: Partial<Record<Topic['family'], (runtime: Runtime, ids: readonly string[]) => Promise<Example>>> = {
  activation: compareActivations,
  initializer: compareInitializers,
  optimizer: compareOptimizers,
};

/** Topics that have something to compare: softmax acts on no unit alone. */
function comparable(found: readonly Topic[]): number {
  return found.filter(({ family, id }) => family !== 'activation' || activationTexts[id]!.elementwise).length;
}

/** Remedies whose example is no comparison of two diagnoses. */
const trainingExamples: Partial<Record<RemedyId, (runtime: Runtime) => Promise<Example>>> = {
  'clip-gradient-norm': clippingExample,
  'larger-batch': batchExample,
  'guard-operator': guardExample,
};

async function exampleOf(runtime: Runtime, { id, family }: Topic, chain?: ChainOptions): Promise<Example | undefined> {
  switch (family) {
    case 'activation':
      return activationExample(runtime, id);
    case 'initializer':
      return initializerExample(runtime, id);
    case 'optimizer':
      return optimizerExample(runtime, id);
    case 'rule':
      return runComparison(runtime, ruleCases[id as RuleId](), id);
    case 'remedy': {
      const own = trainingExamples[id as RemedyId];
      if (own) return own(runtime);
      const comparison = remedyCases[id as RemedyId];
      return comparison && runComparison(runtime, comparison());
    }
    case 'concept':
      return id === 'chain-rule' ? chainExample(runtime, chain) : conceptExamples[id]?.(runtime);
  }
}

/** Resolves names within the options of a chain. Throws UsageError. */
function checkChain(chain: ChainOptions): ChainOptions {
  const { activation, init } = chain;
  if (init !== undefined) parseInitialization(init, '--init');
  if (activation === undefined) return chain;
  const topic = findTopic(activation);
  if (topic.family !== 'activation' || topic.id.includes('softmax')) {
    throw new UsageError(`"${activation}" is no elementwise activation`, {
      code: 'option-value',
      where: '--activation',
      hint: 'such as sigmoid, tanh, relu, gelu',
    });
  }
  return { ...chain, activation: topic.id };
}
