import { endsIn, nameList } from '../patch/names.ts';
import { kerasRebuild, kerasWaiting, tfjsRebuild, tfjsWaiting } from '../patch/rebuild.ts';
import { patchDraws } from '../patch/weights.ts';
import type { Patch, Patient } from '../remedy.ts';
import type { Draw } from '../rewrite/draw.ts';
import type { WeightLayer } from '../rewrite/weight-layers.ts';
import { FIRST_SLOPE, type Swap } from './table.ts';

/** PyTorch's modules of the operators that are replaced. */
const torchModules: Readonly<Record<string, string>> = {
  Sigmoid: 'nn.Sigmoid',
  HardSigmoid: 'nn.Hardsigmoid',
  Tanh: 'nn.Tanh',
  Softsign: 'nn.Softsign',
  Relu: 'nn.ReLU',
  ThresholdedRelu: 'nn.Threshold',
};

export interface PatchedSwap {
  readonly swap: Swap;
  /** Operators that are replaced, as the network has them. */
  readonly ops: readonly string[];
  readonly draws: ReadonlyMap<WeightLayer, Draw>;
  /** PReLU's slopes for each replaced function, in the network's order. */
  readonly slopes: readonly number[];
  /** The layer of Keras or TensorFlow.js that computes each replaced function. */
  readonly places: readonly string[];
  /** PyTorch's module of each replaced function, where it has one of its own. */
  readonly modules: readonly (string | undefined)[];
}

/** Code that replaces the functions and draws the weights before them. */
export function patchSwap(patient: Patient, patched: PatchedSwap): Patch {
  const { draws } = patched;
  const weights = draws.size > 0 ? patchDraws(draws) : undefined;
  const join = (before: string, after: string | undefined) => (after ? `${before}\n${after}` : before);
  const body = (code: string | undefined) => code?.replace(/^import .*\n\n/, '');
  return {
    pytorch: join(torchSwap(patient, patched), body(weights?.pytorch)),
    keras: join(kerasSwap(patched), body(weights?.keras)),
    tfjs: join(tfjsSwap(patched), weights?.tfjs),
  };
}

function torchSwap({ design }: Patient, { swap, ops, slopes, modules: own }: PatchedSwap): string {
  const known = own.filter((name) => name !== undefined);
  if (known.length === own.length) return torchModulesSwap(known, swap, slopes);
  const modules = ops.map((op) => torchModules[op] ?? 'nn.Sigmoid');
  const kind = modules.length === 1 ? modules[0]! : `(${modules.join(', ')})`;
  const last = ops.some((op) => endsIn(design.model, op));
  const places = `places = [(parent, name) for parent in model.modules()
          for name, child in parent._modules.items() if isinstance(child, ${kind})]`;
  const notes = [
    ...(last ? ['# the last one computes the output and stays'] : []),
    `# where forward() calls a function instead, write ${functionOf(swap)} there`,
    ...(swap.id === 'use-prelu'
      ? [
          '# not covered: a module that forward() calls several times gets one set of slopes here; write one nn.PReLU',
          '# for each call. The exported file names slopes after the layer before them, "layer.prelu.slope".',
        ]
      : []),
  ];
  const loop =
    swap.id === 'use-prelu'
      ? `slopes = ${pythonSlopes(slopes)}  # one per channel
for (parent, name), count in zip(places, slopes):
    setattr(parent, name, nn.PReLU(count))`
      : `for parent, name in places${last ? '[:-1]' : ''}:
    setattr(parent, name, ${swap.torch})`;
  return `import torch.nn as nn\n\n${notes.join('\n')}\n${places}\n${loop}\n`;
}

/** Exactly those modules that are replaced. */
function torchModulesSwap(modules: readonly string[], swap: Swap, slopes: readonly number[]): string {
  const names = nameList(modules);
  const head =
    swap.id === 'use-prelu'
      ? `slopes = ${pythonSlopes(slopes)}  # one per channel\nfor path, count in zip(${names}, slopes):`
      : `for path in ${names}:`;
  return `import torch.nn as nn

${head}
    parent, _, name = path.rpartition(".")
    setattr(model.get_submodule(parent), name, ${swap.id === 'use-prelu' ? 'nn.PReLU(count)' : swap.torch})
`;
}

function functionOf({ torch }: Swap): string {
  const name = /nn\.(\w+)/.exec(torch)![1]!;
  const functions: Readonly<Record<string, string>> = {
    ReLU: 'F.relu(x)',
    LeakyReLU: 'F.leaky_relu(x, 0.01)',
    PReLU: 'a module nn.PReLU(channels)',
    ELU: 'F.elu(x)',
    SELU: 'F.selu(x)',
    GELU: 'F.gelu(x)',
    SiLU: 'F.silu(x)',
    Mish: 'F.mish(x)',
    Tanh: 'torch.tanh(x)',
  };
  return functions[name]!;
}

