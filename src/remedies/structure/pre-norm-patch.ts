import { torchPath } from '../patch/names.ts';
import type { Patch } from '../remedy.ts';

/** Code that moves normalizations; of each chain of blocks the names of their scales, from input to output. */
export function preNormPatch(chains: readonly (readonly string[])[]): Patch {
  return { pytorch: torchPatch(chains), keras: kerasPatch(chains), tfjs: tfjsPatch(chains) };
}

function torchPatch(chains: readonly (readonly string[])[]): string {
  const scales = chains.flat();
  const layers = [...new Set(scales.map((name) => /^(.*\.layers\.\d+)\.norm\d\.weight$/.exec(name)?.[1]))];
  if (layers.some((layer) => layer === undefined)) {
    return [
      '# In forward, of each block: the normalization in front of the branch, the sum as it is.',
      '#   x = norm(x + branch(x))   becomes   x = x + branch(norm(x))',
      ...scales.map((name) => `#   ${torchPath(name.replace(/\.[^.]*$/, ''))}`),
      '# and one more normalization behind the last block: x = final_norm(x)',
    ].join('\n');
  }
  const encoders = [...new Set(layers.map((layer) => layer!.replace(/\.layers\.\d+$/, '')))];
  return [
    'import torch.nn as nn',
    '',
    '# x + F(norm(x)) in place of norm(x + F(x)), as with nn.TransformerEncoderLayer(..., norm_first=True).',
    ...encoders.flatMap((encoder) => {
      const path = torchPath(encoder);
      return [
        `for layer in ${path}.layers:`,
        '    layer.norm_first = True',
        `${path}.norm = nn.LayerNorm(${path}.layers[-1].norm2.normalized_shape)  # once, behind the last layer`,
      ];
    }),
  ].join('\n');
}

function kerasPatch(chains: readonly (readonly string[])[]): string {
  return [
    '# KerasHub: keras_hub.layers.TransformerEncoder(..., normalize_first=True), and behind the last one',
    '#   x = keras.layers.LayerNormalization(epsilon=1e-5)(x)',
    '# Of a block of your own:',
    '#   x = norm(keras.layers.Add()([x, branch(x)]))   becomes   x = keras.layers.Add()([x, branch(norm(x))])',
    `# ${chains.flat().length} normalizations move: ${chains.flat().join(', ')}`,
  ].join('\n');
}

function tfjsPatch(chains: readonly (readonly string[])[]): string {
  return [
    '// Of each block:',
    '//   x = norm.apply(add.apply([x, branch(x)]))   becomes   x = add.apply([x, branch(norm.apply(x))])',
    '// and behind the last one',
    '//   x = tf.layers.layerNormalization({ epsilon: 1e-5 }).apply(x);',
    `// ${chains.flat().length} normalizations move: ${chains.flat().join(', ')}`,
  ].join('\n');
}
