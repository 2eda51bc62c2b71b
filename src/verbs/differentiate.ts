import { differentiate as appendBackward, type BackwardGraph } from '../autodiff/differentiate.ts';
import { fixedBatchOf, makeBatch } from '../data/index.ts';
import { isFloat } from '../graph/data-type.ts';
import { suggest } from '../graph/did-you-mean.ts';
import { UsageError } from '../graph/errors.ts';
import {
  type Binding,
  countOperators,
  type Graph,
  type Model,
  type Node,
  producers,
  type ValueInfo,
} from '../graph/graph.ts';
import { findParameters } from '../graph/parameters.ts';
import { pruneGraph } from '../graph/prune.ts';
import { renameNode } from '../graph/rename.ts';
import { dependentOn } from '../graph/subgraphs.ts';
import { type Tensor, tensorOf } from '../graph/tensor.ts';
import { withoutAliases } from '../runtime/aliases.ts';
import { bindShapes } from '../runtime/bind.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { attachLoss, type LossKind, type LossPlan, planLoss } from '../training/losses.ts';
import type { OptimizerChoice } from '../training/optimizers/index.ts';
import { buildTrainingStep } from '../training/step.ts';
import { noteQuantization } from './export-notes.ts';
import { lossKindOf, vocabularies } from './model-hints.ts';
import { requestShapes } from './request-shapes.ts';
import { stepModel, type WrittenStep } from './step-file.ts';

export interface DifferentiateOptions {
  readonly runtime: Runtime;
  /** What to differentiate with respect to: all parameters, all float inputs, or values by name. */
  readonly wrt?: readonly string[];
  readonly loss?: LossKind | 'auto';
  /** Name of the output to compute the loss from; default the first float output. */
  readonly output?: string;
  /** Size of open batch dimensions, default 1: the written graph has fixed shapes. */
  readonly size?: number;
  /** Writes a whole training step: gradients go into this optimizer instead of outputs. `wrt` must be parameters. */
  readonly optimizer?: OptimizerChoice;
  /** What the step is described with: its learning rate is an input. Default the optimizer's usual one. */
  readonly learningRate?: number;
  /** Whole shapes of inputs by name, where the model leaves more than the batch open. */
  readonly shapes?: ReadonlyMap<string, readonly number[]>;
}

/** A model with its loss and backward pass, and what was done to make it. */
export interface DifferentiatedModel {
  readonly model: Model;
  readonly loss: string;
  readonly plan: LossPlan;
  /** Name of the input that takes the target; undefined when the model's output is the loss. */
  readonly target: string | undefined;
  /** Value → output that holds its gradient (`grad:<value>`); none where an optimizer takes them. */
  readonly gradients: ReadonlyMap<string, string>;
  /** With an optimizer: its state, which goes in and comes back. */
  readonly step?: WrittenStep;
  /** Requested values that no path leads to from the loss: they have no gradient output. */
  readonly disconnected: readonly string[];
  readonly nodesBefore: number;
  readonly nodesAfter: number;
  readonly operators: Readonly<Record<string, number>>;
  readonly notes: readonly string[];
}

/**
 * Writes a model's loss and backward pass as one plain graph of standard operators: inputs as before plus the target,
 * outputs as before plus `loss` and one `grad:<name>` per requested value. Shapes are fixed to one batch size.
 * With an optimizer the file is a training step instead: parameters and state are inputs, and come back as
 * `<name>:next`. Throws GradientError for operators without a gradient on the path, UsageError for unknown names.
 */
export async function differentiate(model: Model, options: DifferentiateOptions): Promise<DifferentiatedModel> {
  const { runtime } = options;
  const inputs = model.graph.inputs.filter((input) => !model.graph.initializers.has(input.name));
  const size = options.size ?? fixedBatchOf(inputs) ?? firstGivenDim(inputs, options.shapes) ?? 1;
  const batch = await makeBatch(requestShapes(inputs, options.shapes), inputs, {
    size,
    vocabulary: vocabularies(model, inputs),
  });
  const bound = await bindShapes(runtime, model, batch.inputs);
  const binding = withoutDataContents(bound.graph, bound.binding, batch.inputs);
  const kind = lossKindOf(model, options.loss);
  const planned = planLoss(bound.graph, binding, { kind, output: options.output });
  const plan = kind === 'auto' || options.loss === kind ? planned : { ...planned, reason: `${kind}, as the file says` };
  const lossGraph = attachLoss(bound.graph, binding, plan);
  const wrt = resolveNames(model, bound.graph, binding, options.wrt ?? ['parameters']);
  const said = {
    plan,
    target: lossGraph.target,
    nodesBefore: model.graph.nodes.length,
    notes: [...batch.description.notes, ...noteQuantization(model, wrt)],
  };
  if (options.optimizer) {
    const step = buildTrainingStep(lossGraph, plan, {
      parameters: wrt,
      optimizer: options.optimizer,
      dropout: 'operator',
      opset: model.opset,
    });
    const written = stepModel(model, step, options.learningRate ?? step.optimizer.learningRate);
    return {
      ...said,
      ...written,
      loss: step.loss,
      gradients: new Map(),
      disconnected: step.disconnected,
      nodesAfter: step.graph.nodes.length,
      operators: countOperators(step.graph),
    };
  }
  const backward = appendBackward(lossGraph.graph, lossGraph.binding, {
    loss: lossGraph.loss,
    wrt,
    opset: model.opset,
  });
  const graph = declareGradients(
    backward,
    wrt,
    bound.graph.outputs.map((output) => output.name),
  );
  return {
    ...said,
    // The running statistics come out too: onnxruntime would write them over the weights they share memory with.
    model: withoutAliases({ ...model, graph, format: 'onnx' }),
    loss: 'loss',
    gradients: new Map(wrt.filter((name) => backward.gradients.has(name)).map((name) => [name, `grad:${name}`])),
    disconnected: wrt.filter((name) => !backward.gradients.has(name)),
    nodesAfter: graph.nodes.length,
    operators: countOperators(graph),
  };
}

