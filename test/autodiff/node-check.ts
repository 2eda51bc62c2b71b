import { fromBinary } from '@bufbuild/protobuf';
import { TensorProtoSchema } from 'onnx-buf';
import { differentiate } from '../../src/autodiff/differentiate.ts';
import { GraphBuilder } from '../../src/graph/builder.ts';
import { codeOf, type DataType, isFloat, typeOfCode } from '../../src/graph/data-type.ts';
import { UserError } from '../../src/graph/errors.ts';
import { type Attribute, type Binding, cloneGraph, type Graph, type Model, type Value } from '../../src/graph/graph.ts';
import { decodeModel } from '../../src/graph/onnx/decode.ts';
import { decodeTensor } from '../../src/graph/onnx/tensor-codec.ts';
import { sizeOf, type Tensor, tensorOf, toFloat64 } from '../../src/graph/tensor.ts';
import { bindShapes } from '../../src/runtime/bind.ts';
import { nodeRuntime } from '../../src/runtime/node/onnxruntime.ts';
import type { Session } from '../../src/runtime/runtime.ts';
import type { OnnxTest } from '../helpers/onnx-tests.ts';
import { normals, seeded } from '../helpers/random.ts';

/** What became of one ONNX test: its gradient checked, or why not. */
export type Outcome =
  | { kind: 'passed'; type: DataType; ops: string[]; zero: boolean }
  | { kind: 'failed'; message: string; ops: string[] }
  /** Outside the question: nothing to differentiate, or the runtime or the reader does not take the model. */
  | { kind: 'outside'; reason: string; ops: string[] };

export interface NodeCheckOptions {
  /** Inputs that are settings, per operator: given as constants, not differentiated. */
  settings: Readonly<Record<string, readonly number[]>>;
  /** Operators of whose outputs only the first ones enter the loss. */
  outputs: Readonly<Record<string, number>>;
  /** Raises every input by a random number of this size first: off a kink. */
  nudge?: number;
}

const runtime = nodeRuntime({ threads: 1 });
const STEPS: Partial<Record<DataType, readonly number[]>> = {
  float64: [1e-5, 1e-6, 1e-4],
  float32: [1e-2, 3e-3, 3e-2, 1e-3],
};
const TOLERANCE: Partial<Record<DataType, number>> = { float64: 1e-5, float32: 5e-3 };

/**
 * Checks the gradient of every float input of an ONNX test at the test's own numbers, along a random direction, against
 * central differences of L = Σ R ⊙ Y: in float64 where onnxruntime has the kernels, else in float32.
 */
export async function checkNodeTest(test: OnnxTest, options: NodeCheckOptions): Promise<Outcome> {
  let ops: string[] = [];
  const outside = (reason: string): Outcome => ({ kind: 'outside', reason, ops });
  const tensors = test.inputs.map(readTensor);
  if (tensors.includes(undefined)) return outside('an input is no tensor, or of an element type outside this tool');
  let model: Model;
  try {
    model = await decodeModel(test.model, { name: test.name });
  } catch (error) {
    if (error instanceof UserError) return outside(`not read: ${error.code}`);
    throw error;
  }
  ops = [...new Set(model.graph.nodes.map((node) => node.op))];
  let last: Outcome = outside('onnxruntime does not run it');
  for (const type of ['float64', 'float32'] as const) {
    const prepared = prepare(model, tensors as Tensor[], type, options);
    if (prepared.feeds.size === 0) return outside('no float input');
    const checked = await check(prepared, test, type, options);
    if ('passed' in checked) return { kind: 'passed', type, ops, zero: checked.zero };
    // A kernel may be missing for float64, or compute it in float32 all the same: float32 then decides.
    if ('message' in checked) last = { kind: 'failed', message: checked.message, ops };
    else last = outside(checked.reason);
    if ('final' in checked) break;
  }
  return last;
}

interface Prepared {
  model: Model;
  feeds: Map<string, Tensor>;
}

type Checked = { passed: true; zero: boolean } | { message: string } | { reason: string; final?: true };

