import { optimizerCode } from './patch/optimizer.ts';
import { kerasRebuild, kerasWaiting, tfjsRebuild, tfjsWaiting } from './patch/rebuild.ts';
import type { Patch, TrainingSetup } from './remedy.ts';

/** Code that trains on logits, which the layer `place` of Keras or TensorFlow.js turned into probabilities, and gives probabilities only where they are used. */
export function pairLossPatch(
  loss: 'cross-entropy' | 'binary-cross-entropy',
  training: TrainingSetup,
  place: string,
): Patch {
  const isBinary = loss === 'binary-cross-entropy';
  const optimizer = optimizerCode(training);
  return {
    pytorch: `import torch
import torch.nn as nn

# forward() returns logits: leave its last ${isBinary ? 'sigmoid' : 'softmax'} out, and where probabilities are wanted write
#     ${isBinary ? 'torch.sigmoid(model(x))' : 'torch.softmax(model(x), dim=-1)'}
criterion = ${isBinary ? 'nn.BCEWithLogitsLoss()  # targets from 0 to 1, as floats' : 'nn.CrossEntropyLoss()  # targets: class numbers, or one-hot rows as floats'}
`,
    keras: `${kerasLinear(place)}
model.compile(
    optimizer=${optimizer.keras},
    loss=keras.losses.${isBinary ? 'BinaryCrossentropy' : 'CategoricalCrossentropy'}(from_logits=True),
)
`,
    tfjs: `${tfjsLinear(place)}// probabilities: ${isBinary ? 'model.predict(x).sigmoid()' : 'model.predict(x).softmax()'}
model.compile({
  optimizer: ${optimizer.tfjs ?? `tf.train.adam(${training.learningRate})`},
  loss: (targets, logits) => tf.losses.${isBinary ? 'sigmoidCrossEntropy' : 'softmaxCrossEntropy'}(targets, logits),
});
`,
  };
}

/** Code without the inner function, which the layer `place` of Keras or TensorFlow.js computes; `outer` is the operator or loss that reads it. */
export function singleSoftmaxPatch(op: string, outer: string, place: string): Patch {
  const what = op === 'Sigmoid' ? 'sigmoid' : 'softmax';
  const torch = `nn.${op === 'Sigmoid' ? 'Sigmoid' : 'Softmax'}`;
  return {
    pytorch: `import torch.nn as nn

# nn.CrossEntropyLoss, log_softmax and softmax take logits: the ${what} before them goes
places = [(parent, name) for parent in model.modules()
          for name, child in parent.named_children() if isinstance(child, ${torch})]
parent, name = places[${outer === op ? '-2]  # of the two at the end the first' : '-1]'}
setattr(parent, name, nn.Identity())
# where forward() calls a function instead, leave the call out
`,
    keras: `${kerasLinear(place)}# a loss that takes logits: keras.losses.SparseCategoricalCrossentropy(from_logits=True)
`,
    tfjs: `${tfjsLinear(place)}// a loss that takes logits: (targets, logits) => tf.losses.softmaxCrossEntropy(targets, logits)
`,
  };
}

function kerasLinear(place: string): string {
  return [
    'import keras',
    '',
    '# the last function goes, within its layer or as a layer of its own',
    `name = ${JSON.stringify(place)}`,
    ...kerasWaiting,
    '',
    'def call(layer, *args, **kwargs):',
    '    if layer.name == name or waiting.pop(id(args[0]), None):',
    '        if isinstance(layer, (*functions, keras.layers.Softmax)):',
    '            return args[0]',
    '        own, layer.activation = layer.activation, keras.activations.linear',
    '        y = layer(*args, **kwargs)',
    '        if own is keras.activations.linear:',
    '            waiting[id(y)] = name',
    '        return y',
    '    return layer(*args, **kwargs)',
    '',
    ...kerasRebuild,
    '',
  ].join('\n');
}

function tfjsLinear(place: string): string {
  return tfjsRebuild([
    '// the last function goes, within its layer or as a layer of its own',
    `const name = ${JSON.stringify(place)};`,
    ...tfjsWaiting,
    'const call = (layer, x) => {',
    '  if (layer.name !== name && !waiting.delete(x.id)) return layer.apply(x);',
    "  if (functions.has(layer.getClassName()) || layer.getClassName() === 'Softmax') return x;",
    '  const own = ownOf(layer);',
    '  layer.activation = linear;',
    '  const y = layer.apply(x);',
    "  if (own === 'linear') waiting.set(y.id, name);",
    '  return y;',
    '};',
  ]);
}
