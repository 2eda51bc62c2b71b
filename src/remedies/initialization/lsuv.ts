import { findingOf, foreseeEffective } from '../evidence.ts';
import { kerasName, nameList, pythonList, torchPath } from '../patch/names.ts';
import { type Patch, type Patient, type Remedy, RemedyError } from '../remedy.ts';
import { type WeightLayer, weightLayersOf } from '../rewrite/weight-layers.ts';
import { helps, LOST, otherInitializations, weightFinding } from './schemes.ts';

/** Orthogonal weights scaled on the data until every layer's output has variance 1. */
export const useLsuvInit: Remedy = {
  id: 'use-lsuv-init',
  title:
    "layer-sequential unit variance: orthogonal weights, scaled until each layer's output on the data has variance 1",
  changes: 'changes-training',
  why: `It measures where other schemes compute: whatever the activation function, pooling or data do to the signal's size, the next layer's weights put it right. ${LOST}`,
  removes: ['weight-matrix', 'forward-signal'],
  conflicts: otherInitializations('use-lsuv-init'),
  references: ['Mishkin & Matas 2016, All you need is a good init'],
  // Under a normalization a step turns weights by η / ‖W‖² (Van Laarhoven 2017): large ones stay where they are.
  completedBy: (patient) =>
    findingOf(patient, 'exploding-gradient', 'non-finite')
      ? ['add-batch-norm', 'add-layer-norm', 'add-rms-norm', 'add-group-norm']
      : [],
  applies(patient) {
    const finding = patient.tools && weightFinding(patient, 'use-lsuv-init');
    if (!finding || !helps(patient, foreseeEffective(patient, 'lsuv-init'))) return undefined;
    const off = farthest(patient);
    return off && `${finding.title}; the output of ${off.name} has variance ${off.variance.toPrecision(2)}`;
  },
  async apply(design, { tools }) {
    if (!tools) {
      throw new RemedyError('use-lsuv-init measures on data, and nothing can be run here', {
        code: 'remedy-place',
        hint: 'use-critical-init computes what it would measure',
      });
    }
    return { ...design, model: await tools.lsuv(design.model) };
  },
  predict: (patient) => foreseeEffective(patient, 'lsuv-init'),
  patch: (patient) => patchLsuv(weightLayersOf(patient.design.model)),
};

/** A variance within this factor of 1 is as good as measured on another batch. */
const NEAR = 1.5;

/** The layer whose output is farthest from variance 1. */
function farthest({ design, profile }: Patient): { name: string; variance: number } | undefined {
  const values = new Map(profile.values.map((value) => [value.name, value.value]));
  const own = new Set(weightLayersOf(design.model).map(({ name }) => name));
  const variances = profile.layers.flatMap(({ name, value }) => {
    const statistics = own.has(name) ? values.get(value) : undefined;
    return statistics ? [{ name, variance: statistics.l2 ** 2 / statistics.count - statistics.mean ** 2 }] : [];
  });
  const far = ({ variance }: { variance: number }) => Math.abs(Math.log(Math.max(0, variance)));
  return variances.filter((one) => far(one) > Math.log(NEAR)).sort((a, b) => far(b) - far(a))[0];
}

function patchLsuv(layers: readonly WeightLayer[]): Patch {
  const modules = layers.map(({ name }) => torchPath(name));
  const names = nameList(layers.map(({ name }) => kerasName(name)));
  return {
    pytorch: `import torch
import torch.nn as nn

# inputs: one batch of the training data; layers from input to output
for layer in ${pythonList(modules)}:
    nn.init.orthogonal_(layer.weight)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    for _ in range(10):
        variances = []
        hook = layer.register_forward_hook(lambda module, args, output: variances.append(output.var()))
        with torch.no_grad():
            model(inputs)
        hook.remove()
        if abs(variances[0] - 1) < 0.1:
            break
        layer.weight.data /= variances[0] ** 0.5
`,
    keras: `import keras

# inputs: one batch of the training data; layers from input to output
for name in ${names}:
    layer = model.get_layer(name)
    layer.kernel.assign(keras.initializers.Orthogonal()(layer.kernel.shape))
    if layer.use_bias:
        layer.bias.assign(keras.ops.zeros(layer.bias.shape))
    read, own = [], layer.call
    layer.call = lambda x, **options: read.append(x) or own(x, **options)
    model(inputs, training=True)
    layer.call = own
    activation, layer.activation = layer.activation, keras.activations.linear
    # the output is linear in the kernel: one division is enough
    layer.kernel.assign(layer.kernel / keras.ops.std(layer(read[0])))
    layer.activation = activation
`,
    tfjs: `// inputs: one batch of the training data; layers from input to output
const linear = tf.layers.activation({ activation: 'linear' }).activation;
for (const name of ${names}) {
  const layer = model.getLayer(name);
  const [kernel, ...bias] = layer.getWeights();
  const units = kernel.shape.at(-1);
  const drawn = tf.initializers.orthogonal({}).apply([kernel.size / units, units]).reshape(kernel.shape);
  const before = bias.map((b) => tf.zerosLike(b));
  layer.setWeights([drawn, ...before]);
  const { outputTensors } = layer.inboundNodes.at(-1);
  const activation = layer.activation;
  layer.activation = linear;
  const output = tf.model({ inputs: model.inputs, outputs: outputTensors[0] }).predict(inputs);
  layer.activation = activation;
  // the output is linear in the kernel: one division is enough
  layer.setWeights([drawn.div(tf.moments(output).variance.sqrt()), ...before]);
}
`,
  };
}