async function check(prepared: Prepared, test: OnnxTest, type: DataType, options: NodeCheckOptions): Promise<Checked> {
  const { model, feeds } = prepared;
  let bound: { graph: Graph; binding: Binding };
  try {
    bound = await bindShapes(runtime, model, feeds);
  } catch (error) {
    if (error instanceof UserError) return { reason: 'onnxruntime does not run it' };
    throw error;
  }
  const { graph, binding } = bound;
  const finite = await finiteOutputs(model, graph, feeds);
  if (!finite) return { reason: 'onnxruntime does not run it' };
  const builder = new GraphBuilder(cloneGraph(graph), binding.values());
  const first = graph.nodes.at(-1);
  const kept = graph.nodes.length === 1 && first ? options.outputs[first.op] : undefined;
  const outputs = graph.outputs
    .map((output) => output.name)
    .filter((name) => binding.get(name)?.type === type)
    .slice(0, kept);
  if (outputs.length === 0) return { reason: 'no float output' };

  const random = seeded(11);
  const wrt = [...feeds.keys()];
  const weights = new Map<string, number[]>();
  const terms = outputs.map((name) => {
    const Y = builder.value(name);
    const weight = normals(random, sizeOf(Y.shape)).map((w, i) => (finite.get(name)![i] ? Math.fround(w) : 0));
    weights.set(name, weight);
    return total(builder, builder.mul(Y, builder.constant(tensorOf(Y.type, Y.shape, weight))));
  });
  const loss = builder.sum(terms);
  const values: Binding = new Map(
    [...builder.values].map(([name, value]) => [name, { ...binding.get(name), ...value }]),
  );
  let backward: ReturnType<typeof differentiate>;
  try {
    backward = differentiate(builder.graph, values, { loss: loss.name, wrt, opset: model.opset });
  } catch (error) {
    if (error instanceof UserError) return { reason: `no gradient: ${error.message}`, final: true };
    return { message: `${test.name}: ${error}` };
  }
  const reached = wrt.filter((name) => backward.gradients.has(name));
  const gradientOf = (name: string): string => backward.gradients.get(name)!;
  const full = cloneGraph(backward.graph);
  full.outputs = [...new Set([...reached.map(gradientOf), ...outputs])].map((name) => ({ name }));
  let session: Session;
  try {
    session = await runtime.load({ ...model, graph: full }, { optimization: 'none' });
  } catch (error) {
    return { message: `${test.name}: ${(error as Error).message}` };
  }
  try {
    const seed = [backward.seed, tensorOf(loss.type, [], [1])] as const;
    const lossAt = async (changed: Map<string, Tensor>): Promise<number> => {
      const results = await session.run(new Map([...changed, seed]), outputs);
      return outputs.reduce((sum, name) => sum + dot(toFloat64(results.get(name)!), weights.get(name)!), 0);
    };
    // onnxruntime's Dropout draws its first mask twice: two runs would not tell.
    const runs = [await lossAt(feeds), await lossAt(feeds), await lossAt(feeds)];
    if (runs.some((loss) => !Object.is(loss, runs[0]))) return { reason: 'its result is random', final: true };
    const gradients =
      reached.length > 0
        ? await session.run(new Map([...feeds, seed]), reached.map(gradientOf))
        : new Map<string, Tensor>();
    for (const name of wrt) {
      const gradient = reached.includes(name) ? gradients.get(gradientOf(name))! : zerosOf(feeds.get(name)!);
      const fault = await compare(name, feeds, gradient, lossAt, type, random);
      if (fault) return { message: `${test.name} in ${type}, ${fault}` };
    }
    return { passed: true, zero: reached.length === 0 };
  } catch (error) {
    return { message: `${test.name}: ${(error as Error).message}` };
  } finally {
    await session.release();
  }
}

/** Per output, which elements are numbers that differences can move: not −∞, and not what kernels write for it. */
async function finiteOutputs(
  model: Model,
  graph: Graph,
  feeds: Map<string, Tensor>,
): Promise<Map<string, boolean[]> | undefined> {
  try {
    const session = await runtime.load({ ...model, graph }, { optimization: 'none' });
    const names = graph.outputs.map((output) => output.name).filter((name) => name !== '');
    const results = await session.run(feeds, names).finally(() => session.release());
    const flags = ([name, tensor]: [string, Tensor]) =>
      [name, Array.isArray(tensor.data) ? [] : Array.from(toFloat64(tensor), (y) => Math.abs(y) < 1e30)] as const;
    return new Map([...results].map(flags));
  } catch (error) {
    if (error instanceof UserError) return undefined;
    throw error;
  }
}