/** The batch that given shapes imply: the first dimension of the first input that has one. */
function firstGivenDim(inputs: readonly ValueInfo[], shapes: DifferentiateOptions['shapes']): number | undefined {
  return inputs.map((input) => shapes?.get(input.name)?.[0]).find((dim) => dim !== undefined);
}

function resolveNames(model: Model, graph: Graph, binding: Binding, wanted: readonly string[]): string[] {
  const known = () => [...binding].filter(([, value]) => isFloat(value.type)).map(([name]) => name);
  const names = wanted.flatMap((name) => {
    if (binding.has(name)) {
      if (isFloat(binding.get(name)!.type)) return [name];
      throw new UsageError(`"${name}" holds ${binding.get(name)!.type}, only floats have gradients`, {
        code: 'not-float',
        where: '--wrt',
      });
    }
    if (name === 'parameters') return findParameters(model);
    if (name === 'inputs')
      return graph.inputs.map((input) => input.name).filter((input) => isFloat(binding.get(input)!.type));
    throw new UsageError(`the model has no value "${name}"`, {
      code: 'unknown-value',
      where: '--wrt',
      hint: `parameters, inputs, or a value's name; ${suggest(name, known().slice(0, 50), 'values')}`,
    });
  });
  return [...new Set(names)];
}

/** The graph reduced to what loss and gradients need, its gradients under their public names. */
function declareGradients(backward: BackwardGraph, wrt: readonly string[], outputs: readonly string[]): Graph {
  const { graph, gradients } = backward;
  graph.initializers.set(backward.seed, tensorOf(backward.values.get(backward.loss)!.type, [], [1]));
  graph.inputs = graph.inputs.filter((input) => input.name !== backward.seed);
  const renamed = new Map<string, string>([[backward.loss, 'loss']]);
  const copies: Node[] = [];
  const own = producers(graph);
  for (const name of wrt) {
    const value = gradients.get(name);
    if (value === undefined) continue;
    const free = own.get(value)?.origin !== undefined && !renamed.has(value) && !outputs.includes(value);
    if (free) renamed.set(value, `grad:${name}`);
    else
      copies.push({
        name: `grad:${name}/copy`,
        op: 'Identity',
        domain: '',
        inputs: [value],
        outputs: [`grad:${name}`],
        attributes: {},
      });
  }
  if (outputs.includes(backward.loss) || !own.has(backward.loss)) {
    renamed.delete(backward.loss);
    copies.push({
      name: 'loss/copy',
      op: 'Identity',
      domain: '',
      inputs: [backward.loss],
      outputs: ['loss'],
      attributes: {},
    });
  }
  const rename = (name: string) => renamed.get(name) ?? name;
  graph.nodes = [...graph.nodes, ...copies].map((node) => renameNode(node, rename));
  const results = [...outputs, 'loss', ...wrt.filter((name) => gradients.has(name)).map((name) => `grad:${name}`)];
  const pruned = pruneGraph(graph, [...new Set(results)]);
  const typed = new Map<string, string>([
    ['loss', backward.loss],
    ...wrt.map((name) => [`grad:${name}`, name] as const),
  ]);
  pruned.outputs = pruned.outputs.map((output) => {
    const like = backward.values.get(typed.get(output.name) ?? output.name);
    return like ? { name: output.name, type: like.type, shape: [...like.shape] } : output;
  });
  return { ...pruned, values: new Map() };
}

/** What a written graph may rely on: contents that follow from shapes, not from this batch's numbers. */
function withoutDataContents(graph: Graph, binding: Binding, feeds: ReadonlyMap<string, Tensor>): Binding {
  const dependent = dependentOn(graph, feeds.keys());
  return new Map(
    [...binding].map(([name, value]) => [name, dependent.has(name) ? { ...value, content: undefined } : value]),
  );
}
