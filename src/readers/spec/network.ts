import { GraphBuilder } from '../../graph/builder.ts';
import { type DataType, isFloat } from '../../graph/data-type.ts';
import type { Attribute, Value } from '../../graph/graph.ts';
import { range } from '../../graph/shapes.ts';
import { scalarOf, sizeOf, type Tensor, tensorOf } from '../../graph/tensor.ts';
import { type Fans, type Initialization, initialize } from '../../random/initializers.ts';
import type { Random } from '../../random/random.ts';
import { type Path, quote, type SpecDocument, specError } from './document.ts';
import { readInitialization, type Values, valuesOf } from './initialization.ts';
import type { LayerKind } from './layers/kind.ts';
import { count, layerList, name as nameSchema } from './schema.ts';
import { readTagged, type Tagged, type Vocabulary } from './tagged.ts';

/** Name of the batch dimension. */
export const BATCH = 'batch';
/** Bytes of all parameters together: what one ONNX file can hold. */
const MOST_BYTES = 2 ** 31;
/** Elements of one sample at most: what a 32-bit index holds. */
export const LARGEST_SAMPLE = 2 ** 31;
const MOST_LAYERS = 100_000;
const DEEPEST = 32;
const MOST_REPEATS = 10_000;

/** What a spec says once for all layers. */
export interface Defaults {
  readonly weights: Initialization;
  /** Undefined: zeros, or what the weights' scheme brings. */
  readonly bias: Initialization | false | undefined;
}

/** The layers a spec may name, and the activations. */
export interface LayerTable {
  readonly kinds: Readonly<Record<string, LayerKind>>;
  readonly aliases: Readonly<Record<string, string>>;
  readonly activations: Readonly<Record<string, LayerKind>>;
  readonly activationAliases: Readonly<Record<string, string>>;
}

const repeatError = `expected a whole number from 1 to ${MOST_REPEATS}`;
/** How often a layer or a list of layers stands one after the other. */
export const repeats = count.max(MOST_REPEATS, { error: repeatError });

interface Item extends Tagged {
  readonly name: string;
}

/**
 * A graph that grows layer by layer. Values are built for a batch of 1 (the first dimension), which is declared
 * symbolic: no operator written here depends on it.
 */
export class Network {
  readonly graph = new GraphBuilder();
  /** Initializers that are no parameters: bounds, rates, running statistics. */
  readonly constants = new Set<string>();
  /** Parameters drawn by the scheme that is for all layers. */
  readonly byDefault = new Set<string>();
  readonly document: SpecDocument;
  readonly defaults: Defaults;
  readonly random: Random;
  private readonly table: LayerTable;
  private readonly items = new Map<string, Item[]>();
  private readonly names = new Set<string>();
  private bytes = 0;
  private layers = 0;
  private depth = 0;

  constructor(document: SpecDocument, table: LayerTable, defaults: Defaults, random: Random) {
    this.document = document;
    this.table = table;
    this.defaults = defaults;
    this.random = random;
  }

  /** Appends a list of layers, named within `scope`. */
  sequence(raw: unknown, path: Path, scope: string, X: Value): Value {
    if (++this.depth > DEEPEST) {
      throw specError(this.document, path, `expected layers nested at most ${DEEPEST} deep`, {
        code: 'spec-too-large',
      });
    }
    let Y = X;
    for (const item of this.itemsOf(raw, path)) Y = this.append(item, scope + item.name, Y);
    this.depth--;
    return Y;
  }

  /** Applies an activation named `scope.kind`. */
  activate(raw: unknown, path: Path, scope: string, X: Value): Value {
    const tagged = readTagged(this.document, raw, path, {
      noun: 'activation',
      kinds: this.table.activations,
      aliases: this.table.activationAliases,
    });
    return this.table.activations[tagged.kind]!.build(new Layer(this, `${scope}.${tagged.kind}`, tagged), X);
  }

  /** The name itself, or with the first number that makes it unique in the graph. */
  claim(name: string): string {
    return freeName(name, this.names);
  }

  /** Counts a parameter's bytes before they are allocated. */
  reserve(bytes: number, { path, at }: Tagged, what: string): void {
    this.bytes += bytes;
    if (this.bytes <= MOST_BYTES) return;
    const message = `expected parameters of at most ${MOST_BYTES} bytes, found ${this.bytes} with ${what}`;
    throw specError(this.document, path, message, { at, code: 'spec-too-large' });
  }

  private append(item: Item, name: string, X: Value): Value {
    const times = item.options.repeat as number | undefined;
    if (times === undefined) return this.build(item, name, X);
    return range(times).reduce((Y, i) => this.build(item, `${name}.${i}`, Y, times - 1 - i), X);
  }

