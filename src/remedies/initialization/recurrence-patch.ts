import { kerasName, nameList, torchPath } from '../patch/names.ts';
import type { Patch } from '../remedy.ts';

/** A recurrent layer as the patches name it. */
export interface PatchedRecurrence {
  readonly op: string;
  readonly layer: string;
  readonly hidden: number;
  readonly gates: number;
  /** Its stored tensors. */
  readonly parameters: readonly string[];
}

/** `rnn.weight_hh_l0` → `rnn`: the modules that hold the layers; a stack of layers is one module. */
function modulesOf(layers: readonly PatchedRecurrence[]): string {
  const modules = layers.map(({ layer, parameters }) => {
    const own = parameters.find((name) => /\.(weight|bias)_(ih|hh)_l\d+/.test(name));
    return torchPath(own ? own.slice(0, own.lastIndexOf('.')) : layer.replace(/\.l\d+$/, ''));
  });
  return `[${[...new Set(modules)].join(', ')}]`;
}

function namesOf(layers: readonly PatchedRecurrence[]): string {
  return nameList(layers.map(({ layer }) => kerasName(layer)));
}

/** Orthogonal matrices, gate by gate. */
export function patchOrthogonal(layers: readonly PatchedRecurrence[]): Patch {
  return {
    pytorch: `import torch.nn as nn

for layer in ${modulesOf(layers)}:
    for name, weight in layer.named_parameters():
        if name.startswith('weight_hh'):
            for gate in weight.data.split(layer.hidden_size):  # the gates are stacked
                nn.init.orthogonal_(gate)
`,
    keras: `import keras

orthogonal = keras.initializers.Orthogonal()
for name in ${namesOf(layers)}:
    cell = model.get_layer(name).cell
    n = cell.units
    gates = cell.recurrent_kernel.shape[1] // n
    blocks = [orthogonal((n, n)) for _ in range(gates)]
    cell.recurrent_kernel.assign(keras.ops.concatenate(blocks, axis=1))
`,
    tfjs: `for (const name of ${namesOf(layers)}) {
  const layer = model.getLayer(name);
  const [kernel, recurrent, ...bias] = layer.getWeights();
  const [n, columns] = recurrent.shape;
  const orthogonal = tf.initializers.orthogonal({});
  const blocks = Array.from({ length: columns / n }, () => orthogonal.apply([n, n]));
  layer.setWeights([kernel, tf.concat(blocks, 1), ...bias]);
}
`,
  };
}

/** IRNN. */
export function patchIdentity(layers: readonly PatchedRecurrence[]): Patch {
  return {
    pytorch: `import torch.nn as nn

for layer in ${modulesOf(layers)}:
    layer.nonlinearity, layer.mode = 'relu', 'RNN_RELU'
    for name, parameter in layer.named_parameters():
        if name.startswith('weight_hh'):
            nn.init.eye_(parameter)
        elif name.startswith('bias'):
            nn.init.zeros_(parameter)
`,
    keras: `import keras

for name in ${namesOf(layers)}:
    cell = model.get_layer(name).cell
    cell.activation = keras.activations.relu
    cell.recurrent_kernel.assign(keras.ops.eye(cell.units))
    if cell.use_bias:
        cell.bias.assign(keras.ops.zeros_like(cell.bias))
model.compile(optimizer=model.optimizer, loss=model.loss)  # what was compiled before holds tanh
`,
    tfjs: `// in the model's definition, of ${layers.map(({ layer }) => `'${kerasName(layer)}'`).join(', ')}
tf.layers.simpleRNN({
  units: ${layers[0]?.hidden ?? 'units'},
  activation: 'relu',
  recurrentInitializer: 'identity',
  biasInitializer: 'zeros',
});
`,
  };
}

/** What the code cannot do: give a module biases that it was made without. */
function withoutBias(layers: readonly PatchedRecurrence[]): string {
  const bare = layers.filter(
    ({ parameters }) =>
      parameters.some((name) => /\.weight_hh_l\d/.test(name)) && !parameters.some((name) => /bias/.test(name)),
  );
  return bare.length === 0
    ? ''
    : `# not covered: made with bias=False, and in need of one first: ${bare.map(({ layer }) => layer).join(', ')}\n`;
}

/** Forget bias 1. PyTorch orders the gates i, f, g, o and adds two biases; Keras and TensorFlow.js i, f, c, o and one. */
export function patchForgetGate(layers: readonly PatchedRecurrence[]): Patch {
  return {
    pytorch: `import torch.nn as nn

for layer in ${modulesOf(layers)}:
    n = layer.hidden_size
    for name, bias in layer.named_parameters():
        if name.startswith('bias_ih'):
            nn.init.ones_(bias.data[n:2 * n])  # gates i, f, g, o
        elif name.startswith('bias_hh'):
            nn.init.zeros_(bias.data[n:2 * n])
${withoutBias(layers)}`,
    keras: `import keras

for name in ${namesOf(layers)}:
    cell = model.get_layer(name).cell  # unit_forget_bias=True in its definition does the same
    n = cell.units
    bias = cell.bias  # gates i, f, c, o
    bias.assign(keras.ops.concatenate([bias[:n], keras.ops.ones(n), bias[2 * n:]]))
`,
    tfjs: `for (const name of ${namesOf(layers)}) {
  const layer = model.getLayer(name);  // unitForgetBias: true in its definition does the same
  const [kernel, recurrent, bias] = layer.getWeights();
  const n = recurrent.shape[0];  // gates i, f, c, o
  layer.setWeights([kernel, recurrent, tf.concat([bias.slice(0, n), tf.ones([n]), bias.slice(2 * n)])]);
}
`,
  };
}
