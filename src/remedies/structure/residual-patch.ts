import { foldedNote, kerasName, torchPath } from '../patch/names.ts';
import type { Patch } from '../remedy.ts';
import type { SkipPlace } from './residual.ts';

interface Form {
  readonly isScaled: boolean;
  /** Whether x is added behind the activation function. */
  readonly after: boolean;
  /** The PyTorch module that computes what x is added to, by layer; none where it is a function call. */
  readonly ends: ReadonlyMap<string, string>;
}

/** Code that adds the input of one layer to the result of another. */
export function residualPatch(places: readonly SkipPlace[], form: Form): Patch {
  return { pytorch: torchPatch(places, form), keras: kerasPatch(places, form), tfjs: tfjsPatch(places, form) };
}

function torchPatch(places: readonly SkipPlace[], { isScaled, after, ends }: Form): string {
  const branch = isScaled ? 'module.alpha * output' : 'output';
  const calls = places.map(({ stages, projection }) => {
    const [first, last] = [stages[0]!, stages.at(-1)!];
    let shortcut = '';
    if (projection) {
      const [out, into] = projection.dims;
      const { strides } = projection;
      shortcut = strides
        ? `, nn.Conv${strides.length}d(${into}, ${out}, 1, stride=${strides.length > 1 ? `(${strides.join(', ')})` : strides[0]}, bias=False)`
        : `, nn.Linear(${into}, ${out}, bias=False)`;
    }
    const end = ends.get(last.layer);
    const call = `add_skip(${torchPath(first.layer)}, ${torchPath(end ?? last.layer)}${shortcut})`;
    return end === undefined ? `# ${call}` : call;
  });
  const named = places.every(({ stages }) => ends.has(stages.at(-1)!.layer));
  const where = after
    ? ['# The sum stands behind the activation of the last layer, where its derivative does not multiply x.'].concat(
        named
          ? []
          : [
              '# Not covered are the lines that are comments: their activation is a function call, whose sum with x belongs',
              '# in forward, or one module called in several places. Where it has a module of its own after all, give that',
              '# in place of the layer, as in add_skip(model.hidden[1], model.acts[2]).',
            ],
      )
    : ['# The sum stands before the activation of the last layer: relu(x + F(x)).'].concat(
        named
          ? []
          : [
              '# Not covered are the lines that are comments: a function call stands between layer and activation. Write',
              '# the sum behind it in forward.',
            ],
      );
  return [
    'import torch',
    'import torch.nn as nn',
    '',
    `# x + ${isScaled ? 'alpha * ' : ''}F(x): x is what the first layer reads. Names in the state dict stay.`,
    ...where,
    ...foldedNote(places.flatMap(({ stages }) => stages.map(({ weight }) => weight))),
    'def add_skip(first, last, projection=None):',
    '    kept = []',
    ...(isScaled ? ['    last.alpha = nn.Parameter(torch.zeros(1))'] : []),
    '    if projection is not None:',
    '        last.skip = projection',
    '    first.register_forward_pre_hook(lambda module, inputs: kept.append(inputs[0]))',
    '    def add(module, inputs, output):',
    '        x = kept.pop()',
    `        return ${branch} + (module.skip(x) if projection is not None else x)`,
    '    last.register_forward_hook(add)',
    '',
    ...calls,
  ].join('\n');
}

/** first layer → last layer, as a literal that Python and JavaScript share. */
function pairs(places: readonly SkipPlace[]): string {
  const entries = places.map(
    ({ stages }) =>
      `    ${JSON.stringify(kerasName(stages[0]!.layer))}: ${JSON.stringify(kerasName(stages.at(-1)!.layer))},`,
  );
  return `{\n${entries.join('\n')}\n}`;
}