  private build(item: Item, name: string, X: Value, following = 0): Value {
    if (++this.layers > MOST_LAYERS) {
      throw specError(this.document, item.path, `expected at most ${MOST_LAYERS} layers`, { code: 'spec-too-large' });
    }
    const kind = this.table.kinds[item.kind]!;
    const layer = new Layer(this, name, item, following);
    if (!isFloat(X.type) && !kind.takesTokens) {
      throw layer.error(`expected numbers, found tokens of type ${X.type}`, {
        hint: 'put "- embedding: {vocabulary: 1000, units: 32}" before it',
      });
    }
    return kind.build(layer, X);
  }

  /** The items of a list of layers, each read once however often it is repeated. */
  private itemsOf(raw: unknown, path: Path): Item[] {
    const key = path.join('\0');
    const known = this.items.get(key);
    if (known) return known;
    const list = layerList.safeParse(raw);
    if (!list.success) {
      throw specError(this.document, path, `${list.error.issues[0]!.message}, found ${quote(raw)}`);
    }
    const vocabulary: Vocabulary = {
      noun: 'layer',
      kinds: this.table.kinds,
      aliases: this.table.aliases,
      common: { name: nameSchema.optional(), repeat: repeats.optional() },
    };
    const tagged = list.data.map((entry, i) => readTagged(this.document, entry, [...path, i], vocabulary));
    const taken = new Set<string>();
    for (const { options, pathOf } of tagged) {
      if (options.name === undefined) continue;
      if (taken.has(options.name as string)) {
        throw specError(this.document, pathOf('name'), `the name ${quote(options.name)} is given twice in one list`);
      }
      taken.add(options.name as string);
    }
    const items = tagged.map((entry) => {
      const given = entry.options.name as string | undefined;
      return { ...entry, name: given ?? freeName(this.table.kinds[entry.kind]!.defaultName ?? entry.kind, taken) };
    });
    this.items.set(key, items);
    return items;
  }
}

/** `dense`, `dense2`, `dense3`, …: the first that is not taken. */
function freeName(base: string, taken: Set<string>): string {
  let name = base;
  for (let i = 2; taken.has(name); i++) name = `${base}${i}`;
  taken.add(name);
  return name;
}

/** One layer being built: its name in the graph, and the means to add nodes and parameters under that name. */
export class Layer {
  readonly name: string;
  readonly network: Network;
  /** How many repetitions of it (`repeat`) come behind this one. */
  readonly following: number;
  private readonly tagged: Tagged;

  constructor(network: Network, name: string, tagged: Tagged, following = 0) {
    this.network = network;
    this.name = network.claim(name);
    this.tagged = tagged;
    this.following = following;
  }

  /** A part with names of its own (`layer.part`) and this layer's options. */
  part(part: string): Layer {
    return new Layer(this.network, `${this.name}.${part}`, this.tagged);
  }

  get options(): Readonly<Record<string, unknown>> {
    return this.tagged.options;
  }

  /** Appends a node named after the layer (or `layer.part`); its value, which has a batch, bears the same name. */
  node(
    op: string,
    inputs: readonly (Value | undefined)[],
    sampleShape: readonly number[],
    attributes: Record<string, Attribute> = {},
    part?: string,
  ): Value {
    const name = part === undefined ? this.name : this.network.claim(`${this.name}.${part}`);
    return this.named(op, inputs, [[name, [BATCH, ...sampleShape]]], attributes, name)[0]!;
  }

  /** Appends a node with several outputs, or one whose batch is not the first axis; names are given as they are to be. */
  named(
    op: string,
    inputs: readonly (Value | undefined)[],
    outputs: readonly (readonly [name: string, shape: readonly (number | typeof BATCH)[]])[],
    attributes: Record<string, Attribute>,
    node: string,
    type = inputs[0]!.type,
  ): Value[] {
    const { graph } = this.network;
    const shapes = outputs.map(([, shape]) => shape.map((dim) => (dim === BATCH ? 1 : dim)));
    for (const shape of shapes) {
      if (sizeOf(shape) <= LARGEST_SAMPLE) continue;
      throw this.error(`expected a result of at most ${LARGEST_SAMPLE} elements, found ${shown(shape)}`);
    }
    const names = { node, outputs: outputs.map(([name]) => name) };
    const results = graph.add(
      op,
      inputs,
      shapes.map((shape) => [type, shape] as const),
      attributes,
      names,
    );
    for (const [name, shape] of outputs) graph.graph.values.set(name, { name, type, shape: [...shape] });
    return results;
  }

