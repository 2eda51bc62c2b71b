import { describe, expect, it } from 'vitest';
import { effectiveDecades } from '../../src/diagnosis/decay.ts';
import { type Model, modelOf, type Node } from '../../src/graph/graph.ts';
import { type Tensor, tensorOf, toFloat64 } from '../../src/graph/tensor.ts';
import { createRandom } from '../../src/random/random.ts';
import { buildSpec } from '../../src/readers/spec/index.ts';
import { outputRemedies } from '../../src/remedies/outputs.ts';
import { type Patient, RemedyError, type TrainingSetup } from '../../src/remedies/remedy.ts';
import { diagnose } from '../../src/verbs/diagnose.ts';
import { train } from '../../src/verbs/train.ts';
import { openTrainingData } from '../../src/verbs/training-data.ts';
import { exported, patientOf, reread, run, runtime } from './patients.ts';

const [pairLoss, removeDouble] = outputRemedies as [(typeof outputRemedies)[0], (typeof outputRemedies)[0]];

/** Points on two sides of a line: 64 rows of 6 numbers, labels 0 and 1. */
function twoSides(columns = 1): { kind: 'tensors'; from: string; inputs: Map<string, Tensor>; target: Tensor } {
  const random = createRandom(5);
  const x = Array.from({ length: 64 * 6 }, () => random.normal());
  const sides = Array.from({ length: 64 }, (_, row) => Number(x[row * 6]! + x[row * 6 + 1]! > 0));
  const target = columns === 1 ? sides : sides.flatMap((side) => [1 - side, side]);
  return {
    kind: 'tensors',
    from: 'two sides',
    inputs: new Map([['', tensorOf('float32', [64, 6], x)]]),
    target: tensorOf('float32', [64, columns], target),
  };
}

const network = (units: number, activation?: string, depth = 6) =>
  buildSpec({
    input: 6,
    layers: [
      { dense: { units: 16, activation: 'sigmoid', repeat: depth, name: 'hidden' } },
      { dense: { units, name: 'out', ...(activation !== undefined && { activation }) } },
    ],
    seed: 1,
  });

const sick = (
  model: Model,
  columns: number,
  loss: TrainingSetup['loss'],
  kind: 'mse' | 'auto' | 'cross-entropy' = 'mse',
) => patientOf(model, twoSides(columns), { loss: kind, training: { loss } });

