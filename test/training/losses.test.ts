import { describe, expect, it } from 'vitest';
import { GraphBuilder } from '../../src/graph/builder.ts';
import { type Binding, modelOf, type Value } from '../../src/graph/graph.ts';
import { type Tensor, tensorOf, toFloat64 } from '../../src/graph/tensor.ts';
import { nodeRuntime } from '../../src/runtime/node/onnxruntime.ts';
import { attachLoss, type LossKind, planLoss } from '../../src/training/losses.ts';
import { fitTarget } from '../../src/training/targets.ts';

/** x → tail(x), with x as the graph's only input. */
function graphOf(shape: number[], tail: (g: GraphBuilder, x: Value) => Value) {
  const g = new GraphBuilder();
  const Y = tail(g, g.input('x', 'float32', shape));
  g.output(Y);
  const binding: Binding = new Map(g.values);
  return { graph: g.graph, binding, output: Y.name };
}

const sigmoid = (g: GraphBuilder, X: Value) => g.add('Sigmoid', [X], [[X.type, X.shape]])[0]!;
const softmax = (g: GraphBuilder, X: Value, axis = -1) => g.add('Softmax', [X], [[X.type, X.shape]], { axis })[0]!;

async function lossOf(
  { graph, binding }: ReturnType<typeof graphOf>,
  x: number[],
  target: Tensor,
  kind: LossKind | 'auto' = 'auto',
) {
  const plan = planLoss(graph, binding, { kind, target });
  const attached = attachLoss(graph, binding, plan);
  const wanted = attached.binding.get(attached.target!)!;
  const model = modelOf({ ...attached.graph, outputs: [{ name: attached.loss }] }, 'loss');
  const session = await nodeRuntime().load(model);
  const feeds = new Map([
    ['x', tensorOf('float32', binding.get('x')!.shape, x)],
    [attached.target!, fitTarget(target, wanted.type, wanted.shape, plan)],
  ]);
  const results = await session.run(feeds, [attached.loss]);
  await session.release();
  return { plan, loss: toFloat64(results.get(attached.loss)!)[0]! };
}

describe('the loss that is picked', () => {
  // −log σ(x) for target 1, −log(1 − σ(x)) for 0: the mean of softplus(−0.5) and softplus(2)
  const expected = (Math.log1p(Math.exp(-0.5)) + Math.log1p(Math.exp(2))) / 2;

  it('sees the sigmoid behind a squeeze: one probability per sample', async () => {
    const net = graphOf([2, 1], (g, x) => g.reshape(sigmoid(g, x), [2]));
    for (const target of [tensorOf('float32', [2], [1, 0]), tensorOf('int64', [2, 1], [1, 0])]) {
      const { plan, loss } = await lossOf(net, [0.5, 2], target);
      expect(plan).toMatchObject({ kind: 'binary-cross-entropy', from: 'probabilities', reads: 'x' });
      expect(loss).toBeCloseTo(expected, 6);
    }
  });

  it('sees the softmax behind a reshape, and finds its axis again', async () => {
    const logits = [1, 2, 3, 0, 0, 0];
    const truth = (Math.log(Math.exp(1) + Math.exp(2) + Math.exp(3)) - 3 + Math.log(3)) / 2;
    const target = tensorOf('int64', [2], [2, 1]);
    for (const shape of [[2, 3, 1, 1] as const, [1, 2, 3] as const]) {
      const axis = shape.indexOf(3);
      const net = graphOf([...shape], (g, x) => g.reshape(softmax(g, x, axis), [2, 3]));
      const { plan, loss } = await lossOf(net, logits, target, 'cross-entropy');
      expect(plan).toMatchObject({ from: 'probabilities', axis: 1 });
      expect(loss).toBeCloseTo(truth, 6);
    }
  });

  it('takes class labels that were saved as floats for labels', async () => {
    const net = graphOf([2, 3], (_, x) => x);
    const { plan, loss } = await lossOf(net, [0, 0, 0, 0, 0, 0], tensorOf('float32', [2], [2, 1]));
    expect(plan).toMatchObject({ kind: 'cross-entropy', target: { kind: 'classes' } });
    expect(loss).toBeCloseTo(Math.log(3), 6);
  });
});

describe('a target that does not fit', () => {
  const net = graphOf([4, 3], (_, x) => x);
  const plan = (kind: LossKind | 'auto', target: Tensor) => () => planLoss(net.graph, net.binding, { kind, target });
  const zeros = (...dims: number[]) => tensorOf('float32', dims, new Array(dims.reduce((a, b) => a * b)).fill(0.5));

  it('is refused when it has the output’s elements in another order', () => {
    for (const kind of ['mse', 'binary-cross-entropy', 'cross-entropy', 'auto'] as const) {
      expect(plan(kind, zeros(3, 4))).toThrow(/the target has shape \[3, 4\], the output "x" \[4, 3\]/);
    }
    expect(plan('mse', zeros(4, 1, 3))).not.toThrow();
  });

  it('is told everything that would fit where the loss was to be found out', () => {
    const hintOf = (kind: LossKind | 'auto', target: Tensor) => {
      try {
        plan(kind, target)();
      } catch (error) {
        return (error as { hint?: string }).hint;
      }
      return undefined;
    };
    expect(hintOf('auto', zeros(4))).toBe('accepted: integer labels [4], or values or one-hot rows [4, 3]');
    expect(hintOf('mse', zeros(4))).toBe("mse takes a target of the output's shape [4, 3]");
    expect(hintOf('cross-entropy', zeros(5))).toBe('cross-entropy takes integer labels [4] or one-hot rows [4, 3]');
  });
});

it('names the outputs of a model that has no float output', () => {
  const { graph, binding } = graphOf([2, 3], (g, x) => g.add('ArgMax', [x], [['int64', [2, 1]]], { axis: 1 })[0]!);
  expect(() => planLoss(graph, binding, { kind: 'auto' })).toThrow(
    expect.objectContaining({ hint: expect.stringMatching(/its outputs: "\S+" \(int64\)/) }),
  );
});
