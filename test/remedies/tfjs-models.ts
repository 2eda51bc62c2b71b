import { createRequire } from 'node:module';
import '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-core/dist/public/chained_ops/register_all_chained_ops.js';
import '@tensorflow/tfjs-core/dist/register_all_gradients.js';
import { createRandom } from '../../src/random/random.ts';
import type { Layer, Network, Weight } from './keras-graph.ts';

// The copies of the core share one engine and one class of tensors: what is registered above holds for all.
const load = createRequire(import.meta.url);
// biome-ignore lint/suspicious/noExplicitAny: pasted code uses what TypeScript hides
export const tf: any = { ...load('@tensorflow/tfjs-core'), ...load('@tensorflow/tfjs-layers') };
load('@tensorflow/tfjs-backend-cpu');

// biome-ignore lint/suspicious/noExplicitAny: as above
type Any = any;
const { layers } = tf as Any;

/** Functions within the layers. */
function mlp(activation: string, last?: string): Any {
  const model = tf.sequential();
  for (let i = 0; i < 6; i++) {
    model.add(layers.dense({ units: 12, activation, name: `hidden_${i}`, ...(i === 0 && { inputShape: [8] }) }));
  }
  model.add(layers.dense({ units: 4, name: 'out', ...(last && { activation: last }) }));
  return model;
}

/** Functions that are layers, widths that change. */
function apart(activation: string, last?: string): Any {
  const model = tf.sequential();
  [12, 12, 12, 16, 16].forEach((units, i) => {
    model.add(layers.dense({ units, name: `dense_${i}`, ...(i === 0 && { inputShape: [8] }) }));
    const name = `act_${i}`;
    model.add(activation === 'relu' ? layers.reLU({ name }) : layers.activation({ activation, name }));
  });
  model.add(layers.dense({ units: 4, name: 'out' }));
  if (last) model.add(layers.activation({ activation: last, name: 'probabilities' }));
  return model;
}

/** A residual network of the functional API, with plain layers before its blocks. */
function residual(): Any {
  const inputs = tf.input({ shape: [8] });
  let x = inputs;
  for (let i = 0; i < 4; i++) x = layers.dense({ units: 12, activation: 'tanh', name: `plain_${i}` }).apply(x);
  for (let i = 0; i < 3; i++) {
    const y = layers.dense({ units: 12, activation: 'relu', name: `block_${i}_first` }).apply(x);
    const z = layers.dense({ units: 12, name: `block_${i}_second` }).apply(y);
    x = layers.add({ name: `block_${i}_sum` }).apply([x, z]);
  }
  return tf.model({ inputs, outputs: layers.dense({ units: 4, name: 'out' }).apply(x) });
}

function convolutions(activation: string, norm: boolean): Any {
  const inputs = tf.input({ shape: [8, 8, 3] });
  let x = inputs;
  [8, 8, 8, 16, 16].forEach((filters, i) => {
    const own = { filters, kernelSize: 3, strides: i === 3 ? 2 : 1, padding: 'same', name: `conv_${i}` };
    x = layers.conv2d({ ...own, useBias: !norm, ...(!norm && { activation }) }).apply(x);
    if (!norm) return;
    x = layers.batchNormalization({ name: `conv_${i}_bn` }).apply(x);
    x = layers.activation({ activation, name: `act_${i}` }).apply(x);
  });
  x = (norm ? layers.globalAveragePooling2d({ name: 'pool' }) : layers.flatten({ name: 'flat' })).apply(x);
  return tf.model({ inputs, outputs: layers.dense({ units: 4, name: 'out' }).apply(x) });
}

function recurrent(kind: string, { two = false, bothWays = false } = {}): Any {
  const model = tf.sequential();
  for (let i = 0; i < (two ? 2 : 1); i++) {
    const own = {
      units: 10,
      returnSequences: two && i === 0,
      name: `rnn_${i}`,
      recurrentInitializer: 'glorotNormal',
      ...(kind === 'lstm' && { recurrentActivation: 'sigmoid' }),
    };
    const first = i === 0 ? { inputShape: [7, 6] } : {};
    model.add(
      bothWays
        ? layers.bidirectional({ layer: layers[kind](own), mergeMode: 'concat', name: `rnn_${i}`, ...first })
        : layers[kind]({ ...own, ...first }),
    );
  }
  model.add(layers.dense({ units: 4, name: 'out' }));
  return model;
}

function double(): Any {
  const model = mlp('sigmoid', 'softmax');
  model.add(layers.softmax({ name: 'again' }));
  return model;
}

/** A new weight in place of one of the layer's: its name, its value. */
type Change = (name: string, weight: Any) => Any;
const scaled =
  (by: number): Change =>
  (_, w) =>
    w.mul(by);
const dead: Change = (name, w) => (/hidden_[1-5]\/bias/.test(name) ? w.sub(5) : w);
const equal: Change = (name, w) => (name.startsWith('out') ? w : tf.fill(w.shape, 0.01));

