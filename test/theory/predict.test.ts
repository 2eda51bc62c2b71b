import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cloneGraph, type Graph, type Model } from '../../src/graph/graph.ts';
import { findParameters } from '../../src/graph/parameters.ts';
import { tensorOf } from '../../src/graph/tensor.ts';
import { buildSpec } from '../../src/readers/spec/index.ts';
import { activationOf } from '../../src/theory/activations.ts';
import { type Change, predictChange } from '../../src/theory/change.ts';
import { momentsOf } from '../../src/theory/moments.ts';
import { predictTheory } from '../../src/theory/predict.ts';

type Spec = Parameters<typeof buildSpec>[0];
const changes: Change[] = [
  'relu-he',
  'critical-init',
  'he-init',
  'glorot-init',
  'lecun-init',
  'batch-norm',
  'layer-norm',
  'residual',
];

/** A model whose every weight is ±√(σ_w² / fan-in), half of each sign: its variances are exact. */
function exact(spec: Spec, sigmaW2: number): Model {
  const model = buildSpec(spec);
  const graph = cloneGraph(model.graph);
  for (const name of findParameters(model)) {
    const tensor = graph.initializers.get(name)!;
    if (tensor.dims.length < 2) continue;
    const fanIn = tensor.data.length / tensor.dims[0]!;
    const size = Math.sqrt(sigmaW2 / fanIn);
    const signs = Array.from({ length: tensor.data.length }, (_, i) => (i % 2 === 0 ? size : -size));
    graph.initializers.set(name, tensorOf('float64', tensor.dims, signs));
  }
  return { ...model, graph };
}

const theoryOf = (model: Model, options = {}) => predictTheory(model.graph, findParameters(model), options);
const mlp = (depth: number, activation: unknown, extra: unknown[] = []): Spec =>
  ({
    input: 32,
    layers: [
      { repeat: depth, name: 'h', layers: [{ dense: 32 }, ...extra, activation] },
      { dense: { units: 10, name: 'out' } },
    ],
  }) as Spec;
/** Decades of a product of factors of the gradient's square. */
const decades = (...factors: number[]) => factors.reduce((sum, factor) => sum + 0.5 * Math.log10(factor), 0);

