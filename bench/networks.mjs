// The networks that are measured: dense and convolutional ones from specs, the others from the graph builder.
import { readFileSync } from 'node:fs';
import { GraphBuilder } from '../dist/graph/builder.js';
import { modelOf } from '../dist/graph/graph.js';
import { tensorOf } from '../dist/graph/tensor.js';
import { memorySource, readModelSource } from '../dist/node.js';
import { createRandom } from '../dist/random/random.js';

const specs = {
  mlp10x100: 'input: 784\nlayers: [{repeat: 10, layers: [{dense: 100}, sigmoid]}, {dense: 10}]\n',
  mlp20x512: 'input: 784\nlayers: [{repeat: 20, layers: [{dense: 512}, relu]}, {dense: 10}]\ninit: he-normal\n',
};

function fromSpec(name, text) {
  return readModelSource(memorySource(`${name}.yaml`, new TextEncoder().encode(text)));
}

const draw = (g, name, dims) => {
  const random = createRandom(0).fork(name);
  const size = dims.reduce((a, b) => a * b, 1);
  const scale = 1 / Math.sqrt(dims.at(-1));
  return g.initializer(
    name,
    tensorOf(
      'float32',
      dims,
      Array.from({ length: size }, () => random.normal() * scale),
    ),
  );
};

/** Two stacked LSTM layers of `hidden` units over `steps` steps, and a dense layer on the last one. */
function lstm({ steps = 50, batch = 32, inputs = 64, hidden = 128, layers = 2 }) {
  const g = new GraphBuilder();
  let x = g.input('x', 'float32', [steps, batch, inputs]);
  let last;
  for (let layer = 0; layer < layers; layer++) {
    const size = x.shape[2];
    const W = draw(g, `lstm${layer}.weight_ih`, [1, 4 * hidden, size]);
    const R = draw(g, `lstm${layer}.weight_hh`, [1, 4 * hidden, hidden]);
    const B = draw(g, `lstm${layer}.bias`, [1, 8 * hidden]);
    const specs = [
      ['float32', [steps, 1, batch, hidden]],
      ['float32', [1, batch, hidden]],
    ];
    const [Y, Yh] = g.add('LSTM', [x, W, R, B], specs, { hidden_size: hidden });
    x = g.reshape(Y, [steps, batch, hidden]);
    last = g.reshape(Yh, [batch, hidden]);
  }
  g.output(dense(g, last, 'out', 10));
  return modelOf(g.graph, 'lstm');
}

function dense(g, x, name, size) {
  const W = draw(g, `${name}.weight`, [x.shape.at(-1), size]);
  return g.plus(g.matmul(x, W), draw(g, `${name}.bias`, [size]));
}

/** A post-norm Transformer encoder as PyTorch's TransformerEncoderLayer writes it, with a classifier on the mean token. */
function transformer({ layers = 4, d = 128, heads = 4, tokens = 64, batch = 16 }) {
  const g = new GraphBuilder();
  const norm = (x, name) => {
    const scale = g.initializer(`${name}.weight`, tensorOf('float32', [d], new Array(d).fill(1)));
    const bias = g.initializer(`${name}.bias`, tensorOf('float32', [d], new Array(d).fill(0)));
    return g.add('LayerNormalization', [x, scale, bias], [['float32', x.shape]], { axis: -1, epsilon: 1e-5 })[0];
  };
  const split = (x) => g.transpose(g.reshape(x, [batch, tokens, heads, d / heads]), [0, 2, 1, 3]);
  let x = g.input('x', 'float32', [batch, tokens, d]);
  for (let i = 0; i < layers; i++) {
    const [q, k, v] = ['q', 'k', 'v'].map((part) => split(dense(g, x, `layer${i}.${part}`, d)));
    const scores = g.scale(g.matmul(q, g.transposeMatrix(k)), 1 / Math.sqrt(d / heads));
    const mixed = g.transpose(g.matmul(g.softmax(scores, 3), v), [0, 2, 1, 3]);
    const attended = dense(g, g.reshape(mixed, [batch, tokens, d]), `layer${i}.out`, d);
    x = norm(g.plus(x, attended), `layer${i}.norm1`);
    x = norm(g.plus(x, dense(g, g.relu(dense(g, x, `layer${i}.up`, 4 * d)), `layer${i}.down`, d)), `layer${i}.norm2`);
  }
  g.output(dense(g, g.reduceMean(x, [1], false), 'out', 10));
  return modelOf(g.graph, 'transformer');
}

const fromFile = (name) => fromSpec(name, readFileSync(new URL(`networks/${name}.yaml`, import.meta.url), 'utf8'));

/**
 * name → [() → model, batch]. The ResNet-18 of CIFAR size has a first convolution of 3×3 with stride 1 and no pooling
 * after it, and is 64, 128, 256 and 512 channels wide.
 */
export const networks = {
  'MLP 10×100 sigmoid, batch 32': [() => fromSpec('mlp10x100', specs.mlp10x100), 32],
  'MLP 20×512 ReLU, batch 128': [() => fromSpec('mlp20x512', specs.mlp20x512), 128],
  'ResNet-18, 64×64, batch 8': [() => fromFile('resnet18'), 8],
  'ResNet-18, CIFAR 32×32, batch 32': [() => fromFile('resnet18-cifar'), 32],
  'LSTM 2×128, 50 steps, batch 32': [async () => lstm({}), 32],
  'Transformer 4×128, 64 tokens, batch 16': [async () => transformer({}), 16],
};
