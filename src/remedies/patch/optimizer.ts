import { resolveOptimizer } from '../../training/optimizers/index.ts';
import type { Patch, TrainingSetup } from '../remedy.ts';

/** An optimizer as each framework makes it, each an expression; `tfjs` is undefined where TensorFlow.js has none. */
export interface OptimizerCode {
  readonly pytorch: string;
  readonly keras: string;
  readonly tfjs: string | undefined;
}

interface Constructor {
  readonly pytorch: string;
  readonly keras: string;
  readonly tfjs?: string;
}

const constructors: Readonly<Record<string, Constructor>> = {
  sgd: { pytorch: 'torch.optim.SGD', keras: 'SGD', tfjs: 'sgd' },
  momentum: { pytorch: 'torch.optim.SGD', keras: 'SGD', tfjs: 'momentum' },
  nesterov: { pytorch: 'torch.optim.SGD', keras: 'SGD', tfjs: 'momentum' },
  adam: { pytorch: 'torch.optim.Adam', keras: 'Adam', tfjs: 'adam' },
  adamw: { pytorch: 'torch.optim.AdamW', keras: 'AdamW' },
  rmsprop: { pytorch: 'torch.optim.RMSprop', keras: 'RMSprop', tfjs: 'rmsprop' },
  adagrad: { pytorch: 'torch.optim.Adagrad', keras: 'Adagrad', tfjs: 'adagrad' },
  lion: { pytorch: 'lion_pytorch.Lion', keras: 'Lion' },
};

/** The constructor call of an optimizer, with every option that the frameworks' defaults differ in. */
export function optimizerCode(training: Pick<TrainingSetup, 'optimizer' | 'learningRate'>): OptimizerCode {
  const { name, options } = resolveOptimizer(training.optimizer);
  const made = constructors[name] ?? constructors.sgd!;
  const rate = number(training.learningRate);
  return {
    pytorch: `${made.pytorch}(model.parameters(), lr=${rate}${torchOptions(name, options)})`,
    keras: `keras.optimizers.${made.keras}(learning_rate=${rate}${kerasOptions(name, options)})`,
    tfjs: made.tfjs && `tf.train.${made.tfjs}(${[rate, ...tfjsOptions(name, options)].join(', ')})`,
  };
}

/** Code that trains with another optimizer, or with other numbers in the one there is. */
export function patchOptimizer(training: TrainingSetup, note: string): Patch {
  const { pytorch, keras, tfjs } = optimizerCode(training);
  return {
    pytorch: `import torch\n\n# ${note}\noptimizer = ${pytorch}\n`,
    keras: `import keras\n\n# ${note}\nmodel.compile(optimizer=${keras}, loss=model.loss)\n`,
    tfjs: tfjs
      ? `// ${note}${tfjsLimit(training)}\nmodel.compile({ optimizer: ${tfjs}, loss: model.loss });\n`
      : tfjsWithoutClass(training, note),
  };
}

/** Where an option cannot be given. */
function tfjsLimit({ optimizer: { name } }: TrainingSetup): string {
  return name === 'adagrad'
    ? '\n// TensorFlow.js adds 1e-7 under the root: gradients below 3e-4 get shorter steps than in PyTorch'
    : '';
}

/** AdamW is Adam and a decay of one's own; what has no counterpart at all is Adam. */
function tfjsWithoutClass({ optimizer, learningRate }: TrainingSetup, note: string): string {
  const { name, options } = resolveOptimizer(optimizer);
  const { beta1, beta2, epsilon } = options;
  const own = name === 'adamw' ? { beta1: beta1!, beta2: beta2!, epsilon: epsilon! } : {};
  const adam = optimizerCode({ optimizer: { name: 'adam', options: own as never }, learningRate }).tfjs;
  if (name !== 'adamw') {
    return `// TensorFlow.js has no ${name}: Adam is nearest\nmodel.compile({ optimizer: ${adam}, loss: model.loss });\n`;
  }
  return `// ${note}
model.compile({ optimizer: ${adam}, loss: model.loss });
${tfjsDecay(learningRate, Number(options.weightDecay))}`;
}

