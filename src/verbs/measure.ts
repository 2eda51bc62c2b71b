import type { BackwardGraph, ExposedGradient } from '../autodiff/differentiate.ts';
import { type EdgeGroup, groupEdges } from '../flow/blocks.ts';
import type { Composite } from '../flow/composites.ts';
import { addTensors, innerProduct, measureTensor, type TensorStatistics } from '../flow/statistics.ts';
import { measureUnits, type UnitStatistics } from '../flow/units.ts';
import type { Model, Value } from '../graph/graph.ts';
import { pruneGraph } from '../graph/prune.ts';
import { sizeOf, type Tensor, tensorOf, toNumbers } from '../graph/tensor.ts';
import type { Runtime, Session } from '../runtime/runtime.ts';

/** Gradients of a value and of the branches that meet in it. */
export interface MeasuredGradient {
  readonly gradient: TensorStatistics;
  /** Per edge into this value: its contribution's log₁₀ norm and share. */
  readonly edges: ReadonlyMap<EdgeGroup, { readonly log10L2: number; readonly share: number }>;
}

/** Tensors are fetched in passes of at most this many bytes: statistics need one value at a time, not the whole network. */
const PASS_BYTES = 256 * 2 ** 20;

export interface ProbeOptions {
  /** Blocks that are measured as one operator. */
  readonly composites?: readonly Composite[];
  /** Bytes of tensors fetched at a time; default 256 MiB. */
  readonly passBytes?: number;
}

/** An activation function's operator, its input, and the axis along which its units stand. */
export interface MeasuredActivation {
  readonly op: string;
  readonly input: string;
  readonly unitAxis: number | undefined;
}

/** Runs a differentiated graph on one batch and turns what comes out into statistics, a bounded number of bytes at a time. */
export class Probe {
  readonly backward: BackwardGraph;
  /** One session for everything that may be fetched, where that fits into memory twice over. */
  private readonly session: Session | undefined;
  private readonly load: (outputs: readonly string[]) => Promise<Session>;
  private readonly feeds: Map<string, Tensor>;
  private readonly passBytes: number;
  private readonly edgesInto = new Map<string, EdgeGroup[]>();

  private constructor(
    backward: BackwardGraph,
    session: Session | undefined,
    load: (outputs: readonly string[]) => Promise<Session>,
    feeds: ReadonlyMap<string, Tensor>,
    { composites = [], passBytes = PASS_BYTES }: ProbeOptions,
  ) {
    this.passBytes = passBytes;
    this.backward = backward;
    this.session = session;
    this.load = load;
    this.feeds = new Map(feeds);
    this.rescale(new Map());
    const outputs = new Map(backward.graph.nodes.map((node) => [node.name, node.outputs]));
    for (const edge of groupEdges(backward.edges, composites, (node) => outputs.get(node) ?? [])) {
      const list = this.edgesInto.get(edge.value);
      if (list) list.push(edge);
      else this.edgesInto.set(edge.value, [edge]);
    }
  }

  /**
   * Loads the graph with everything the probe may fetch declared as output. Blocks are measured as one operator.
   * onnxruntime runs the whole graph whatever is fetched and keeps every declared output to the end: a large network
   * is loaded anew for each pass instead, cut down to what that pass fetches.
   */
  static async load(
    runtime: Runtime,
    model: Model,
    backward: BackwardGraph,
    feeds: ReadonlyMap<string, Tensor>,
    values: readonly string[],
    options: ProbeOptions = {},
  ): Promise<Probe> {
    const known = (name: string) =>
      !feeds.has(name) && !backward.graph.initializers.has(name) && name !== backward.seed;
    const fetchable = new Set(
      [
        backward.loss,
        ...values,
        ...backward.gradients.values(),
        ...backward.edges.map((edge) => edge.contribution),
        ...backward.exposed.flatMap(({ value, exponents }) => [value, exponents]),
      ].filter(known),
    );
    const load = (outputs: readonly string[]) => runtime.load({ ...model, graph: pruneGraph(backward.graph, outputs) });
    const bytes = [...fetchable].reduce((sum, name) => sum + bytesOf(backward.values.get(name)), 0);
    const session = bytes <= 2 * (options.passBytes ?? PASS_BYTES) ? await load([...fetchable]) : undefined;
    return new Probe(backward, session, load, feeds, options);
  }

  async release(): Promise<void> {
    await this.session?.release();
  }

  /** Sets the powers of two by which gradients are multiplied at the rescaled values. */
  rescale(exponents: ReadonlyMap<string, number>): void {
    const { backward, feeds } = this;
    feeds.set(backward.seed, scalar(backward, backward.loss, 1));
    for (const [name, input] of backward.rescale)
      feeds.set(input, scalar(backward, name, 2 ** (exponents.get(name) ?? 0)));
    this.exponents = exponents;
  }
  private exponents: ReadonlyMap<string, number> = new Map();

  /** log₂ of the factor by which the gradient of a value is measured too large. */
  scaleExponent(value: string, withOwn = true): number {
    const passed = this.backward.rescaledBy.get(value) ?? [];
    return this.sumExponents(withOwn ? passed : passed.filter((name) => name !== value));
  }

  private sumExponents(rescaled: readonly string[]): number {
    return rescaled.reduce((sum, name) => sum + (this.exponents.get(name) ?? 0), 0);
  }

  /** The loss of the batch. */
  async loss(): Promise<number> {
    const tensor = (await this.fetch([this.backward.loss])).get(this.backward.loss)!;
    return Number(tensor.data[0]);
  }

