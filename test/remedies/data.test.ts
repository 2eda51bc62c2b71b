import { describe, expect, it } from 'vitest';
import { findParameters } from '../../src/graph/parameters.ts';
import { type Tensor, tensorOf, toFloat64 } from '../../src/graph/tensor.ts';
import { createRandom } from '../../src/random/random.ts';
import { buildSpec } from '../../src/readers/spec/index.ts';
import { dataRemedies, standardizeInputs } from '../../src/remedies/data.ts';
import { type InputStatistics, type Patient, RemedyError } from '../../src/remedies/remedy.ts';
import { examinePatient } from '../../src/verbs/patient.ts';
import { train } from '../../src/verbs/train.ts';
import { openTrainingData } from '../../src/verbs/training-data.ts';
import { exported, patientOf, reread, run, runtime } from './patients.ts';

const shifts = [0, 500, -3, 7];
const scales = [1, 100, 0.001, 0];

/** Four features of very different size, of which the last never varies; which of two classes depends on the second. */
function raw(): { kind: 'tensors'; from: string; inputs: Map<string, Tensor>; target: Tensor } {
  const random = createRandom(2);
  const z = Array.from({ length: 128 * 4 }, () => random.normal());
  return {
    kind: 'tensors',
    from: 'raw features',
    inputs: new Map([
      [
        '',
        tensorOf(
          'float32',
          [128, 4],
          z.map((x, i) => shifts[i % 4]! + scales[i % 4]! * x),
        ),
      ],
    ]),
    target: tensorOf(
      'int64',
      [128],
      Array.from({ length: 128 }, (_, row) => Number(z[4 * row + 1]! > 0.2)),
    ),
  };
}

const tanhs = () =>
  buildSpec({
    input: 4,
    layers: [
      { dense: { units: 12, activation: 'tanh', repeat: 3, name: 'hidden' } },
      { dense: { units: 2, name: 'out' } },
    ],
    seed: 1,
  });

const examine = async () => (await examinePatient(tanhs(), { runtime, batch: raw(), size: 128, seed: 1 })).patient;

/** A patient with made-up statistics of its only input. */
const withInputs = (patient: Patient, statistics: InputStatistics): Patient => ({
  ...patient,
  inputs: new Map([['input', statistics]]),
});

