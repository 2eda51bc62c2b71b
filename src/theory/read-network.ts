import { type Composite, findComposites } from '../flow/composites.ts';
import { isActivation } from '../flow/kinds.ts';
import { type LayerMap, mapLayers } from '../flow/layers.ts';
import { type Graph, type Node, producers } from '../graph/graph.ts';
import { readNames } from '../graph/subgraphs.ts';
import { sizeOf, toFloat64 } from '../graph/tensor.ts';
import { layoutFans, roleOf } from '../training/weight-layout.ts';
import { activationOf } from './activations.ts';
import {
  identity,
  inputsOf,
  type LinearStep,
  leadingTo,
  nothing,
  passOn,
  type Signal,
  type Step,
  type Stored,
  type TheoryNetwork,
} from './network.ts';
import { momentsOfNumbers, momentsOfTensor, runningStatistics, StoredTensors } from './stored.ts';
import { Images, insideOf, poolGradient, type ShapeOf } from './windows.ts';

export interface ReadOptions {
  readonly input: Signal;
  /** The value the loss reads; default the first output, before a final softmax. */
  readonly output?: string;
  /** Shapes of values, where they are known. */
  readonly shapeOf: ShapeOf;
}

/** Operators whose outputs tell a shape, not content. */
const shapeReaders = /^(Shape|Size)$/;
/** Operators that change layout or type at most, or take a part: elements stay as they are. */
const passing = new Set(
  'Identity Reshape Flatten Transpose Squeeze Unsqueeze Cast Dropout DepthToSpace SpaceToDepth Pad Slice Split Gather'.split(
    ' ',
  ),
);
const pools = new Set('MaxPool AveragePool GlobalAveragePool GlobalMaxPool ReduceMean ReduceMax ReduceSum'.split(' '));
const normalizations: Readonly<Record<string, 'batch' | 'sample' | 'root-mean-square'>> = {
  BatchNormalization: 'batch',
  MeanVarianceNormalization: 'batch',
  LayerNormalization: 'sample',
  GroupNormalization: 'sample',
  RMSNormalization: 'root-mean-square',
  SimplifiedLayerNormalization: 'root-mean-square',
};

/**
 * Reads a graph's layers, functions and sums, with the moments of its stored tensors. What theory has no recursion for
 * becomes an unknown step. Undefined where no layer with a weight matrix lies on the way to the output.
 */
export function readNetwork(
  graph: Graph,
  parameters: ReadonlySet<string>,
  options: ReadOptions,
): TheoryNetwork | undefined {
  const reader = new Reader(graph, parameters, options.shapeOf);
  const to = options.output ?? beforeSoftmax(graph);
  if (to === undefined) return undefined;
  const steps = reader.read();
  const onPath = leadingTo(steps, to);
  const kept = steps.filter(({ output }) => onPath.has(output));
  const first = reader.layers.layers.find(({ node, mixes }) => mixes && onPath.has(node.outputs[0]!));
  if (!first || !kept.some(({ kind }) => kind === 'linear')) return undefined;
  return { steps: kept, input: options.input, from: first.node.outputs[0]!, to, assumptions: [...reader.assumptions] };
}

/** The first output, or what a final softmax or sigmoid makes it of: losses read the logits. */
function beforeSoftmax(graph: Graph): string | undefined {
  const output = graph.outputs[0]?.name;
  const last = output === undefined ? undefined : producers(graph).get(output);
  return last && /^(Softmax|LogSoftmax|Sigmoid)$/.test(last.op) ? last.inputs[0] : output;
}

class Reader {
  readonly assumptions = new Set<string>();
  readonly layers: LayerMap;
  private readonly graph: Graph;
  private readonly stored: StoredTensors;
  private readonly images: Images;
  private readonly composites: ReadonlyMap<string, Composite>;
  private readonly data = new Set<string>();
  private readonly steps = new Map<string, Step>();

  constructor(graph: Graph, parameters: ReadonlySet<string>, shapeOf: ShapeOf) {
    const composites = findComposites(graph);
    this.graph = graph;
    this.stored = new StoredTensors(graph, parameters);
    this.images = new Images(shapeOf);
    this.layers = mapLayers(graph, parameters, composites);
    this.composites = this.layers.compositeOf;
  }

  read(): Step[] {
    for (const { name } of this.graph.inputs) if (!this.graph.initializers.has(name)) this.data.add(name);
    for (const node of this.graph.nodes) {
      if (shapeReaders.test(node.op) || !readNames(node).some((name) => this.data.has(name))) continue;
      for (const name of node.outputs) if (name !== '') this.data.add(name);
      this.images.follow(node);
      const composite = this.composites.get(node.name);
      const step = composite ? this.readComposite(composite, node) : this.readNode(node);
      if (step) this.steps.set(step.output, step);
      for (const output of node.outputs.slice(1)) {
        if (output === '' || composite) continue;
        const [input = ''] = node.inputs;
        this.steps.set(output, node.op === 'Split' ? passOn(input, output) : this.unknown(node, output));
      }
    }
    return [...this.steps.values()];
  }