export const models: Readonly<Record<string, { make: () => Any; change?: Change; far?: boolean }>> = {
  sigmoid: { make: () => mlp('sigmoid') },
  relu: { make: () => mlp('relu'), change: scaled(0.3) },
  dead: { make: () => mlp('relu'), change: dead },
  equal: { make: () => mlp('tanh'), change: equal },
  apart: { make: () => apart('tanh') },
  'apart-relu': { make: () => apart('relu'), change: scaled(0.3) },
  residual: { make: residual },
  convolutions: { make: () => convolutions('tanh', false) },
  'convolutions-norm': { make: () => convolutions('relu', true) },
  rnn: { make: () => recurrent('simpleRNN', { two: true }) },
  'rnn-both-ways': { make: () => recurrent('simpleRNN', { bothWays: true }) },
  lstm: { make: () => recurrent('lstm') },
  far: { make: () => mlp('relu'), far: true },
  probabilities: { make: () => mlp('sigmoid', 'softmax') },
  'probabilities-apart': { make: () => apart('tanh', 'softmax') },
  chances: { make: () => mlp('sigmoid', 'sigmoid') },
  'chances-apart': { make: () => apart('tanh', 'sigmoid') },
  double: { make: double },
  exploding: { make: () => mlp('relu'), change: scaled(3) },
};

export const ROWS = 32;

/** A model with weights that are the same each time it is made. */
export function build(name: string): Any {
  const { make, change = (_: string, w: Any) => w } = models[name]!;
  const model = make();
  const random = createRandom(7).fork(name);
  for (const [key, weight] of variables(model)) {
    if (/moving_|beta|gamma|bias/.test(key) && name !== 'dead' && name !== 'equal') continue;
    const value = weight.read();
    const fanIn = value.rank > 1 ? value.size / value.shape.at(-1) : 0;
    const fork = random.fork(key);
    const drawn = Array.from({ length: value.size }, () => (fanIn > 0 ? fork.normal() / Math.sqrt(fanIn) : 0));
    weight.write(change(key, tf.tensor(drawn, value.shape)));
  }
  return model;
}

/** All weights by `layer/weight`; of a layer of two directions each with its direction. */
export function variables(model: Any): Map<string, Any> {
  const found = new Map<string, Any>();
  for (const layer of model.layers) {
    const parts: [string, Any][] =
      layer.getClassName() === 'Bidirectional'
        ? [
            ['forward_', layer.forwardLayer],
            ['backward_', layer.backwardLayer],
          ]
        : [['', layer]];
    for (const [direction, part] of parts) {
      for (const weight of part.weights) {
        found.set(`${layer.name}/${direction}${weight.originalName.split('/').at(-1)}`, weight);
      }
    }
  }
  return found;
}

const kinds: Readonly<Record<string, string>> = {
  InputLayer: 'input',
  Dense: 'dense',
  Conv2D: 'conv2d',
  BatchNormalization: 'batch_norm',
  Flatten: 'flatten',
  GlobalAveragePooling2D: 'global_average_pooling2d',
  Activation: 'activation',
  ReLU: 'activation',
  Softmax: 'activation',
  Add: 'add',
  SimpleRNN: 'simple_rnn',
  LSTM: 'lstm',
};

/** The model as plain data. */
export function describeModel(name: string): Network {
  const model = build(name);
  const own = variables(model);
  const [input] = model.inputs;
  const described: Layer[] = model.layers
    .filter((layer: Any) => layer.getClassName() !== 'InputLayer')
    .map((layer: Any): Layer => {
      const inner = layer.getClassName() === 'Bidirectional' ? layer.forwardLayer : layer;
      const kind = inner.getClassName();
      const { activation } = inner.getConfig();
      const weights: Record<string, Weight> = {};
      for (const [key, weight] of own) {
        const [owner, part] = key.split('/') as [string, string];
        const value = weight.read();
        if (owner === layer.name) weights[part] = { shape: value.shape, values: Array.from(value.dataSync()) };
      }
      return {
        name: layer.name,
        kind: kinds[kind]!,
        reads: layer.inboundNodes[0].inputTensors.map(({ sourceLayer }: Any) => sourceLayer.name),
        activation: { ReLU: 'relu', Softmax: 'softmax' }[kind as string] ?? activation,
        strides: inner.strides,
        shape: layer.outputShape,
        weights,
      };
    });
  const shape = [ROWS, ...input.shape.slice(1)];
  const random = createRandom(11).fork(name);
  const size = shape.reduce((a, b) => a * b, 1);
  const far = models[name]!.far ?? false;
  const values = Array.from({ length: size }, (_, i) =>
    Math.fround(far ? 30 * random.normal() + 100 * (i % shape.at(-1)!) : random.normal()),
  );
  const source: Layer = { name: input.sourceLayer.name, kind: 'input', reads: [], weights: {} };
  return { layers: [source, ...described], input: { shape, values } };
}
