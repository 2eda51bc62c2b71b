import { codeOf, isFloat } from '../graph/data-type.ts';
import { cloneGraph, consumers, type Graph, type Model, type ValueInfo } from '../graph/graph.ts';
import { scalarOf, type Tensor, tensorOf, toFloat64 } from '../graph/tensor.ts';

/** A model made fit for measuring, and what that changed, in sentences for the report. */
export interface PreparedModel {
  readonly model: Model;
  readonly notes: readonly string[];
}

/**
 * Half-precision tensors become float32, so that what is measured is the network and not the format's underflow at 6e-8,
 * dropout is switched off, so that the same seed gives the same report, and tensors stored once because they were equal
 * get their own names back. The given model is not changed.
 */
export function prepareForMeasuring(model: Model): PreparedModel {
  const prepared = prepareForTraining(model);
  const graph = prepared.model.graph;
  return silenceDropout(graph)
    ? { ...prepared, notes: [...prepared.notes, 'dropout is switched off while measuring'] }
    : prepared;
}

/** The same with dropout as it is. */
export function prepareForTraining(model: Model): PreparedModel {
  const graph = cloneGraph(model.graph);
  const notes: string[] = [];
  if (widenHalves(graph)) notes.push('half-precision tensors are taken in float32');
  const separated = separateEqual(graph);
  if (separated > 0) {
    notes.push(
      `the exporter stored ${separated} more tensor${separated === 1 ? '' : 's'} once with others because they were equal: each is taken by itself`,
    );
  }
  return { model: { ...model, graph }, notes };
}

/** The model with a name of its own for each tensor that was stored once with others because they were equal. */
export function withOwnTensors(model: Model): Model {
  const graph = cloneGraph(model.graph);
  separateEqual(graph);
  return { ...model, graph };
}

const isHalf = (type: Tensor['type'] | undefined) => type === 'float16' || type === 'bfloat16';

function widenHalves(graph: Graph): boolean {
  let changed = false;
  for (const [name, tensor] of graph.initializers) {
    if (!isHalf(tensor.type)) continue;
    graph.initializers.set(name, tensorOf('float32', tensor.dims, toFloat64(tensor)));
    changed = true;
  }
  const widen = (info: ValueInfo): ValueInfo => {
    if (!isHalf(info.type)) return info;
    changed = true;
    return { ...info, type: 'float32', source: undefined };
  };
  graph.inputs = graph.inputs.map(widen);
  graph.outputs = graph.outputs.map(widen);
  if (!changed && !graph.nodes.some((node) => node.op === 'Cast' && isHalfCode(node.attributes.to))) return false;
  graph.values = new Map([...graph.values].map(([name, info]) => [name, widen(info)]));
  for (const node of graph.nodes) {
    if (!isHalfCode(node.attributes.to)) continue;
    node.attributes = { ...node.attributes, to: codeOf('float32') };
    changed = true;
  }
  return changed;
}

function isHalfCode(code: unknown): boolean {
  return code === codeOf('float16') || code === codeOf('bfloat16');
}

/**
 * PyTorch's exporter stores equal tensors once and names the others by Identity: running variances and scales that are
 * all 1 would get each other's gradients. A tensor of many numbers that is read twice is tied on purpose and stays.
 * What only an Identity reads that nothing reads is left over from folding, and goes. Returns how many were separated.
 */
function separateEqual(graph: Graph): number {
  const outputs = new Set(graph.outputs.map((output) => output.name));
  const readers = consumers(graph);
  const leftOver = new Set<string>();
  let separated = 0;
  graph.nodes = graph.nodes.filter(({ op, domain, inputs, outputs: [name] }) => {
    const tensor = op === 'Identity' && domain === '' ? graph.initializers.get(inputs[0]!) : undefined;
    if (!tensor || !isFloat(tensor.type) || name === undefined || outputs.has(name)) return true;
    const { data } = tensor;
    if (!readers.has(name)) {
      leftOver.add(inputs[0]!);
      return false;
    }
    for (let i = 1; i < data.length; i++) if (data[i] !== data[0]) return true;
    graph.initializers.set(name, tensor);
    separated++;
    return false;
  });
  const read = consumers(graph);
  for (const name of leftOver) if (!read.has(name) && !outputs.has(name)) graph.initializers.delete(name);
  return separated;
}

function silenceDropout(graph: Graph): boolean {
  let changed = false;
  for (const node of graph.nodes) {
    const ratio = node.inputs[1] ? graph.initializers.get(node.inputs[1]) : undefined;
    const training = node.inputs[2] ? graph.initializers.get(node.inputs[2]) : undefined;
    if (node.op !== 'Dropout' || node.domain !== '' || !training?.data[0] || ratio?.data[0] === 0) continue;
    const name = 'dropout_off_while_measuring';
    const type = ratio && isFloat(ratio.type) ? ratio.type : 'float32';
    graph.initializers.set(name, scalarOf(type, 0));
    node.inputs = [node.inputs[0]!, name, ...node.inputs.slice(2)];
    changed = true;
  }
  return changed;
}