describe('predicted decades', () => {
  it('of ReLU are ½ log₁₀ of the product of σ_w² / 2, whatever the widths', () => {
    const spec = {
      input: 20,
      layers: [{ dense: 64 }, 'relu', { dense: 16 }, 'relu', { dense: 48 }, 'relu', { dense: 10 }],
    };
    const theory = theoryOf(exact(spec as Spec, 1.5));
    expect(theory.applies).toBe('fully');
    expect(theory.reasons).toEqual([]);
    expect(theory.predictedDecades).toBeCloseTo(decades(1.5 ** 3 / 2 ** 3), 12);
    expect(theory.layers.map(({ decades: own }) => own)).toEqual([
      0,
      ...Array(3).fill(expect.closeTo(decades(0.75), 12)),
    ]);
    expect(theory.layers.map(({ q }) => q)).toEqual([1.5, 1.125, 0.84375, 0.6328125].map((q) => expect.closeTo(q, 12)));
    expect(theory.layers[1]).toMatchObject({ fanIn: 64, activation: 'Relu', sigmaB2: 0, cStar: 1 });
    expect(theory.depthScale).toBeCloseTo(-1 / Math.log(0.75), 10);
    expect(theory.trainableDepth).toBeCloseTo(-6 / Math.log(0.75), 10);
  });

  it('take each layer’s own variance of pre-activations, from the measured input on', () => {
    const theory = theoryOf(exact(mlp(3, 'tanh'), 1.2), { input: { square: 4 } });
    const tanh = activationOf('Tanh')!;
    let q = 4.8;
    const slopes: number[] = [];
    for (let i = 0; i < 3; i++) {
      const { square, slopeSquare } = momentsOf(tanh, q);
      slopes.push(slopeSquare);
      expect(theory.layers[i]!.q).toBeCloseTo(q, 10);
      expect(theory.layers[i]!.chi).toBeCloseTo(1.2 * slopeSquare, 10);
      q = 1.2 * square;
    }
    expect(theory.predictedDecades).toBeCloseTo(decades(1.2 ** 3, ...slopes), 10);
    const sum = theory.layers.reduce((total, layer) => total + layer.decades, 0);
    expect(sum).toBeCloseTo(theory.predictedDecades, 10);
    expect(theory.layers[0]!.decadesFromOutput).toBeCloseTo(theory.predictedDecades, 12);
    expect(theory.layers.at(-1)!.decadesFromOutput).toBe(0);
  });

  it('of batch-normalized ReLU grow by π / (π − 1) per layer (Yang et al. 2019)', () => {
    const theory = theoryOf(exact(mlp(8, 'relu', ['batch-norm']), 0.7));
    for (const layer of theory.layers.slice(1, -1)) expect(layer.chi).toBeCloseTo(Math.PI / (Math.PI - 1), 4);
    expect(theory.layers[3]).toMatchObject({ normalization: 'BatchNormalization', activation: 'Relu' });
    // Of identical samples batch normalization leaves nothing to divide by.
    expect(
      theoryOf(exact(mlp(2, 'relu', ['batch-norm']), 1), { input: { square: 1, cross: 1 } }).layers[0]!.chi,
    ).toBeGreaterThan(1e3);
  });

  it('of layer-normalized networks divide by the variance taken out', () => {
    const theory = theoryOf(exact(mlp(4, 'tanh', ['layer-norm']), 3));
    const { square, slopeSquare } = momentsOf(activationOf('Tanh')!, 1);
    for (const layer of theory.layers.slice(1, -1)) {
      expect(layer.q).toBeCloseTo(3 * square, 4);
      expect(layer.chi).toBeCloseTo(slopeSquare / square, 4);
    }
  });

  it('of residual branches add: χ = 1 + χ of the branch (Yang and Schoenholz 2017)', () => {
    const block = { residual: [{ dense: 32 }, 'tanh'], repeat: 3, name: 'r' };
    const theory = theoryOf(exact({ input: 32, layers: [{ dense: 32 }, block, { dense: 10 }] } as Spec, 1.4));
    const tanh = activationOf('Tanh')!;
    let q = 1.4;
    const factors = [1.4];
    for (let i = 0; i < 3; i++) {
      const { square, slopeSquare } = momentsOf(tanh, 1.4 * q);
      factors.push(1 + 1.4 * slopeSquare);
      q += square;
    }
    expect(theory.predictedDecades).toBeCloseTo(decades(...factors), 10);
    expect(theory.layers.map(({ residual }) => residual ?? false)).toEqual([false, true, true, true, false]);
    expect(theory.depthScale).toBeUndefined();
    expect(theory.applies).toBe('fully');
  });

  it('of convolutions count the taps inside the image', () => {
    const conv = { conv2d: { filters: 8, kernel: 3, padding: 'same' } };
    const spec = { input: [4, 8, 8], layers: [conv, 'relu', conv, 'relu', 'flatten', { dense: 10 }] };
    const theory = theoryOf(exact(spec as Spec, 2));
    // 22 of 24 taps on each axis: the border outputs miss one.
    expect(theory.predictedDecades).toBeCloseTo(decades((22 / 24) ** 2 * 2 * 0.5, 2 * 0.5), 10);
    expect(theory.layers[1]!.fanIn).toBe(72);
    const strided = { conv2d: { filters: 8, kernel: 3, stride: 2, padding: 'same' } };
    const second = theoryOf(exact({ input: [4, 8, 8], layers: [conv, strided, 'flatten', { dense: 10 }] } as Spec, 2));
    // Outputs at 0, 2, 4, 6 with the odd zero at the end: 11 of 12 taps on each axis.
    expect(second.predictedDecades).toBeCloseTo(decades((11 / 12) ** 2 * 2, 2), 10);
  });

  it('see biases as σ_b² and as a mean', () => {
    const model = exact(mlp(2, 'tanh'), 1);
    const graph = cloneGraph(model.graph);
    const bias = [...graph.initializers.keys()].find((name) => /h\.0.*bias/.test(name))!;
    graph.initializers.set(bias, tensorOf('float32', [32], Array(32).fill(0.5)));
    const theory = theoryOf({ ...model, graph });
    expect(theory.layers[0]!.sigmaB2).toBeCloseTo(0.25, 10);
    const { slopeSquare } = momentsOf(activationOf('Tanh')!, 1, 0.5);
    expect(theory.layers[0]!.chi).toBeCloseTo(slopeSquare, 10);
  });
});

