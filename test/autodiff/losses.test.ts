import { describe, expect, it } from 'vitest';
import type { Attribute } from '../../src/graph/graph.ts';
import { checkNode, ints, positive } from './gradient-check.ts';
import { pullBack } from './pull-back.ts';

describe.each(['NegativeLogLikelihoodLoss', 'SoftmaxCrossEntropyLoss'])('%s, against differences', (op) => {
  it.each(['mean', 'sum', 'none'])('reduction %s: with and without weights and ignored targets', async (reduction) => {
    for (const space of [[], [2], [2, 3]]) {
      const count = space.reduce((a, b) => a * b, 2);
      const targets = Array.from({ length: count }, (_, i) => (i * 2) % 3);
      for (const ignore of [undefined, 1, -5]) {
        const indices = targets.map((t, i) => (i === 0 && ignore !== undefined ? ignore : t));
        for (const weighted of [true, false]) {
          const inputs = [
            { name: 'X', shape: [2, 3, ...space] },
            ints('target', indices, [2, ...space]),
            weighted ? { name: 'weight', shape: [3], domain: positive } : null,
          ];
          const attributes: Record<string, Attribute> = { reduction };
          if (ignore !== undefined) attributes.ignore_index = ignore;
          await checkNode({ op, inputs, attributes, outputs: op === 'SoftmaxCrossEntropyLoss' ? 2 : 1 });
        }
      }
    }
  });
});

it('SoftmaxCrossEntropyLoss’s gradient is softmax − one-hot over the batch, at scores that overflow too', async () => {
  const scores = { shape: [2, 3], data: [0, 0, 0, 1000, 0, -1000] };
  const labels = { shape: [2], data: [1, 1], type: 'int64' as const };
  const { dscores } = await pullBack('SoftmaxCrossEntropyLoss', { scores, labels }, [1]);
  const third = 1 / 6;
  expect(dscores!.map((x) => x.toFixed(12))).toEqual(
    [third, third - 0.5, third, 0.5, -0.5, 0].map((x) => x.toFixed(12)),
  );
});