describe('pair-loss', () => {
  it.each([
    ['sigmoid', 1, 'binary-cross-entropy'],
    ['softmax', 2, 'cross-entropy'],
  ] as const)('%s under MSE: the network stays, the loss reads its logits', async (activation, columns, loss) => {
    const model = network(columns, activation);
    const patient = await sick(model, columns, 'mse');
    expect(pairLoss.applies(patient)).toMatch(
      new RegExp(`, and the mean squared error reads the output of a ${activation}$`),
    );
    const design = await pairLoss.apply(patient.design, patient);
    expect(design).toEqual({ model, training: { ...patient.design.training, loss } });
    expect(pairLoss.applies({ ...patient, design })).toBeUndefined();
    expect(() => pairLoss.apply(design, patient)).toThrow(RemedyError);
    const report = await diagnose(model, { runtime, batch: twoSides(columns), loss });
    expect(report.profile.values[0]!.op).not.toMatch(/Sigmoid|Softmax/);
    const measured = effectiveDecades(report.diagnosis.attribution!.byKind);
    // δ = p − t has another direction than (p − t) σ′, but at p near a half both have the same size for every sample.
    expect(Math.abs(pairLoss.predict(patient)! - measured)).toBeLessThan(0.3);
  });

  it('frees a unit that is sure of the wrong answer', async () => {
    // One layer whose bias says 1 with certainty: σ′(12) = 6e-6.
    const model = buildSpec({
      input: 6,
      layers: [{ dense: { units: 1, activation: 'sigmoid', name: 'out' } }],
      seed: 1,
    });
    const bias = [...model.graph.initializers].find(([name]) => name.endsWith('bias'))![0];
    model.graph.initializers.set(bias, tensorOf('float32', [1], [12]));
    const batch = twoSides();
    const data = await openTrainingData(batch, model.graph.inputs, { seed: 1, output: model.graph.outputs[0] });
    const final = async (loss: 'mse' | 'binary-cross-entropy') => {
      const options = { runtime, data, batch: 64, steps: 60, learningRate: 1, seed: 1, monitor: false };
      let trained: Model | undefined;
      for await (const event of train(model, { ...options, optimizer: { name: 'sgd' }, loss })) {
        if (event.kind === 'end') trained = event.model;
      }
      const [p] = await run(trained!, new Map([[model.graph.inputs[0]!.name, batch.inputs.get('')!]]));
      const target = toFloat64(batch.target);
      return toFloat64(p!).filter((x, i) => (x > 0.5 ? 1 : 0) === target[i]).length / 64;
    };
    expect(await final('mse')).toBeLessThan(0.6);
    expect(await final('binary-cross-entropy')).toBeGreaterThan(0.95);
  });

  it('leaves other pairs alone, and healthy networks', async () => {
    const numbers = await sick(network(1), 1, 'mse');
    expect(pairLoss.applies(numbers)).toBeUndefined();
    const paired = await sick(network(1, 'sigmoid'), 1, 'binary-cross-entropy', 'auto');
    expect(pairLoss.applies(paired)).toBeUndefined();
    const { diagnosis } = paired;
    const well = { ...(await sick(network(1, 'sigmoid'), 1, 'mse')), diagnosis: { ...diagnosis, findings: [] } };
    expect(pairLoss.applies(well)).toBeUndefined();
  });

  it('shows code for the layer that is last', async () => {
    const { pytorch, keras, tfjs } = pairLoss.patch(await sick(network(1, 'sigmoid'), 1, 'mse'));
    expect(pytorch).toContain('criterion = nn.BCEWithLogitsLoss()');
    expect(keras).toContain('name = "out"');
    expect(keras).toContain('BinaryCrossentropy(from_logits=True)');
    expect(tfjs).toContain('tf.losses.sigmoidCrossEntropy(targets, logits)');
  });
});

/** out = Softmax(…(Softmax(logits))), with what `between` puts there. */
function doubled(between: (name: string) => Node[], outer: Partial<Node> = {}, inner: Partial<Node> = {}): Model {
  const { graph } = network(4);
  const logits = graph.outputs[0]!.name;
  const soft: Node = {
    name: 'inner',
    op: 'Softmax',
    domain: '',
    inputs: [logits],
    outputs: ['p'],
    attributes: { axis: -1 },
    ...inner,
  };
  const middle = between('p');
  const last = middle.at(-1)?.outputs[0] ?? 'p';
  const again: Node = {
    name: 'outer',
    op: 'Softmax',
    domain: '',
    inputs: [last],
    outputs: ['answer'],
    attributes: { axis: -1 },
    ...outer,
  };
  graph.nodes.push(soft, ...middle, again);
  graph.outputs = [{ name: 'answer', type: 'float32', shape: ['batch', 4] }];
  return modelOf(graph, 'doubled');
}

const X = () =>
  new Map([
    [
      'input',
      tensorOf(
        'float32',
        [3, 6],
        Array.from({ length: 18 }, (_, i) => Math.sin(i)),
      ),
    ],
  ]);

/** What the last dense layer gives, through one softmax. */
async function once(): Promise<number[]> {
  const model = network(4);
  const values = toFloat64((await run(model, X()))[0]!);
  return [0, 1, 2].flatMap((row) => {
    const exps = Array.from(values.subarray(4 * row, 4 * row + 4), Math.exp);
    const sum = exps.reduce((a, b) => a + b);
    return exps.map((e) => e / sum);
  });
}

const labels = () => {
  const batch = twoSides();
  return { ...batch, target: tensorOf('int64', [64], Array.from(toFloat64(batch.target))) };
};

