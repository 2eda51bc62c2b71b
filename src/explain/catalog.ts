import type { DiagnosisRule, RuleAbout } from '../diagnosis/finding.ts';
import { type RemedyId, remedyHints } from '../diagnosis/remedy-hints.ts';
import { rules } from '../diagnosis/rules/index.ts';
import { suggest } from '../graph/did-you-mean.ts';
import { UsageError } from '../graph/errors.ts';
import type { Topic, TopicFamily } from '../report/explanation.ts';
import { activationTexts } from './topics/activations.ts';
import { conceptTexts } from './topics/concepts.ts';
import { initializerTexts } from './topics/initializers.ts';
import { optimizerTexts } from './topics/optimizers.ts';
import { remedyTexts } from './topics/remedies.ts';
import type { RemedyText } from './topics/remedy-text.ts';

/** What the texts of all families have. */
type Text = Pick<Topic, 'title' | 'what' | 'formulas' | 'references'> & {
  readonly aliases?: readonly string[];
  readonly see?: readonly string[];
  readonly options?: string;
  readonly summary: string;
};

function topicOf(family: TopicFamily, id: string, text: Text): Topic {
  const { title, summary, what, formulas, references, aliases = [], see = [], options } = text;
  const facts = options === undefined ? [] : [{ label: 'options', text: options }];
  return { id, family, title, aliases, summary, what, formulas, facts, references, see };
}

function topicsOf<T extends Text>(family: TopicFamily, texts: Readonly<Record<string, T>>): Topic[] {
  return Object.entries<T>(texts).map(([id, text]) => topicOf(family, id, text));
}

function remedyTopic(id: string, { price, ...text }: RemedyText): Topic {
  const { action, changes } = remedyHints[id as RemedyId];
  const facts = [
    { label: 'changes', text: changes },
    { label: 'price', text: price },
  ];
  return { ...topicOf('remedy', id, { ...text, summary: action }), facts };
}

/** Other names of rules: the words of textbooks. */
const ruleAliases: Readonly<Record<string, readonly string[]>> = {
  'vanishing-gradient': ['vanishing', 'vanishing-gradients', 'vanishing-gradient-problem'],
  'exploding-gradient': ['exploding', 'exploding-gradients', 'exploding-gradient-problem'],
  'non-finite': ['nan', 'inf', 'infinity', 'overflow'],
  'dead-units': ['dead-relu', 'dying-relu'],
  'saturated-units': ['saturation'],
  'loss-plateau': ['plateau'],
  'loss-oscillation': ['oscillation'],
  'loss-divergence': ['divergence'],
  'stalled-layer': ['stalled-learning'],
  'gradient-distribution': ['gradient-histogram'],
};

function ruleTopic({ id, summary, about }: DiagnosisRule): Topic {
  const title = id === 'non-finite' ? 'Non-finite numbers' : id[0]!.toUpperCase() + id.slice(1).replaceAll('-', ' ');
  const aliases = ruleAliases[id] ?? [];
  const text = about
    ? {
        what: [about.meaning],
        formulas: [{ text: about.formula, symbols: about.symbols }],
        references: about.references,
      }
    : { what: [`Looks for ${summary}.`], formulas: [], references: [] };
  const topic = topicOf('rule', id, { ...text, title, summary, aliases, see: about?.remedies ?? [] });
  return { ...topic, facts: about ? factsOf(about) : [] };
}

function factsOf({ needs, severity, thresholds }: RuleAbout): Topic['facts'] {
  return [
    { label: 'needs', text: needs },
    { label: 'severity', text: severity },
    ...thresholds.map(({ name, value, source }) => ({ label: 'threshold', text: `${name}: ${value} (${source})` })),
  ];
}

/** Every topic, by family in the order of the overview. */
export const topics: readonly Topic[] = [
  ...topicsOf('concept', conceptTexts),
  ...rules.map(ruleTopic),
  ...Object.entries(remedyTexts).map(([id, text]) => remedyTopic(id, text)),
  ...topicsOf('activation', activationTexts),
  ...topicsOf('initializer', initializerTexts),
  ...topicsOf('optimizer', optimizerTexts),
];

const byName = new Map<string, Topic>();
for (const topic of topics) for (const name of topic.aliases) byName.set(keyOf(name), topic);
// Last: an id wins over another topic's alias.
for (const topic of topics) byName.set(keyOf(topic.id), topic);

/** The topic of a name or alias, however it is written (`ReLU`, `leaky_relu`). Throws UsageError with the nearest. */
export function findTopic(name: string): Topic {
  const found = byName.get(keyOf(name));
  if (found) return found;
  const names = topics.flatMap(({ id, aliases }) => [id, ...aliases]);
  const hint = suggest(keyOf(name), names).replace(/^known: .*/s, '`gradient-doctor explain` lists all topics');
  throw new UsageError(`no topic "${name}"`, { code: 'unknown-topic', where: 'explain', hint });
}

function keyOf(name: string): string {
  return name
    .trim()
    .toLowerCase()
    .replaceAll(/[\s_]+/g, '-');
}
