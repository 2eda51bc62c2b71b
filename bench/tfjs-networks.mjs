// The bench's networks in TF.js core operations: name → (tf, parameter) → { x, forward }, `parameter(shape, scale)` a
// variable. The same layers and sizes as networks.mjs and torch-worker.py; images are NHWC, as TF.js likes them.

const dense = (tf, parameter, inputs, outputs, gain = 1) => {
  const weight = parameter([inputs, outputs], Math.sqrt(gain / inputs));
  const bias = parameter([outputs], 0);
  return (x) => tf.add(tf.matMul(x, weight), bias);
};

const chain = (layers) => (x) => layers.reduce((value, layer) => layer(value), x);

function mlp(depth, width, activation, gain, batch) {
  return (tf, parameter) => {
    const layers = [];
    for (let i = 0; i < depth; i++) {
      layers.push(dense(tf, parameter, i === 0 ? 784 : width, width, gain), activation(tf));
    }
    return { x: [batch, 784], forward: chain([...layers, dense(tf, parameter, width, 10)]) };
  };
}

function batchNorm(tf, parameter, channels) {
  const gamma = parameter([channels], 0, 1);
  const beta = parameter([channels], 0);
  return (x) => {
    const { mean, variance } = tf.moments(x, [0, 1, 2]);
    return tf.batchNorm(x, mean, variance, beta, gamma, 1e-5);
  };
}

function conv(tf, parameter, inputs, outputs, kernel, stride) {
  const filter = parameter([kernel, kernel, inputs, outputs], Math.sqrt(2 / (kernel * kernel * inputs)));
  const pad = (kernel - 1) / 2;
  return (x) => tf.conv2d(x, filter, stride, pad);
}

function residual(tf, parameter, inputs, outputs, stride) {
  const inner = chain([
    conv(tf, parameter, inputs, outputs, 3, stride),
    batchNorm(tf, parameter, outputs),
    tf.relu,
    conv(tf, parameter, outputs, outputs, 3, 1),
    batchNorm(tf, parameter, outputs),
  ]);
  const shortcut = stride > 1 ? conv(tf, parameter, inputs, outputs, 1, stride) : (x) => x;
  return (x) => tf.relu(tf.add(inner(x), shortcut(x)));
}

const blocks = [
  [64, 64, 1],
  [64, 64, 1],
  [64, 128, 2],
  [128, 128, 1],
  [128, 256, 2],
  [256, 256, 1],
  [256, 512, 2],
  [512, 512, 1],
];

const resnet = (tf, parameter) => ({
  x: [32, 32, 32, 3],
  forward: chain([
    conv(tf, parameter, 3, 64, 3, 1),
    batchNorm(tf, parameter, 64),
    tf.relu,
    ...blocks.map((block) => residual(tf, parameter, ...block)),
    (x) => tf.mean(x, [1, 2]),
    dense(tf, parameter, 512, 10),
  ]),
});

const lstm = (tf, parameter) => {
  const [steps, batch, hidden] = [50, 32, 128];
  const cells = [64, hidden].map((inputs) => ({
    input: dense(tf, parameter, inputs, 4 * hidden),
    recurrent: parameter([hidden, 4 * hidden], Math.sqrt(1 / hidden)),
  }));
  const out = dense(tf, parameter, hidden, 10);
  const run = ({ input, recurrent }, xs) => {
    let h = tf.zeros([batch, hidden]);
    let c = tf.zeros([batch, hidden]);
    return xs.map((x) => {
      const [i, f, g, o] = tf.split(tf.add(input(x), tf.matMul(h, recurrent)), 4, 1);
      c = tf.add(tf.mul(tf.sigmoid(f), c), tf.mul(tf.sigmoid(i), tf.tanh(g)));
      h = tf.mul(tf.sigmoid(o), tf.tanh(c));
      return h;
    });
  };
  return {
    x: [steps, batch, 64],
    forward: (x) => out(cells.reduce((xs, cell) => run(cell, xs), tf.unstack(x)).at(-1)),
  };
};

const transformer = (tf, parameter) => {
  const [batch, tokens, d, heads] = [16, 64, 128, 4];
  const norm = () => {
    const gamma = parameter([d], 0, 1);
    const beta = parameter([d], 0);
    return (x) => {
      const { mean, variance } = tf.moments(x, [1], true);
      return tf.add(tf.mul(tf.mul(tf.sub(x, mean), tf.rsqrt(tf.add(variance, 1e-5))), gamma), beta);
    };
  };
  const split = (x) => tf.transpose(tf.reshape(x, [batch, tokens, heads, d / heads]), [0, 2, 1, 3]);
  const layer = () => {
    const [q, k, v, out] = ['q', 'k', 'v', 'out'].map(() => dense(tf, parameter, d, d));
    const [up, down] = [dense(tf, parameter, d, 4 * d, 2), dense(tf, parameter, 4 * d, d)];
    const [norm1, norm2] = [norm(), norm()];
    return (x) => {
      const scores = tf.mul(tf.matMul(split(q(x)), split(k(x)), false, true), 1 / Math.sqrt(d / heads));
      const mixed = tf.transpose(tf.matMul(tf.softmax(scores), split(v(x))), [0, 2, 1, 3]);
      const attended = norm1(tf.add(x, out(tf.reshape(mixed, [batch * tokens, d]))));
      return norm2(tf.add(attended, down(tf.relu(up(attended)))));
    };
  };
  const encoder = chain([layer(), layer(), layer(), layer()]);
  const out = dense(tf, parameter, d, 10);
  return {
    x: [batch, tokens, d],
    forward: (x) => {
      const encoded = encoder(tf.reshape(x, [batch * tokens, d]));
      return out(tf.mean(tf.reshape(encoded, [batch, tokens, d]), 1));
    },
  };
};

export const networks = {
  'MLP 10×100 sigmoid, batch 32': mlp(10, 100, (tf) => tf.sigmoid, 1, 32),
  'MLP 20×512 ReLU, batch 128': mlp(20, 512, (tf) => tf.relu, 2, 128),
  'ResNet-18, CIFAR 32×32, batch 32': resnet,
  'LSTM 2×128, 50 steps, batch 32': lstm,
  'Transformer 4×128, 64 tokens, batch 16': transformer,
};
