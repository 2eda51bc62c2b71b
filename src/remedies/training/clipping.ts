import type { Model } from '../../graph/graph.ts';
import { findParameters } from '../../graph/parameters.ts';
import type { Clipping } from '../../training/clipping.ts';
import { findingNaming, findingOf } from '../evidence.ts';
import { kerasName, nameList } from '../patch/names.ts';
import { optimizerCode } from '../patch/optimizer.ts';
import type { Patch, Patient, Remedy } from '../remedy.ts';
import { mixingLayers } from '../rewrite/redraw.ts';
import { because, blowUps, trainingRemedy } from './parts.ts';

/** Pascanu et al. 2013 take half to ten times the average norm; 1 is what recipes for Transformers and RNNs agree on. */
const NORM = 1;
/** The example in Keras' documentation of `clipvalue`. */
const VALUE = 0.5;
/** Brock et al. 2021, section 4.2: 0.01 for batches of 4096; up to 0.16 for small ones. */
const FACTOR = 0.01;

const ids = ['clip-gradient-norm', 'clip-gradient-value', 'clip-gradient-adaptive'];
const others = (id: string) => ids.filter((other) => other !== id);

/** Why the step has to be bounded; nothing where it is already. */
function reason(patient: Patient, then: string): string | undefined {
  if (patient.design.training.clipping) return undefined;
  return because(findingOf(patient, ...blowUps) ?? findingNaming(patient, 'clip-gradient-norm'), then);
}

export const clipNorm: Remedy = trainingRemedy({
  id: 'clip-gradient-norm',
  title: 'all gradients together scaled down to norm 1 where they exceed it',
  why: 'Bounds the product of the chain rule by what follows it: g ← g · min(1, 1 / ‖g‖). The direction stays, and one steep place of the loss no longer throws the weights away. The gradient still explodes: its first layers keep most of the norm that is left for all. A gradient that is NaN already it cannot mend, and one that has vanished stays as it is.',
  conflicts: others('clip-gradient-norm'),
  references: ['Pascanu, Mikolov & Bengio 2013, On the difficulty of training recurrent neural networks, algorithm 1'],
  applies: (patient) => reason(patient, 'clipping by norm bounds each step'),
  change: (training) => ({ ...training, clipping: { kind: 'norm', maximum: NORM } satisfies Clipping }),
  patch: ({ design }) => ({
    pytorch: `import torch

# in the training loop, between loss.backward() and optimizer.step()
torch.nn.utils.clip_grad_norm_(model.parameters(), max_norm=${NORM})
`,
    keras: kerasClip(
      design.training,
      `global_clipnorm=${NORM}`,
      'over all gradients together; clipnorm would be each by itself',
    ),
    tfjs: tfjsLoop([
      'const norm = tf.addN(Object.values(grads).map((g) => g.square().sum())).sqrt();',
      `const scale = tf.minimum(1, tf.div(${NORM}, norm.add(1e-6)));`,
      'for (const name in grads) grads[name] = grads[name].mul(scale);',
    ]),
  }),
});

export const clipValue: Remedy = trainingRemedy({
  id: 'clip-gradient-value',
  title: 'each element of the gradient limited to 0.5 in size',
  why: 'Limits every ∂L/∂w by itself: a few exploding elements no longer drown the others, and layers behind and before the explosion come nearer to each other. The direction of the step changes.',
  conflicts: others('clip-gradient-value'),
  references: [
    'Graves 2013, Generating sequences with recurrent neural networks, section 2.1',
    'Zhang et al. 2020, Why gradient clipping accelerates training',
  ],
  applies: (patient) => reason(patient, 'clipping by value bounds each element of a step'),
  change: (training) => ({ ...training, clipping: { kind: 'value', maximum: VALUE } satisfies Clipping }),
  patch: ({ design }) => ({
    pytorch: `import torch

# in the training loop, between loss.backward() and optimizer.step()
torch.nn.utils.clip_grad_value_(model.parameters(), clip_value=${VALUE})
`,
    keras: kerasClip(design.training, `clipvalue=${VALUE}`, 'each element by itself'),
    tfjs: tfjsLoop([`for (const name in grads) grads[name] = grads[name].clipByValue(-${VALUE}, ${VALUE});`]),
  }),
});

