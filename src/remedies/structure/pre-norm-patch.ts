import { pythonList, torchPath } from '../patch/names.ts';
import type { Patch } from '../remedy.ts';

/** Blocks in a row: the names of their normalizations' scales, and whether one more stands behind the last already. */
export interface PatchedChain {
  readonly scales: readonly string[];
  readonly endsNormalized: boolean;
}

/** Code that moves normalizations, of each chain of blocks from input to output. */
export function preNormPatch(chains: readonly PatchedChain[]): Patch {
  return { pytorch: torchPatch(chains), keras: kerasPatch(chains), tfjs: tfjsPatch(chains) };
}

/** The layers of a chain, where its normalizations have the names of nn.TransformerEncoderLayer's. */
function encoderLayers({ scales }: PatchedChain): string[] | undefined {
  const layers: string[] = [];
  for (let i = 0; i < scales.length; i += 2) {
    const [, layer] = /^(.+)\.norm1\.weight$/.exec(scales[i]!) ?? [];
    if (layer === undefined || scales[i + 1] !== `${layer}.norm2.weight`) return undefined;
    layers.push(layer);
  }
  return layers;
}

function torchPatch(chains: readonly PatchedChain[]): string {
  const known = chains.map(encoderLayers);
  if (known.some((layers) => layers === undefined)) {
    return [
      '# Not covered by code: these normalizations are not those of nn.TransformerEncoderLayer. In forward, of each block:',
      '# the normalization in front of the branch, the sum as it is.',
      '#   x = norm(x + branch(x))   becomes   x = x + branch(norm(x))',
      ...chains.flatMap(({ scales }) => scales).map((name) => `#   ${torchPath(name.replace(/\.[^.]*$/, ''))}`),
      ...(chains.every(({ endsNormalized }) => endsNormalized)
        ? []
        : ['# and one more normalization behind the last block: x = final_norm(x)']),
    ].join('\n');
  }
  return [
    'import torch.nn as nn',
    '',
    '# x + F(norm(x)) in place of norm(x + F(x)), as with nn.TransformerEncoderLayer(..., norm_first=True).',
    ...chains.flatMap(({ endsNormalized }, i) => torchChain(known[i]!, endsNormalized)),
  ].join('\n');
}

function torchChain(layers: readonly string[], endsNormalized: boolean): string[] {
  const encoder = /^(.+)\.layers\.\d+$/.exec(layers.at(-1)!)?.[1];
  const last = torchPath(layers.at(-1)!);
  const norm = `nn.LayerNorm(${last}.norm2.normalized_shape, ${last}.norm2.eps)`;
  const isWhole = encoder !== undefined && layers.every((name, i) => name === `${encoder}.layers.${i}`);
  const lines = [
    `for layer in ${isWhole ? `${torchPath(encoder)}.layers` : pythonList(layers.map(torchPath))}:`,
    '    assert isinstance(layer, nn.TransformerEncoderLayer)  # of one of your own, change forward',
    '    layer.norm_first = True',
  ];
  if (endsNormalized) return [...lines, '# the normalization behind the last layer is there already, and stays'];
  if (encoder === undefined) {
    return [
      ...lines,
      `${last}.norm = ${norm}  # once, behind the last layer`,
      `${last}.register_forward_hook(lambda module, inputs, output: module.norm(output))`,
    ];
  }
  return [
    ...lines,
    `assert isinstance(${torchPath(encoder)}, nn.TransformerEncoder)  # one of your own has to call its norm`,
    `${torchPath(encoder)}.norm = ${norm}  # once, behind the last layer`,
  ];
}

function sayMoves(chains: readonly PatchedChain[]): string {
  const scales = chains.flatMap((chain) => chain.scales);
  return `${scales.length} normalizations move: ${scales.join(', ')}`;
}

function kerasPatch(chains: readonly PatchedChain[]): string {
  return [
    '# Not covered by code, as the sums are written in the model. KerasHub: keras_hub.layers.TransformerEncoder(..., normalize_first=True), and behind the last one',
    '#   x = keras.layers.LayerNormalization(epsilon=1e-5)(x)',
    '# Of a block of your own:',
    '#   x = norm(keras.layers.Add()([x, branch(x)]))   becomes   x = keras.layers.Add()([x, branch(norm(x))])',
    `# ${sayMoves(chains)}`,
  ].join('\n');
}

function tfjsPatch(chains: readonly PatchedChain[]): string {
  return [
    '// Not covered by code, as the sums are written in the model. Of each block:',
    '//   x = norm.apply(add.apply([x, branch(x)]))   becomes   x = add.apply([x, branch(norm.apply(x))])',
    '// and behind the last one',
    '//   x = tf.layers.layerNormalization({ epsilon: 1e-5 }).apply(x);',
    `// ${sayMoves(chains)}`,
  ].join('\n');
}