  /** A block stands where it ends; within it there is nothing to see. */
  private readComposite(block: Composite, node: Node): Step | undefined {
    if (node.outputs[0] !== block.output) return undefined;
    const { input, output, op } = block;
    if (block.kind === 'activation-derivative') return { kind: 'activation', input, output, op, attributes: {} };
    const names = new Set(block.nodes);
    const members = this.graph.nodes.filter(({ name }) => names.has(name));
    if (block.kind !== 'normalization') {
      const made = new Set(members.flatMap(({ outputs }) => outputs));
      const entering = members.flatMap(({ inputs }) => inputs).filter((name) => !made.has(name));
      return this.unknown({ ...node, op, inputs: [...new Set([input, ...entering])] }, output);
    }
    const stored = (owner: RegExp) => {
      for (const member of members) {
        if (!owner.test(member.op)) continue;
        const tensor = member.inputs.map((name) => this.stored.tensor(name)).find((t) => t && sizeOf(t.dims) > 1);
        if (tensor) return momentsOfTensor(tensor);
      }
      return undefined;
    };
    return this.normalization(node, op, input, output, stored(/^Mul$/), stored(/^(Add|Sub)$/));
  }

  private readNode(node: Node): Step | undefined {
    const [input = '', second = ''] = node.inputs;
    const output = node.outputs[0];
    if (output === undefined || output === '') return undefined;
    if (node.domain !== '' && node.op !== 'SimplifiedLayerNormalization') return this.unknown(node, output);
    const weight = node.inputs.findIndex((name) => !this.data.has(name) && this.stored.parameter(name) !== undefined);
    if (/^(Gemm|MatMul|Conv|ConvTranspose|Einsum)$/.test(node.op)) {
      const step = weight >= 0 && weight < 2 ? this.linear(node, weight, output) : undefined;
      return step ?? this.unknown(node, output);
    }
    if (node.op === 'Gather' && !this.data.has(input)) {
      const table = this.stored.tensor(input);
      return table ? { kind: 'embedding', output, table: momentsOfTensor(table) } : this.unknown(node, output);
    }
    if (passing.has(node.op) && this.data.has(input)) {
      if (node.op === 'Dropout') this.assumptions.add('Dropout is taken as switched off.');
      return passOn(input, output);
    }
    if (isActivation(node.op)) return this.activation(node, input, output);
    if (Object.hasOwn(normalizations, node.op)) {
      const stored = (i: number) => this.stored.moments(node.inputs[i]);
      return this.normalization(node, node.op, input, output, stored(1), stored(2));
    }
    if (pools.has(node.op)) {
      const gradient = poolGradient(node, this.images);
      const why = 'the shape it pools is not known without a batch';
      return gradient === undefined
        ? this.unknown(node, output, why)
        : { kind: 'pool', input, output, op: node.op, gradient };
    }
    if (/^(Add|Sub|Mul|Div|Sum)$/.test(node.op)) return this.arithmetic(node, input, second, output);
    return this.unknown(node, output);
  }

  private linear(node: Node, input: number, output: string): Step | undefined {
    const weight = this.stored.parameter(node.inputs[input]!)!;
    const role = roleOf(node, input, weight.dims);
    const data = node.inputs[input === 0 ? 1 : 0]!;
    if (role.kind !== 'weight' || !this.data.has(data)) return undefined;
    const fans = layoutFans(role.layout);
    const stride = node.op === 'ConvTranspose' ? sizeOf((node.attributes.strides as number[] | undefined) ?? []) : 1;
    const fanIn = fans.fanIn / stride;
    const { square, mean } = momentsOfTensor(weight.tensor);
    const spread = Math.sqrt(Math.max(0, square - mean * mean));
    const { alpha = 1, beta = 1 } = node.op === 'Gemm' ? (node.attributes as { alpha?: number; beta?: number }) : {};
    const bias = this.stored.moments(node.inputs[2]) ?? nothing;
    return {
      kind: 'linear',
      input: data,
      output,
      layer: this.layers.layerOf.get(node.name) || node.name,
      fanIn,
      fanOut: fans.fanOut,
      sigmaW2: fanIn * square * alpha * alpha,
      bias: { square: bias.square * beta * beta, mean: bias.mean * beta },
      inside: /^Conv/.test(node.op) ? this.inside(node) : 1,
      // A common mean μ is a matrix of norm μ √(in · out); independent entries alone have norm σ (√in + √out).
      random:
        Math.abs(mean) * Math.sqrt(fans.fanIn * fans.fanOut) <=
        spread * (Math.sqrt(fans.fanIn) + Math.sqrt(fans.fanOut)),
    };
  }

  private inside(node: Node): number {
    const part = insideOf(node, this.images);
    if (part !== undefined) return part;
    this.assumptions.add('Padding is ignored where the size of the image is not known.');
    return 1;
  }

