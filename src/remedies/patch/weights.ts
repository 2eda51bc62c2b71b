import type { Patch } from '../remedy.ts';
import type { Draw } from '../rewrite/draw.ts';
import type { WeightLayer } from '../rewrite/weight-layers.ts';
import { kerasName, nameList, pythonList, torchParameter } from './names.ts';

/** Layers that are drawn in the same way. */
interface Group {
  readonly draw: Draw;
  readonly layers: readonly WeightLayer[];
}

/** Code that draws layers anew, one statement for each way of drawing. */
export function patchDraws(draws: ReadonlyMap<WeightLayer, Draw>): Patch {
  const groups = groupDraws(draws);
  const pytorch = groups.map(torchDraw).join('\n');
  const keras = groups.map(kerasDraw).join('\n');
  const tfjs = groups.map(tfjsDraw).join('\n');
  return {
    pytorch: `import torch.nn as nn\n\n${pytorch}`,
    keras: `import keras\n\n${keras}`,
    tfjs,
  };
}

function groupDraws(draws: ReadonlyMap<WeightLayer, Draw>): Group[] {
  const groups = new Map<string, { draw: Draw; layers: WeightLayer[] }>();
  for (const [layer, draw] of draws) {
    const key = JSON.stringify(draw);
    const group = groups.get(key) ?? { draw, layers: [] };
    groups.set(key, group);
    group.layers.push(layer);
  }
  return [...groups.values()];
}

function torchDraw({ draw, layers }: Group): string {
  const weights = layers.flatMap(({ layer, weights: names }) =>
    names.map((name) => torchParameter(name, layer, 'weight')),
  );
  const biases = layers.flatMap(({ layer, biases: names }) => names.map((name) => torchParameter(name, layer, 'bias')));
  const lines = [`for weight in ${pythonList(weights)}:`, `    ${torchWeight(draw)}`];
  if (biases.length > 0) {
    const { biasDeviation } = draw;
    const how = biasDeviation ? `nn.init.normal_(bias, std=${shown(biasDeviation)})` : 'nn.init.zeros_(bias)';
    lines.push(`for bias in ${pythonList(biases)}:`, `    ${how}`);
  }
  return `${lines.join('\n')}\n`;
}

/** One call of torch.nn.init; `fan_in` of a weight [out, in, …kernel] is its columns. */
function torchWeight({ scheme }: Draw): string {
  const gain = gainOf(scheme);
  switch (scheme.scheme) {
    case 'he-normal':
      if (gain === 1) return "nn.init.kaiming_normal_(weight, nonlinearity='relu')  # std = sqrt(2 / fan_in)";
      return `nn.init.normal_(weight, std=${shown(gain)} * (2 / weight[0].numel()) ** 0.5)  # std = sqrt(${shown(2 * gain * gain)} / fan_in)`;
    case 'lecun-normal':
      if (gain === 1) return "nn.init.kaiming_normal_(weight, nonlinearity='linear')  # std = sqrt(1 / fan_in)";
      return `nn.init.normal_(weight, std=(${shown(gain * gain)} / weight[0].numel()) ** 0.5)  # std = sqrt(${shown(gain * gain)} / fan_in)`;
    case 'glorot-uniform':
      return 'nn.init.xavier_uniform_(weight)  # variance 2 / (fan_in + fan_out)';
    case 'orthogonal':
      return `nn.init.orthogonal_(weight, gain=${shown(gain)})`;
    default:
      return 'nn.init.zeros_(weight)';
  }
}

/** VarianceScaling by scale and fan, or the class that has a name of its own. */
function scalingOf({ scheme }: Draw): { scale: number; mode: string; distribution: string } | undefined {
  const gain = gainOf(scheme);
  const mode = scheme.scheme.startsWith('glorot') ? 'fan_avg' : 'fan_in';
  switch (scheme.scheme) {
    case 'he-normal':
      return { scale: 2 * gain * gain, mode, distribution: 'normal' };
    case 'lecun-normal':
      return { scale: gain * gain, mode, distribution: 'normal' };
    case 'glorot-uniform':
      return { scale: gain * gain, mode, distribution: 'uniform' };
    default:
      return undefined;
  }
}

function kerasDraw({ draw, layers }: Group): string {
  const scaling = scalingOf(draw);
  const { biasDeviation } = draw;
  const bias = biasDeviation ? `keras.initializers.RandomNormal(stddev=${shown(biasDeviation)})` : '"zeros"';
  const kernel = scaling
    ? `VarianceScaling(${shown(scaling.scale)}, mode="${scaling.mode}", distribution="${kerasDistribution(scaling.distribution)}")`
    : draw.scheme.scheme === 'orthogonal'
      ? `Orthogonal(gain=${shown(gainOf(draw.scheme))})`
      : 'Zeros()';
  return `for name in ${nameList(layers.map(({ name }) => kerasName(name)))}:
    layer = model.get_layer(name)
    # one initializer for each: called again, it draws the same numbers
    layer.kernel.assign(keras.initializers.${kernel}(layer.kernel.shape))
    if layer.use_bias:
        layer.bias.assign(keras.initializers.get(${bias})(layer.bias.shape))
`;
}

/** Keras' "normal" is truncated, with the deviation put right. */
function kerasDistribution(distribution: string): string {
  return distribution === 'normal' ? 'untruncated_normal' : distribution;
}

function tfjsDraw({ draw, layers }: Group): string {
  const { biasDeviation } = draw;
  const bias = biasDeviation ? `tf.randomNormal(bias.shape, 0, ${shown(biasDeviation)})` : 'tf.zerosLike(bias)';
  return `for (const name of ${nameList(layers.map(({ name }) => kerasName(name)))}) {
  const layer = model.getLayer(name);
  const [kernel, bias] = layer.getWeights();
${tfjsKernel(draw)}
  layer.setWeights(bias ? [drawn, ${bias}] : [drawn]);
}
`;
}

function tfjsKernel(draw: Draw): string {
  const scaling = scalingOf(draw);
  if (scaling?.distribution === 'uniform') {
    return `  const drawn = tf.initializers.varianceScaling({ scale: ${shown(scaling.scale)}, mode: 'fanAvg', distribution: 'uniform' }).apply(kernel.shape);`;
  }
  const fan = '  const units = kernel.shape.at(-1);\n  const fanIn = kernel.size / units;';
  if (scaling) {
    // Its own varianceScaling cuts the normal distribution off at two deviations, which takes a quarter of the variance.
    return `${fan}\n  const drawn = tf.randomNormal(kernel.shape, 0, Math.sqrt(${shown(scaling.scale)} / fanIn));`;
  }
  if (draw.scheme.scheme === 'orthogonal') {
    return `${fan}\n  const drawn = tf.initializers.orthogonal({ gain: ${shown(gainOf(draw.scheme))} }).apply([fanIn, units]).reshape(kernel.shape);`;
  }
  return '  const drawn = tf.zerosLike(kernel);';
}

function gainOf(scheme: Draw['scheme']): number {
  return 'gain' in scheme ? (scheme.gain ?? 1) : 1;
}

/** Four digits are finer than any draw. */
export function shown(x: number): string {
  return String(Number(x.toPrecision(4)));
}