describe('remove-double-softmax', () => {
  const shape = tensorOf('int64', [2], [-1, 4]);
  const reshape = (name: string): Node[] => [
    { name: 'again', op: 'Reshape', domain: '', inputs: [name, 'shape'], outputs: ['flat'], attributes: {} },
  ];

  it.each([
    ['one behind the other', () => doubled(() => []), (p: number) => p],
    [
      'with a reshape between',
      () => {
        const model = doubled(reshape);
        model.graph.initializers.set('shape', shape);
        return model;
      },
      (p: number) => p,
    ],
    ['under a logarithm', () => doubled(() => [], { op: 'LogSoftmax' }), Math.log],
    ['with axes counted from either end', () => doubled(() => [], { attributes: { axis: 1 } }), (p: number) => p],
  ] as const)('%s', async (_, make, then) => {
    const model = make();
    const patient = await patientOf(model, labels());
    expect(removeDouble.applies(patient)).toMatch(
      /, and the softmax of inner goes into (Log)?Softmax, which does a softmax itself$/,
    );
    const { model: treated, training } = await removeDouble.apply(patient.design, patient);
    expect(training).toBe(patient.design.training);
    const after = await reread(treated);
    expect(after.graph.nodes.filter(({ op }) => /Softmax/.test(op)).map(({ name }) => name)).toEqual(['outer']);
    expect(after.graph.outputs.map(({ name }) => name)).toEqual(['answer']);
    expect([...after.graph.initializers.keys()]).toEqual([...model.graph.initializers.keys()]);
    const [Y] = await run(after, X());
    const expected = (await once()).map(then);
    toFloat64(Y!).forEach((y, i) => {
      expect(y).toBeCloseTo(expected[i]!, 5);
    });
    expect(removeDouble.applies({ ...patient, design: { ...patient.design, model: treated } })).toBeUndefined();
    const report = await diagnose(after, { runtime, batch: labels() });
    const measured = effectiveDecades(report.diagnosis.attribution!.byKind);
    expect(Math.abs(removeDouble.predict(patient)! - measured)).toBeLessThan(1);
  });

  it('takes a sigmoid away whose result cross-entropy reads as logits', async () => {
    const model = network(4, 'sigmoid');
    const batch = labels();
    const patient = await patientOf(model, batch, { loss: 'cross-entropy' });
    expect(removeDouble.applies(patient)).toContain('goes into cross-entropy, which does a softmax itself');
    const after = await reread((await removeDouble.apply(patient.design, patient)).model);
    expect(after.graph.outputs.map(({ name }) => name)).toEqual(model.graph.outputs.map(({ name }) => name));
    const [before, now] = [toFloat64((await run(model, X()))[0]!), toFloat64((await run(after, X()))[0]!)];
    now.forEach((y, i) => {
      expect(1 / (1 + Math.exp(-y))).toBeCloseTo(before[i]!, 5);
    });
    const report = await diagnose(after, { runtime, batch });
    const measured = effectiveDecades(report.diagnosis.attribution!.byKind);
    expect(Math.abs(removeDouble.predict(patient)! - measured)).toBeLessThan(0.3);
  });

  it('shows code that takes the right one of the two', async () => {
    const code = async (model: Model) => removeDouble.patch(await patientOf(model, labels())).pytorch;
    expect(await code(doubled(() => []))).toContain('parent, name = places[-2]');
    expect(await code(doubled(() => [], { op: 'LogSoftmax' }))).toContain('parent, name = places[-1]\n');
  });

  it('leaves the inner one where something else reads it', async () => {
    const model = doubled(() => []);
    model.graph.outputs.push({ name: 'p', type: 'float32', shape: ['batch', 4] });
    const patient = await patientOf(model, labels());
    const after = await reread((await removeDouble.apply(patient.design, patient)).model);
    const [answer, p] = await run(after, X());
    expect(answer!.data).toEqual(p!.data);
  });

  it('leaves other axes, log-probabilities and attention alone', async () => {
    const none = async (model: Model, patient: Patient) => {
      expect(removeDouble.applies(patient)).toBeUndefined();
      expect(() => removeDouble.apply({ ...patient.design, model }, patient)).toThrow(RemedyError);
    };
    const columns = doubled(() => [], {}, { attributes: { axis: 0 } });
    await none(columns, await patientOf(columns, labels()));
    const logs = doubled(() => [], {}, { op: 'LogSoftmax' });
    await none(logs, await patientOf(logs, labels()));
    const { model, batch } = await exported('transformer_encoder_x2');
    await none(model, await patientOf(model, batch));
  });
});