describe('standardize-inputs', () => {
  it('applies to features that are far off, with a finding', async () => {
    const patient = await examine();
    expect(patient.diagnosis.findings.some(({ severity }) => severity !== 'info')).toBe(true);
    expect(standardizeInputs.applies(patient)).toMatch(
      /the input input has means from -3 to \d{3} and deviations from 0 to \d+/,
    );
    expect(
      standardizeInputs.applies({ ...patient, diagnosis: { ...patient.diagnosis, findings: [] } }),
    ).toBeUndefined();
    expect(dataRemedies).toEqual([standardizeInputs]);
  });

  it('computes what the network computes of standardized inputs', async () => {
    const patient = await examine();
    const { model } = patient.design;
    const treated = await reread((await standardizeInputs.apply(patient.design, patient)).model);
    expect(treated.graph.inputs.map(({ name }) => name)).toEqual(model.graph.inputs.map(({ name }) => name));
    expect(treated.graph.outputs.map(({ name }) => name)).toEqual(model.graph.outputs.map(({ name }) => name));
    // The numbers are none that training moves.
    expect(findParameters(treated)).toEqual(findParameters(model));
    const X = raw().inputs.get('')!;
    const x = toFloat64(X);
    const columns = [0, 1, 2, 3].map((feature) => x.filter((_, i) => i % 4 === feature));
    const means = columns.map((column) => column.reduce((sum, v) => sum + v, 0) / 128);
    const deviations = columns.map((column, i) => {
      const s = Math.sqrt(column.reduce((sum, v) => sum + (v - means[i]!) ** 2, 0) / 128);
      return s < 1e-6 * Math.abs(means[i]!) ? 1 : s;
    });
    expect(deviations[3]).toBe(1);
    const standardized = x.map((v, i) => (v - means[i % 4]!) / deviations[i % 4]!);
    const [expected] = await run(model, new Map([['input', tensorOf('float32', [128, 4], standardized)]]));
    const [found] = await run(treated, new Map([['input', X]]));
    toFloat64(found!).forEach((y, i) => {
      // The third feature has three of float32's digits left: -3 ± 0.001.
      expect(Math.abs(y - toFloat64(expected!)[i]!)).toBeLessThan(2e-3);
    });
  });

  it('makes a network learn that could not tell its inputs apart', async () => {
    const patient = await examine();
    const { model } = patient.design;
    const treated = await reread((await standardizeInputs.apply(patient.design, patient)).model);
    const lossOf = async (given: typeof model) => {
      const data = await openTrainingData(raw(), given.graph.inputs, { seed: 1, output: given.graph.outputs[0] });
      const options = { runtime, data, batch: 32, steps: 60, learningRate: 0.1, seed: 1, monitor: false };
      const losses: number[] = [];
      for await (const event of train(given, { ...options, optimizer: { name: 'sgd' } })) {
        if (event.kind === 'step') losses.push(event.loss);
      }
      return losses.slice(-4).reduce((sum, loss) => sum + loss, 0) / 4;
    };
    expect(await lossOf(treated)).toBeLessThan(0.5 * (await lossOf(model)));
  });

  it('standardizes images by channel', async () => {
    const { model, batch } = await exported('plainconv34_gain1');
    const [input] = model.graph.inputs;
    const patient = await patientOf(model, batch);
    const channels = { axis: 1, mean: [120, 110, 100], deviation: [60, 50, 0] };
    const sick = { ...patient, inputs: new Map([[input!.name, channels]]) };
    const treated = await reread((await standardizeInputs.apply(patient.design, sick)).model);
    const X = (batch as { inputs: ReadonlyMap<string, Tensor> }).inputs.get('')!;
    const area = X.dims[2]! * X.dims[3]!;
    const back = toFloat64(X).map((v, i) => {
      const channel = Math.floor(i / area) % 3;
      return v * (channels.deviation[channel]! || 1) + channels.mean[channel]!;
    });
    const [expected] = await run(model, new Map([[input!.name, X]]));
    const [found] = await run(treated, new Map([[input!.name, tensorOf('float32', X.dims, back)]]));
    const most = Math.max(...toFloat64(expected!).map(Math.abs));
    toFloat64(found!).forEach((y, i) => {
      expect(Math.abs(y - toFloat64(expected!)[i]!)).toBeLessThan(1e-3 * most);
    });
    expect(standardizeInputs.patch(sick).pytorch).toContain('torch.tensor([120, 110, 100]).reshape(-1, 1, 1)');
  });

  it('leaves inputs of usual size alone, digits for one', async () => {
    const patient = await examine();
    const fits = (mean: number[], deviation: number[]) =>
      standardizeInputs.applies(withInputs(patient, { axis: 1, mean, deviation })) === undefined;
    expect(fits([0, 0.1, -1, 0.5], [1, 0.3, 1, 3])).toBe(true);
    // Pixels of the border never vary, some hardly.
    expect(fits([0, 0.01, 0.4, 0.5], [0, 0.05, 0.4, 0.45])).toBe(true);
    expect(fits([0, 0, 0, 0], [0.01, 0.02, 0.01, 1])).toBe(false);
    expect(fits([3, 4, 5, 0], [1, 1, 1, 1])).toBe(false);
    expect(fits([0, 0, 0, 0], [1, 1, 1, 100])).toBe(false);
  });

  it('does not blow up a pixel that hardly varies in this batch', async () => {
    const patient = await examine();
    const mean = Array.from({ length: 100 }, () => 100);
    const deviation = mean.map((_, i) => (i === 0 ? 0 : i === 1 ? 0.01 : 80));
    const { pytorch } = standardizeInputs.patch(withInputs(patient, { axis: 1, mean, deviation }));
    expect(pytorch).toContain('x.mean(0), x.std(0)');
    const wide = buildSpec({ input: 100, layers: [{ dense: 2 }], seed: 1 });
    const design = { ...patient.design, model: wide };
    const { model } = await standardizeInputs.apply(
      design,
      withInputs({ ...patient, design }, { axis: 1, mean, deviation }),
    );
    const divisor = toFloat64(model.graph.initializers.get('input.deviation')!);
    expect([divisor[0], divisor[1], divisor[2]]).toEqual([8, 8, 80]);
  });

  it('is done once', async () => {
    const patient = await examine();
    const once = await standardizeInputs.apply(patient.design, patient);
    expect(() => standardizeInputs.apply(once, patient)).toThrow(RemedyError);
    const reread_ = { ...once, model: await reread(once.model) };
    expect(standardizeInputs.applies({ ...patient, design: reread_ })).toBeUndefined();
  });

  it('gives code with the numbers, or code that takes them', async () => {
    const { pytorch, keras, tfjs } = standardizeInputs.patch(await examine());
    expect(pytorch).not.toContain('reshape');
    for (const code of [pytorch, keras, tfjs]) expect(code).toMatch(/\[-?0\.\d+, \d{3}\.\d+, -3\.000\d+, 7\]/);
  });
});