function kerasPatch(places: readonly SkipPlace[], { isScaled, after }: Form): string {
  return [
    'import keras',
    '',
    `# x + ${isScaled ? 'alpha * ' : ''}F(x) around these pairs, first layer: last layer. Layers stand in a row, as in keras.Sequential.`,
    `skips = ${pairs(places)}`,
    ...(isScaled
      ? [
          '',
          'class Scale(keras.layers.Layer):',
          '    def build(self, shape):',
          '        self.alpha = self.add_weight(shape=(1,), initializer="zeros", name="alpha")',
          '    def call(self, x):',
          '        return self.alpha * x',
        ]
      : []),
    '',
    'x = inputs = keras.Input(model.input_shape[1:])',
    'kept = {}',
    'for layer in model.layers:',
    '    if isinstance(layer, keras.layers.InputLayer):',
    '        continue',
    '    if layer.name in skips:',
    '        kept[skips[layer.name]] = x',
    '    if layer.name not in kept:',
    '        x = layer(x)',
    '        continue',
    '    activation, layer.activation = layer.activation, keras.activations.linear',
    `    branch = ${after ? 'keras.layers.Activation(activation)(layer(x))' : 'layer(x)'}`,
    ...(isScaled ? ['    branch = Scale()(branch)'] : []),
    '    skip = kept.pop(layer.name)',
    ...projections(places, (name, { dims, strides }) => [
      `    if layer.name == ${name}:`,
      strides
        ? `        skip = keras.layers.Conv${strides.length}D(${dims[0]}, 1, strides=${strides[0]}, use_bias=False)(skip)`
        : `        skip = keras.layers.Dense(${dims[0]}, use_bias=False)(skip)`,
    ]),
    '    x = keras.layers.Add()([branch, skip])',
    ...(after ? [] : ['    x = keras.layers.Activation(activation)(x)']),
    'model = keras.Model(inputs, x)',
  ].join('\n');
}

function tfjsPatch(places: readonly SkipPlace[], { isScaled, after }: Form): string {
  return [
    `// x + ${isScaled ? 'alpha * ' : ''}F(x) around these pairs, first layer: last layer. Layers stand in a row, as in tf.sequential.`,
    `const skips = ${pairs(places)};`,
    ...(isScaled
      ? [
          '',
          'class Scale extends tf.layers.Layer {',
          "  static className = 'Scale';",
          '  build() {',
          "    this.alpha = this.addWeight('alpha', [1], 'float32', tf.initializers.zeros());",
          '  }',
          '  computeOutputShape(shape) {',
          '    return shape;',
          '  }',
          '  call(inputs) {',
          '    return tf.mul(Array.isArray(inputs) ? inputs[0] : inputs, this.alpha.read());',
          '  }',
          '}',
          'tf.serialization.registerClass(Scale);',
        ]
      : []),
    '',
    'const inputs = tf.input({ shape: model.inputs[0].shape.slice(1) });',
    'const kept = new Map();',
    'let x = inputs;',
    'for (const layer of model.layers) {',
    "  if (layer.getClassName() === 'InputLayer') continue;",
    '  if (skips[layer.name]) kept.set(skips[layer.name], x);',
    '  if (!kept.has(layer.name)) {',
    '    x = layer.apply(x);',
    '    continue;',
    '  }',
    "  const activation = layer.getConfig().activation ?? 'linear';",
    "  layer.activation = tf.layers.activation({ activation: 'linear' }).activation;",
    `  let branch = ${after ? 'tf.layers.activation({ activation }).apply(layer.apply(x))' : 'layer.apply(x)'};`,
    ...(isScaled ? ['  branch = new Scale({}).apply(branch);'] : []),
    '  let skip = kept.get(layer.name);',
    ...projections(places, (name, { dims, strides }) => [
      `  if (layer.name === ${name}) {`,
      strides
        ? `    skip = tf.layers.conv${strides.length}d({ filters: ${dims[0]}, kernelSize: 1, strides: ${strides[0]}, useBias: false }).apply(skip);`
        : `    skip = tf.layers.dense({ units: ${dims[0]}, useBias: false }).apply(skip);`,
      '  }',
    ]),
    '  x = tf.layers.add().apply([branch, skip]);',
    ...(after ? [] : ['  x = tf.layers.activation({ activation }).apply(x);']),
    '}',
    'const treated = tf.model({ inputs, outputs: x });',
  ].join('\n');
}

function projections(
  places: readonly SkipPlace[],
  write: (name: string, projection: NonNullable<SkipPlace['projection']>) => string[],
): string[] {
  return places.flatMap(({ stages, projection }) =>
    projection ? write(JSON.stringify(kerasName(stages.at(-1)!.layer)), projection) : [],
  );
}
