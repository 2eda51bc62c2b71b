import { type BackwardGraph, differentiate } from '../autodiff/differentiate.ts';
import { suggest } from '../graph/did-you-mean.ts';
import { UsageError } from '../graph/errors.ts';
import { type Binding, cloneGraph, type Graph, type Value } from '../graph/graph.ts';
import { collectNames, dependentOn } from '../graph/subgraphs.ts';
import { filledTensor, tensorOf } from '../graph/tensor.ts';
import { type Clipping, clipGradients } from './clipping.ts';
import { type DropoutMask, feedMasks } from './dropout.ts';
import type { LossGraph, LossPlan } from './losses.ts';
import { l2Norms } from './norms.ts';
import { type Optimizer, type OptimizerChoice, resolveOptimizer } from './optimizers/index.ts';
import { feedStatistics, nextStatistic, type RunningStatistic } from './running-statistics.ts';
import { type StateTensor, StepWriter } from './step-writer.ts';

export type { DropoutMask } from './dropout.ts';
export type { StateRole, StateTensor } from './step-writer.ts';

/** Outputs that hold one L2 norm per trained parameter, in the order of `TrainingStep.parameters`, before clipping. */
export interface Monitors {
  readonly gradient?: string;
  /** ‖w‖ before the update. */
  readonly weight?: string;
  /** ‖Δw‖, weight decay included. */
  readonly update?: string;
}

/** One training step as a graph, and how to run it. */
export interface TrainingStep {
  /** Forward, loss, backward, clipping, optimizer: state in, next state out. */
  readonly graph: Graph;
  /** With k > 1 micro-batches per update: runs k − 1 times before `graph`; returns accumulators and statistics only. */
  readonly accumulate: Graph | undefined;
  readonly microBatches: number;
  /** Output: the loss, one number. */
  readonly loss: string;
  /** Output: the model's output, for metrics. */
  readonly output: string;
  /** Input that takes the target. */
  readonly target: string | undefined;
  /** The model's data inputs. */
  readonly inputs: readonly string[];
  /** Scalar input of the parameters' float type. */
  readonly learningRate: string;
  /** After a run of either graph, each state tensor whose `output` the graph has replaces its input. */
  readonly state: readonly StateTensor[];
  /** Trained parameters, in the order of the monitors. */
  readonly parameters: readonly string[];
  /** Wanted parameters that no path leads to from the loss: they stay as they are. */
  readonly disconnected: readonly string[];
  readonly monitors: Monitors;
  /** Scalar output: the norm of all gradients before clipping, when the clipping computes it. */
  readonly globalNorm: string | undefined;
  /** Trained parameter → output that holds its gradient before clipping, where `expose.gradients` asked. */
  readonly gradients: ReadonlyMap<string, string>;
  /** Dropout masks to feed, one per Dropout. */
  readonly masks: readonly DropoutMask[];
  readonly optimizer: Optimizer;
}

export interface StepOptions {
  /** The model's parameters that are trained; the others are frozen constants of the graph. */
  readonly parameters: readonly string[];
  readonly optimizer: OptimizerChoice;
  readonly clipping?: Clipping;
  /** Micro-batches per update, default 1: the update uses the mean of their gradients. */
  readonly microBatches?: number;
  /** Which norms to compute in the graph; default none. */
  readonly monitors?: readonly (keyof Monitors)[];
  /** Further outputs: every gradient, forward values by name. */
  readonly expose?: { readonly gradients?: boolean; readonly values?: readonly string[] };
  /**
   * `masks` (default): dropout takes its mask from an input, for exact resuming. `operator`: it draws for itself, for a
   * file that needs nothing fed but data.
   */
  readonly dropout?: 'masks' | 'operator';
  /** Opset of the model, for messages. */
  readonly opset: number;
}

/**
 * Appends backward pass, clipping and optimizer to a graph with its loss. Parameters and running statistics become graph
 * inputs that come back as outputs (`<name>:next`), so that a loop swaps buffers; other initializers stay constants.
 * Throws GradientError for operators without a gradient, UsageError for options that make no sense.
 */
