import { fixedBatchOf } from '../../data/index.ts';
import type { RuleId } from '../../diagnosis/finding.ts';
import { findingNaming, findingOf } from '../evidence.ts';
import { number, optimizerCode, patchOptimizer, tfjsDecay } from '../patch/optimizer.ts';
import { type Patient, type Remedy, RemedyError, type TrainingSetup } from '../remedy.ts';
import { because, trainingRemedy } from './parts.ts';

/** AdamW's default (PyTorch), and the penalty of He et al. 2016. */
const DECAY = 0.01;
const PENALTY = 1e-4;
/** McCandlish et al. 2018: four times the samples halve the noise. */
const LARGER = 4;

const growing = [
  'exploding-gradient',
  'exploding-through-time',
  'loss-divergence',
] as const satisfies readonly RuleId[];

/** Weights that grow, and no decay yet. */
function reason(patient: Patient): string | undefined {
  const { name, options = {} } = patient.design.training.optimizer;
  if (name === 'adamw' || options.weightDecay || options.decoupledWeightDecay) return undefined;
  return because(findingOf(patient, ...growing), 'nothing keeps the weights from growing');
}

function withOption({ optimizer, ...training }: TrainingSetup, option: Record<string, number>): TrainingSetup {
  return { ...training, optimizer: { ...optimizer, options: { ...optimizer.options, ...option } } };
}

const SLOW =
  'It acts over 1 / (η λ) steps, thousands of them: large weights that are there from the start need a new initialization or normalization.';

export const addWeightDecay: Remedy = trainingRemedy({
  id: 'add-weight-decay',
  title: `weight decay of ${DECAY}, apart from the gradient`,
  why: `Shrinks each weight by η λ a step, beside the optimizer's own: the factors Wᵀ of the chain rule cannot grow without the loss gaining by it, also under Adam. ${SLOW}`,
  conflicts: ['add-l2-penalty', 'use-adamw'],
  references: ['Loshchilov & Hutter 2019, Decoupled weight decay regularization'],
  applies: reason,
  change(training) {
    if (training.optimizer.name !== 'adamw') return withOption(training, { decoupledWeightDecay: DECAY });
    throw new RemedyError('adamw decays its weights already', { code: 'remedy-place', where: 'add-weight-decay' });
  },
  patch({ design: { training } }) {
    const { name } = training.optimizer;
    const decayed = withOption(training, { decoupledWeightDecay: DECAY });
    const code = optimizerCode(decayed);
    const pytorch =
      name === 'adam'
        ? patchOptimizer(
            withOption({ ...training, optimizer: { ...training.optimizer, name: 'adamw' } }, { weightDecay: DECAY }),
            'AdamW is Adam with decay apart from the gradient',
          ).pytorch
        : name === 'sgd'
          ? `import torch\n\n# for plain SGD the two kinds of decay are the same\noptimizer = ${code.pytorch}\n`
          : `import torch

# in the training loop, before optimizer.step()
with torch.no_grad():
    for w in model.parameters():
        w.mul_(1 - ${number(training.learningRate)} * ${DECAY})
`;
    return {
      pytorch,
      keras: `import keras\n\n# weight_decay stands apart from the gradient in every optimizer of Keras\nmodel.compile(optimizer=${code.keras}, loss=model.loss)\n`,
      tfjs: tfjsDecay(training.learningRate, DECAY),
    };
  },
});

export const addL2Penalty: Remedy = trainingRemedy({
  id: 'add-l2-penalty',
  title: `an L2 penalty: ${PENALTY} · w added to each gradient`,
  why: `Adds λ/2 ‖w‖² to the loss: the factors Wᵀ of the chain rule cannot grow without the loss gaining by it. Under Adam it is divided like the gradient and acts less where gradients are large. ${SLOW}`,
  conflicts: ['add-weight-decay', 'use-adamw'],
  references: [
    'Krogh & Hertz 1992, A simple weight decay can improve generalization',
    'Pascanu, Mikolov & Bengio 2013, section 3.1',
  ],
  applies: reason,
  change(training) {
    const { name } = training.optimizer;
    if (name !== 'adamw' && name !== 'lion') return withOption(training, { weightDecay: PENALTY });
    throw new RemedyError(`${name} decays its weights apart from the gradient: it takes no penalty`, {
      code: 'remedy-place',
      where: 'add-l2-penalty',
    });
  },
  patch({ design: { training } }) {
    const { pytorch } = optimizerCode(withOption(training, { weightDecay: PENALTY }));
    return {
      pytorch: `import torch\n\n# weight_decay of this optimizer is added to the gradient\noptimizer = ${pytorch}\n`,
      keras: `import keras

# Keras' L2(c) adds c * sum(w ** 2), whose gradient is 2 * c * w; a layer that is built reads its kernel_regularizer no more
for weight in model.trainable_variables:
    weight.regularizer = keras.regularizers.L2(${number(PENALTY / 2)})
model.compile(optimizer=${optimizerCode(training).keras}, loss=model.loss)
`,
      tfjs: `// l2 adds c * sum(w ** 2), whose gradient is 2 * c * w
const penalty = tf.regularizers.l2({ l2: ${number(PENALTY / 2)} });
for (const layer of model.layers) {
  layer.addLoss(layer.trainableWeights.map((weight) => () => penalty.apply(weight.read())));
}
`,
    };
  },
});

export const largerBatch: Remedy = trainingRemedy({
  id: 'larger-batch',
  title: `batches up to ${LARGER} times as large`,
  why: 'A batch’s gradient is a mean: its noise falls as 1/√B, and with it the leaps from one batch to the next. The gradient itself, vanished or not, is the same on average.',
  conflicts: [],
  references: ['McCandlish, Kaplan, Amodei et al. 2018, An empirical model of large-batch training'],
  applies(patient) {
    if (fixesBatch(patient.design)) return undefined;
    const { batch } = patient.design.training;
    if (largerThan(batch, patient) <= batch) return undefined;
    return because(
      findingOf(patient, 'loss-oscillation') ?? findingNaming(patient, 'larger-batch'),
      `a batch has ${batch} rows`,
    );
  },
  change(training, patient, design) {
    if (fixesBatch(design)) {
      throw new RemedyError(`${design.model.name} fixes its batch`, {
        code: 'remedy-place',
        where: 'larger-batch',
        hint: 'export it with a dynamic batch axis',
      });
    }
    const batch = largerThan(training.batch, patient);
    if (batch > training.batch) return { ...training, batch };
    throw new RemedyError(`a batch of ${training.batch} takes all ${patient.rows} rows there are to train on`, {
      code: 'remedy-place',
      where: 'larger-batch',
      hint: 'more rows',
    });
  },
  patch(patient) {
    const { training } = patient.design;
    const batch = largerThan(training.batch, patient);
    return {
      pytorch: `from torch.utils.data import DataLoader

loader = DataLoader(dataset, batch_size=${batch}, shuffle=True)  # was ${training.batch}
`,
      keras: `model.fit(inputs, targets, batch_size=${batch})  # was ${training.batch}\n`,
      tfjs: `await model.fit(inputs, targets, { batchSize: ${batch} });  // was ${training.batch}\n`,
    };
  },
});

/** Rows of the larger batch: no more than there are to train on. */
function largerThan(batch: number, { rows = Number.POSITIVE_INFINITY }: Patient): number {
  return Math.min(LARGER * batch, rows);
}

/** Whether the file says how many rows a batch has. */
function fixesBatch({ model: { graph } }: Patient['design']): boolean {
  return fixedBatchOf(graph.inputs.filter(({ name }) => !graph.initializers.has(name))) !== undefined;
}
