import { kerasName } from './patch/names.ts';
import { optimizerCode } from './patch/optimizer.ts';
import type { Patch, TrainingSetup } from './remedy.ts';

/** Code that trains on logits and gives probabilities only where they are used. */
export function pairLossPatch(
  loss: 'cross-entropy' | 'binary-cross-entropy',
  training: TrainingSetup,
  last: string,
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
    keras: `import keras

${kerasLinear(last)}model.compile(
    optimizer=${optimizer.keras},
    loss=keras.losses.${isBinary ? 'BinaryCrossentropy' : 'CategoricalCrossentropy'}(from_logits=True),
)
`,
    tfjs: `// in the model's definition: no activation for '${kerasName(last)}'; probabilities: ${isBinary ? 'model.predict(x).sigmoid()' : 'model.predict(x).softmax()'}
model.compile({
  optimizer: ${optimizer.tfjs ?? `tf.train.adam(${training.learningRate})`},
  loss: (targets, logits) => tf.losses.${isBinary ? 'sigmoidCrossEntropy' : 'softmaxCrossEntropy'}(targets, logits),
});
`,
  };
}

/** Code without the inner function; `outer` is the operator or loss that reads it. */
export function singleSoftmaxPatch(op: string, outer: string, last: string): Patch {
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
    keras: `import keras

${kerasLinear(last)}# a loss that takes logits: keras.losses.SparseCategoricalCrossentropy(from_logits=True)
`,
    tfjs: `// in the model's definition: no activation '${what}' for '${kerasName(last)}', and a loss that takes logits
const loss = (targets, logits) => tf.losses.softmaxCrossEntropy(targets, logits);
`,
  };
}

function kerasLinear(last: string): string {
  return `# the last function goes; where it is a layer of its own, leave that out of the definition
model.get_layer(${JSON.stringify(kerasName(last))}).activation = keras.activations.linear
`;
}
