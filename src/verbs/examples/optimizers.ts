import { tensorOf, toFloat64 } from '../../graph/tensor.ts';
import { buildSpec } from '../../readers/spec/index.ts';
import type { Example, Series } from '../../report/explanation.ts';
import { bindShapes } from '../../runtime/bind.ts';
import type { Runtime } from '../../runtime/runtime.ts';
import { attachLoss, planLoss } from '../../training/losses.ts';
import { optimizers } from '../../training/optimizers/index.ts';
import { buildTrainingStep } from '../../training/step.ts';
import { copyOf, Trainer } from '../../training/trainer.ts';
import { cell, digits } from './lab.ts';

/** Curvatures of the valley L = ½ (w₁² + 25 w₂²): 2/25 = 0.08 is gradient descent's largest learning rate. */
const STEEP = 25;
const START = [-2, 0.5] as const;
const STEPS = 60;
/** Learning rates that are tried, from 10⁻⁴ to 1 in four per decade. */
const RATES = Array.from({ length: 17 }, (_, i) => 10 ** (-4 + i / 4));

/** One walk down the valley. */
export interface Walk {
  readonly learningRate: number;
  /** Before the first step, and after each. */
  readonly losses: readonly number[];
  /** Gradient and movement of the first step. */
  readonly gradient: readonly number[];
  readonly moved: readonly number[];
}

/** Walks down the valley with one optimizer by the engine's training step. */
export class Valley {
  private readonly trainer: Trainer;
  private readonly batch: Parameters<Trainer['update']>[0][number];
  private readonly initial: ReturnType<Trainer['state']>;

  private constructor(trainer: Trainer, batch: Parameters<Trainer['update']>[0][number]) {
    this.trainer = trainer;
    this.batch = batch;
    this.initial = new Map([...trainer.state()].map(([name, tensor]) => [name, copyOf(tensor)]));
  }

  /** Rows (1, 0) and (0, √25) with targets 0: their mean squared error is ½ (w₁² + 25 w₂²). */
  static async open(runtime: Runtime, optimizer: string, options: Record<string, number> = {}): Promise<Valley> {
    const model = buildSpec({
      input: 2,
      layers: [{ dense: { units: 1, weights: [[...START]], bias: false } }],
      loss: 'mse',
    });
    const inputs = new Map([['input', tensorOf('float32', [2, 2], [1, 0, 0, Math.sqrt(STEEP)])]]);
    const target = tensorOf('float32', [2, 1], [0, 0]);
    const { graph, binding } = await bindShapes(runtime, model, inputs);
    const plan = planLoss(graph, binding, { kind: 'mse', target });
    const parameters = [...model.graph.initializers.keys()];
    const step = buildTrainingStep(attachLoss(graph, binding, plan), plan, {
      parameters,
      optimizer: { name: optimizer, options },
      opset: model.opset,
    });
    return new Valley(new Trainer(runtime, model, step, 0), { inputs, target });
  }

  async walk(learningRate: number, steps = STEPS): Promise<Walk> {
    this.trainer.restore(this.initial);
    const losses: number[] = [];
    let moved: number[] = [];
    for (let i = 0; i < steps; i++) {
      losses.push((await this.trainer.update([this.batch], learningRate, i)).loss);
      if (i === 0) moved = this.weights().map((w, at) => w - START[at]!);
      if (!Number.isFinite(losses.at(-1)!)) break;
    }
    const [a, b] = this.weights();
    if (losses.length === steps) losses.push(0.5 * (a! ** 2 + STEEP * b! ** 2));
    return { learningRate, losses, gradient: [START[0], STEEP * START[1]], moved };
  }

  /** The walk that ends lowest, of all rates tried. */
  async best(): Promise<Walk> {
    let best: Walk | undefined;
    for (const rate of RATES) {
      const walk = await this.walk(rate);
      if (!best || walk.losses.at(-1)! < best.losses.at(-1)!) best = walk;
    }
    return best!;
  }

  release(): Promise<void> {
    return this.trainer.release();
  }

  private weights(): number[] {
    const [name] = this.trainer.step.parameters;
    return [...toFloat64(this.trainer.state().get(name!)!)];
  }
}

const SETUP =
  `the valley L = ½ (w₁² + ${STEEP} w₂²) as a network of two weights, from w = (${START.join(', ')}), ${STEPS} training steps; ` +
  `the best of ${RATES.length} learning rates from 1e-4 to 1`;

/** The worked example of one optimizer: beside plain gradient descent. */
export function optimizerExample(runtime: Runtime, id: string): Promise<Example> {
  return compareOptimizers(runtime, id === 'sgd' ? ['sgd'] : [id, 'sgd']);
}

/** Several optimizers on the same valley, each with its best learning rate. */
export async function compareOptimizers(runtime: Runtime, ids: readonly string[]): Promise<Example> {
  const walks: [string, Walk][] = [];
  for (const id of ids) {
    const valley = await Valley.open(runtime, id);
    try {
      walks.push([id, await valley.best()]);
    } finally {
      await valley.release();
    }
  }
  const [first, walk] = walks[0]!;
  const { learningRate, gradient, moved } = walk;
  return {
    setup: SETUP,
    plots: [
      {
        title: 'loss',
        kind: 'lines',
        x: 'step',
        y: 'loss',
        logarithmic: true,
        series: walks.map(([id, { losses }]): Series => ({ name: id, x: losses.map((_, i) => i), y: losses })),
      },
    ],
    tables: [
      {
        columns: ['', ...walks.map(([id]) => id)],
        rows: [
          ['best learning rate', ...walks.map(([, one]) => cell(one.learningRate, 'size'))],
          ['its default', ...ids.map((id) => cell(optimizers[id]!.learningRate))],
          [`loss after ${STEPS} steps`, ...walks.map(([, one]) => cell(one.losses.at(-1)!, 'size'))],
          ['first step of w₁', ...walks.map(([, one]) => cell(one.moved[0]!))],
          ['first step of w₂', ...walks.map(([, one]) => cell(one.moved[1]!))],
        ],
      },
    ],
    conclusions: [
      `first step of ${first} at learning rate ${digits(learningRate)}: the gradient (${gradient.map(digits).join(', ')}) moves w by (${moved.map(digits).join(', ')})`,
    ],
    numbers: Object.fromEntries(
      walks.flatMap(([id, one]) => [
        [`${id}.learningRate`, one.learningRate],
        [`${id}.loss`, one.losses.at(-1)!],
        [`${id}.movedW1`, one.moved[0]!],
        [`${id}.movedW2`, one.moved[1]!],
      ]),
    ),
  };
}
