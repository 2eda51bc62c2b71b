import { modelOf } from '../../src/graph/graph.ts';
import { scalarOf, type Tensor } from '../../src/graph/tensor.ts';
import { nodeRuntime } from '../../src/runtime/node/onnxruntime.ts';
import type { TrainingStep } from '../../src/training/step.ts';

const runtime = nodeRuntime({ threads: 1 });

/** Runs a step as a loop does: what comes back is the next run's input. */
export async function openStep(step: TrainingStep) {
  const update = await runtime.load(modelOf(step.graph));
  const accumulate = step.accumulate && (await runtime.load(modelOf(step.accumulate)));
  const state = new Map(step.state.map(({ input, initial }) => [input, initial]));
  const type = step.graph.inputs.find(({ name }) => name === step.learningRate)!.type!;
  const run = async (which: 'update' | 'accumulate', data: ReadonlyMap<string, Tensor>, learningRate = 0) => {
    const graph = which === 'update' ? step.graph : step.accumulate!;
    const feeds = new Map([...data, ...state, [step.learningRate, scalarOf(type, learningRate)]]);
    const used = new Map([...feeds].filter(([name]) => graph.inputs.some((input) => input.name === name)));
    const session = which === 'update' ? update : accumulate!;
    const outputs = await session.run(
      used,
      graph.outputs.map(({ name }) => name),
    );
    for (const { input, output } of step.state) {
      const next = outputs.get(output);
      if (next) state.set(input, next);
    }
    return outputs;
  };
  return {
    state,
    run: (data: ReadonlyMap<string, Tensor>, learningRate: number) => run('update', data, learningRate),
    accumulate: (data: ReadonlyMap<string, Tensor>) => run('accumulate', data),
  };
}
