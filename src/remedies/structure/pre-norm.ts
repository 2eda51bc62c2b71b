import { effectiveDecades } from '../../diagnosis/decay.ts';
import { findComposites } from '../../flow/composites.ts';
import type { Model, Node } from '../../graph/graph.ts';
import { consumers } from '../../graph/graph.ts';
import { findParameters } from '../../graph/parameters.ts';
import { findResidualBranches } from '../../graph/residual-branches.ts';
import { filledTensor } from '../../graph/tensor.ts';
import { has } from '../patient.ts';
import { type Patient, type Remedy, RemedyError } from '../remedy.ts';
import { GraphEditor } from '../rewrite/editor.ts';
import { preNormPatch } from './pre-norm-patch.ts';
import { some } from './words.ts';

/** x ← norm(x + F(x)): a residual block whose sum goes into a layer normalization and nowhere else. */
interface PostNormBlock {
  /** x. */
  readonly input: string;
  /** x + F(x), the node that adds, and F(x). */
  readonly sum: string;
  readonly add: string;
  readonly end: string;
  /** What the normalization makes of it. */
  readonly output: string;
  /** Nodes of the normalization: one, or the several an exporter wrote it out as. */
  readonly norm: readonly string[];
  /** Nodes of F. */
  readonly branch: ReadonlySet<string>;
  readonly scale: string;
  readonly epsilon: number;
}

/** Added to the variance where the normalization is written out: PyTorch's default. */
const EPSILON = 1e-5;

/** Finds the normalization that alone reads a value, besides one node that may: its nodes, none where there is no such. */
function normFinder({ graph }: Model): (value: string, besides?: Node) => readonly Node[] {
  const readers = consumers(graph);
  const byName = new Map(graph.nodes.map((node) => [node.name, node]));
  const written = new Map(
    findComposites(graph)
      .filter(({ id }) => id === 'layer-norm' || id === 'rms-norm')
      .map((block) => [block.input, block.nodes]),
  );
  return (value, besides) => {
    const reading = new Set((readers.get(value) ?? []).map(({ node }) => node));
    if (besides) reading.delete(besides);
    const nodes = written.get(value);
    if (nodes && [...reading].every(({ name }) => nodes.includes(name))) return nodes.map((name) => byName.get(name)!);
    return reading.size === 1 ? [...reading].filter(({ op }) => /^(Layer|RMS)Normalization$/.test(op)) : [];
  };
}

/** Chains of post-norm blocks, each of which reads what the one before gives. */
function findPostNorm(model: Model): PostNormBlock[][] {
  const { graph } = model;
  const normOf = normFinder(model);
  const parameters = new Set(findParameters(model));
  const blocks = findResidualBranches(graph, [...parameters]).flatMap(
    ({ add, input, branch, shortcut }): PostNormBlock[] => {
      const sum = add.outputs[0]!;
      const norm = normOf(sum);
      const scale = norm.flatMap(({ inputs }) => inputs).find((name) => parameters.has(name));
      if (norm.length === 0 || scale === undefined || shortcut.length > 0) return [];
      // Behind the last pre-norm block stands a normalization too: it is where it belongs.
      if (normOf(input, add).length > 0) return [];
      const { epsilon } = norm[0]!.attributes;
      return [
        {
          input,
          sum,
          add: add.name,
          end: add.inputs.find((name) => name !== input)!,
          output: norm.at(-1)!.outputs[0]!,
          norm: norm.map(({ name }) => name),
          branch: new Set(branch.map(({ name }) => name)),
          scale,
          epsilon: typeof epsilon === 'number' ? epsilon : EPSILON,
        },
      ];
    },
  );
  const chains: PostNormBlock[][] = [];
  for (const block of blocks) {
    const chain = chains.find((one) => one.at(-1)!.output === block.input);
    if (chain) chain.push(block);
    else chains.push([block]);
  }
  return chains;
}

/**
 * `encoder.layers.0.norm1.weight` → `encoder.norm`: what PyTorch calls a normalization behind all layers;
 * `blocks.1.norm2.weight` → `blocks.1.norm`, as the patch hangs it on the last of layers without an encoder.
 */
function finalNormName(scale: string): string {
  const [, layer] = /^(.+)\.norm\d\.weight$/.exec(scale) ?? [];
  if (layer !== undefined && !/.\.layers\.\d+$/.test(layer)) return `${layer}.norm`;
  const parts = scale.split('.').slice(0, -1);
  const place = parts.findIndex((part) => /^\d+$/.test(part));
  const owner = place < 0 ? parts.slice(0, -1) : parts.slice(0, place);
  if (owner.at(-1) === 'layers') owner.pop();
  return [...owner, 'norm'].join('.');
}