export function buildTrainingStep(lossGraph: LossGraph, plan: LossPlan, options: StepOptions): TrainingStep {
  const optimizer = resolveOptimizer(options.optimizer);
  const microBatches = options.microBatches ?? 1;
  if (!Number.isInteger(microBatches) || microBatches < 1) {
    throw new UsageError(`${microBatches} micro-batches per update`, {
      code: 'micro-batches',
      hint: 'expected a whole number of at least 1',
    });
  }
  const open = openState(lossGraph, options);
  const backward = differentiate(open.graph, open.binding, {
    loss: lossGraph.loss,
    wrt: options.parameters,
    opset: options.opset,
    exactTails: false,
  });
  const parameters = options.parameters.filter((name) => backward.gradients.has(name));
  if (parameters.length === 0) {
    throw new UsageError('no parameter is left to train', {
      code: 'nothing-to-train',
      hint: `the loss depends on none of ${options.parameters.slice(0, 5).join(', ') || 'the model’s parameters'}`,
    });
  }
  const disconnected = options.parameters.filter((name) => !backward.gradients.has(name));
  restoreInitializers(backward.graph, lossGraph.graph, [...disconnected]);
  backward.graph.initializers.set(backward.seed, tensorOf(backward.values.get(backward.loss)!.type, [], [1]));
  backward.graph.inputs = backward.graph.inputs.filter(({ name }) => name !== backward.seed);

  const context: Context = { lossGraph, plan, options, optimizer, microBatches, open, backward, parameters };
  const update = writeUpdate(context);
  const accumulate = microBatches > 1 ? writeAccumulation(context, update) : undefined;
  const inputNames = new Set(update.graph.inputs.map(({ name }) => name));
  return {
    ...update,
    accumulate,
    microBatches,
    target: lossGraph.target,
    inputs: lossGraph.graph.inputs
      .map(({ name }) => name)
      .filter((name) => name !== lossGraph.target && inputNames.has(name)),
    parameters,
    disconnected,
    masks: open.masks.filter(({ input }) => inputNames.has(input)),
    optimizer,
  };
}

interface OpenGraph {
  readonly graph: Graph;
  readonly binding: Binding;
  readonly masks: readonly DropoutMask[];
  readonly statistics: readonly RunningStatistic[];
}

/** The graph with everything that changes between runs as an input, and no content known of what depends on it. */
function openState(lossGraph: LossGraph, { parameters, dropout }: StepOptions): OpenGraph {
  const graph = cloneGraph(lossGraph.graph);
  const binding: Binding = new Map(lossGraph.binding);
  const { uniqueName } = new Names(graph);
  const masks = dropout === 'operator' ? [] : feedMasks(graph, binding, uniqueName);
  const statistics = feedStatistics(graph, binding);
  for (const name of parameters) {
    const tensor = graph.initializers.get(name);
    if (!tensor) {
      throw new UsageError(`the model has no parameter "${name}"`, {
        code: 'unknown-parameter',
        hint: suggest(name, [...graph.initializers.keys()].slice(0, 50), 'parameters'),
      });
    }
    graph.initializers.delete(name);
    graph.inputs.push({ name, type: tensor.type, shape: [...tensor.dims] });
  }
  for (const name of dependentOn(
    graph,
    graph.inputs.map(({ name }) => name),
  )) {
    const value = binding.get(name);
    if (value?.content) binding.set(name, { ...value, content: undefined });
  }
  return { graph, binding, masks, statistics };
}

class Names {
  private readonly taken = new Set<string>();
  constructor(graph: Graph) {
    collectNames(graph, this.taken);
  }
  uniqueName = (base: string): string => {
    let name = base;
    for (let i = 1; this.taken.has(name); i++) name = `${base}_${i}`;
    this.taken.add(name);
    return name;
  };
}

function restoreInitializers(graph: Graph, from: Graph, names: readonly string[]): void {
  for (const name of names) graph.initializers.set(name, from.initializers.get(name)!);
  graph.inputs = graph.inputs.filter(({ name }) => !names.includes(name));
}

interface Context {
  readonly lossGraph: LossGraph;
  readonly plan: LossPlan;
  readonly options: StepOptions;
  readonly optimizer: Optimizer;
  readonly microBatches: number;
  readonly open: OpenGraph;
  readonly backward: BackwardGraph;
  readonly parameters: readonly string[];
}

type Update = Pick<
  TrainingStep,
  'graph' | 'loss' | 'output' | 'learningRate' | 'state' | 'monitors' | 'globalNorm' | 'gradients'
>;

