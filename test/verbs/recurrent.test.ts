import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { decodeNpy } from '../../src/data/index.ts';
import type { RecurrentFlow } from '../../src/flow/recurrent.ts';
import { GraphBuilder } from '../../src/graph/builder.ts';
import { modelOf } from '../../src/graph/graph.ts';
import { range } from '../../src/graph/shapes.ts';
import { tensorOf } from '../../src/graph/tensor.ts';
import { readModelSource } from '../../src/readers/index.ts';
import { openSource } from '../../src/runtime/node/files.ts';
import { nodeRuntime } from '../../src/runtime/node/onnxruntime.ts';
import { diagnose } from '../../src/verbs/diagnose.ts';

const fixtures = join(dirname(fileURLToPath(import.meta.url)), '../fixtures/torch');
const steps = JSON.parse(readFileSync(join(fixtures, 'recurrent-steps.json'), 'utf8')) as Record<
  string,
  { layers: { layer: number; direction: string; hidden: number[]; cell?: number[] }[] }
>;

async function flowsOf(name: string): Promise<readonly RecurrentFlow[]> {
  const file = (extension: string) => join(fixtures, `${name}${extension}`);
  const { profile } = await diagnose(await readModelSource(await openSource(file('.onnx'))), {
    runtime: nodeRuntime(),
    batch: {
      kind: 'tensors',
      from: name,
      inputs: new Map([['', decodeNpy(readFileSync(file('.input.npy')), 'input')]]),
      target: decodeNpy(readFileSync(file('.labels.npy')), 'labels'),
    },
  });
  return profile.recurrent!;
}

describe('the gradient at each step equals that of the loop unrolled in PyTorch', () => {
  it.each(Object.entries(steps))('%s', async (name, { layers }) => {
    const flows = await flowsOf(name);
    expect(flows.map(({ direction }) => direction)).toEqual(layers.map(({ direction }) => direction));
    layers.forEach((expected, i) => {
      const flow = flows[i]!;
      compare(`${flow.node} h`, flow.hidden, expected.hidden);
      if (expected.cell) compare(`${flow.node} c`, flow.cell!, expected.cell);
      const sum = flow.recurrence + flow.direct;
      expect(Math.abs(sum - flow.totalDecades)).toBeLessThan(1e-9 * flow.hidden.length);
    });
  });
});

/** Norms to 1e-3, in decades. */
function compare(what: string, decades: readonly number[], norms: readonly number[]): void {
  expect(decades.length, what).toBe(norms.length);
  decades.forEach((decade, t) => {
    if (norms[t] === 0) expect(decade, `${what}[${t}]`).toBe(Number.NEGATIVE_INFINITY);
    else expect(Math.abs(decade - Math.log10(norms[t]!)), `${what}[${t}]`).toBeLessThan(Math.log10(1 + 1e-3));
  });
}

describe('a recurrence of one unit, h_t = tanh(w h_{t−1} + x_t) with h_0 = 0 and x = 0', () => {
  // ∂h_T/∂h_t = w^(T−t), since tanh′(0) = 1.
  async function chainFlow(w: number, T: number, reads: 'last' | 'all' = 'last'): Promise<RecurrentFlow> {
    const g = new GraphBuilder();
    const X = g.input('x', 'float32', [T, 1, 1]);
    const W = g.initializer('rnn.weight_ih', tensorOf('float32', [1, 1, 1], [1]));
    const R = g.initializer('rnn.weight_hh', tensorOf('float32', [1, 1, 1], [w]));
    const spec = ['float32', [1, 1, 1]] as const;
    const attributes = { hidden_size: 1 };
    const names = { node: 'rnn', outputs: reads === 'all' ? ['all'] : ['', 'last'] };
    g.add('RNN', [X, W, R], [['float32', [T, 1, 1, 1]], spec], attributes, names);
    const shape = reads === 'all' ? [T, 1, 1, 1] : [1, 1, 1];
    g.output(g.reduceSum({ name: reads, type: 'float32', shape }, range(shape.length), false));
    const { profile } = await diagnose(modelOf(g.graph, 'chain'), {
      runtime: nodeRuntime(),
      batch: {
        kind: 'tensors',
        from: 'x',
        inputs: new Map([['x', tensorOf('float32', [T, 1, 1], new Array(T).fill(0))]]),
      },
    });
    return profile.recurrent![0]!;
  }

  it.each([0.5, 1, 2])('w = %d', async (w) => {
    const flow = await chainFlow(w, 12);
    expect(flow.from).toBe(11);
    flow.hidden.forEach((decade, t) => {
      expect(decade).toBeCloseTo((11 - t) * Math.log10(w), 6);
    });
    expect(flow.totalDecades).toBeCloseTo(11 * Math.log10(w), 6);
    expect(flow.factors!.activationDerivative).toBeCloseTo(0, 6);
    expect(flow.factors!.recurrentWeights).toBeCloseTo(11 * Math.log10(w), 6);
    expect(flow.direct).toBe(0);
  });

  it.each([0.5, 2])('w = %d over 600 steps: far beyond float32', async (w) => {
    const flow = await chainFlow(w, 600);
    flow.hidden.forEach((decade, t) => {
      expect(Math.abs(decade - (599 - t) * Math.log10(w)), `step ${t}`).toBeLessThan(1e-4);
    });
    expect(flow.totalDecades).toBeCloseTo(599 * Math.log10(w), 3);
  });

  // With L = Σ h_t, δ_t = 1 + w δ_{t+1}: the recurrence carries w δ_{t+1}, the 1 arrives directly.
  it.each([1e-3, 0.5, 3])('w = %d, every step read', async (w) => {
    const T = 30;
    const flow = await chainFlow(w, T, 'all');
    const delta = [1];
    for (let t = T - 2; t >= 0; t--) delta.unshift(1 + w * delta[0]!);
    flow.gains.forEach(({ step, recurrence, direct }) => {
      expect(recurrence, `step ${step}`).toBeCloseTo(Math.log10(w), 5);
      expect(direct, `step ${step}`).toBeCloseTo(Math.log10(1 + 1 / (w * delta[step + 1]!)), 5);
    });
    flow.hidden.forEach((decade, t) => {
      expect(decade, `step ${t}`).toBeCloseTo(Math.log10(delta[t]!), 5);
    });
  });
});
