import { GraphBuilder } from '../../src/graph/builder.ts';
import type { DataType } from '../../src/graph/data-type.ts';
import { range } from '../../src/graph/shapes.ts';
import { tensorOf } from '../../src/graph/tensor.ts';
import type { LossGraph, LossPlan } from '../../src/training/losses.ts';
import { buildTrainingStep, type StepOptions } from '../../src/training/step.ts';

/** A step whose gradient of each parameter is what is fed as `<name>.gradient`: L = Σ w · gradient. */
export function stepOfGivenGradients(
  parameters: Record<string, { shape: number[]; values: number[] }>,
  options: Omit<StepOptions, 'opset' | 'parameters'>,
  type: DataType = 'float64',
) {
  const g = new GraphBuilder();
  const terms = Object.entries(parameters).map(([name, { shape, values }]) => {
    const product = g.mul(g.initializer(name, tensorOf(type, shape, values)), g.input(`${name}.gradient`, type, shape));
    return g.reduceSum(product, range(shape.length), false);
  });
  const loss = g.sum(terms);
  g.output(loss);
  const binding = new Map([...g.values].map(([name, value]) => [name, value]));
  const lossGraph: LossGraph = { graph: g.graph, binding, loss: loss.name, target: undefined };
  const plan: LossPlan = {
    kind: 'model-output',
    output: loss.name,
    reads: loss.name,
    from: 'values',
    axis: 0,
    target: undefined,
    reason: '',
  };
  return buildTrainingStep(lossGraph, plan, { ...options, opset: 21, parameters: Object.keys(parameters) });
}
