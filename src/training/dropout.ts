import { isFloat } from '../graph/data-type.ts';
import type { Binding, Graph, Node } from '../graph/graph.ts';
import { sizeOf, type Tensor, tensorOf, toNumbers } from '../graph/tensor.ts';
import { createRandom } from '../random/random.ts';

/** A dropout mask to feed to each run: true keeps. `dropoutMask` makes it. */
export interface DropoutMask {
  /** The Dropout node's name. */
  readonly name: string;
  readonly input: string;
  readonly shape: readonly number[];
  /** Probability that an element is dropped. */
  readonly rate: number;
}

/**
 * Replaces every Dropout in training mode whose rate is a constant by Y = mask ? X / (1 − rate) : 0 with the mask as a
 * graph input, in place: onnxruntime's own draws follow from how often its session has run, so that a resumed run could
 * not repeat them. Dropout within subgraphs stays as it is.
 */
export function feedMasks(graph: Graph, binding: Binding, uniqueName: (base: string) => string): DropoutMask[] {
  const masks: DropoutMask[] = [];
  graph.nodes = graph.nodes.flatMap((node) => {
    const X = binding.get(node.inputs[0] ?? '');
    const rate = trainingRate(node, graph);
    if (rate === undefined || !X || !isFloat(X.type)) return [node];
    const name = node.name || node.outputs[0]!;
    const input = uniqueName(`${name}:mask`);
    const value = (suffix: string, number: number) => {
      const constant = uniqueName(`${name}:${suffix}`);
      graph.initializers.set(constant, tensorOf(X.type, [], [number]));
      binding.set(constant, { name: constant, type: X.type, shape: [], content: graph.initializers.get(constant) });
      return constant;
    };
    const scaled = uniqueName(`${name}:scaled`);
    graph.inputs.push({ name: input, type: 'bool', shape: [...X.shape] });
    binding.set(input, { name: input, type: 'bool', shape: X.shape });
    binding.set(scaled, { name: scaled, type: X.type, shape: X.shape });
    masks.push({ name, input, shape: X.shape, rate });
    // At rate 1 nothing is kept, and nothing is divided by zero.
    const scale = value('scale', rate < 1 ? 1 / (1 - rate) : 1);
    const [Y = '', mask = ''] = node.outputs;
    const plain = (op: string, inputs: string[], output: string): Node => {
      return { name: `${name}/${op}`, op, domain: '', inputs, outputs: [output], attributes: {} };
    };
    return [
      plain('Mul', [node.inputs[0]!, scale], scaled),
      plain('Where', [input, scaled, value('zero', 0)], Y),
      ...(mask === '' ? [] : [plain('Identity', [input], mask)]),
    ];
  });
  return masks;
}

/** The rate of a Dropout that drops; undefined where it passes everything or takes its rate from elsewhere. */
function trainingRate(node: Node, graph: Graph): number | undefined {
  if (node.op !== 'Dropout' || node.domain !== '') return undefined;
  const [, ratio = '', training = ''] = node.inputs;
  if (!graph.initializers.get(training)?.data[0]) return undefined;
  const rate = ratio === '' ? 0.5 : graph.initializers.get(ratio);
  if (rate === undefined) return undefined;
  const number = typeof rate === 'number' ? rate : toNumbers(rate)[0]!;
  return number > 0 && number <= 1 ? number : undefined;
}

/**
 * The mask of one run, a function of the seed, the run's number and the mask's name alone: a resumed run draws what an
 * uninterrupted one would have. Each element hashes its index under a key (MurmurHash3's 32-bit finalizer). `into` is
 * written where its size fits.
 */
export function dropoutMask(mask: DropoutMask, seed: number, run: number, into?: Uint8Array): Tensor {
  const size = sizeOf(mask.shape);
  const data = into?.length === size ? into : new Uint8Array(size);
  const random = createRandom(seed).fork(`dropout:${mask.name}:${run}`);
  const [first, second] = [random.below(2 ** 32) | 0, random.below(2 ** 32) | 0];
  // Signed comparison: the hash is uniform on [−2³¹, 2³¹).
  const limit = mask.rate * 2 ** 32 - 2 ** 31;
  for (let i = 0; i < size; i++) {
    let hash = Math.imul(i ^ first, 0x9e3779b1) ^ second;
    hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
    hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
    data[i] = +((hash ^ (hash >>> 16)) >= limit);
  }
  return { type: 'bool', dims: mask.shape, data };
}
