import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { tensorOf, toNumbers } from '../../src/graph/tensor.ts';
import { diagnose, differentiate, nodeRuntime } from '../../src/node.ts';

const folder = join(dirname(fileURLToPath(import.meta.url)), '../fixtures/control-flow');
const truth = JSON.parse(readFileSync(join(folder, 'scripted.json'), 'utf8'));
const file = join(folder, 'scripted.onnx');

it('the written gradient of a loop is what PyTorch computes, for other data of the same shape too', async () => {
  const shapes = new Map([['x', [5, 2, 3]]]);
  const { model, gradients, target } = await differentiate(file, { loss: 'mse', shapes, size: 2 });
  expect([...gradients.keys()].sort()).toEqual(Object.keys(truth.gradients).sort());
  const runtime = nodeRuntime();
  const session = await runtime.load(model);
  // L = mean (y − t)², so that dL/dy = (y − t) / 2 is the gradient PyTorch was given.
  const goal = truth.y.map((y: number, i: number) => y - 2 * truth.dy[i]);
  const feeds = new Map([
    ['x', tensorOf('float32', [5, 2, 3], truth.x)],
    [target!, tensorOf('float32', [2, 2], goal)],
  ]);
  const results = await session.run(feeds, [...gradients.values()]);
  for (const [name, output] of gradients) {
    const near = truth.gradients[name].map((value: number) => expect.closeTo(value, 5));
    expect(toNumbers(results.get(output)!), name).toEqual(near);
  }
  await session.release();
});

it('a diagnosis follows the gradient into a loop', async () => {
  const { profile } = await diagnose(file, {
    loss: 'mse',
    batch: {
      kind: 'tensors',
      from: 'truth',
      inputs: new Map([['x', tensorOf('float32', [5, 2, 3], truth.x)]]),
      target: tensorOf('float32', [2, 2], [0, 0, 0, 0]),
    },
  });
  expect(profile.parameters.map(({ name, connected }) => [name, connected])).toEqual(
    Object.keys(truth.gradients).map((name) => [name, true]),
  );
  expect(profile.values.map(({ op }) => op)).toContain('Loop');
});
