// What the backward pass costs: forward + backward over forward, and the filter gradient of a convolution over its forward.

import { makeBatch } from '../dist/data/index.js';
import { GraphBuilder } from '../dist/graph/builder.js';
import { modelOf } from '../dist/graph/graph.js';
import { pruneGraph } from '../dist/graph/prune.js';
import { tensorOf } from '../dist/graph/tensor.js';
import { differentiate, nodeRuntime } from '../dist/node.js';
import { createRandom } from '../dist/random/random.js';
import { networks } from './networks.mjs';
import { interleave, table } from './timing.mjs';

const runtime = nodeRuntime();

const noise = (dims, name) => {
  const random = createRandom(0).fork(name);
  return tensorOf(
    'float32',
    dims,
    Array.from({ length: dims.reduce((a, b) => a * b, 1) }, () => random.normal()),
  );
};

async function ratioOf(model, size) {
  const inputs = model.graph.inputs;
  const batch = await makeBatch({ kind: 'none' }, inputs, { size });
  const { model: gradient, gradients, target } = await differentiate(model, { size });
  const feeds = new Map(batch.inputs);
  const shape = gradient.graph.inputs.find(({ name }) => name === target).shape;
  feeds.set(target, tensorOf('int64', shape, new Array(shape.reduce((a, b) => a * b, 1)).fill(1)));
  const forward = await runtime.load(model, { optimization: 'full' });
  const full = await runtime.load(gradient, { optimization: 'full' });
  const results = await interleave({
    forward: () => forward.run(batch.inputs, [model.graph.outputs[0].name]),
    both: () => full.run(feeds, ['loss']),
    fetched: () => full.run(feeds, ['loss', ...gradients.values()]),
  });
  return {
    ...results,
    ratio: results.both / results.forward,
    nodes: gradient.graph.nodes.length,
    before: model.graph.nodes.length,
  };
}

/** Conv alone against Conv with its filter gradient. */
async function filterGradient({ N, C, M, size, kernel, stride = 1 }) {
  const g = new GraphBuilder();
  const X = g.input('X', 'float32', [N, C, size, size]);
  const W = g.initializer('W', noise([M, C, kernel, kernel], 'W'));
  const pad = (kernel - 1) / 2;
  const out = Math.floor((size + 2 * pad - kernel) / stride) + 1;
  const Y = g.add(
    'Conv',
    [X, W],
    [['float32', [N, M, out, out]]],
    { pads: [pad, pad, pad, pad], strides: [stride, stride] },
    { outputs: ['Y'] },
  )[0];
  g.output(g.reduceSum(g.mul(Y, g.constant(noise([N, M, out, out], 'dY'))), [0, 1, 2, 3], false));
  const model = modelOf(g.graph, 'conv');
  const feeds = new Map([['X', noise([N, C, size, size], 'X')]]);
  const forward = await runtime.load({ ...model, graph: pruneGraph(model.graph, ['Y']) }, { optimization: 'full' });
  const { model: gradient } = await differentiate(model);
  const alone = { ...gradient, graph: pruneGraph(gradient.graph, ['grad:W']) };
  const full = await runtime.load(alone, { optimization: 'full' });
  const times = await interleave({
    forward: () => forward.run(feeds, ['Y']),
    filter: () => full.run(feeds, ['grad:W']),
  });
  return { ...times, ratio: times.filter / times.forward };
}

export async function benchBackward() {
  const rows = [];
  for (const [name, [make, size]] of Object.entries(networks)) {
    if (name.includes('CIFAR')) continue;
    const model = await make();
    const { forward, both, fetched, ratio, nodes, before } = await ratioOf(model, size);
    const figures = [forward, both, fetched, ratio].map((x) => x.toFixed(2));
    rows.push([name, ...figures, `${before} → ${nodes}`]);
    process.stderr.write(`${name}: ${ratio.toFixed(2)}\n`);
  }
  const convs = {
    '32×64×32×32, 3×3': { N: 32, C: 64, M: 64, size: 32, kernel: 3 },
    '16×64×56×56 → 128, 3×3, stride 2': { N: 16, C: 64, M: 128, size: 56, kernel: 3, stride: 2 },
    '16×256×14×14, 3×3': { N: 16, C: 256, M: 256, size: 14, kernel: 3 },
    '16×256×14×14 → 512, 1×1': { N: 16, C: 256, M: 512, size: 14, kernel: 1 },
  };
  const filters = [];
  for (const [name, shape] of Object.entries(convs)) {
    const { forward, filter, ratio } = await filterGradient(shape);
    filters.push([name, forward.toFixed(2), filter.toFixed(2), ratio.toFixed(2)]);
    process.stderr.write(`filter gradient ${name}: ${ratio.toFixed(2)}\n`);
  }
  return [
    '## Backward pass',
    '',
    'Loss and every parameter gradient over the forward pass alone. Target: at most 3.0. All gradients are outputs of the',
    'graph and are computed either way; fetching them also copies them to JavaScript.',
    '',
    table(['network', 'forward, ms', 'forward + backward, ms', 'and fetched, ms', 'ratio', 'nodes'], rows),
    '',
    'The filter gradient of a convolution over its forward pass. Target: at most 1.7 for the first row.',
    '',
    table(['convolution', 'forward, ms', 'filter gradient, ms', 'ratio'], filters),
  ].join('\n');
}
