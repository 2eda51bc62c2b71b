import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { Model } from '../../../src/graph/graph.ts';
import { findParameters } from '../../../src/graph/parameters.ts';
import { sizeOf, tensorOf } from '../../../src/graph/tensor.ts';
import { buildSpec } from '../../../src/readers/spec/index.ts';
import { layerTable } from '../../../src/readers/spec/layers/index.ts';
import { forward } from './run.ts';

interface Case {
  spec: string | Record<string, unknown>;
  x: number[];
  y: number[];
  parameters: Record<string, number[]>;
}
const truth = JSON.parse(readFileSync(new URL('../../fixtures/spec/layers.json', import.meta.url), 'utf8')) as Record<
  string,
  Case
>;

/** The network with PyTorch's parameters, which must be all it has. */
function withParameters(model: Model, parameters: Record<string, number[]>): Model {
  const initializers = new Map(model.graph.initializers);
  expect(findParameters(model).sort()).toEqual(Object.keys(parameters).sort());
  for (const [name, values] of Object.entries(parameters)) {
    const { type, dims } = initializers.get(name)!;
    expect(values, name).toHaveLength(sizeOf(dims));
    initializers.set(name, tensorOf(type, dims, values));
  }
  return { ...model, graph: { ...model.graph, initializers } };
}

describe('layers give what PyTorch’s give', () => {
  it.each(Object.entries(truth))('%s', async (name, { spec, x, y, parameters }) => {
    const kind = typeof spec === 'string' ? spec : Object.keys(spec)[0]!;
    // onnxruntime has float64 kernels neither for the recurrent operators nor for these normalizations and Erf.
    const type = /^(attention|transformer-encoder, post)/.test(name) ? 'float64' : 'float32';
    const shape = /norm/.test(kind) ? [4, 3, 2] : [5, x.length / 10];
    const model = withParameters(buildSpec({ input: { shape, type }, layers: [spec] }), parameters);
    const result = await forward(model, x, 2);
    expect(result).toHaveLength(y.length);
    const tolerance = type === 'float64' ? 1e-7 : 2e-6;
    y.forEach((expected, i) => {
      expect(Math.abs(result[i]! - expected), `element ${i}`).toBeLessThan(tolerance * Math.max(1, Math.abs(expected)));
    });
  });

  it('covers every kind of recurrent layer', () => {
    const kinds = Object.keys(truth).map((name) => /^[\w-]+/.exec(name)![0]);
    for (const kind of ['rnn', 'lstm', 'gru', 'attention', 'transformer-encoder']) {
      expect(layerTable.kinds[kind]).toBeDefined();
      expect(kinds).toContain(kind);
    }
  });
});