  /** Statistics of the values themselves and, where the operator is an activation, of its units. */
  async measureValues(
    names: readonly string[],
    activationOf: (name: string) => MeasuredActivation | undefined,
  ): Promise<Map<string, { value: TensorStatistics; units?: UnitStatistics }>> {
    const results = new Map<string, { value: TensorStatistics; units?: UnitStatistics }>();
    const inputsOf = (name: string) => [name, ...[activationOf(name)?.input].filter((input) => input !== undefined)];
    await this.inPasses(names, inputsOf, (name, tensors) => {
      const activation = activationOf(name);
      const Y = tensors.get(name)!;
      const units = activation
        ? measureUnits(activation.op, tensors.get(activation.input)!, Y, activation.unitAxis)
        : undefined;
      results.set(name, { value: measureTensor(Y), units });
    });
    return results;
  }

  /** Statistics of the gradients of values, with the shares of the branches that meet in each; `look` sees each tensor. */
  async measureGradients(
    names: readonly string[],
    look?: (name: string, gradient: Tensor) => void,
  ): Promise<Map<string, MeasuredGradient>> {
    const results = new Map<string, MeasuredGradient>();
    const gradientOf = (name: string) => this.backward.gradients.get(name)!;
    const inputsOf = (name: string) => {
      const edges = this.edgesInto.get(name) ?? [];
      return [gradientOf(name), ...(edges.length > 1 ? edges.flatMap((edge) => edge.contributions) : [])];
    };
    await this.inPasses(names, inputsOf, (name, tensors) => {
      const exponent = this.scaleExponent(name);
      const before = this.scaleExponent(name, false);
      const g = tensors.get(gradientOf(name))!;
      const gradient = measureTensor(g, exponent);
      look?.(name, g);
      const edges = this.edgesInto.get(name) ?? [];
      const measured = new Map<EdgeGroup, { log10L2: number; share: number }>();
      const squares = innerProduct(g, g);
      for (const edge of edges) {
        if (edges.length === 1) {
          measured.set(edge, { log10L2: gradient.log10L2, share: 1 });
          continue;
        }
        const contribution = addTensors(edge.contributions.map((part) => tensors.get(part)!));
        const inner = innerProduct(contribution, g) * 2 ** (exponent - before);
        const { log10L2 } = measureTensor(contribution, before);
        measured.set(edge, { log10L2, share: squares > 0 ? inner / squares : 0 });
      }
      results.set(name, { gradient, edges: measured });
    });
    return results;
  }

  /** Statistics of each step (slice along the first axis) of the gradients that recurrent nodes expose. */
  async measureSteps(): Promise<Map<ExposedGradient, TensorStatistics[]>> {
    const results = new Map<ExposedGradient, TensorStatistics[]>();
    const exposed = new Map(this.backward.exposed.map((gradient) => [gradient.value, gradient]));
    await this.inPasses(
      [...exposed.keys()],
      (name) => [name, exposed.get(name)!.exponents],
      (name, tensors) => {
        const { type, dims, data } = tensors.get(name)!;
        const gradient = exposed.get(name)!;
        const exponents = toNumbers(tensors.get(gradient.exponents)!);
        const rescaled = this.sumExponents(gradient.rescaledBy);
        const [steps = 0, ...shape] = dims;
        const size = sizeOf(shape);
        const slices = Array.from({ length: steps }, (_, t) => {
          const step = { type, dims: shape, data: data.slice(t * size, (t + 1) * size) as Tensor['data'] };
          return measureTensor(step, rescaled - exponents[t]!);
        });
        results.set(gradient, slices);
      },
    );
    return results;
  }

  private async inPasses(
    names: readonly string[],
    inputsOf: (name: string) => string[],
    use: (name: string, tensors: ReadonlyMap<string, Tensor>) => void,
  ): Promise<void> {
    let pass: string[] = [];
    let bytes = 0;
    const flush = async () => {
      const tensors = await this.fetch([...new Set(pass.flatMap(inputsOf))]);
      for (const name of pass) use(name, tensors);
      pass = [];
      bytes = 0;
    };
    for (const name of names) {
      const size = inputsOf(name).reduce((sum, input) => sum + bytesOf(this.valueOf(input)), 0);
      if (pass.length > 0 && bytes + size > this.passBytes) await flush();
      pass.push(name);
      bytes += size;
    }
    if (pass.length > 0) await flush();
  }

  private async fetch(names: readonly string[]): Promise<Map<string, Tensor>> {
    const known = (name: string) => this.feeds.get(name) ?? this.backward.graph.initializers.get(name);
    const missing = names.filter((name) => !known(name));
    const fetched = missing.length > 0 ? await this.run(missing) : new Map<string, Tensor>();
    return new Map(names.map((name) => [name, known(name) ?? fetched.get(name)!]));
  }

  private async run(names: readonly string[]): Promise<Map<string, Tensor>> {
    if (this.session) return this.session.run(this.feeds, names);
    const session = await this.load(names);
    try {
      return await session.run(this.feeds, names);
    } finally {
      await session.release();
    }
  }

  private valueOf(name: string): Value {
    return this.backward.values.get(name)!;
  }
}

function scalar(backward: BackwardGraph, like: string, value: number): Tensor {
  return tensorOf(backward.values.get(like)!.type, [], [value]);
}

/** Bytes of a value in float32; 0 where its shape is not known. */
function bytesOf(value: Value | undefined): number {
  return 4 * sizeOf(value?.shape ?? []);
}
