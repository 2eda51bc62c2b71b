// Training steps of this project's. Monitored: every parameter's gradient norm, as a step of `train` gives it; inspected:
// the gradients themselves come along and go into histograms, which `train` does every so many steps.
import { makeBatch } from '../dist/data/index.js';
import { cloneGraph } from '../dist/graph/graph.js';
import { findParameters } from '../dist/graph/parameters.js';
import { tensorOf } from '../dist/graph/tensor.js';
import { histogramOf } from '../dist/logs/tensorboard/histogram.js';
import { nodeRuntime } from '../dist/node.js';
import { bindShapes } from '../dist/runtime/bind.js';
import { attachLoss, planLoss } from '../dist/training/losses.js';
import { separateStatistics } from '../dist/training/running-statistics.js';
import { buildTrainingStep } from '../dist/training/step.js';
import { Trainer } from '../dist/training/trainer.js';
import { answer } from './answer.mjs';
import { networks } from './networks.mjs';

const runtime = nodeRuntime({ threads: 2 });
const [make, size] = networks[process.argv[2]];
const model = await make();

async function stepOf(monitors, expose) {
  const graph = cloneGraph(model.graph);
  separateStatistics(graph);
  const source = { ...model, graph };
  const batch = await makeBatch({ kind: 'none' }, graph.inputs, { size });
  const bound = await bindShapes(runtime, source, batch.inputs);
  const plan = planLoss(bound.graph, bound.binding, { kind: 'cross-entropy' });
  const step = buildTrainingStep(attachLoss(bound.graph, bound.binding, plan), plan, {
    parameters: findParameters(source),
    optimizer: { name: 'sgd' },
    opset: source.opset,
    monitors,
    expose,
  });
  const trainer = new Trainer(runtime, source, step, 0);
  const labels = Array.from({ length: plan.target.shape.reduce((a, b) => a * b, 1) }, (_, i) => i % 10);
  const target = tensorOf('int64', plan.target.shape, labels);
  const fetches = [...step.gradients.values()];
  let update = 0;
  return async () => {
    const { outputs } = await trainer.update([{ inputs: batch.inputs, target }], 0.001, update++, { fetches });
    for (const name of fetches) histogramOf(outputs.get(name));
  };
}

await answer({
  plain: () => stepOf([]),
  monitored: () => stepOf(['gradient']),
  inspected: () => stepOf(['gradient'], { gradients: true }),
});