  /**
   * A parameter `layer.suffix`, drawn from a stream of its own, or with the values given. Of a list of schemes each
   * draws one part of the tensor, all of the same shape `layout.block`, one after the other.
   */
  parameter(
    suffix: string,
    type: DataType,
    dims: readonly number[],
    values: Initialization | Values | readonly Initialization[],
    layout?: { fans?: Fans; groups?: number; transpose?: boolean; block?: readonly number[] },
  ): Value {
    const name = `${this.name}.${suffix}`;
    this.reserve(name, type, dims);
    const drawn =
      'raw' in values
        ? valuesOf(this.network.document, values, dims, `${quote(name)}`)
        : this.draw(name, layout?.block ?? dims, 'scheme' in values ? [values] : values, layout);
    const { weights } = this.network.defaults;
    if (values === weights || (Array.isArray(values) && values.includes(weights))) this.network.byDefault.add(name);
    const tensor = layout?.transpose
      ? tensorOf(type, [dims[1]!, dims[0]!], transposed(drawn, dims[0]!, dims[1]!))
      : tensorOf(type, dims, drawn);
    return this.network.graph.initializer(name, tensor);
  }

  /** Counts a stored tensor before it is made. Throws ReaderError where the model would be too large. */
  reserve(name: string, type: DataType, dims: readonly number[]): void {
    this.network.reserve(sizeOf(dims) * (type === 'float64' ? 8 : 4), this.tagged, `${name} [${dims.join(', ')}]`);
  }

  /** An initializer `layer.suffix` that is never trained. */
  constant(suffix: string, tensor: Tensor): Value {
    const name = `${this.name}.${suffix}`;
    this.network.constants.add(name);
    return this.network.graph.initializer(name, tensor);
  }

  /** A list of integers (axes, a shape) as an initializer `layer.suffix`. */
  integers(suffix: string, values: readonly number[]): Value {
    return this.constant(suffix, tensorOf('int64', [values.length], values));
  }

  /** A scalar that is never trained; its name starts like those exporters make up, so that an ONNX file says so too. */
  scalar(suffix: string, type: DataType, value: number): Value {
    const name = `/${this.name}.${suffix}`;
    this.network.constants.add(name);
    return this.network.graph.initializer(name, scalarOf(isFloat(type) ? type : 'float32', value));
  }

  /** The initialization given as an option, or `fallback`. */
  initialization(option: string, fallback: Initialization, purpose: 'weights' | 'bias'): Initialization {
    const raw = this.options[option];
    if (raw === undefined || raw === null || raw === true) return fallback;
    return readInitialization(this.network.document, raw, this.tagged.pathOf(option), purpose);
  }

  /** An error about this layer, at an option of it where one is to blame. */
  error(message: string, { option, hint }: { option?: string; hint?: string } = {}) {
    const path = option === undefined ? this.tagged.path : this.tagged.pathOf(option);
    const at = path === this.tagged.path ? this.tagged.at : 'value';
    return specError(this.network.document, path, `${quote(this.name)}: ${message}`, {
      at,
      hint,
      code: 'spec-shape',
    });
  }

  pathOf(option: string): Path {
    return this.tagged.pathOf(option);
  }

  /** Appends layers given as an option, named `layer.part.…`. */
  sequence(option: string, X: Value, part?: string | number): Value {
    const scope = part === undefined ? `${this.name}.` : `${this.name}.${part}.`;
    return this.network.sequence(this.options[option], this.tagged.pathOf(option), scope, X);
  }

  /** Appends the option `activation`, or `fallback`, if there is one. */
  activation(X: Value, fallback?: string): Value {
    const raw = this.options.activation ?? fallback;
    if (raw === undefined || raw === null) return X;
    return this.network.activate(raw, this.tagged.pathOf('activation'), this.name, X);
  }

  private draw(
    name: string,
    dims: readonly number[],
    schemes: readonly Initialization[],
    layout: { fans?: Fans; groups?: number } = {},
  ): Float64Array {
    const smaller = Math.min(dims[0]!, sizeOf(dims.slice(1)));
    if (smaller > LARGEST_ORTHOGONAL && schemes.some(({ scheme }) => scheme === 'orthogonal')) {
      throw this.error(`an orthogonal matrix [${dims.join(', ')}] takes minutes to draw`, {
        hint: `expected one side of at most ${LARGEST_ORTHOGONAL}; "lecun-normal" has the same scale`,
      });
    }
    const random = this.network.random.fork(name);
    if (schemes.length === 1) return initialize(schemes[0]!, dims, random, layout);
    const size = sizeOf(dims);
    const values = new Float64Array(size * schemes.length);
    schemes.forEach((scheme, i) => {
      values.set(initialize(scheme, dims, random, layout), i * size);
    });
    return values;
  }
}

/** n³ operations: 2048 take about ten seconds. */
const LARGEST_ORTHOGONAL = 2048;

function transposed(values: Float64Array, rows: number, columns: number): Float64Array {
  const out = new Float64Array(values.length);
  for (let i = 0; i < rows; i++) for (let j = 0; j < columns; j++) out[j * rows + i] = values[i * columns + j]!;
  return out;
}

/** The shape of one sample: all dimensions but the batch. */
export function sampleOf(X: Value): readonly number[] {
  return X.shape.slice(1);
}

/** A shape in words. */
export function shown(shape: readonly number[]): string {
  return `[${shape.join(', ')}]`;
}