describe('where theory does not reach', () => {
  it('pooling leaves variances open, and gradients of ReLU known', () => {
    const spec = {
      input: [4, 8, 8],
      layers: [{ conv2d: 8 }, 'relu', 'max-pool', { conv2d: 8 }, 'relu', 'global-average-pool', { dense: 10 }],
    };
    const theory = theoryOf(exact(spec as Spec, 2));
    expect(theory.applies).toBe('partly');
    expect(theory.reasons.join(' ')).toMatch(/MaxPool is covered for gradients alone.*GlobalAveragePool is covered/);
    // The average of one position is that position.
    expect(theory.predictedDecades).toBeCloseTo(decades(1, 1), 10);
    expect(theory.layers[1]!.q).toBeNaN();
    const tanh = theoryOf(
      exact({ input: [4, 8, 8], layers: ['max-pool', { conv2d: 8 }, 'tanh', 'flatten', { dense: 10 }] } as Spec, 2),
    );
    expect(tanh.predictedDecades).toBeNaN();
    expect(tanh.applies).toBe('partly');
  });

  it('sizes of images are followed through windows where no one declares them', () => {
    const window = { kernel: 3, stride: 2, padding: 1 };
    const spec = {
      input: [4, 15, 15],
      layers: [
        { conv2d: 8 },
        { conv2d: { filters: 8, ...window } },
        { 'max-pool': window },
        'relu',
        { conv2d: { filters: 8, padding: 'same' } },
        'global-average-pool',
        { dense: 10 },
      ],
    };
    const model = exact(spec as Spec, 2);
    const blind = cloneGraph(model.graph);
    blind.values = new Map();
    const [seen, followed] = [theoryOf(model), theoryOf({ ...model, graph: blind })];
    expect(followed.predictedDecades).toBeCloseTo(seen.predictedDecades, 12);
    // 13, then 7, then 4: of the 4 × 4 positions an average hands on 1/16 of the gradient's square.
    const border = (outputs: number, misses: number) => ((3 * outputs - misses) / (3 * outputs)) ** 2;
    expect(seen.predictedDecades).toBeCloseTo(decades(2 * border(7, 2), 0.5, 2 * border(4, 2), 1 / 16, 2), 10);
  });

  it('behind a pool a normalization begins anew', () => {
    const spec = {
      input: [4, 8, 8],
      layers: [{ conv2d: 8 }, 'max-pool', { conv2d: 8 }, 'batch-norm', 'tanh', 'flatten', { dense: 9 }],
    };
    const theory = theoryOf(exact(spec as Spec, 1));
    expect(theory.predictedDecades).toBeNaN();
    expect(theory.layers.at(-1)!.q).toBeCloseTo(momentsOf(activationOf('Tanh')!, 1).square, 10);
  });

  it('a softmax between layers is named, with its node', () => {
    const theory = theoryOf(exact({ input: 32, layers: [{ dense: 32 }, 'softmax', { dense: 10 }] } as Spec, 1));
    expect(theory.applies).toBe('partly');
    expect(theory.reasons[0]).toMatch(/^Softmax is not covered: it couples positions with each other \(softmax\)\.$/);
    expect(theory.predictedDecades).toBeNaN();
  });

  it('a final softmax is none of it: losses read the logits', () => {
    const theory = theoryOf(exact({ input: 32, layers: [{ dense: 32 }, 'relu', { dense: 10 }, 'softmax'] } as Spec, 2));
    expect(theory).toMatchObject({ applies: 'fully', predictedDecades: expect.closeTo(0, 12) });
  });

  it('weights of one sign are no independent draws', () => {
    const spec = { input: 32, layers: [{ dense: 32 }, 'tanh', { dense: 10 }], init: 'ones' };
    const theory = theoryOf(buildSpec(spec as Spec));
    expect(theory.applies).toBe('not');
    expect(theory.predictedDecades).toBeNaN();
    expect(theory.reasons[0]).toMatch(/share a sign or a value/);
    expect(changes.map((change) => predictChange(theory, change))).toEqual(changes.map(() => undefined));
  });

  it('terms of a sum that depend on each other unit by unit are said', () => {
    const spec = { input: 32, layers: [{ dense: 32 }, { residual: ['tanh'] }, { dense: 10 }] };
    const theory = theoryOf(exact(spec as Spec, 1));
    expect(theory.reasons[0]).toMatch(/^Add is not covered: its terms depend on each other/);
  });

  it('zero weights let nothing through', () => {
    const theory = theoryOf(exact(mlp(2, 'tanh'), 0));
    expect(theory.predictedDecades).toBe(Number.NEGATIVE_INFINITY);
  });
});

