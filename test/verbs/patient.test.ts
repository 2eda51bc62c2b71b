import { describe, expect, it } from 'vitest';
import type { BatchRequest } from '../../src/data/index.ts';
import { columnOf, columnsSource } from '../../src/data/index.ts';
import { GraphBuilder } from '../../src/graph/builder.ts';
import { modelOf } from '../../src/graph/graph.ts';
import { tensorOf } from '../../src/graph/tensor.ts';
import { createRandom } from '../../src/random/random.ts';
import { buildSpec } from '../../src/readers/spec/index.ts';
import { nodeRuntime } from '../../src/runtime/node/onnxruntime.ts';
import { examinePatient } from '../../src/verbs/patient.ts';

const runtime = nodeRuntime({ threads: 1 });
const network = () =>
  buildSpec({
    input: 3,
    layers: [
      { dense: { units: 8, activation: 'relu', name: 'hidden' } },
      { dropout: 0.5 },
      { dense: { units: 2, name: 'out' } },
    ],
    loss: 'cross-entropy',
  });

/** Rows of numbers with labels, and how often they were read. */
function rowsOf(count: number) {
  const random = createRandom(1);
  const inputs = tensorOf(
    'float32',
    [count, 3],
    Array.from({ length: 3 * count }, () => random.normal()),
  );
  const labels = tensorOf(
    'int64',
    [count],
    Array.from({ length: count }, () => random.below(2)),
  );
  const source = columnsSource('rows', new Map([['', columnOf(inputs)]]), columnOf(labels));
  const seen = { reads: 0 };
  const batch: BatchRequest = {
    kind: 'rows',
    source: {
      ...source,
      read: (rows) => {
        seen.reads++;
        return source.read(rows);
      },
    },
  };
  return { batch, seen };
}

describe('examinePatient', () => {
  it('reads one batch, and gives the shapes and statistics of it', async () => {
    const { batch, seen } = rowsOf(200);
    const { patient, report } = await examinePatient(network(), { runtime, batch, seed: 0 });
    expect(seen.reads).toBe(1);
    expect(report.probe.batch.size).toBe(64);
    expect(patient.design.training).toMatchObject({ batch: 64, loss: 'cross-entropy' });
    expect(patient.binding.get(patient.design.training.output)!.shape).toEqual([64, 2]);
    expect([...patient.inputs.values()][0]!.mean).toHaveLength(3);
    // Dropout is off for measuring alone.
    expect([...patient.design.model.graph.initializers.keys()]).not.toContain('dropout_off_while_measuring');
    expect(patient.rows).toBeUndefined();
  });

  it('trains with no larger batch than there are rows left to train on', async () => {
    const { batch } = rowsOf(100);
    const batchOf = async (rows: number | undefined, validation?: number) => {
      const { patient } = await examinePatient(network(), { runtime, batch, seed: 0, data: { rows }, validation });
      return [patient.rows, patient.design.training.batch];
    };
    expect(await batchOf(100)).toEqual([80, 64]);
    expect(await batchOf(100, 0.5)).toEqual([50, 50]);
    // A fifth of 70 rows is too few to judge by: none is held out.
    expect(await batchOf(70)).toEqual([70, 64]);
    expect(await batchOf(undefined)).toEqual([undefined, 64]);
  });

  it('refuses data to train on that have no target, and diagnoses on them all the same', async () => {
    const inputs = new Map([
      [
        '',
        tensorOf(
          'float32',
          [80, 3],
          Array.from({ length: 240 }, (_, i) => Math.sin(i)),
        ),
      ],
    ]);
    const options = { runtime, batch: { kind: 'tensors', from: 'x.npy', inputs } as const, seed: 0 };
    const refused = examinePatient(network(), { ...options, data: { rows: 80 } });
    await expect(refused).rejects.toMatchObject({ code: 'no-target', where: 'x.npy' });
    expect((await examinePatient(network(), options)).patient.diagnosis.verdict).toBe('healthy');
  });
});

describe('the statistics of images', () => {
  /** X → [Transpose] → Conv of one filter → loss by squares; channel c of the rows is 10 c ± 1. */
  const patientOf = async (channelsLast: boolean) => {
    const shape = channelsLast ? [8, 5, 4, 3] : [8, 3, 5, 4];
    const channel = (i: number) => (channelsLast ? i % 3 : Math.floor(i / 20) % 3);
    const X = tensorOf(
      'float32',
      shape,
      Array.from({ length: 480 }, (_, i) => 10 * channel(i) + (Math.floor(i / 60) % 2 ? 1 : -1)),
    );
    const g = new GraphBuilder();
    const x = g.input('x', 'float32', shape);
    const W = g.initializer('conv.weight', tensorOf('float32', [1, 3, 1, 1], [0.1, 0.2, 0.3]));
    const images = channelsLast ? g.transpose(x, [0, 3, 1, 2]) : x;
    const Y = g.add('Conv', [images, W], [['float32', [8, 1, 5, 4]]], {}, { node: 'conv', outputs: ['y'] })[0]!;
    g.output(g.reduceSum(Y, [0, 1, 2, 3], false));
    const batch = { kind: 'tensors', from: 'x.npy', inputs: new Map([['', X]]) } as const;
    return (await examinePatient(modelOf(g.graph), { runtime, batch, seed: 0 })).patient;
  };

  it.each([
    ['[N, C, H, W]', false, 1],
    ['[N, H, W, C], as Keras has them', true, 3],
  ])('are those of the channels of %s', async (_, channelsLast, axis) => {
    const statistics = (await patientOf(channelsLast)).inputs.get('x')!;
    expect(statistics.axis).toBe(axis);
    expect(statistics.mean.map((x) => Number(x.toFixed(6)))).toEqual([0, 10, 20]);
    expect(statistics.deviation.map((x) => Number(x.toFixed(6)))).toEqual([1, 1, 1]);
  });
});