/** Forward, backward and the optimizer's update. */
function writeUpdate(context: Context): Update {
  const { backward, plan, options, optimizer, microBatches, parameters, lossGraph } = context;
  const w = new StepWriter(backward);
  const { g } = w;
  const P = parameters.map((name) => g.value(name));
  const learningRate = g.input(w.unique('learning_rate'), P[0]!.type, []);
  const G = P.map((p) => {
    const gradient = g.value(backward.gradients.get(p.name)!);
    if (microBatches === 1) return gradient;
    const sum = w.feed(`${p.name}:sum`, 'accumulator', filledTensor(p.type, p.shape, 0));
    w.keep(`${p.name}:sum`, g.zerosLike(sum));
    return g.scale(g.plus(sum, gradient), 1 / microBatches);
  });
  let norms: Value | undefined;
  const gradientNorms = () => (norms ??= l2Norms(g, G));
  const clipped = clipGradients(
    { g, parameters: P, gradients: G, norms: gradientNorms, forward: lossGraph.graph },
    options.clipping,
  );

  const next = P.map((p, i) => {
    const tensor = lossGraph.graph.initializers.get(p.name)!;
    w.adopt(p.name, 'parameter', tensor);
    const after = updated(w, optimizer, p, clipped.gradients[i]!, g.cast(learningRate, p.type));
    w.keep(p.name, after);
    return after;
  });
  for (const statistic of context.open.statistics) {
    w.adopt(statistic.name, 'running-statistic', statistic.initial);
    w.keep(statistic.name, nextStatistic(g, statistic));
  }

  const wanted = new Set(options.monitors ?? []);
  const monitors: Monitors = {
    ...(wanted.has('gradient') && { gradient: w.publish(gradientNorms(), 'norms:gradient') }),
    ...(wanted.has('weight') && { weight: w.publish(l2Norms(g, P), 'norms:weight') }),
    ...(wanted.has('update') && {
      update: w.publish(
        l2Norms(
          g,
          P.map((p, i) => g.sub(next[i]!, p)),
        ),
        'norms:update',
      ),
    }),
  };
  const globalNorm = clipped.globalNorm && w.publish(clipped.globalNorm, 'norm:all');
  const gradients = new Map(
    options.expose?.gradients ? P.map((p, i) => [p.name, w.publish(G[i]!, `grad:${p.name}`)] as const) : [],
  );
  const loss = w.publish(g.value(backward.loss), 'loss');
  const extra = [plan.output, ...(options.expose?.values ?? [])];
  return {
    ...w.finish(extra),
    loss,
    output: plan.output,
    learningRate: learningRate.name,
    monitors,
    globalNorm,
    gradients,
  };
}

/** Forward and backward of one micro-batch: gradients are added to the accumulators. */
function writeAccumulation({ backward, parameters, open, plan }: Context, update: Update): Graph {
  const w = new StepWriter(backward);
  const { g } = w;
  for (const name of parameters) {
    const p = g.value(name);
    const key = `${name}:sum`;
    const sum = w.feed(key, 'accumulator', filledTensor(p.type, p.shape, 0));
    w.keep(key, g.plus(sum, g.value(backward.gradients.get(name)!)));
  }
  for (const statistic of open.statistics) {
    w.adopt(statistic.name, 'running-statistic', statistic.initial);
    w.keep(statistic.name, nextStatistic(g, statistic));
  }
  if (w.publish(g.value(backward.loss), 'loss') !== update.loss) throw new Error('the loss has two names');
  return w.finish([plan.output]).graph;
}

/** One parameter after the optimizer's update, weight decay included. */
function updated(w: StepWriter, optimizer: Optimizer, P: Value, gradient: Value, learningRate: Value): Value {
  const { g } = w;
  const { rule, options } = optimizer;
  const number = (option: string) => options[option] as number;
  const [l2, decoupled] = rule.decay === 'l2' ? [number('weightDecay'), 0] : [0, number('weightDecay')];
  const decay = decoupled + number('decoupledWeightDecay');
  const keepRate = () => g.sub(g.scalar(1, P.type), g.scale(learningRate, decay));
  return rule.update({
    g,
    P: decay > 0 ? g.mul(P, keepRate()) : P,
    G: l2 > 0 ? g.plus(gradient, g.scale(P, l2)) : gradient,
    learningRate,
    step: () => w.counter(),
    slot: (name, initial = 0) => w.feed(`${P.name}:${name}`, 'slot', filledTensor(P.type, P.shape, initial)),
    keep: (name, next) => w.keep(`${P.name}:${name}`, next),
    number,
    flag: (option) => options[option] === true,
  });
}
