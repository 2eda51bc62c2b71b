import { groupsOf, type NormalizationId, type NormalizationPlace } from './normalization.ts';
import { foldedNote, kerasName, nameList, pythonList, torchPath } from './patch/names.ts';
import { kerasRebuild, tfjsRebuild } from './patch/rebuild.ts';
import { patchDraws } from './patch/weights.ts';
import type { Patch } from './remedy.ts';
import type { Draw } from './rewrite/draw.ts';
import type { WeightLayer } from './rewrite/weight-layers.ts';

/** What each framework calls a normalization of some place; of Keras and TF.js, with channels last. */
const torch: Record<NormalizationId, (place: NormalizationPlace) => string> = {
  batch: ({ channels, shape }) => `nn.BatchNorm${Math.max(1, shape.length - 2)}d(${channels})`,
  layer: ({ channels, isImage }) => (isImage ? `nn.GroupNorm(1, ${channels})` : `nn.LayerNorm(${channels})`),
  rms: ({ channels }) => `nn.RMSNorm(${channels}, eps=1e-5)  # PyTorch 2.4`,
  group: ({ channels, isImage }) =>
    isImage ? `nn.GroupNorm(${groupsOf(channels)}, ${channels})` : `nn.LayerNorm(${channels})`,
};
const keras: Record<NormalizationId, (place: NormalizationPlace) => string> = {
  batch: () => 'BatchNormalization(epsilon=1e-5, momentum=0.9)',
  layer: ({ isImage }) => (isImage ? 'GroupNormalization(1, epsilon=1e-5)' : 'LayerNormalization(epsilon=1e-5)'),
  rms: () => 'RMSNormalization(epsilon=1e-5)  # Keras 3.9',
  group: ({ channels, isImage }) =>
    isImage ? `GroupNormalization(${groupsOf(channels)}, epsilon=1e-5)` : 'LayerNormalization(epsilon=1e-5)',
};

/** Code that puts normalizations behind layers that are there already, and draws those that they would not restore. */
export function normalizationPatch(
  id: NormalizationId,
  places: readonly NormalizationPlace[],
  draws: ReadonlyMap<WeightLayer, Draw>,
): Patch {
  const norms = { pytorch: torchPatch(id, places), keras: kerasPatch(id, places), tfjs: tfjsPatch(id, places) };
  if (draws.size === 0) return norms;
  const { pytorch, keras, tfjs } = patchDraws(draws);
  const body = (code: string) => code.replace(/^import .*\n\n/, '');
  const note = 'weights so small or large that a normalization does not restore them are drawn anew';
  return {
    pytorch: `${norms.pytorch}\n\n# ${note}\n${body(pytorch)}`,
    keras: `${norms.keras}\n\n# ${note}\n${body(keras)}`,
    tfjs: `${norms.tfjs}\n// ${note}\n${tfjs}`,
  };
}

function torchPatch(id: NormalizationId, places: readonly NormalizationPlace[]): string {
  return [
    'import torch.nn as nn',
    '',
    '# Behind each of these layers, before its activation. The names in the state dict stay; new ones end in ".norm".',
    ...foldedNote(places.map(({ stage }) => stage.weight)),
    'def add_norm(layer, norm):',
    '    layer.norm = norm',
    '    layer.register_forward_hook(lambda module, inputs, output: module.norm(output))',
    '',
    ...byCode(places, torch[id]).map(([code, group]) => {
      const [norm, comment = ''] = code.split('  # ');
      const paths = group.map(({ stage }) => torchPath(stage.layer));
      const note = comment && `  # ${comment}`;
      if (paths.length === 1) return `add_norm(${paths[0]}, ${norm})${note}`;
      return `for layer in ${pythonList(paths)}:\n    add_norm(layer, ${norm})${note}`;
    }),
  ].join('\n');
}

function kerasPatch(id: NormalizationId, places: readonly NormalizationPlace[]): string {
  const cases = byCode(places, keras[id]).map(([code, group]) => {
    const [norm, comment = ''] = code.split('  # ');
    const names = nameList(group.map(({ stage }) => kerasName(stage.layer)));
    const made = norm!.replace(/\)$/, norm!.endsWith('()') ? 'name=name)' : ', name=name)');
    return `for name in ${names}:\n    norms[name] = lambda name: keras.layers.${made}${comment && `  # ${comment}`}`;
  });
  return [
    'import keras',
    '',
    '# Behind each of these layers, before its activation; new layers have names that end in "_norm".',
    'norms = {}',
    ...cases,
    '',
    'def call(layer, *args, **kwargs):',
    '    if layer.name not in norms:',
    '        return layer(*args, **kwargs)',
    '    activation, layer.activation = layer.activation, keras.activations.linear',
    '    x = norms[layer.name](layer.name + "_norm")(layer(*args, **kwargs))',
    '    if activation is keras.activations.linear:',
    '        return x',
    '    return keras.layers.Activation(activation, name=layer.name + "_activation")(x)',
    '',
    ...kerasRebuild,
  ].join('\n');
}

function tfjsPatch(id: NormalizationId, places: readonly NormalizationPlace[]): string {
  const names = nameList(places.map(({ stage }) => kerasName(stage.layer)));
  if (id === 'rms' || places.some(({ isImage }) => isImage && id !== 'batch')) {
    return `// Not covered: TensorFlow.js has no such layer. Behind these, take tf.layers.batchNormalization instead.\n// ${places
      .map(({ stage }) => kerasName(stage.layer))
      .join(', ')}`;
  }
  const norm =
    id === 'batch'
      ? 'tf.layers.batchNormalization({ epsilon: 1e-5, momentum: 0.9, name })'
      : 'tf.layers.layerNormalization({ epsilon: 1e-5, name })';
  return tfjsRebuild([
    '// Behind each of these layers, before its activation; new layers have names that end in "_norm".',
    `const normalized = new Set(${names});`,
    "const linear = tf.layers.activation({ activation: 'linear' }).activation;",
    'const call = (layer, x) => {',
    '  if (!normalized.has(layer.name)) return layer.apply(x);',
    "  const activation = layer.getConfig().activation ?? 'linear';",
    '  layer.activation = linear;',
    '  const name = layer.name + "_norm";',
    `  const y = ${norm}.apply(layer.apply(x));`,
    "  if (activation === 'linear') return y;",
    '  return tf.layers.activation({ activation, name: layer.name + "_activation" }).apply(y);',
    '};',
  ]);
}

/** Places by the code they get, in their order. */
function byCode(
  places: readonly NormalizationPlace[],
  codeOf: (place: NormalizationPlace) => string,
): [string, NormalizationPlace[]][] {
  const groups = new Map<string, NormalizationPlace[]>();
  for (const place of places) {
    const code = codeOf(place);
    groups.set(code, [...(groups.get(code) ?? []), place]);
  }
  return [...groups];
}
