import type { Value } from '../../../graph/graph.ts';
import { range, sameShape } from '../../../graph/shapes.ts';
import { type Layer, repeats, sampleOf, shown } from '../network.ts';
import { anything, layerList, number } from '../schema.ts';
import { type LayerKind, layerKind } from './kind.ts';
import { scaled } from './scaling.ts';

/** Layers made of layers. */
export const blocks: Record<string, LayerKind> = {
  repeat: layerKind({
    main: 'times',
    defaultName: 'block',
    options: { times: repeats, layers: layerList },
    takesTokens: true,
    build: (layer, X, { times }) => range(times).reduce((Y, i) => layer.sequence('layers', Y, i), X),
  }),
  residual: layerKind({
    main: 'layers',
    options: {
      layers: layerList,
      shortcut: anything.optional(),
      activation: anything.optional(),
      scale: number.optional(),
    },
    // y = F(x) + shortcut(x): He et al. 2016, eq. 1 and 2; with a learnt number before F: Bachlechner et al. 2021.
    build(layer, X, { scale }) {
      const inner = layer.sequence('layers', X);
      const branch = scale === undefined ? inner : scaled(layer.part('scale'), inner, scale);
      const skip = shortcutOf(layer, X, branch);
      if (!sameShape(branch.shape, skip.shape)) {
        const message = `its layers give ${shown(sampleOf(branch))}, its shortcut ${shown(sampleOf(skip))}`;
        const hint = skip === X ? 'write "shortcut: projection", or give the shortcut layers of its own' : undefined;
        throw layer.error(`expected one shape on both paths: ${message}`, { hint });
      }
      return layer.activation(layer.node('Add', [branch, skip], sampleOf(branch)));
    },
  }),
};

function shortcutOf(layer: Layer, X: Value, branch: Value): Value {
  const { shortcut } = layer.options;
  if (shortcut === undefined || shortcut === null || shortcut === 'identity') return X;
  if (shortcut === 'projection') return projection(layer, X, branch);
  if (Array.isArray(shortcut)) return layer.sequence('shortcut', X, 'shortcut');
  throw layer.error('expected "identity", "projection" or a list of layers', { option: 'shortcut' });
}

/** A matrix, or a 1 × 1 convolution with the stride that fits, without bias: W_s of He et al. 2016, eq. 2. */
function projection(layer: Layer, X: Value, branch: Value): Value {
  const [from, ...spatial] = sampleOf(X);
  const [to, ...target] = sampleOf(branch);
  const weights = layer.network.defaults.weights;
  if (spatial.length !== target.length) {
    throw layer.error(`no projection leads from ${shown(sampleOf(X))} to ${shown(sampleOf(branch))}`, {
      option: 'shortcut',
    });
  }
  if (spatial.length === 1 && from === to) {
    throw layer.error(`a projection from ${shown([from!, ...spatial])} to ${shown([to!, ...target])} is ambiguous`, {
      option: 'shortcut',
      hint: `write "shortcut: [{dense: ${target[0]}}]" or a conv1d with the stride you mean`,
    });
  }
  if (spatial.length === 0) {
    const own = layer.part('projection');
    const W = own.parameter('weight', X.type, [to!, from!], weights);
    return own.node('Gemm', [X, W], [to!], { transB: 1 });
  }
  const stride = spatial.map((size, i) => Math.ceil(size / target[i]!));
  if (spatial.some((size, i) => Math.ceil(size / stride[i]!) !== target[i])) {
    throw layer.error(`no stride of a 1 × 1 convolution leads from ${shown(spatial)} to ${shown(target)}`, {
      option: 'shortcut',
      hint: 'give the shortcut layers of its own',
    });
  }
  const ones = spatial.map(() => 1);
  const own = layer.part('projection');
  const W = own.parameter('weight', X.type, [to!, from!, ...ones], weights);
  const attributes = { kernel_shape: ones, strides: stride, pads: [...ones, ...ones].map(() => 0) };
  return own.node('Conv', [X, W], [to!, ...target], attributes);
}
