/** Keras' layers that are activation functions. */
const kerasFunctions =
  'functions = (keras.layers.Activation, keras.layers.ReLU, keras.layers.LeakyReLU, keras.layers.PReLU, keras.layers.ELU)';

/**
 * Code that builds a Keras model again with `call(layer, *args, **kwargs)` in place of each layer's own call, whether it
 * is sequential or functional. Layers stay the same objects, with their weights.
 */
export const kerasRebuild: readonly string[] = [
  'before = model',
  'if isinstance(model, keras.Sequential):',
  '    model = keras.Model(model.inputs[0], model.outputs[0])',
  'model = keras.models.clone_model(model, clone_function=lambda layer: layer, call_function=call)  # Keras 3.3.3',
  'if before.compiled:  # with a fresh optimizer: the old one knows other weights',
  '    fresh = type(before.optimizer).from_config(before.optimizer.get_config())',
  '    model.compile(optimizer=fresh, loss=before.loss)',
];

/** How a patch finds the activation function behind a layer, within the layer or as a layer that comes later. */
export const kerasWaiting: readonly string[] = [
  kerasFunctions,
  'waiting = {}  # results on their way to an activation function that is a layer of its own',
];

/**
 * Code that builds a TensorFlow.js model again with `call(layer, x)` in place of each layer's own; layers keep their
 * weights. `lines` declare `call`, and stand in the same block.
 */
export function tfjsRebuild(lines: readonly string[]): string {
  return [
    '// declared as: let model',
    '{',
    ...lines.map((line) => (line === '' ? '' : `  ${line}`)),
    '',
    '  const values = new Map(model.inputs.map(({ id, shape }) => [id, tf.input({ shape: shape.slice(1) })]));',
    '  const inputs = [...values.values()];',
    '  for (const layer of model.layers) {',
    "    if (layer.getClassName() === 'InputLayer') continue;",
    '    const { inputTensors, outputTensors } = layer.inboundNodes.at(-1);',
    '    const read = inputTensors.map(({ id }) => values.get(id));',
    '    values.set(outputTensors[0].id, call(layer, read.length === 1 ? read[0] : read));',
    '  }',
    '  const before = model;',
    '  model = tf.model({ inputs, outputs: before.outputs.map(({ id }) => values.get(id)) });',
    '  if (before.optimizer) {',
    '    const { constructor: Optimizer } = before.optimizer; // a fresh one: the old one knows other weights',
    '    model.compile({ optimizer: Optimizer.fromConfig(Optimizer, before.optimizer.getConfig()), loss: before.loss });',
    '  }',
    '}',
    '',
  ].join('\n');
}

/** How a patch for TensorFlow.js finds the activation function behind a layer. */
export const tfjsWaiting: readonly string[] = [
  "const functions = new Set(['Activation', 'ReLU', 'LeakyReLU', 'PReLU', 'ELU', 'ThresholdedReLU']);",
  "const linear = tf.layers.activation({ activation: 'linear' }).activation;",
  "const ownOf = (layer) => functions.has(layer.getClassName()) ? undefined : layer.getConfig().activation ?? 'linear';",
  'const waiting = new Map(); // results on their way to an activation function that is a layer of its own',
];
