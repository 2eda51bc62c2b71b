import { type BackwardGraph, differentiate } from '../autodiff/differentiate.ts';
import { type Composite, findComposites } from '../flow/composites.ts';
import { findCuts } from '../flow/cuts.ts';
import { isActivation, kindOf } from '../flow/kinds.ts';
import { type LayerMap, mapLayers } from '../flow/layers.ts';
import type { FlowEdge, FlowParameter, FlowProfile, FlowValue } from '../flow/profile.ts';
import { weightSignals } from '../flow/signals.ts';
import { measureTensor, type TensorStatistics } from '../flow/statistics.ts';
import { distinctUnits, unitLayout } from '../flow/symmetry.ts';
import { type UpdateRule, updateRatio } from '../flow/update.ts';
import { isFloat } from '../graph/data-type.ts';
import { type Graph, type Model, type Node, producers } from '../graph/graph.ts';
import { readNames } from '../graph/subgraphs.ts';
import { type Tensor, toFloat64 } from '../graph/tensor.ts';
import type { Runtime } from '../runtime/runtime.ts';
import type { LossGraph, LossPlan } from '../training/losses.ts';
import { constantLoss } from '../training/metrics.ts';
import { type MeasuredActivation, type MeasuredGradient, Probe } from './measure.ts';
import { recurrentFlows } from './recurrent.ts';
import { findExponents } from './rescue.ts';

export interface ProbeRequest {
  readonly runtime: Runtime;
  readonly model: Model;
  /** The model's graph with concrete input shapes, before the loss. */
  readonly graph: Graph;
  readonly lossGraph: LossGraph;
  readonly plan: LossPlan;
  /** Inputs and target. */
  readonly feeds: ReadonlyMap<string, Tensor>;
  readonly parameters: readonly string[];
  readonly update: UpdateRule;
  readonly batch: number;
  /** Bytes of tensors fetched at a time; default 256 MiB. */
  readonly passBytes?: number;
}

/** Below this norm, or above its inverse, float32 gradients are measured again with rescaling. */
const FLOAT32_EDGE = 1e-25;

/**
 * Runs forward and backward once on a batch and measures the gradient everywhere: the flow profile of step 0.
 * Where float32 would underflow or overflow, the gradient is rescaled on its way by powers of two.
 */
export async function probeFlow(request: ProbeRequest): Promise<FlowProfile> {
  const { runtime, model, graph, lossGraph, plan, feeds, parameters, passBytes } = request;
  const wrt = [...parameters, ...floatInputs(graph, feeds)];
  const options = { loss: lossGraph.loss, wrt, opset: model.opset, exactTails: true, expose: true };
  const composites = findComposites(graph);
  const layers = mapLayers(graph, new Set(parameters), composites);
  let backward = differentiate(lossGraph.graph, lossGraph.binding, options);
  const values = pathValues(graph, backward, plan.reads, new Set(parameters));
  const units = new Map<string, { units: number; distinct: number }>();
  const measured = async (probe: Probe) =>
    probe.measureGradients([...values, ...onPath(parameters, backward)], (name, gradient) => {
      const weight = graph.initializers.get(name);
      const layout = weight && unitLayout(graph, name);
      if (layout) units.set(name, { units: layout.units, distinct: distinctUnits(weight, gradient, layout) });
    });

  let probe = await Probe.load(runtime, model, backward, feeds, values, { composites, passBytes });
  try {
    const loss = await probe.loss();
    const statistics = await probe.measureValues(values, activationsOf(graph, composites));
    let gradients = await measured(probe);
    if (leavesFloat32(values, gradients)) {
      const edges = values.flatMap((name) => edgesOf(gradients.get(name)!, layers));
      const cuts = findCuts(values, edges, values.at(-1)!, plan.reads);
      await probe.release();
      backward = differentiate(lossGraph.graph, lossGraph.binding, { ...options, rescaleAt: cuts });
      probe = await Probe.load(runtime, model, backward, feeds, values, { composites, passBytes });
      await findExponents(probe, cuts);
      gradients = await measured(probe);
    }
    const recurrent = recurrentFlows(graph, layers, await probe.measureSteps());
    const profile = assemble(request, layers, values, loss, statistics, gradients, units);
    return recurrent.length > 0 ? { ...profile, recurrent } : profile;
  } finally {
    await probe.release();
  }
}

