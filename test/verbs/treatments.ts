import type { Model } from '../../src/graph/graph.ts';
import type { Initialization } from '../../src/random/initializers.ts';
import { parseInitialWeights } from '../../src/random/parse-initialization.ts';
import { readModelSource } from '../../src/readers/index.ts';
import { memorySource } from '../../src/readers/source.ts';
import type { Remedy } from '../../src/remedies/remedy.ts';
import type { Treatment } from '../../src/report/treatment/treatment.ts';
import { nodeRuntime } from '../../src/runtime/node/onnxruntime.ts';
import { reinitialize } from '../../src/training/initialize.ts';
import { inlineExecutor } from '../../src/trials/inline.ts';
import type { Executor, TrialResult, TrialTask } from '../../src/trials/trial.ts';
import { type TreatEvent, type TreatOptions, treat } from '../../src/verbs/treat.ts';
import { remedyLike } from '../helpers/remedies.ts';

export const runtime = nodeRuntime({ threads: 1 });

const network = (text: string): Promise<Model> =>
  readModelSource(memorySource('net.yaml', new TextEncoder().encode(text)));
export const sigmoids = await network(`
input: 2
layers:
  - dense: {units: 6, activation: sigmoid, repeat: 8, name: hidden}
  - dense: {units: 2, name: out}
init: glorot-uniform
loss: cross-entropy
`);
export const shallow = await network(`
input: 2
layers:
  - dense: {units: 8, activation: relu, name: hidden}
  - dense: {units: 2, name: out}
init: he
loss: cross-entropy
`);

/** One that halves the learning rate, but for what is given. */
export const remedy = (id: string, more: Partial<Remedy> = {}): Remedy =>
  remedyLike(id, {
    apply: (design) => ({
      ...design,
      training: { ...design.training, learningRate: design.training.learningRate / 2 },
    }),
    ...more,
  });

/** Swaps every sigmoid for ReLU, with weights for it. */
export const relu = remedy('own-relu', {
  changes: 'changes-model',
  apply(design, { seed }) {
    const { model } = reinitialize(design.model, parseInitialWeights('he') as Initialization, seed);
    const nodes = model.graph.nodes.map((node) => (node.op === 'Sigmoid' ? { ...node, op: 'Relu' } : node));
    return { ...design, model: { ...model, graph: { ...model.graph, nodes } } };
  },
  predict: () => 0,
});

/** Trials by a formula: the loss of each plan is known. */
export function sham(losses: Readonly<Record<string, number>>, seen: TrialTask[] = []): Executor {
  return inlineExecutor(async (task): Promise<TrialResult> => {
    seen.push(task);
    const loss = losses[task.plan] ?? 1;
    const batches = Array.from({ length: 8 }, (_, i) => loss * (1 + 0.01 * Math.sin(i + task.seed)));
    return {
      id: task.id,
      plan: task.plan,
      seed: task.seed,
      steps: task.steps,
      status: 'done',
      training: [{ step: task.steps, loss }],
      heldOut: { loss, rows: 80 },
      heldOutLosses: batches,
      seconds: 1e-3 + 1e-5 * task.steps,
      secondsPerStep: 1e-5,
    };
  });
}

export const data = {
  name: 'circles',
  trial: { kind: 'named', name: 'circles', samples: 400, seed: 0 },
  rows: 400,
} as const;
export const base = {
  runtime,
  seed: 0,
  size: 32,
  batch: { kind: 'named', name: 'circles' },
  data,
  remedies: [relu],
} satisfies Partial<TreatOptions>;

/** A treatment of circles, and the events that led to it. */
export async function follow(model: Model, options: Partial<TreatOptions>): Promise<[Treatment, TreatEvent[]]> {
  const events: TreatEvent[] = [];
  for await (const event of treat(model, { ...base, ...options })) events.push(event);
  const last = events.at(-1);
  if (last?.kind !== 'end') throw new Error('a treatment ends with its end');
  return [last.treatment, events];
}