/** What is wrong with one input's gradient; undefined when some step's central difference agrees with it. */
async function compare(
  name: string,
  feeds: Map<string, Tensor>,
  gradient: Tensor,
  lossAt: (changed: Map<string, Tensor>) => Promise<number>,
  type: DataType,
  random: () => number,
): Promise<string | undefined> {
  const x = feeds.get(name)!;
  if (gradient.dims.join() !== x.dims.join()) return `∂/∂${name} has shape [${gradient.dims}], input [${x.dims}]`;
  const base = toFloat64(x);
  const slopes = toFloat64(gradient);
  const direction = normals(random, base.length).map((v, i) => (Number.isFinite(base[i]) ? v : 0));
  const products = direction.map((v, i) => (v === 0 ? 0 : v * slopes[i]!));
  const analytic = products.reduce((sum, product) => sum + product, 0);
  const scale = products.reduce((sum, product) => sum + Math.abs(product), 0);
  const tried: string[] = [];
  for (const h of STEPS[type]!) {
    const moved = (sign: number): Map<string, Tensor> =>
      new Map(feeds).set(
        name,
        tensorOf(
          type,
          x.dims,
          direction.map((v, i) => base[i]! + sign * h * v),
        ),
      );
    const [ahead, behind] = [await lossAt(moved(1)), await lossAt(moved(-1))];
    const numeric = (ahead - behind) / (2 * h);
    const noise = ((type === 'float64' ? 1e-15 : 3e-7) * (Math.abs(ahead) + Math.abs(behind))) / h;
    const allowed = Math.max(TOLERANCE[type]! * Math.max(scale, Math.abs(numeric)), Math.min(noise, 1e-3));
    if (Math.abs(analytic - numeric) <= allowed) return undefined;
    tried.push(`${numeric} (step ${h})`);
  }
  return `∂/∂${name}: analytic ${analytic}, central differences ${tried.join(', ')}`;
}

/** The model with all its floats of one type, float tensors as feeds, everything else as constants. */
function prepare(model: Model, tensors: Tensor[], type: DataType, { settings, nudge = 0 }: NodeCheckOptions): Prepared {
  const graph = retype(model.graph, type);
  const random = seeded(5);
  const feeds = new Map<string, Tensor>();
  const frozen = new Set(graph.nodes.flatMap((node) => (settings[node.op] ?? []).map((i) => node.inputs[i] ?? '')));
  graph.inputs.slice(0, tensors.length).forEach(({ name }, i) => {
    const tensor = tensors[i]!;
    if (isFloat(tensor.type) && !frozen.has(name)) {
      const moved = toFloat64(tensor).map((x) => x + nudge * (0.5 + random()));
      feeds.set(name, tensorOf(type, tensor.dims, moved));
    } else graph.initializers.set(name, tensor);
  });
  graph.inputs = graph.inputs.filter(({ name }) => feeds.has(name));
  return { model: { ...model, graph }, feeds };
}

/** A graph, subgraphs included, whose float tensors and type attributes are all `type`. */
function retype(graph: Graph, type: DataType): Graph {
  const info = <T extends { type?: DataType }>(value: T): T =>
    value.type && isFloat(value.type) ? { ...value, type, source: undefined } : value;
  return {
    ...graph,
    source: undefined,
    inputs: graph.inputs.map(info),
    outputs: graph.outputs.map(info),
    values: new Map(),
    initializers: new Map([...graph.initializers].map(([name, tensor]) => [name, retypeTensor(tensor, type)])),
    nodes: graph.nodes.map((node) => ({
      ...node,
      source: undefined,
      attributes: Object.fromEntries(
        Object.entries(node.attributes).map(([name, value]) => [name, retypeAttribute(name, value, type)]),
      ),
    })),
  };
}

function retypeAttribute(name: string, value: Attribute, type: DataType): Attribute {
  const named = name === 'to' || name === 'dtype' || name === 'output_datatype' || name === 'softmax_precision';
  if (typeof value === 'number') return named && isFloatCode(value) ? codeOf(type) : value;
  if (typeof value !== 'object' || Array.isArray(value)) return value;
  if ('nodes' in value) return retype(value, type);
  return 'dims' in value ? retypeTensor(value, type) : value;
}

function isFloatCode(code: number): boolean {
  const type = typeOfCode(code);
  return type !== undefined && isFloat(type);
}

function retypeTensor(tensor: Tensor, type: DataType): Tensor {
  return isFloat(tensor.type) ? tensorOf(type, tensor.dims, toFloat64(tensor)) : tensor;
}

function readTensor(bytes: Uint8Array): Tensor | undefined {
  try {
    return decodeTensor(fromBinary(TensorProtoSchema, bytes), 'pb');
  } catch {
    return undefined;
  }
}

function zerosOf(tensor: Tensor): Tensor {
  return tensorOf(tensor.type, tensor.dims, new Array<number>(tensor.data.length).fill(0));
}

function total(builder: GraphBuilder, value: Value): Value {
  const all = value.shape.map((_, axis) => axis);
  return builder.reshape(builder.reduceSum(value, all), []);
}

/** Σ a·b over the elements that have a weight b. */
function dot(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) if (b[i] !== 0) sum += a[i]! * b[i]!;
  return sum;
}
