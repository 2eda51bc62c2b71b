import { findingNaming, findingOf } from '../evidence.ts';
import { number, optimizerCode, patchOptimizer } from '../patch/optimizer.ts';
import { type Design, type Patient, type Remedy, RemedyError } from '../remedy.ts';
import { because, trainingRemedy } from './parts.ts';

/** What a learning rate is changed by where no test can be run. */
const FACTOR = 10;
/** Warm-up of small networks; Goyal et al. 2017 take five epochs, Ma & Yarats 2021 2 / (1 − β₂) steps of Adam. */
const WARM_UP = 50;

/** The rate of a range test for this design, remembered. */
async function rangeTest(design: Design, patient: Patient): Promise<number | undefined> {
  return patient.tools?.findLearningRate(design);
}

export const reduceLearningRate: Remedy = trainingRemedy({
  id: 'reduce-learning-rate',
  title: 'a smaller learning rate, found by a range test',
  why: 'On curvature λ a step converges for η < 2/λ and leaps back and forth above: the smaller step stays where the gradient still holds. It mends no factor of the chain rule: where the gradient vanishes it makes things worse.',
  conflicts: ['increase-learning-rate'],
  references: [
    'Smith 2017, Cyclical learning rates for training neural networks, section 3.3',
    'LeCun, Bottou, Orr & Müller 1998, Efficient BackProp, section 5.1',
  ],
  applies: (patient) =>
    because(
      findingOf(patient, 'overlarge-update', 'loss-oscillation', 'loss-divergence') ??
        findingNaming(patient, 'reduce-learning-rate'),
      `the learning rate is ${number(patient.design.training.learningRate)}`,
    ),
  async change(training, patient, design) {
    const best = await rangeTest(design, patient);
    // The test may find none that is smaller: the finding asks for one all the same.
    const learningRate = best !== undefined && best < training.learningRate ? best : training.learningRate / FACTOR;
    return { ...training, learningRate };
  },
  patch: (patient, treated) => patchRate(patient, treated, 1 / FACTOR),
});

export const increaseLearningRate: Remedy = trainingRemedy({
  id: 'increase-learning-rate',
  title: 'a larger learning rate, found by a range test',
  why: 'Steps of a hundred-thousandth of the weights take thousands to get anywhere; about a thousandth is healthy. It scales every layer alike: where the gradient has vanished the last layers would be thrown about long before the first ones move.',
  conflicts: ['reduce-learning-rate'],
  references: ['Smith 2017, Cyclical learning rates for training neural networks, section 3.3'],
  applies: (patient) =>
    because(
      findingOf(patient, 'slow-convergence') ?? findingNaming(patient, 'increase-learning-rate'),
      `the learning rate is ${number(patient.design.training.learningRate)}`,
    ),
  async change(training, patient, design) {
    const best = patient.tools ? await rangeTest(design, patient) : training.learningRate * FACTOR;
    if (best === undefined || best <= training.learningRate) {
      const what = best === undefined ? 'finds no learning rate that lowers the loss' : `finds ${number(best)}`;
      throw new RemedyError(`the range test ${what}, none above the ${number(training.learningRate)} there is`, {
        code: 'remedy-place',
        where: 'increase-learning-rate',
      });
    }
    return { ...training, learningRate: best };
  },
  patch: (patient, treated) => patchRate(patient, treated, FACTOR),
});

/** The rate that was found for the treated design; a multiple of the old one where none is given. */
function patchRate(patient: Patient, treated: Design | undefined, factor: number) {
  const { training } = patient.design;
  const learningRate = treated?.training.learningRate ?? factor * training.learningRate;
  return patchOptimizer({ ...training, learningRate }, `the learning rate was ${number(training.learningRate)}`);
}

export const warmUp: Remedy = trainingRemedy({
  id: 'warm-up',
  title: `the learning rate raised from a tenth over the first ${WARM_UP} steps`,
  why: 'The first steps meet the largest curvature, and Adam its worst estimate of the gradient’s size: small ones let the network leave that place before the full rate sets in. After warm-up nothing of the chain rule is different.',
  conflicts: [],
  references: [
    'Goyal et al. 2017, Accurate, large minibatch SGD, section 2.2',
    'Ma & Yarats 2021, On the adequacy of untuned warmup for adaptive optimization',
    'Gilmer et al. 2022, A loss curvature perspective on training instability in deep learning',
  ],
  applies(patient) {
    const { schedule } = patient.design.training;
    // One cycle rises by itself.
    if (schedule?.warmUp || schedule?.kind === 'one-cycle') return undefined;
    const finding = findingOf(
      patient,
      'overlarge-update',
      'loss-divergence',
      'loss-oscillation',
      'exploding-gradient',
      'exploding-through-time',
    );
    return because(finding, 'the first steps are the ones that leap');
  },
  change: (training) => ({ ...training, schedule: { ...training.schedule, warmUp: WARM_UP } }),
  patch({ design: { training } }) {
    const { pytorch, keras, tfjs } = optimizerCode(training);
    const rate = number(training.learningRate);
    return {
      pytorch: `import torch

optimizer = ${pytorch}
warm_up = torch.optim.lr_scheduler.LinearLR(optimizer, start_factor=0.1, total_iters=${WARM_UP})
# in the training loop, behind optimizer.step(): every step, not every epoch
warm_up.step()
`,
      keras: `import keras

@keras.saving.register_keras_serializable()
class WarmUp(keras.optimizers.schedules.LearningRateSchedule):
    def get_config(self):
        return {}

    def __call__(self, step):
        part = keras.ops.minimum(keras.ops.cast(step, "float32") / ${WARM_UP}, 1.0)
        return ${rate} * (0.1 + 0.9 * part)

model.compile(optimizer=${keras.replace(/learning_rate=[^,)]+/, 'learning_rate=WarmUp()')}, loss=model.loss)
`,
      tfjs: `const optimizer = ${tfjs ?? `tf.train.adam(${rate})`};
model.compile({ optimizer, loss: model.loss });
let step = 0;
const onBatchBegin = () => {
  const rate = ${rate} * (0.1 + 0.9 * Math.min(1, step++ / ${WARM_UP}));
  // SGD and momentum keep a tensor of their own, which a new number in the field does not change
  if (optimizer.setLearningRate) optimizer.setLearningRate(rate);
  else optimizer.learningRate = rate;
};
await model.fit(inputs, targets, { callbacks: { onBatchBegin } });
`,
    };
  },
});