export const clipAdaptive: Remedy = trainingRemedy({
  id: 'clip-gradient-adaptive',
  title: "each unit's gradient limited to a hundredth of its weights' norm, the last layer left out",
  why: 'Measures the gradient of each unit against its own weights, ‖g_i‖ ≤ 0.01 · max(‖w_i‖, 0.001): an exploding layer is bounded without the others being scaled with it, and no limit depends on depth, width or loss. A gradient that has vanished stays as it is.',
  conflicts: others('clip-gradient-adaptive'),
  references: [
    'Brock, De, Smith & Simonyan 2021, High-performance large-scale image recognition without normalization, equation 3',
  ],
  applies: (patient) =>
    mixingLayers(patient.design.model).length > 1
      ? reason(patient, 'adaptive clipping bounds each step against the weights it changes')
      : undefined,
  change: (training, _, { model }) => ({
    ...training,
    clipping: { kind: 'adaptive', factor: FACTOR, exclude: lastLayer(model).parameters } satisfies Clipping,
  }),
  patch: (patient) => adaptivePatch(patient),
});

/** The last layer that mixes units, with the parameters of it that are trained. */
function lastLayer(model: Model): { name: string; parameters: string[] } {
  const last = mixingLayers(model).at(-1);
  const trained = new Set(findParameters(model));
  return { name: last?.name ?? '', parameters: (last?.parameters ?? []).filter((name) => trained.has(name)) };
}

function adaptivePatch({ design }: Patient): Patch {
  const { name, parameters } = lastLayer(design.model);
  return {
    pytorch: `import torch

left_out = set(${nameList(parameters)})  # the last layer

def clip_adaptive(model, factor=${FACTOR}, epsilon=1e-3):
    for name, w in model.named_parameters():
        if w.grad is None or name in left_out:
            continue
        axes = tuple(range(1, w.dim())) if w.dim() > 1 else (0,)  # one unit per row; a bias is one unit
        limit = factor * torch.linalg.vector_norm(w.detach(), dim=axes, keepdim=True).clamp(min=epsilon)
        norm = torch.linalg.vector_norm(w.grad, dim=axes, keepdim=True)
        w.grad.mul_(torch.where(norm > limit, limit / norm, torch.ones_like(norm)))

# in the training loop, between loss.backward() and optimizer.step()
clip_adaptive(model)
`,
    keras: `import keras
from keras import ops

left_out = {v.path for v in model.get_layer(${JSON.stringify(kerasName(name))}).trainable_variables}  # the last layer

@keras.saving.register_keras_serializable()
class Clipped(keras.optimizers.${optimizerCode(design.training).keras.replace(/^keras\.optimizers\.(\w+).*$/, '$1')}):
    def apply(self, grads, trainable_variables=None):
        variables = trainable_variables or self._trainable_variables
        return super().apply([self.limit(g, v) for g, v in zip(grads, variables)], trainable_variables)

    def limit(self, g, v, factor=${FACTOR}, epsilon=1e-3):
        if v.path in left_out:
            return g
        axes = tuple(range(len(v.shape) - 1)) if len(v.shape) > 1 else (0,)  # one unit per last axis
        size = lambda x: ops.sqrt(ops.sum(ops.square(x), axis=axes, keepdims=True))
        bound = factor * ops.maximum(size(ops.convert_to_tensor(v)), epsilon)
        norm = size(g)
        return ops.where(norm > bound, g * bound / ops.maximum(norm, 1e-12), g)

model.compile(optimizer=${optimizerCode(design.training).keras.replace(/^keras\.optimizers\.\w+/, 'Clipped')}, loss=model.loss)
`,
    tfjs: `const leftOut = new Set(model.getLayer(${JSON.stringify(kerasName(name))}).trainableWeights.map((w) => w.val.name));  // the last layer
${tfjsLoop([
  'for (const { val } of model.trainableWeights) {',
  '  if (leftOut.has(val.name)) continue;',
  '  const axes = val.rank > 1 ? [...Array(val.rank - 1).keys()] : [0];  // one unit per last axis',
  '  const size = (x) => x.square().sum(axes, true).sqrt();',
  `  const bound = size(val).maximum(1e-3).mul(${FACTOR});`,
  '  grads[val.name] = grads[val.name].mul(tf.minimum(1, bound.div(size(grads[val.name]).maximum(1e-12))));',
  '}',
])}`,
  };
}

function kerasClip(training: Parameters<typeof optimizerCode>[0], option: string, note: string): string {
  const code = optimizerCode(training).keras.replace(/\)$/, `, ${option})`);
  return `import keras

# ${note}
model.compile(optimizer=${code}, loss=model.loss)
`;
}

/** fit() does not clip: a step of one's own, with `lossOf` and `optimizer` the user's. */
function tfjsLoop(lines: readonly string[]): string {
  return `// fit() cannot clip: a step in a loop of your own; lossOf(predicted, targets) and optimizer are yours
tf.tidy(() => {
  const variables = model.trainableWeights.map((w) => w.val);
  const { grads } = tf.variableGrads(() => lossOf(model.apply(inputs, { training: true }), targets), variables);
${lines.map((line) => `  ${line}`).join('\n')}
  optimizer.applyGradients(grads);
});
`;
}
