import { ReaderError } from '../../graph/errors.ts';
import { type Model, modelOf, type TrainingHints } from '../../graph/graph.ts';
import { findParameters } from '../../graph/parameters.ts';
import { filledTensor, sizeOf, tensorOf, toFloat64 } from '../../graph/tensor.ts';
import { planFixup } from '../../random/fixup.ts';
import type { Initialization } from '../../random/initializers.ts';
import { createRandom } from '../../random/random.ts';
import type { Source } from '../source.ts';
import { parseText, plainDocument, quote, type SpecDocument, specError } from './document.ts';
import { readInitialization } from './initialization.ts';
import { layerTable } from './layers/index.ts';
import { BATCH, LARGEST_SAMPLE, Network } from './network.ts';
import { anything, count, name, oneOf, sampleShape, wholeNumber } from './schema.ts';
import { isRecord, readOptions } from './tagged.ts';
import { readLoss, readOptimizer } from './training.ts';

/** Endings of files that hold a spec. */
export const extensions = ['.yaml', '.yml', '.json'];
/** What a spec is, for whoever gave none. */
export const expected =
  'expected a network with "input" and "layers"; the shortest is {input: 784, layers: [{dense: 10}]}';

/** Whether content is a network written as YAML or JSON: text with a top-level key `layers`. */
export function match({ bytes }: Pick<Source, 'bytes'>): boolean {
  const text = decodeText(bytes);
  if (text === undefined) return false;
  const keys = /^\s*\{/.test(text) ? topLevelKeys(text) : undefined;
  // Keras and TensorFlow.js keep their layers deeper down, under these keys.
  if (keys) return keys.includes('layers') && !keys.some((key) => /^(class_name|modelTopology|config)$/.test(key));
  return /^(layers|"layers"|'layers')\s*:/m.test(text);
}

/** Reads a network written as YAML or JSON. Throws ReaderError with `file:line:column`. */
export async function read(source: Pick<Source, 'name' | 'bytes'>): Promise<Model> {
  const text = decodeText(source.bytes);
  if (text === undefined) {
    throw new ReaderError('expected YAML or JSON text in UTF-8', { code: 'spec-syntax', where: source.name });
  }
  const stem = source.name.replace(/^.*[\\/]/, '').replace(/\.(ya?ml|json)$/i, '');
  return build(parseText(text, source.name), stem || 'network');
}

/** Builds a network from a spec as plain data. Throws ReaderError with the path of what does not fit. */
export function buildSpec(spec: unknown): Model {
  return build(plainDocument(spec), 'network');
}

/** The keys at the top of a spec. */
const topLevel = {
  name: name.optional(),
  input: anything.optional(),
  layers: anything.optional(),
  init: anything.optional(),
  bias: anything.optional(),
  loss: anything.optional(),
  optimizer: anything.optional(),
  batch: count.optional(),
  seed: wholeNumber.optional(),
};

function build(document: SpecDocument, fallbackName: string): Model {
  const spec = document.value;
  if (spec === null || spec === undefined) {
    throw specError(document, [], 'the spec is empty', { hint: expected, code: 'empty-file' });
  }
  if (!isRecord(spec)) {
    const hint = 'the shortest is {input: 784, layers: [{dense: 10}]}';
    throw specError(document, [], `expected a mapping with "input" and "layers", found ${quote(spec)}`, { hint });
  }
  const given = new Map(Object.keys(spec).map((key) => [key, { value: spec[key], path: [key] }]));
  const options = readOptions(document, topLevel, given, 'the spec', []);
  for (const key of ['input', 'layers']) {
    if (spec[key] === undefined) throw specError(document, [], `expected the key "${key}"`, { at: 'key' });
  }
  const input = readInput(document, spec.input);
  const seed = options.seed as number | undefined;
  const network = new Network(document, layerTable, readDefaults(document, spec), createRandom(seed ?? 0));
  const { graph } = network;
  const X = graph.input(network.claim(input.name), input.type, [1, ...input.shape]);
  const Y = network.sequence(spec.layers, ['layers'], '', X);
  graph.graph.inputs = [{ name: X.name, type: X.type, shape: [BATCH, ...input.shape] }];
  graph.graph.outputs = [{ name: Y.name, type: Y.type, shape: [BATCH, ...Y.shape.slice(1)] }];
  graph.graph.values.delete(Y.name);
  graph.graph.name = (options.name as string | undefined) ?? fallbackName;

  const training: TrainingHints = {};
  if (spec.loss !== undefined) training.loss = readLoss(document, spec.loss);
  if (spec.optimizer !== undefined) training.optimizer = readOptimizer(document, spec.optimizer);
  if (options.batch !== undefined) training.batch = options.batch as number;
  if (seed !== undefined) training.seed = seed;
  const model: Model = { ...modelOf(graph.graph), constants: network.constants, format: 'spec', training };
  if (spec.init === 'fixup') scaleByFixup(document, model, network.byDefault);
  return model;
}

/** He's weights, which the model was built with, times the factors of Fixup; a layer's own scheme stays. */
function scaleByFixup(document: SpecDocument, model: Model, drawn: ReadonlySet<string>): void {
  const { graph } = model;
  const { gains, branches } = planFixup(graph, findParameters(model));
  if (branches === 0) {
    const hint = 'he, glorot and orthogonal draw the weights of any network';
    throw specError(document, ['init'], 'fixup is for networks with residual layers, found none', { hint });
  }
  for (const [name, gain] of gains) {
    if (gain === 1 || !drawn.has(name)) continue;
    const tensor = graph.initializers.get(name)!;
    const { type, dims } = tensor;
    const scaled = toFloat64(tensor).map((x) => gain * x);
    graph.initializers.set(name, gain === 0 ? filledTensor(type, dims, 0) : tensorOf(type, dims, scaled));
  }
}

function readDefaults(document: SpecDocument, spec: Record<string, unknown>) {
  // Glorot's uniform is Keras' default, and the scheme of most textbooks.
  let weights: Initialization = { scheme: 'glorot-uniform' };
  if (spec.init === 'fixup') weights = { scheme: 'he-normal' };
  else if (spec.init !== undefined) weights = readInitialization(document, spec.init, ['init'], 'weights');
  let bias: Initialization | false | undefined;
  if (spec.bias === false) bias = false;
  else if (spec.bias !== undefined && spec.bias !== true) {
    bias = readInitialization(document, spec.bias, ['bias'], 'bias');
  }
  return { weights, bias };
}

interface Input {
  readonly name: string;
  readonly type: 'float32' | 'float64' | 'int64';
  readonly shape: readonly number[];
}

/** `784`, `[1, 28, 28]` or `{shape: …, name: pixels, type: float64}`; the batch is not written. */
function readInput(document: SpecDocument, raw: unknown): Input {
  const long = isRecord(raw);
  const given = long
    ? new Map(Object.keys(raw).map((key) => [key, { value: raw[key], path: ['input', key] }]))
    : new Map([['shape', { value: raw, path: ['input'] }]]);
  const shape = given.get('shape');
  if (shape && typeof shape.value === 'number') given.set('shape', { ...shape, value: [shape.value] });
  const schema = { shape: sampleShape, name: name.optional(), type: oneOf('float32', 'float64', 'int64').optional() };
  const options = readOptions(document, schema, given, 'input', ['input']) as Partial<Input> & Pick<Input, 'shape'>;
  if (sizeOf(options.shape) > LARGEST_SAMPLE) {
    const message = `expected a sample of at most ${LARGEST_SAMPLE} elements, found ${quote(options.shape)}`;
    throw specError(document, ['input'], message, { code: 'spec-too-large' });
  }
  return { name: options.name ?? 'input', type: options.type ?? 'float32', shape: options.shape };
}

function decodeText(bytes: Uint8Array): string | undefined {
  // A NUL is valid UTF-8, but no text: binary formats show theirs early.
  if (bytes.subarray(0, 4096).includes(0)) return undefined;
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

function topLevelKeys(text: string): string[] | undefined {
  try {
    return Object.keys(JSON.parse(text) as object);
  } catch {
    return undefined;
  }
}
