import { type Graph, type Model, modelOf } from '../graph/graph.ts';
import { withoutAliases } from '../runtime/aliases.ts';
import type { TrainingStep } from '../training/step.ts';

/** What a file with a training step says beyond a gradient's. */
export interface WrittenStep {
  readonly optimizer: string;
  readonly learningRate: number;
  /** Scalar input. */
  readonly learningRateInput: string;
  /** State inputs: each comes back as the output `<input>:next`. */
  readonly state: readonly { readonly input: string; readonly output: string; readonly role: string }[];
  /**
   * A model without inputs whose outputs are the state before the first run, named as the step's inputs. Defaults of
   * inputs would do in Python, but onnxruntime-node does not take feeds for them.
   */
  readonly initial: Model;
}

/** A training step as a model, and its initial state as another. */
export function stepModel(model: Model, step: TrainingStep, learningRate: number): { model: Model; step: WrittenStep } {
  const state = step.state.map(({ input, output, role }) => ({ input, output, role }));
  const inputs = new Set([step.learningRate, ...state.map(({ input }) => input)]);
  // Data first.
  const ordered = [
    ...step.graph.inputs.filter(({ name }) => !inputs.has(name)),
    ...step.graph.inputs.filter(({ name }) => inputs.has(name)),
  ];
  const { optimizer } = step;
  const written = { optimizer: optimizer.name, learningRate, learningRateInput: step.learningRate, state };
  return {
    model: withoutAliases({ ...model, graph: { ...step.graph, inputs: ordered }, format: 'onnx' }),
    step: { ...written, initial: initialState(step) },
  };
}

function initialState({ state }: TrainingStep): Model {
  const stored = (input: string) => `${input}:stored`;
  const graph: Graph = {
    name: 'initial state',
    inputs: [],
    outputs: state.map(({ input, initial }) => ({ name: input, type: initial.type, shape: [...initial.dims] })),
    nodes: state.map(({ input }) => ({
      name: input,
      op: 'Identity',
      domain: '',
      inputs: [stored(input)],
      outputs: [input],
      attributes: {},
    })),
    initializers: new Map(state.map(({ input, initial }) => [stored(input), initial])),
    values: new Map(),
  };
  return modelOf(graph);
}
