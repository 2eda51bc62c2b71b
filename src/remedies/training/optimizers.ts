import type { RuleId } from '../../diagnosis/finding.ts';
import { motionOf } from '../../diagnosis/movement.ts';
import { findingOf } from '../evidence.ts';
import { patchOptimizer } from '../patch/optimizer.ts';
import type { Patient, Remedy, TrainingSetup } from '../remedy.ts';
import { because, trainingRemedy } from './parts.ts';

interface Swap {
  readonly id: string;
  readonly name: string;
  readonly optimizer: string;
  /** The rate its authors, or most recipes, start with. */
  readonly learningRate: number;
  readonly why: string;
  readonly references: readonly string[];
}

const CURE =
  ' What it does not cure: a gradient that is exactly zero, or one whose direction is lost in noise or in the rounding of float32; the factors of the chain rule stay as they are.';

const adaptive: readonly Swap[] = [
  {
    id: 'use-adam',
    name: 'Adam',
    optimizer: 'adam',
    learningRate: 1e-3,
    why: `Divides each gradient by the root of its own mean square: |Δw| ≈ η whatever the product of the chain rule came to, so that layers whose gradients differ by decades move at similar speed.${CURE}`,
    references: ['Kingma & Ba 2015, Adam: a method for stochastic optimization, section 2.1'],
  },
  {
    id: 'use-adamw',
    name: 'AdamW',
    optimizer: 'adamw',
    learningRate: 1e-3,
    why: `Adam, whose steps do not depend on the gradient's size, with weight decay that does not pass through its division: weights that let a gradient explode shrink by η λ a step.${CURE}`,
    references: ['Loshchilov & Hutter 2019, Decoupled weight decay regularization'],
  },
  {
    id: 'use-rmsprop',
    name: 'RMSprop',
    optimizer: 'rmsprop',
    // Hinton's and Keras' number; PyTorch's default of 0.01 makes steps of a hundredth per weight.
    learningRate: 1e-3,
    why: `Divides each gradient by a running root mean square: steps of similar size for layers whose gradients differ by decades. The first step is ten times as long, for its average starts at zero.${CURE}`,
    references: ['Tieleman & Hinton 2012, Neural networks for machine learning, lecture 6.5'],
  },
  {
    id: 'use-adagrad',
    name: 'Adagrad',
    optimizer: 'adagrad',
    learningRate: 1e-2,
    why: `Divides each gradient by the root of the sum of its squares so far: small gradients get long steps, and all steps shrink as 1/√t.${CURE}`,
    references: ['Duchi, Hazan & Singer 2011, Adaptive subgradient methods for online learning'],
  },
];

const momentum: Swap = {
  id: 'use-momentum',
  name: 'momentum 0.9',
  optimizer: 'momentum',
  learningRate: 1e-2,
  why: 'Adds up the gradients of about ten steps: what they agree on goes ten times as far, what swings from side to side cancels. Every layer gains alike, so that layers which lag by decades go on lagging.',
  references: [
    'Sutskever, Martens, Dahl & Hinton 2013, On the importance of initialization and momentum in deep learning',
  ],
};

const ids = [...adaptive, momentum].map(({ id }) => id);

/** Optimizers with one step size for all weights. */
const uniform: ReadonlySet<string> = new Set(['sgd', 'momentum', 'nesterov']);

/** Layers whose relative updates differ by more than this get too much or too little of one learning rate. */
const UNEVEN = 10;

/** Findings that speak of layers that move too little or too much. */
const motionless = [
  'vanishing-gradient',
  'vanishing-through-time',
  'effectively-shallow',
  'exploding-gradient',
  'exploding-through-time',
  'overlarge-update',
  'loss-divergence',
  'gradient-distribution',
] as const satisfies readonly RuleId[];
/** Of these a single step size may be the reason even where all layers move alike. */
const slow = ['slow-convergence', 'stalled-layer', 'loss-plateau'] as const satisfies readonly RuleId[];

function reasonForAdaptive(patient: Patient): string | undefined {
  const { name } = patient.design.training.optimizer;
  if (!uniform.has(name)) return undefined;
  const found = findingOf(patient, ...slow) ?? findingOf(patient, ...motionless);
  if (!found) return undefined;
  const layers = motionOf(patient.profile, undefined)
    .layers.filter(({ ratio }) => ratio > 0)
    .sort((a, b) => a.ratio - b.ratio);
  const [least, most] = [layers[0], layers.at(-1)];
  if (least && most && most.ratio > UNEVEN * least.ratio) {
    const size = (x: number) => x.toExponential(1);
    return because(
      found,
      `a step of ${name} changes ${most.layer} by ${size(most.ratio)} of its weights and ${least.layer} by ${size(least.ratio)}`,
    );
  }
  const isSlow = (slow as readonly RuleId[]).includes(found.rule);
  return isSlow ? because(found, `${name} has one step size for all weights`) : undefined;
}

/** The optimizer with its own defaults; a decay that was asked for before stays. */
function swapped(training: TrainingSetup, { optimizer, learningRate }: Swap): TrainingSetup {
  const { weightDecay, decoupledWeightDecay } = training.optimizer.options ?? {};
  const kept = {
    ...(weightDecay !== undefined && optimizer !== 'adamw' && training.optimizer.name !== 'adamw' && { weightDecay }),
    ...(decoupledWeightDecay !== undefined && { decoupledWeightDecay }),
  };
  return { ...training, optimizer: { name: optimizer, options: kept }, learningRate };
}

function swapRemedy(swap: Swap, applies: (patient: Patient) => string | undefined): Remedy {
  return trainingRemedy({
    id: swap.id,
    title: `${swap.name} with learning rate ${swap.learningRate}`,
    why: swap.why,
    conflicts: ids.filter((id) => id !== swap.id),
    references: swap.references,
    applies,
    change: (training) => swapped(training, swap),
    patch({ design: { training } }) {
      return patchOptimizer(swapped(training, swap), `the optimizer was ${training.optimizer.name}`);
    },
  });
}

/** Optimizers in place of the one there is, each with its usual learning rate. */
export const optimizerSwaps: readonly Remedy[] = [
  ...adaptive.map((swap) => swapRemedy(swap, reasonForAdaptive)),
  swapRemedy(momentum, (patient) =>
    patient.design.training.optimizer.name === 'sgd'
      ? because(
          findingOf(patient, 'slow-convergence', 'loss-plateau'),
          'plain gradient descent has no memory of its steps',
        )
      : undefined,
  ),
];