describe('predicted changes', () => {
  it('of initialization and activation', () => {
    const theory = theoryOf(exact(mlp(6, 'sigmoid'), 1));
    expect(theory.predictedDecades).toBeLessThan(-3);
    expect(predictChange(theory, 'relu-he')).toBeCloseTo(0, 10);
    expect(predictChange(theory, 'lecun-init')).toBeCloseTo(theory.predictedDecades, 10);
    expect(predictChange(theory, 'he-init')).toBeGreaterThan(theory.predictedDecades);
    expect(predictChange(theory, 'critical-init')).toBeGreaterThan(-1.2);
    expect(predictChange(theory, 'batch-norm')).toBeGreaterThan(-1);
    expect(predictChange(theory, 'residual')).toBeGreaterThan(-2);
  });

  it('say what building the change says', () => {
    const plain = theoryOf(exact(mlp(6, 'tanh'), 0.6));
    for (const norm of ['batch-norm', 'layer-norm'] as const) {
      const built = theoryOf(exact(mlp(6, 'tanh', [norm]), 0.6));
      expect(predictChange(plain, norm)).toBeCloseTo(built.predictedDecades, 10);
    }
    const pair = { residual: [{ dense: 32 }, 'tanh', { dense: 32 }, 'tanh'], repeat: 3 };
    const built = theoryOf(exact({ input: 32, layers: [pair, { dense: 10 }] } as Spec, 0.6));
    expect(predictChange(plain, 'residual')).toBeCloseTo(built.predictedDecades, 10);
  });

  it('are none where they do not apply', () => {
    const normalized = theoryOf(exact(mlp(3, 'relu', ['layer-norm']), 2));
    expect(predictChange(normalized, 'batch-norm')).toBeUndefined();
    const softplus = theoryOf(exact(mlp(3, 'softplus'), 1));
    expect(predictChange(softplus, 'critical-init')).toBeUndefined();
    const residual = theoryOf(exact({ input: 32, layers: [{ residual: [{ dense: 32 }] }, { dense: 10 }] } as Spec, 1));
    expect(predictChange(residual, 'residual')).toBeUndefined();
  });
});

describe('odd graphs', () => {
  const specs: Spec[] = [
    mlp(3, 'gelu', ['layer-norm']),
    mlp(2, 'prelu', ['batch-norm']),
    mlp(2, 'silu'),
    {
      input: [2, 8, 8],
      layers: [
        { residual: [{ conv2d: { filters: 2, padding: 'same' } }, 'batch-norm', 'relu6'] },
        'average-pool',
        'global-average-pool',
        { dense: 3 },
      ],
    } as Spec,
  ];

  it('never make it throw, whatever is missing', () => {
    const models = specs.map((spec) => buildSpec(spec));
    const edit = fc.tuple(fc.nat(7), fc.nat(60), fc.nat(60), fc.nat(3));
    const damage = (given: Graph, [kind, a, b, value]: [number, number, number, number]): Graph => {
      const graph = cloneGraph(given);
      const node = graph.nodes[a % Math.max(1, graph.nodes.length)];
      const names = [...graph.initializers.keys()];
      const name = names[b % Math.max(1, names.length)];
      if (node && kind === 0) node.attributes = {};
      if (node && kind === 1) node.inputs = node.inputs.slice(0, b % 3);
      if (node && kind === 2)
        node.op = ['Mul', 'LSTM', 'Concat', 'Conv', 'Gather', 'ReduceMean', 'Clip', 'Sum'][b % 8]!;
      if (kind === 3) graph.nodes.splice(a % Math.max(1, graph.nodes.length), 1);
      const tensor = name === undefined ? undefined : graph.initializers.get(name)!;
      const numbers = [Number.NaN, Number.POSITIVE_INFINITY, 0, 1e30];
      if (tensor && tensor.type === 'float32' && kind === 4) {
        graph.initializers.set(name!, { ...tensor, data: new Float32Array(tensor.data.length).fill(numbers[value]!) });
      }
      if (name !== undefined && kind === 5) graph.initializers.delete(name);
      if (tensor && kind === 6)
        graph.initializers.set(name!, { ...tensor, dims: [], data: tensor.data.slice(0, 1) as never });
      if (kind === 7) graph.outputs = graph.outputs.slice(0, 0);
      return graph;
    };
    fc.assert(
      fc.property(fc.nat(models.length - 1), fc.array(edit, { maxLength: 4 }), (which, edits) => {
        const model = models[which]!;
        const graph = edits.reduce(damage, model.graph);
        const theory = predictTheory(graph, findParameters({ ...model, graph }));
        for (const change of changes) predictChange(theory, change);
        expect(['fully', 'partly', 'not']).toContain(theory.applies);
        if (theory.applies === 'fully') expect(theory.predictedDecades).not.toBeNaN();
      }),
      { numRuns: 200, seed: 1 },
    );
  });

  it('without layers say so', () => {
    const theory = theoryOf(buildSpec({ input: 4, layers: ['tanh'] } as Spec));
    expect(theory).toMatchObject({ applies: 'not', layers: [], predictedDecades: Number.NaN });
    expect(theory.reasons[0]).toMatch(/^No layer with a weight matrix/);
  });
});