function pythonSlopes(slopes: readonly number[]): string {
  const [first] = slopes;
  return slopes.length > 2 && slopes.every((count) => count === first)
    ? `[${first}] * ${slopes.length}`
    : `[${slopes.join(', ')}]`;
}

/** Layers by name, and of each the number of PReLU's slopes. */
function slopeCounts({ places, slopes }: PatchedSwap): string {
  return `{ ${places.map((name, i) => `${JSON.stringify(name)}: ${slopes[i]}`).join(', ')} }`;
}

function kerasSwap(patched: PatchedSwap): string {
  const { swap, places } = patched;
  const isPrelu = swap.id === 'use-prelu';
  const isLeaky = swap.keras?.includes('(x') ?? false;
  const name = isLeaky ? swap.id.slice('use-'.length).replaceAll('-', '_') : swap.keras;
  const made = isPrelu
    ? [
        '',
        `slopes = ${slopeCounts(patched).replace('{ ', '{').replace(' }', '}')}  # one per channel`,
        '',
        'def prelu(name, x):',
        '    last = len(x.shape) if slopes[name] == 1 else len(x.shape) - 1',
        `    start = keras.initializers.Constant(${FIRST_SLOPE})`,
        '    return keras.layers.PReLU(start, shared_axes=list(range(1, last)) or None, name=name + "_prelu")(x)',
      ]
    : isLeaky
      ? ['', '@keras.saving.register_keras_serializable()', `def ${name}(x):`, `    return ${swap.keras}`]
      : [];
  return [
    'import keras',
    '',
    `# for a model that exists; where you define it, ${isPrelu ? 'put keras.layers.PReLU() behind' : `write activation=${name} for`} these layers`,
    '# their functions stand within them, or are layers of their own',
    `names = ${nameList(places)}`,
    ...kerasWaiting,
    ...made,
    '',
    'def call(layer, *args, **kwargs):',
    '    name = waiting.pop(id(args[0]), layer.name)',
    '    if name in names and isinstance(layer, functions):',
    `        return ${isPrelu ? 'prelu(name, args[0])' : `keras.layers.Activation(${name}, name=layer.name)(args[0])`}`,
    '    if layer.name in names and layer.activation is not keras.activations.linear:',
    ...(isPrelu
      ? ['        layer.activation = keras.activations.linear', '        return prelu(name, layer(*args, **kwargs))']
      : [`        layer.activation = ${name}`, '        return layer(*args, **kwargs)']),
    '    y = layer(*args, **kwargs)',
    '    if name in names:',
    '        waiting[id(y)] = name',
    '    return y',
    '',
    ...kerasRebuild,
    '',
  ].join('\n');
}

function tfjsSwap(patched: PatchedSwap): string {
  const { swap, places } = patched;
  const own = swap.tfjs;
  const made = own
    ? [
        `const made = (config) => tf.layers.activation({ activation: '${own}', ...config });`,
        'const create = (name, x, layer) => made({ name: layer }).apply(x);',
      ]
    : swap.id === 'use-prelu'
      ? [
          `const slopes = ${slopeCounts(patched)}; // one per channel`,
          'const create = (name, x) => {',
          '  const last = slopes[name] === 1 ? x.shape.length : x.shape.length - 1;',
          '  const sharedAxes = Array.from({ length: last - 1 }, (_, i) => i + 1);',
          `  const alphaInitializer = tf.initializers.constant({ value: ${FIRST_SLOPE} });`,
          '  const config = { alphaInitializer, name: name + "_prelu", ...(sharedAxes.length > 0 && { sharedAxes }) };',
          '  return tf.layers.prelu(config).apply(x);',
          '};',
        ]
      : [
          `const create = (name, x) => ${swap.tfjsLayer!.replace(' }', `, name: \`\${name}_${swap.id.slice('use-'.length).replaceAll('-', '_')}\` }`)}.apply(x);`,
        ];
  return tfjsRebuild([
    `// for a model that exists; where you define it, ${own ? `write activation: '${own}' for` : 'put such a layer behind'} these layers`,
    '// their functions stand within them, or are layers of their own',
    `const names = new Set(${nameList(places)});`,
    ...tfjsWaiting,
    ...made,
    'const call = (layer, x) => {',
    '  const name = waiting.get(x.id) ?? layer.name;',
    '  if (names.has(name) && functions.has(layer.getClassName())) return create(name, x, layer.name);',
    "  if (names.has(layer.name) && ownOf(layer) !== 'linear') {",
    ...(own
      ? ['    layer.activation = made().activation;', '    return layer.apply(x);']
      : ['    layer.activation = linear;', '    return create(name, layer.apply(x));']),
    '  }',
    '  const y = layer.apply(x);',
    '  if (names.has(name)) waiting.set(y.id, name);',
    '  return y;',
    '};',
  ]);
}