function assemble(
  { graph, lossGraph, plan, parameters, update, batch, feeds }: ProbeRequest,
  layers: LayerMap,
  names: readonly string[],
  loss: number,
  statistics: Awaited<ReturnType<Probe['measureValues']>>,
  gradients: ReadonlyMap<string, MeasuredGradient>,
  units: ReadonlyMap<string, { units: number; distinct: number }>,
): FlowProfile {
  const made = producers(graph);
  const end = gradients.get(plan.reads)?.gradient.log10L2 ?? 0;
  const decadesOf = (name: string) => (gradients.get(name)?.gradient.log10L2 ?? Number.NEGATIVE_INFINITY) - end;
  const values: FlowValue[] = names.map((name) => {
    const node = made.get(name);
    const { value, units } = statistics.get(name)!;
    const block = node && layers.compositeOf.get(node.name);
    return {
      name,
      node: node?.name ?? '',
      op: node?.op ?? 'Input',
      kind: node ? (layers.kindOf.get(node.name) ?? kindOf(node.op, false)) : 'arithmetic',
      layer: node ? (layers.layerOf.get(node.name) ?? '') : '',
      shape: lossGraph.binding.get(name)!.shape,
      gradient: gradients.get(name)!.gradient,
      value,
      units,
      decadesFromOutput: decadesOf(name),
      ...(block && { block: block.id, ...(name !== block.output && { inner: true }) }),
    };
  });
  const edges = names.flatMap((name) => edgesOf(gradients.get(name)!, layers));
  const normOf = (name: string): TensorStatistics | undefined => {
    const known = statistics.get(name)?.value;
    if (known) return known;
    const tensor = feeds.get(name);
    return tensor && isFloat(tensor.type) ? measureTensor(tensor) : undefined;
  };
  const target = lossGraph.target === undefined ? undefined : feeds.get(lossGraph.target);
  const constant = constantLoss(plan, target && toFloat64(target));
  return {
    loss,
    ...(constant > 0 && { constantLoss: constant }),
    output: plan.reads,
    values,
    edges,
    parameters: parameters.map((name) => {
      const parameter = parameterOf(name, graph, layers, gradients, normOf, update);
      const counted = units.get(name);
      return counted ? { ...parameter, distinctUnits: counted } : parameter;
    }),
    layers: layers.layers
      // Of a recurrent layer the loss may read the last state alone, its second output.
      .map((layer) => ({ ...layer, value: layer.node.outputs.find((name) => gradients.has(name)) }))
      .filter((layer): layer is typeof layer & { value: string } => layer.value !== undefined)
      .map(({ name, node, value, parameters: own, mixes }) => ({
        name,
        op: node.op,
        node: node.name,
        value,
        parameters: own,
        mixes,
        decadesFromOutput: decadesOf(value),
      })),
    cuts: findCuts(names, edges, names.at(-1)!, plan.reads),
    seen: { batch, batches: 1, step: 0 },
  };
}

function parameterOf(
  name: string,
  graph: Graph,
  layers: LayerMap,
  gradients: ReadonlyMap<string, MeasuredGradient>,
  normOf: (name: string) => TensorStatistics | undefined,
  update: UpdateRule,
): FlowParameter {
  const tensor = graph.initializers.get(name)!;
  const value = measureTensor(tensor);
  const measured = gradients.get(name);
  const gradient =
    measured?.gradient ?? measureTensor({ ...tensor, data: new Float32Array(tensor.data.length), type: 'float32' });
  const signals = measured && weightSignals(graph, name, measured, gradients, normOf);
  return {
    name,
    layer: layers.layers.find((layer) => layer.parameters.includes(name))?.name ?? '',
    shape: tensor.dims,
    gradient,
    value,
    updateRatio: updateRatio(update, gradient, value),
    connected: measured !== undefined,
    signals,
    // A sum of n terms that cancel leaves about 1e-7 √n of their size, never their size: measured 1e-9 to 3e-7.
    roundoffOnly: signals !== undefined && signals.alignment < Math.log10(2e-6) && gradient.l2 > 0,
  };
}