  private activation(node: Node, input: string, output: string): Step {
    const attributes: Record<string, number> = {};
    for (const [name, value] of Object.entries(node.attributes))
      if (typeof value === 'number') attributes[name] = value;
    if (node.op === 'PRelu') {
      const slope = this.stored.moments(node.inputs[1]);
      attributes.slope = slope ? Math.sign(slope.mean || 1) * Math.sqrt(slope.square) : Number.NaN;
    }
    if (node.op === 'Clip') {
      const bound = (i: number, name: string) => {
        if (node.inputs[i]) attributes[name] = this.stored.moments(node.inputs[i])?.mean ?? Number.NaN;
      };
      bound(1, 'min');
      bound(2, 'max');
    }
    if (!activationOf(node.op, attributes)) return this.unknown(node, output);
    return { kind: 'activation', input, output, op: node.op, attributes };
  }

  private normalization(node: Node, op: string, input: string, output: string, scale = identity, bias = nothing): Step {
    const over = normalizations[op];
    if (over === undefined) return this.unknown({ ...node, op, inputs: [input] }, output);
    const epsilon = typeof node.attributes.epsilon === 'number' ? node.attributes.epsilon : 1e-5;
    if (node.op === 'BatchNormalization' && !node.attributes.training_mode) {
      const known = runningStatistics(this.stored, node, epsilon);
      return known ? { kind: 'affine', input, output, ...known } : this.unknown(node, output);
    }
    if (over === 'batch' && (this.images.shapeOf(input)?.length ?? 2) > 2) {
      this.assumptions.add('Positions of an image are taken as correlated no more than samples are.');
    }
    const [, all, ...positions] = this.images.shapeOf(input) ?? [];
    const groups = typeof node.attributes.num_groups === 'number' ? node.attributes.num_groups : 1;
    const channels =
      op === 'GroupNormalization' && positions.length > 0 && typeof all === 'number' ? { channels: all / groups } : {};
    return { kind: 'normalization', input, output, op, over, ...channels, scale, bias, epsilon };
  }

  private arithmetic(node: Node, first: string, second: string, output: string): Step {
    const isData = node.inputs.map((name) => this.data.has(name));
    const additive = /^(Add|Sub|Sum)$/.test(node.op);
    if (isData.every(Boolean)) return additive ? this.sum(node, output) : this.unknown(node, output);
    const stored = this.stored.moments(isData[0] ? second : first);
    const input = isData[0] ? first : second;
    if (!stored || node.inputs.length !== 2 || (node.op === 'Div' && !isData[0])) return this.unknown(node, output);
    if (!additive) {
      const scale = node.op === 'Mul' ? stored : this.reciprocal(second);
      return { kind: 'affine', input, output, scale, shift: nothing };
    }
    const before = this.steps.get(input);
    const sign = node.op === 'Sub' ? -1 : 1;
    const turned = node.op === 'Sub' && !isData[0] ? -1 : 1;
    // A bias that stands as a node of its own belongs to its layer.
    const owned = before?.kind === 'linear' && before.bias.square === 0 && turned === 1;
    const shift = { square: stored.square, mean: stored.mean * (isData[0] ? sign : 1) };
    if (owned) this.steps.set(input, { ...(before as LinearStep), bias: shift });
    const scale = { square: 1, mean: turned };
    return { kind: 'affine', input, output, scale, shift: owned ? nothing : shift };
  }

  private reciprocal(name: string): Stored {
    return momentsOfNumbers(toFloat64(this.stored.tensor(name)!).map((x) => 1 / x));
  }

  /** A sum of values that share no unit one to one: a random matrix stands on all but one of the ways. */
  private sum(node: Node, output: string): Step {
    const seen = new Set<string>();
    for (const name of node.inputs) {
      const own = this.unitsOf(name);
      if ([...own].some((unit) => seen.has(unit))) return this.unknown(node, output, 'its terms depend on each other');
      for (const unit of own) seen.add(unit);
    }
    return { kind: 'sum', inputs: node.inputs, output };
  }

  /** The layers' outputs that a value's units are functions of, each unit of the same one. */
  private unitsOf(name: string): Set<string> {
    const found = new Set<string>();
    const pending = [name];
    const visited = new Set<string>();
    for (let value = pending.pop(); value !== undefined; value = pending.pop()) {
      if (visited.has(value)) continue;
      visited.add(value);
      const step = this.steps.get(value);
      if (!step || step.kind === 'linear' || step.kind === 'embedding' || step.kind === 'unknown') found.add(value);
      else pending.push(...inputsOf(step));
    }
    return found;
  }

  private unknown(node: Node, output: string, why?: string): Step {
    const inputs = readNames(node).filter((name) => this.data.has(name));
    return { kind: 'unknown', inputs, output, op: node.op, node: node.name, ...(why !== undefined && { why }) };
  }
}
