import { describe, expect, it } from 'vitest';
import type { Model } from '../../src/graph/graph.ts';
import { encodeModel } from '../../src/graph/onnx/encode.ts';
import { type Tensor, tensorOf, toFloat64 } from '../../src/graph/tensor.ts';
import { buildSpec } from '../../src/readers/spec/index.ts';
import { initializationRemedies } from '../../src/remedies/initialization/index.ts';
import { traceElements } from '../../src/remedies/rewrite/stored-elements.ts';
import { runModel } from '../helpers/onnx-tests.ts';
import { exported, patientOf, reread, run } from './structure/patient.ts';

const remedy = (id: string) => initializationRemedies.find((one) => one.id === id)!;
const numbers = (model: Model, name: string) => Array.from(toFloat64(model.graph.initializers.get(name)!));

describe('traceElements', () => {
  it.each(['lstm_seq50', 'bilstm_2layer_seq50', 'gru_seq50'])(
    '%s: finds what PyTorch put into another order',
    async (name) => {
      const { model, batch } = await exported(name);
      const inputs = (batch as unknown as { inputs: ReadonlyMap<string, Tensor> }).inputs.get('')!;
      for (const node of model.graph.nodes.filter(({ op }) => op === 'LSTM' || op === 'GRU')) {
        for (const value of node.inputs.slice(1, 4)) {
          const { names, source, place } = traceElements(model.graph, value)!;
          const stored = names.map((one) => toFloat64(model.graph.initializers.get(one)!));
          const traced = Array.from(source, (which, i) => stored[which]![place[i]!]!);
          // What onnxruntime makes of the exporter's slices and concatenations.
          const asked: Model = { ...model, graph: { ...model.graph, outputs: [{ name: value }] } };
          const [computed] = await run(asked, new Map([[model.graph.inputs[0]!.name, inputs]]));
          expect(traced).toEqual(Array.from(toFloat64(computed!)));
        }
      }
    },
  );

  it('gives up where elements are computed', async () => {
    const { model } = await exported('lstm_seq50');
    expect(traceElements(model.graph, model.graph.outputs[0]!.name)).toBeUndefined();
    expect(traceElements(model.graph, 'nothing of that name')).toBeUndefined();
  });
});