/** Values of the model on the gradient's path, from output to input: those that depend on the data, parameters apart. */
function pathValues(graph: Graph, backward: BackwardGraph, output: string, parameters: ReadonlySet<string>): string[] {
  const dependent = new Set(graph.inputs.map((input) => input.name).filter((name) => !graph.initializers.has(name)));
  const names = [...dependent];
  for (const node of graph.nodes) {
    if (!readNames(node).some((name) => dependent.has(name))) continue;
    for (const name of node.outputs) {
      if (name === '') continue;
      dependent.add(name);
      names.push(name);
    }
  }
  const path = names.filter((name) => backward.gradients.has(name) && !parameters.has(name));
  const at = path.indexOf(output);
  return (at >= 0 ? path.slice(0, at + 1) : path).reverse();
}

function onPath(names: readonly string[], backward: BackwardGraph): string[] {
  return names.filter((name) => backward.gradients.has(name));
}

function floatInputs(graph: Graph, feeds: ReadonlyMap<string, Tensor>): string[] {
  return graph.inputs.map((input) => input.name).filter((name) => isFloat(feeds.get(name)?.type ?? 'string'));
}

function edgesOf(measured: MeasuredGradient, layers: LayerMap): FlowEdge[] {
  return [...measured.edges].map(([edge, { log10L2, share }]) => ({
    node: edge.node,
    op: edge.op,
    kind: layers.kindOf.get(edge.node) ?? 'loss',
    layer: layers.layerOf.get(edge.node) ?? '',
    value: edge.value,
    outputs: edge.outputs,
    log10L2,
    share,
    ...(edge.composite && { block: edge.composite.id }),
    ...(edge.inner && { inner: true }),
  }));
}

/** The activation function that makes a value: an operator, or a block of several; within a block there is none. */
function activationsOf(
  graph: Graph,
  composites: readonly Composite[],
): (name: string) => MeasuredActivation | undefined {
  const made = new Map<string, Node>(producers(graph));
  const blocks = new Map(composites.map((block) => [block.output, block]));
  const inside = new Set(composites.flatMap((block) => block.nodes));
  return (name) => {
    const block = blocks.get(name);
    const measured = (op: string, input: string) => ({ op, input, unitAxis: unitAxisOf(input, made) });
    if (block) return block.kind === 'activation-derivative' ? measured(block.op, block.input) : undefined;
    const node = made.get(name);
    if (node && inside.has(node.name)) return undefined;
    // The measured derivative is that of alpha = 1.
    if (node?.op === 'Swish' && (node.attributes.alpha ?? 1) !== 1) return undefined;
    return node && isActivation(node.op) ? measured(node.op, node.inputs[0]!) : undefined;
  };
}

/** Operators whose result has its channels on axis 1, whatever its rank, and those that leave axes where they are. */
const channelsFirst =
  /^(Conv|ConvTranspose|(Batch|Instance|Group)Normalization|(Max|Average|Lp)Pool|Global.*Pool|LRN)$/;
const axisKeeping = /^(Identity|Dropout|Cast|Add|Sub|Mul|Div|Clip|Relu|LeakyRelu|PRelu|Elu|Sigmoid|Tanh)$/;

/** Axis 1 behind a convolution and its kin; undefined where the rank must decide. */
function unitAxisOf(value: string, made: ReadonlyMap<string, Node>): number | undefined {
  let node = made.get(value);
  while (node && axisKeeping.test(node.op)) node = made.get(node.inputs[0]!);
  return node && channelsFirst.test(node.op) ? 1 : undefined;
}

function leavesFloat32(values: readonly string[], gradients: ReadonlyMap<string, MeasuredGradient>): boolean {
  let previous = 1;
  for (const name of values) {
    const { maxAbs, nonFinite } = gradients.get(name)!.gradient;
    const infinite = nonFinite.positiveInfinity + nonFinite.negativeInfinity > 0;
    if (maxAbs > 0 ? maxAbs < FLOAT32_EDGE || maxAbs > 1 / FLOAT32_EDGE : previous < FLOAT32_EDGE * 1e6) return true;
    if (infinite && nonFinite.nan === 0) return true;
    if (maxAbs > 0) previous = maxAbs;
  }
  return false;
}
