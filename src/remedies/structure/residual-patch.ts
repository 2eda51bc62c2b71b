import { foldedNote, kerasName, torchPath } from '../patch/names.ts';
import { kerasRebuild, kerasWaiting, tfjsRebuild, tfjsWaiting } from '../patch/rebuild.ts';
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
    ? [sumStands(after, '#')].concat(
        named
          ? []
          : [
              '# Not covered are the lines that are comments: their activation is a function call, whose sum with x belongs',
              '# in forward, or one module called in several places. Where it has a module of its own after all, give that',
              '# in place of the layer, as in add_skip(model.hidden[1], model.acts[2]).',
            ],
      )
    : [sumStands(after, '#')].concat(
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
  const projections = places.flatMap(({ stages, projection }) => {
    if (!projection) return [];
    const { dims, strides } = projection;
    const name = kerasName(stages.at(-1)!.layer);
    const rest = `use_bias=False, kernel_initializer="lecun_normal", name="${name}_skip")`;
    const made = strides
      ? `Conv${strides.length}D(${dims[0]}, 1, strides=${strides.length > 1 ? `(${strides.join(', ')})` : strides[0]}, ${rest}`
      : `Dense(${dims[0]}, ${rest}`;
    return [`    ${JSON.stringify(name)}: keras.layers.${made},`];
  });
  return [
    'import keras',
    '',
    `# x + ${isScaled ? 'alpha * ' : ''}F(x) around these pairs, first layer: last layer; x is what the first layer reads.`,
    sumStands(after, '#'),
    `skips = ${pairs(places)}`,
    ...(projections.length > 0 ? ['projections = {', ...projections, '}'] : []),
    'kept = {}  # x, by the last layer',
    ...kerasWaiting,
    ...(isScaled
      ? [
          '',
          '@keras.saving.register_keras_serializable()',
          'class Scale(keras.layers.Layer):',
          '    def build(self, shape):',
          '        self.alpha = self.add_weight(shape=(1,), initializer="zeros", name="alpha")',
          '',
          '    def call(self, x):',
          '        return self.alpha * x',
        ]
      : []),
    '',
    'def add(name, y):',
    '    x = kept.pop(name)',
    ...(projections.length > 0 ? ['    if name in projections:', '        x = projections[name](x)'] : []),
    ...(isScaled ? ['    y = Scale(name=name + "_alpha")(y)'] : []),
    '    return keras.layers.Add(name=name + "_sum")([y, x])',
    '',
    'def call(layer, *args, **kwargs):',
    '    if layer.name in skips:',
    '        kept[skips[layer.name]] = args[0]',
    '    name = layer.name if layer.name in kept else waiting.pop(id(args[0]), None)',
    '    if name is None:',
    '        return layer(*args, **kwargs)',
    '    if isinstance(layer, functions):',
    `        return ${after ? 'add(name, layer(*args, **kwargs))' : 'layer(add(name, args[0]))'}`,
    '    activation = getattr(layer, "activation", keras.activations.linear)',
    '    if activation is keras.activations.linear:',
    '        y = layer(*args, **kwargs)',
    '        waiting[id(y)] = name',
    '        return y',
    ...(after
      ? ['    return add(name, layer(*args, **kwargs))']
      : [
          '    layer.activation = keras.activations.linear',
          '    y = add(name, layer(*args, **kwargs))',
          '    return keras.layers.Activation(activation, name=layer.name + "_activation")(y)',
        ]),
    '',
    ...kerasRebuild,
  ].join('\n');
}

function sumStands(after: boolean, comment: string): string {
  return after
    ? `${comment} The sum stands behind the activation of the last layer, where its derivative does not multiply x.`
    : `${comment} The sum stands before the activation of the last layer: relu(x + F(x)).`;
}

function tfjsPatch(places: readonly SkipPlace[], { isScaled, after }: Form): string {
  const projections = places.flatMap(({ stages, projection }) => {
    if (!projection) return [];
    const { dims, strides } = projection;
    const name = kerasName(stages.at(-1)!.layer);
    const rest = `useBias: false, kernelInitializer: 'leCunNormal', name: '${name}_skip' })`;
    const made = strides
      ? `conv${strides.length}d({ filters: ${dims[0]}, kernelSize: 1, strides: [${strides.join(', ')}], ${rest}`
      : `dense({ units: ${dims[0]}, ${rest}`;
    return [`  ${JSON.stringify(name)}: tf.layers.${made},`];
  });
  return tfjsRebuild([
    `// x + ${isScaled ? 'alpha * ' : ''}F(x) around these pairs, first layer: last layer; x is what the first layer reads.`,
    sumStands(after, '//'),
    ...`const skips = ${pairs(places)};`.split('\n'),
    ...(projections.length > 0 ? ['const projections = {', ...projections, '};'] : []),
    'const kept = new Map(); // x, by the last layer',
    ...tfjsWaiting,
    ...(isScaled
      ? [
          'class Scale extends tf.layers.Layer {',
          "  static className = 'Scale';",
          '  build() {',
          "    this.alpha = this.addWeight('alpha', [1], 'float32', tf.initializers.zeros());",
          '    this.built = true;',
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
    'const add = (name, y) => {',
    '  let x = kept.get(name);',
    '  kept.delete(name);',
    ...(projections.length > 0 ? ['  if (projections[name]) x = projections[name].apply(x);'] : []),
    `  const branch = ${isScaled ? 'new Scale({ name: name + "_alpha" }).apply(y)' : 'y'};`,
    '  return tf.layers.add({ name: name + "_sum" }).apply([branch, x]);',
    '};',
    'const call = (layer, x) => {',
    '  if (skips[layer.name]) kept.set(skips[layer.name], x);',
    '  const name = kept.has(layer.name) ? layer.name : waiting.get(x.id);',
    '  if (name === undefined) return layer.apply(x);',
    '  if (functions.has(layer.getClassName())) {',
    `    return ${after ? 'add(name, layer.apply(x))' : 'layer.apply(add(name, x))'};`,
    '  }',
    "  const activation = layer.getConfig().activation ?? 'linear';",
    "  if (activation === 'linear') {",
    '    const y = layer.apply(x);',
    '    waiting.set(y.id, name);',
    '    return y;',
    '  }',
    ...(after
      ? ['  return add(name, layer.apply(x));']
      : [
          '  layer.activation = linear;',
          '  const y = add(name, layer.apply(x));',
          '  return tf.layers.activation({ activation, name: layer.name + "_activation" }).apply(y);',
        ]),
    '};',
  ]);
}