/** Decoupled decay as a callback: w ← w − η λ w after each batch. */
export function tfjsDecay(learningRate: number, decay: number): string {
  return `// TensorFlow.js has no weight decay: w <- w - learning rate * decay * w behind each batch
const onBatchEnd = () => tf.tidy(() => {
  for (const { val } of model.trainableWeights) val.assign(val.mul(1 - ${number(learningRate)} * ${number(decay)}));
});
await model.fit(inputs, targets, { callbacks: { onBatchEnd } });
`;
}

type Options = Readonly<Record<string, number | boolean>>;

function torchOptions(name: string, options: Options): string {
  const { momentum, nesterov, weightDecay, beta1, beta2, epsilon, rho, decoupledWeightDecay } = options;
  const decay = Number(weightDecay ?? 0);
  const parts = [
    ...(momentum ? [`momentum=${number(momentum)}`] : []),
    ...(nesterov ? ['nesterov=True'] : []),
    ...(beta1 !== undefined && (beta1 !== 0.9 || beta2 !== 0.999) && name !== 'lion'
      ? [`betas=(${number(beta1)}, ${number(beta2!)})`]
      : []),
    ...(name === 'rmsprop' && rho !== 0.99 ? [`alpha=${number(rho!)}`] : []),
    ...(epsilon !== undefined && epsilon !== (name === 'adagrad' ? 1e-10 : 1e-8) ? [`eps=${number(epsilon)}`] : []),
    ...(decay !== (name === 'adamw' ? 0.01 : 0) ? [`weight_decay=${number(decay)}`] : []),
    ...(name === 'adamw' && decay === 0.01 ? ['weight_decay=0.01'] : []),
  ];
  // Plain SGD decays the same either way; the others take a line of their own.
  if (name === 'sgd' && decoupledWeightDecay && !decay && !momentum) {
    parts.push(`weight_decay=${number(decoupledWeightDecay)}`);
  }
  return parts.map((part) => `, ${part}`).join('');
}

function kerasOptions(name: string, options: Options): string {
  const { momentum, nesterov, weightDecay, beta1, beta2, epsilon, rho, decoupledWeightDecay } = options;
  const decay = Number(name === 'adamw' || name === 'lion' ? weightDecay : 0) + Number(decoupledWeightDecay ?? 0);
  const parts = [
    ...(momentum ? [`momentum=${number(momentum)}`] : []),
    ...(nesterov ? ['nesterov=True'] : []),
    ...(beta1 !== undefined && (beta1 !== 0.9 || beta2 !== 0.999) && name !== 'lion'
      ? [`beta_1=${number(beta1)}, beta_2=${number(beta2!)}`]
      : []),
    // Keras' defaults are 0.9 and 1e-7, and an accumulator that starts at 0.1.
    ...(name === 'rmsprop' ? [`rho=${number(rho!)}`] : []),
    ...(name === 'adagrad' ? ['initial_accumulator_value=0'] : []),
    ...(epsilon !== undefined ? [`epsilon=${number(withinRoot(name, epsilon))}`] : []),
    ...(decay ? [`weight_decay=${number(decay)}`] : []),
  ];
  return parts.map((part) => `, ${part}`).join('');
}

/** Keras and TensorFlow.js add the ε of these under the root, √(v + ε); PyTorch and this project outside, √v + ε. */
function withinRoot(name: string, epsilon: number | boolean): number | boolean {
  return name === 'rmsprop' || name === 'adagrad' ? Number(epsilon) ** 2 : epsilon;
}

function tfjsOptions(name: string, { momentum, rho, beta1, beta2, epsilon }: Options): string[] {
  switch (name) {
    case 'momentum':
      return [number(momentum!)];
    case 'nesterov':
      return [number(momentum!), 'true'];
    // Their defaults for ε are 1e-7, and an accumulator that starts at 0.1.
    case 'rmsprop':
      return [number(rho!), '0', number(withinRoot(name, epsilon!))];
    case 'adagrad':
      return ['0'];
    case 'adam':
      return [beta1, beta2, epsilon].map((x) => number(x!));
    default:
      return [];
  }
}

/** Digits that both languages read: 0.001, 1e-8. */
export function number(x: number | boolean): string {
  return String(Number(Number(x).toPrecision(4)));
}
