import { arrayOf, type DataType } from '../graph/data-type.ts';
import { DataError } from '../graph/errors.ts';
import type { Graph, Model } from '../graph/graph.ts';
import { scalarOf, type Tensor, toFloat64 } from '../graph/tensor.ts';
import type { Runtime, Session } from '../runtime/runtime.ts';
import { dropoutMask } from './dropout.ts';
import type { StateTensor, TrainingStep } from './step.ts';

/** What one run is fed: the model's data inputs, and the target in the loss's type and shape. */
export interface TrainingBatch {
  readonly inputs: ReadonlyMap<string, Tensor>;
  readonly target?: Tensor;
}

/** What one update gave. Norms are in the order of the step's parameters, where the step computes them. */
export interface UpdateResult {
  /** Of the micro-batches' mean. */
  readonly loss: number;
  readonly gradientNorms?: Float64Array;
  readonly weightNorms?: Float64Array;
  readonly updateNorms?: Float64Array;
  /** The outputs asked for beyond these, of the last micro-batch. */
  readonly outputs: ReadonlyMap<string, Tensor>;
}

/** Two buffers of one state tensor: what is fed, and where the next value is written. */
interface Buffers {
  readonly tensor: StateTensor;
  current: Tensor;
  other: Tensor;
}

/**
 * Runs a training step again and again. Parameters and optimizer state go in as inputs and come back as outputs into a
 * second set of buffers, and the sets change places: nothing is allocated, and the state before the step stays at hand.
 */
export class Trainer {
  readonly step: TrainingStep;
  private readonly buffers: readonly Buffers[];
  private readonly masks: readonly Tensor[];
  private readonly rateType: DataType;
  private readonly sessions = new Map<Graph, Promise<Session>>();
  private readonly runtime: Runtime;
  private readonly model: Model;
  private readonly seed: number;

  constructor(runtime: Runtime, model: Model, step: TrainingStep, seed: number) {
    this.runtime = runtime;
    this.model = model;
    this.step = step;
    this.seed = seed;
    this.buffers = step.state.map((tensor) => ({
      tensor,
      current: copyOf(tensor.initial),
      other: emptyLike(tensor.initial),
    }));
    this.masks = step.masks.map((mask) => dropoutMask(mask, seed, 0));
    this.rateType = step.graph.inputs.find((input) => input.name === step.learningRate)?.type ?? 'float32';
  }

  /**
   * One update from one micro-batch or several, number `update` from 0. `fetches` are further outputs of `variant`, a
   * step of the same state that exposes more (default: the step itself).
   */
  async update(
    batches: readonly TrainingBatch[],
    learningRate: number,
    update: number,
    { fetches = [], variant = this.step }: { fetches?: readonly string[]; variant?: TrainingStep } = {},
  ): Promise<UpdateResult> {
    const { accumulate, microBatches } = this.step;
    let loss = 0;
    for (let i = 0; i < microBatches - 1; i++) {
      const outputs = await this.run(accumulate!, batches[i]!, learningRate, update * microBatches + i, [
        this.step.loss,
      ]);
      loss += numberOf(outputs.get(this.step.loss)!);
    }
    const { monitors } = variant;
    const names = [variant.loss, monitors.gradient, monitors.weight, monitors.update, ...fetches];
    const wanted = names.filter((name) => name !== undefined);
    const run = (update + 1) * microBatches - 1;
    const outputs = await this.run(variant.graph, batches[microBatches - 1]!, learningRate, run, wanted);
    const norms = (name: string | undefined) => (name === undefined ? undefined : toFloat64(outputs.get(name)!));
    return {
      loss: (loss + numberOf(outputs.get(variant.loss)!)) / microBatches,
      gradientNorms: norms(monitors.gradient),
      weightNorms: norms(monitors.weight),
      updateNorms: norms(monitors.update),
      outputs,
    };
  }

  /** The state by name. The tensors are written by later updates: copy what is to be kept. */
  state(): Map<string, Tensor> {
    return new Map(this.buffers.map(({ tensor, current }) => [tensor.name, current]));
  }

  /** The state before the last update; before the first, meaningless. */
  stateBefore(): Map<string, Tensor> {
    return new Map(this.buffers.map(({ tensor, other }) => [tensor.name, other]));
  }

  /** Takes the last update back. */
  revert(): void {
    for (const buffers of this.buffers) [buffers.current, buffers.other] = [buffers.other, buffers.current];
  }

  /** Continues from a state saved before. Throws DataError where a tensor is missing or does not fit. */
  restore(state: ReadonlyMap<string, Tensor>): void {
    for (const { tensor, current } of this.buffers) {
      const saved = state.get(tensor.name);
      const fits = saved?.type === current.type && saved.dims.join() === current.dims.join();
      if (!saved || !fits) {
        const found = saved ? `${saved.type} [${saved.dims.join(', ')}]` : 'nothing';
        throw new DataError(
          `the saved state has ${found} for ${tensor.name}, this run needs ${current.type} [${current.dims.join(', ')}]`,
          { code: 'other-state', hint: 'continue with the same model and optimizer' },
        );
      }
      (current.data as Float32Array).set(saved.data as Float32Array);
    }
  }

  async release(): Promise<void> {
    for (const session of this.sessions.values()) await (await session).release();
    this.sessions.clear();
  }

  private async run(
    graph: Graph,
    batch: TrainingBatch,
    learningRate: number,
    run: number,
    fetches: readonly string[],
  ): Promise<Map<string, Tensor>> {
    const session = await this.load(graph);
    const outputs = new Set(graph.outputs.map(({ name }) => name));
    const feeds = new Map(batch.inputs);
    if (this.step.target !== undefined && batch.target) feeds.set(this.step.target, batch.target);
    feeds.set(this.step.learningRate, scalarOf(this.rateType, learningRate));
    this.step.masks.forEach((mask, i) => {
      feeds.set(mask.input, dropoutMask(mask, this.seed, run, this.masks[i]!.data as Uint8Array));
    });
    const into = new Map<string, Tensor>();
    const written: Buffers[] = [];
    for (const buffers of this.buffers) {
      feeds.set(buffers.tensor.input, buffers.current);
      if (!outputs.has(buffers.tensor.output)) continue;
      into.set(buffers.tensor.output, buffers.other);
      written.push(buffers);
    }
    const results = await session.run(feeds, [...fetches, ...into.keys()], into);
    for (const buffers of written) [buffers.current, buffers.other] = [buffers.other, buffers.current];
    return results;
  }

  private load(graph: Graph): Promise<Session> {
    let session = this.sessions.get(graph);
    if (!session) {
      session = this.runtime.load({ ...this.model, graph }, { optimization: 'full' });
      this.sessions.set(graph, session);
    }
    return session;
  }
}

/** A tensor with its own copy of the elements. */
export function copyOf(tensor: Tensor): Tensor {
  return { ...tensor, data: tensor.data.slice() as Tensor['data'] };
}

function emptyLike({ type, dims, data }: Tensor): Tensor {
  return { type, dims, data: new (arrayOf(type))(data.length) };
}

function numberOf(tensor: Tensor): number {
  return Number(tensor.data[0]);
}
