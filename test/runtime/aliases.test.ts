import { expect, it } from 'vitest';
import { tensorOf } from '../../src/graph/tensor.ts';
import { buildSpec } from '../../src/readers/spec/index.ts';
import { nodeRuntime } from '../../src/runtime/node/onnxruntime.ts';

it.each(['none', 'basic', 'full'] as const)(
  'batch normalization leaves scale and bias alone, run after run, with optimization %s',
  async (optimization) => {
    const model = buildSpec({ input: 2, layers: [{ dense: { units: 2, init: 'identity' } }, 'batch-norm'] });
    const session = await nodeRuntime({ threads: 1 }).load(model, { optimization });
    expect(session.outputs.map((output) => output.name)).toEqual(['batch-norm']);
    const feeds = new Map([['input', tensorOf('float32', [3, 2], [1, 2, 3, 8, 5, 5])]]);
    for (let step = 0; step < 3; step++) {
      const Y = (await session.run(feeds, ['batch-norm'])).get('batch-norm')!;
      // torch.nn.BatchNorm1d(2) in training mode
      [-1.2247426, -1.2247439, 0, 1.2247439, 1.2247426, 0].forEach((value, i) => {
        expect(Y.data[i]).toBeCloseTo(value, 5);
      });
    }
    await session.release();
  },
);