/** x ← x + F(norm(x)), and one normalization behind the last block. */
function moveNorms(model: Model): Model {
  const chains = findPostNorm(model);
  if (chains.length === 0) {
    throw new RemedyError('use-pre-norm found no residual block with a layer normalization behind its sum', {
      code: 'remedy-place',
      where: model.name,
    });
  }
  const normOf = normFinder(model);
  const editor = new GraphEditor(model);
  for (const chain of chains) {
    const last = chain.at(-1)!;
    // A normalization behind the last block's own may be there already.
    const isFinal = normOf(last.output).length > 0;
    const name = finalNormName(last.scale);
    const { type, dims } = model.graph.initializers.get(last.scale)!;
    // Behind the last normalization, which is about to move away: its readers read the stream, normalized once more.
    const addFinal = (X: string) => {
      const scale = editor.parameter(`${name}.weight`, filledTensor(type, dims, 1));
      const bias = editor.parameter(`${name}.bias`, filledTensor(type, dims, 0));
      const [final] = editor.add('LayerNormalization', [X, scale, bias], name, {
        axis: -dims.length,
        epsilon: last.epsilon,
      });
      return final!;
    };
    if (!isFinal) editor.insertAfter(last.output, addFinal);
    const { nodes } = editor.graph;
    for (const block of chain) {
      const norm = nodes.filter((node) => block.norm.includes(node.name));
      const output = norm.at(-1)!.outputs[0]!;
      replace(
        nodes.filter((node) => !norm.includes(node)),
        output,
        block.sum,
      );
      const input = chain.indexOf(block) === 0 ? block.input : chain[chain.indexOf(block) - 1]!.sum;
      replace(norm, block.sum, input);
      replace(
        nodes.filter(({ name: node }) => block.branch.has(node)),
        input,
        output,
      );
    }
  }
  return editor.done();
}

function replace(nodes: readonly Node[], value: string, by: string): void {
  for (const node of nodes) node.inputs = node.inputs.map((input) => (input === value ? by : input));
}

/**
 * Each branch reads a normalized x before and after the change, so that its gains stay as they were measured: forward
 * v = E[F²], back b = ‖Jᵀg‖² / ‖g‖². With σ² = E[x₀²] + Σ v of the blocks before, the stream takes
 * Σ ½ log₁₀ (1 + b / σ²) − log₁₀ σ of all blocks.
 */
function predict({ design, profile, diagnosis }: Patient): number | undefined {
  const measured = diagnosis.attribution && effectiveDecades(diagnosis.attribution.byKind);
  if (measured === undefined) return undefined;
  const values = new Map(profile.values.map((value) => [value.name, value]));
  const square = (name: string) => {
    const { l2, count } = values.get(name)?.value ?? { l2: Number.NaN, count: 1 };
    return (l2 * l2) / count;
  };
  const decades = (name: string) => values.get(name)?.decadesFromOutput ?? Number.NaN;
  let predicted = measured;
  for (const chain of findPostNorm(design.model)) {
    const start = chain[0]!.input;
    let sigma2 = square(start);
    predicted += decades(chain.at(-1)!.output) - decades(start);
    for (const { input, sum, add, end } of chain) {
      const back = profile.edges
        .filter((edge) => edge.value === input && edge.node !== add && !edge.inner)
        .reduce((total, edge) => total + 10 ** (2 * (edge.log10L2 - values.get(sum)!.gradient.log10L2)), 0);
      predicted += 0.5 * Math.log10(1 + back / sigma2);
      sigma2 += square(end);
    }
    predicted -= 0.5 * Math.log10(sigma2);
  }
  return Number.isFinite(predicted) ? predicted : undefined;
}

const sickness = [
  'vanishing-gradient',
  'exploding-gradient',
  'poor-initialization',
  'stalled-layer',
  'overlarge-update',
  'slow-convergence',
  'loss-plateau',
  'loss-oscillation',
  'loss-divergence',
] as const;

export const usePreNorm: Remedy = {
  id: 'use-pre-norm',
  title: 'normalization before each residual branch instead of behind its sum',
  changes: 'changes-model',
  why: 'Behind the sum, every normalization multiplies the whole gradient by 1/σ of x + F(x), about 1/√2 a block. Before the branch the stream is x + F(norm x): its Jacobian keeps the term I, whatever the depth, and no warm-up is needed.',
  removes: ['normalization', 'depth'],
  conflicts: [],
  references: [
    'Xiong et al. 2020, On Layer Normalization in the Transformer Architecture',
    'Nguyen & Salazar 2019, Transformers without Tears',
  ],
  applies(patient) {
    // Its gradients look well before the first step: what shows is that training does not get on.
    if (!has(patient, ...sickness)) return undefined;
    const blocks = findPostNorm(patient.design.model).flat();
    if (blocks.length === 0) return undefined;
    const names = some(blocks.map(({ scale }) => scale.replace(/\.[^.]*$/, '')));
    return `${blocks.length} residual ${blocks.length === 1 ? 'sum goes' : 'sums go'} through a normalization: ${names}.`;
  },
  apply: (design) => ({ ...design, model: moveNorms(design.model) }),
  predict,
  patch({ design: { model } }) {
    const normOf = normFinder(model);
    const chains = findPostNorm(model).map((chain) => ({
      scales: chain.map(({ scale }) => scale),
      endsNormalized: normOf(chain.at(-1)!.output).length > 0,
    }));
    return preNormPatch(chains);
  },
};
