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

/** Statements for the cell of each layer; one that reads both ways has two. */
function kerasCells(layers: readonly PatchedRecurrence[], lines: readonly string[]): string {
  return `import keras

for name in ${namesOf(layers)}:
    layer = model.get_layer(name)
    both = isinstance(layer, keras.layers.Bidirectional)
    for cell in [layer.forward_layer.cell, layer.backward_layer.cell] if both else [layer.cell]:
${lines.map((line) => `        ${line}`).join('\n')}
`;
}

/** A function body that gives a cell's new weights. */
function tfjsCells(layers: readonly PatchedRecurrence[], lines: readonly string[]): string {
  return `for (const name of ${namesOf(layers)}) {
  const layer = model.getLayer(name);
  const own = layer.getClassName() === 'Bidirectional' ? [layer.forwardLayer, layer.backwardLayer] : [layer];
  const change = (cell, [kernel, recurrent, ...bias]) => {
    const n = recurrent.shape[0];
${lines.map((line) => `    ${line}`).join('\n')}
  };
  for (const one of own) one.setWeights(change(one.cell, one.getWeights()));
}
`;
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
    keras: kerasCells(layers, [
      'n = cell.units',
      'gates = cell.recurrent_kernel.shape[1] // n',
      '# one initializer for each gate: called again, it draws the same numbers',
      'blocks = [keras.initializers.Orthogonal()((n, n)) for _ in range(gates)]',
      'cell.recurrent_kernel.assign(keras.ops.concatenate(blocks, axis=1))',
    ]),
    tfjs: tfjsCells(layers, [
      'const orthogonal = tf.initializers.orthogonal({});',
      'const blocks = Array.from({ length: recurrent.shape[1] / n }, () => orthogonal.apply([n, n]));',
      'return [kernel, tf.concat(blocks, 1), ...bias];',
    ]),
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
    keras: `${kerasCells(layers, [
      'cell.activation = keras.activations.relu',
      'cell.recurrent_kernel.assign(keras.ops.eye(cell.units))',
      'if cell.use_bias:',
      '    cell.bias.assign(keras.ops.zeros(cell.bias.shape))',
    ])}if model.compiled:  # what was compiled before holds tanh
    model.compile(optimizer=model.optimizer, loss=model.loss)
`,
    tfjs: tfjsCells(layers, [
      "cell.activation = tf.layers.activation({ activation: 'relu' }).activation;",
      'return [kernel, tf.eye(n), ...bias.map((b) => tf.zerosLike(b))];',
    ]),
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
    keras: `# unit_forget_bias=True in the layer's definition does the same
${kerasCells(layers, [
  'n = cell.units',
  'if cell.use_bias:  # gates i, f, c, o',
  '    cell.bias.assign(keras.ops.concatenate([cell.bias[:n], keras.ops.ones(n), cell.bias[2 * n:]]))',
])}`,
    tfjs: `// unitForgetBias: true in the layer's definition does the same; gates i, f, c, o
${tfjsCells(layers, [
  'return [kernel, recurrent, ...bias.map((b) => tf.concat([b.slice(0, n), tf.ones([n]), b.slice(2 * n)]))];',
])}`,
  };
}