describe('open-forget-gate', () => {
  it('sets the second quarter of the biases of a PyTorch LSTM, whose gates are i, f, g, o', async () => {
    const { model, batch } = await exported('lstm_seq50');
    const patient = await patientOf(model, batch);
    const one = remedy('open-forget-gate');
    expect(one.applies(patient)).toMatch(/forget gates of rnn\.l0 start half closed/);
    const { model: changed } = await one.apply(patient.design, patient);
    const file = await reread(changed);
    const [before, after] = [numbers(model, 'rnn.bias_ih_l0'), numbers(file, 'rnn.bias_ih_l0')];
    expect(after.slice(32, 64)).toEqual(new Array(32).fill(1));
    expect([...after.slice(0, 32), ...after.slice(64)]).toEqual([...before.slice(0, 32), ...before.slice(64)]);
    const [hh, hidden] = [numbers(model, 'rnn.bias_hh_l0'), numbers(file, 'rnn.bias_hh_l0')];
    expect(hidden.slice(32, 64)).toEqual(new Array(32).fill(0));
    expect([...hidden.slice(0, 32), ...hidden.slice(64)]).toEqual([...hh.slice(0, 32), ...hh.slice(64)]);
    for (const name of ['rnn.weight_ih_l0', 'rnn.weight_hh_l0', 'fc.weight']) {
      expect(numbers(file, name)).toEqual(numbers(model, name));
    }
    const healed = await patientOf(file, batch);
    expect(healed.profile.recurrent![0]!.recurrence).toBeGreaterThan(patient.profile.recurrent![0]!.recurrence + 4);
    expect(one.applies(healed)).toBeUndefined();
  });

  it('opens both directions of both layers', async () => {
    const { model, batch } = await exported('bilstm_2layer_seq50');
    const patient = await patientOf(model, batch);
    const { model: changed } = await remedy('open-forget-gate').apply(patient.design, patient);
    for (const name of ['l0', 'l0_reverse', 'l1', 'l1_reverse']) {
      expect(numbers(changed, `rnn.bias_ih_${name}`).slice(32, 64)).toEqual(new Array(32).fill(1));
    }
  });

  it('writes the third block of ONNX biases, and adds them where a layer has none', async () => {
    const model = buildSpec({ input: [5, 3], layers: [{ lstm: { units: 2, name: 'rnn' } }, { dense: 2 }] });
    const node = model.graph.nodes.find(({ op }) => op === 'LSTM')!;
    const patient = await patientOf(model, { kind: 'none' });
    const { model: changed } = await remedy('open-forget-gate').apply(patient.design, patient);
    const B = changed.graph.nodes.find(({ op }) => op === 'LSTM')!.inputs[3]!;
    // [Wb i o f c, Rb i o f c]
    const blocks = Array.from({ length: 8 }, (_, gate) => numbers(changed, B).slice(2 * gate, 2 * gate + 2));
    expect(blocks[2]).toEqual([1, 1]);
    expect(blocks[6]).toEqual([0, 0]);
    node.inputs[3] = '';
    const { model: added } = await remedy('open-forget-gate').apply({ ...patient.design, model }, patient);
    const own = added.graph.nodes.find(({ op }) => op === 'LSTM')!.inputs[3]!;
    expect(numbers(added, own)).toEqual([0, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    // The cell keeps σ(1) of its state a step where the input gate is shut: stock onnxruntime agrees.
    await expect(reread(added)).resolves.toBeDefined();
  });

  it('keeps σ(1) of the cell state per step in stock onnxruntime', async () => {
    const model = buildSpec({ input: [2, 1], layers: [{ lstm: { units: 1, name: 'rnn' } }, { dense: 1 }] });
    const patient = await patientOf(model, { kind: 'none' });
    const { model: changed } = await remedy('open-forget-gate').apply(patient.design, patient);
    const node = changed.graph.nodes.find(({ op }) => op === 'LSTM')!;
    const [, W, R] = node.inputs as [string, string, string];
    // All weights zero: c_t = σ(1) c_(t-1) + σ(0) tanh(0).
    changed.graph.initializers.set(W, tensorOf('float32', [1, 4, 1], [0, 0, 0, 0]));
    changed.graph.initializers.set(R, tensorOf('float32', [1, 4, 1], [0, 0, 0, 0]));
    changed.graph.initializers.set('c0', tensorOf('float32', [1, 1, 1], [1]));
    changed.graph.initializers.set('h0', tensorOf('float32', [1, 1, 1], [0]));
    node.inputs = [node.inputs[0]!, W, R, node.inputs[3]!, '', 'h0', 'c0'];
    node.outputs = [node.outputs[0]!, node.outputs[1] || 'h', 'c'];
    changed.graph.outputs = [{ name: 'c', type: 'float32', shape: [1, 1, 1] }];
    const [c] = await runModel(encodeModel(changed), [tensorOf('float32', [1, 2, 1], [0, 0])]);
    expect(toFloat64(c!)[0]).toBeCloseTo((1 / (1 + Math.exp(-1))) ** 2, 5);
  });
});

describe('recurrent weights', () => {
  it('orthogonal, gate by gate, and nothing else', async () => {
    const { model, batch } = await exported('gru_seq50');
    const patient = await patientOf(model, batch);
    const one = remedy('use-orthogonal-recurrence');
    expect(one.applies(patient)).toMatch(/recurrent weights of rnn\.l0 are not orthogonal/);
    const { model: changed } = await one.apply(patient.design, patient);
    const file = await reread(changed);
    const R = numbers(file, 'rnn.weight_hh_l0');
    for (let gate = 0; gate < 3; gate++) {
      const rows = Array.from({ length: 32 }, (_, i) => R.slice((gate * 32 + i) * 32, (gate * 32 + i + 1) * 32));
      for (const [i, a] of rows.entries()) {
        for (const [j, b] of rows.entries()) {
          expect(a.reduce((sum, x, k) => sum + x * b[k]!, 0)).toBeCloseTo(i === j ? 1 : 0, 5);
        }
      }
    }
    for (const name of ['rnn.weight_ih_l0', 'rnn.bias_ih_l0', 'rnn.bias_hh_l0', 'fc.weight']) {
      expect(numbers(file, name)).toEqual(numbers(model, name));
    }
    expect(one.applies(await patientOf(file, batch))).toBeUndefined();
  });

  it('a tanh recurrence becomes an IRNN, which keeps the gradient over fifty steps', async () => {
    const { model, batch } = await exported('rnn_tanh_seq50');
    const patient = await patientOf(model, batch);
    const one = remedy('use-identity-recurrence');
    expect(one.applies(patient)).toBeDefined();
    const file = await reread((await one.apply(patient.design, patient)).model);
    expect(numbers(file, 'rnn.weight_hh_l0').every((x, i) => x === (i % 33 === 0 ? 1 : 0))).toBe(true);
    expect(numbers(file, 'rnn.bias_ih_l0').every((x) => x === 0)).toBe(true);
    expect(numbers(file, 'rnn.weight_ih_l0')).toEqual(numbers(model, 'rnn.weight_ih_l0'));
    expect(file.graph.nodes.find(({ op }) => op === 'RNN')!.attributes.activations).toEqual(['Relu']);
    const healed = await patientOf(file, batch);
    expect(patient.profile.recurrent![0]!.recurrence).toBeLessThan(-10);
    expect(healed.profile.recurrent![0]!.recurrence).toBeGreaterThan(-2);
    expect(one.applies(healed)).toBeUndefined();
    expect(one.patch(patient).pytorch).toContain('for layer in [model.rnn]:');
  });

  it('tames an exploding recurrence', async () => {
    const { model, batch } = await exported('rnn_relu_explode_seq50');
    const patient = await patientOf(model, batch);
    const { model: changed } = await remedy('use-identity-recurrence').apply(patient.design, patient);
    const { profile } = await patientOf(await reread(changed), batch);
    expect(Math.abs(profile.recurrent![0]!.recurrence)).toBeLessThan(2);
  });

  it('applies to no network without recurrence', async () => {
    const { model, batch } = await exported('mlp_sigmoid_x10');
    const patient = await patientOf(model, batch);
    for (const id of ['use-orthogonal-recurrence', 'use-identity-recurrence', 'open-forget-gate']) {
      expect(remedy(id).applies(patient)).toBeUndefined();
      expect(() => remedy(id).apply(patient.design, patient)).toThrow(/finds nothing to change/);
    }
  });
});
