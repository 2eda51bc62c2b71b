import type { Value } from '../../../graph/graph.ts';
import { range } from '../../../graph/shapes.ts';
import type { Initialization } from '../../../random/initializers.ts';
import { BATCH, type Layer } from '../network.ts';
import { anything, count, flag, number, oneOf } from '../schema.ts';
import { type LayerKind, layerKind } from './kind.ts';
import { biasScheme } from './linear.ts';
import { requireSteps } from './steps.ts';

const shared = {
  units: count,
  sequence: flag.optional(),
  bidirectional: flag.optional(),
  init: anything.optional(),
  'recurrent-init': anything.optional(),
  bias: anything.optional(),
};

interface Cell {
  readonly op: 'RNN' | 'LSTM' | 'GRU';
  /** Matrices in W and in R, stacked in ONNX' order: LSTM input, output, forget, cell; GRU update, reset, hidden. */
  readonly gates: number;
  readonly attributes?: Record<string, number>;
  /** Activation function of an RNN, as ONNX writes it. */
  readonly activation?: string;
  /** First bias of a gate that differs from the others. */
  readonly gateBias?: { readonly gate: number; readonly value: number };
}

/** W [directions, gates · units, features] and R [directions, gates · units, units], each gate drawn on its own. */
function parameters(layer: Layer, X: Value, { gates, gateBias }: Cell, units: number, directions: number) {
  const { defaults } = layer.network;
  const features = X.shape.at(-1)!;
  const copies = <T>(value: T) => range(directions * gates).map(() => value);
  const init = layer.initialization('init', defaults.weights, 'weights');
  const asPyTorch = init.scheme === 'pytorch-default';
  // torch.nn.RNN, LSTM, GRU: everything uniform within 1 / √units. Keras: R orthogonal (there all gates are one matrix).
  const fans = asPyTorch ? { fanIn: units, fanOut: units } : undefined;
  const orthogonal: Initialization = { scheme: asPyTorch ? 'pytorch-default' : 'orthogonal' };
  const recurrent = layer.initialization('recurrent-init', orthogonal, 'weights');
  const rows = gates * units;
  const W = layer.parameter('weight', X.type, [directions, rows, features], copies(init), {
    fans,
    block: [units, features],
  });
  const R = layer.parameter('recurrent', X.type, [directions, rows, units], copies(recurrent), {
    block: [units, units],
  });
  const bias = biasScheme(layer, init);
  if (bias === false) return [W, R];
  // Wb and Rb are added to each other: a scheme draws the first, unless it is PyTorch's, which draws both.
  const zeros: Initialization = { scheme: 'zeros' };
  const special: Initialization | undefined = gateBias && { scheme: 'constant', value: gateBias.value };
  const inputHalf = range(gates).map((gate) => (special && gate === gateBias!.gate ? special : bias));
  const recurrentHalf = range(gates).map((gate) =>
    bias.scheme === 'pytorch-default' && !(special && gate === gateBias!.gate) ? bias : zeros,
  );
  const B = layer.parameter(
    'bias',
    X.type,
    [directions, 2 * rows],
    range(directions).flatMap(() => [...inputHalf, ...recurrentHalf]),
    { block: [units], fans: { fanIn: units, fanOut: units } },
  );
  return [W, R, B];
}

/**
 * ONNX' recurrent operator, steps first, between the transpositions that it needs; initial states are zeros. Within a
 * `repeat` all but the last pass on every step, as the one above them reads.
 */
function recur(layer: Layer, X: Value, cell: Cell): Value {
  const {
    units,
    sequence = false,
    bidirectional = false,
  } = layer.options as {
    units: number;
    sequence?: boolean;
    bidirectional?: boolean;
  };
  const [steps, features] = requireSteps(layer, X, 'a recurrent layer before it needs "sequence: true"');
  const directions = bidirectional ? 2 : 1;
  const whole = sequence || layer.following > 0;
  const name = (part: string) => layer.network.claim(`${layer.name}.${part}`);
  const turn = name('steps');
  const [byStep] = layer.named('Transpose', [X], [[turn, [steps, BATCH, features]]], { perm: [1, 0, 2] }, turn);
  const states = [name('states'), [steps, directions, BATCH, units]] as const;
  const last = [name('final'), [directions, BATCH, units]] as const;
  const attributes = {
    hidden_size: units,
    direction: bidirectional ? 'bidirectional' : 'forward',
    ...(cell.activation !== undefined && { activations: range(directions).map(() => cell.activation!) }),
    ...cell.attributes,
  };
  const inputs = [byStep, ...parameters(layer, X, cell, units, directions)];
  const results = layer.named(cell.op, inputs, whole ? [states] : [states, last], attributes, layer.name);
  const output = name('output');
  if (!bidirectional) {
    const axis = layer.integers('axis', [whole ? 1 : 0]);
    if (!whole) return layer.named('Squeeze', [results[1], axis], [[layer.name, [BATCH, units]]], {}, output)[0]!;
    const squeezed = name('squeezed');
    const [Y] = layer.named('Squeeze', [results[0], axis], [[squeezed, [steps, BATCH, units]]], {}, squeezed);
    const result = [layer.name, [BATCH, steps, units]] as const;
    return layer.named('Transpose', [Y], [result], { perm: [1, 0, 2] }, output)[0]!;
  }
  // Both directions of a step, or of the end, one behind the other: [batch, …, 2 · units].
  const turned = name('turned');
  const inner = whole ? [steps, 2, units] : [2, units];
  const perm = whole ? [2, 0, 1, 3] : [1, 0, 2];
  const [Y] = layer.named('Transpose', [results[whole ? 0 : 1]], [[turned, [BATCH, ...inner]]], { perm }, turned);
  const sample = whole ? [steps, 2 * units] : [2 * units];
  const shape = layer.integers('shape', [0, ...sample]);
  return layer.named('Reshape', [Y, shape], [[layer.name, [BATCH, ...sample]]], {}, output)[0]!;
}

/** Layers that read a sequence step by step. */
export const recurrent: Record<string, LayerKind> = {
  rnn: layerKind({
    main: 'units',
    options: { ...shared, activation: oneOf('tanh', 'relu').optional() },
    build: (layer, X, { activation = 'tanh' }) =>
      recur(layer, X, { op: 'RNN', gates: 1, activation: activation === 'tanh' ? 'Tanh' : 'Relu' }),
  }),
  lstm: layerKind({
    main: 'units',
    options: { ...shared, 'forget-bias': number.optional() },
    build(layer, X, options) {
      const given = options['forget-bias'];
      if (given !== undefined && options.bias === false) {
        throw layer.error('expected "forget-bias" or "bias: false", found both', { option: 'forget-bias' });
      }
      // 1 from the start (Jozefowicz et al. 2015; Keras); torch.nn.LSTM draws it like the others.
      const { scheme } = layer.initialization('init', layer.network.defaults.weights, 'weights');
      const value = given ?? (scheme === 'pytorch-default' ? undefined : 1);
      return recur(layer, X, { op: 'LSTM', gates: 4, ...(value !== undefined && { gateBias: { gate: 2, value } }) });
    },
  }),
  // The reset gate behind the matrix, as in cuDNN: torch.nn.GRU, and Keras with reset_after.
  gru: layerKind({
    main: 'units',
    options: shared,
    build: (layer, X) => recur(layer, X, { op: 'GRU', gates: 3, attributes: { linear_before_reset: 1 } }),
  }),
};
