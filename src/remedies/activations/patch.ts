import { endsIn, kerasName, nameList } from '../patch/names.ts';
import { patchDraws } from '../patch/weights.ts';
import type { Patch, Patient } from '../remedy.ts';
import type { Draw } from '../rewrite/draw.ts';
import type { WeightLayer } from '../rewrite/weight-layers.ts';
import type { Swap } from './table.ts';

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
  /** Layers whose activation function is replaced. */
  readonly layers: readonly WeightLayer[];
  readonly draws: ReadonlyMap<WeightLayer, Draw>;
  /** PReLU's slopes for each replaced function, in the network's order. */
  readonly slopes: readonly number[];
  /** PyTorch's module of each replaced function, where it has one of its own. */
  readonly modules: readonly (string | undefined)[];
}

/** Code that replaces the functions and draws the weights before them. */
export function patchSwap(patient: Patient, patched: PatchedSwap): Patch {
  const { draws, swap } = patched;
  const weights = draws.size > 0 ? patchDraws(draws) : undefined;
  const join = (before: string, after: string | undefined) => (after ? `${before}\n${after}` : before);
  const body = (code: string | undefined) => code?.replace(/^import .*\n\n/, '');
  return {
    pytorch: join(torchSwap(patient, patched), body(weights?.pytorch)),
    keras: join(kerasSwap(patched), body(weights?.keras)),
    tfjs: join(tfjsSwap(patched), swap.tfjs === undefined && swap.tfjsLayer === undefined ? undefined : weights?.tfjs),
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

function kerasSwap({ swap, layers }: PatchedSwap): string {
  const names = layers.map(({ name }) => kerasName(name));
  if (swap.keras === undefined) {
    const [layer] = layers;
    const image = (layer?.layer.node.op ?? '').startsWith('Conv');
    const own = swap.kerasLayer!.replace(', shared_axes=[…]', image ? ', shared_axes=[1, 2]' : '');
    return `import keras

# in the model's definition: activation=None for ${names.join(', ')}, and behind each
x = ${own}(x)
`;
  }
  return `import keras

# the functions that stand in the layers; one that is a layer of its own is replaced in the definition
for name in ${nameList(names)}:
    model.get_layer(name).activation = ${swap.keras}
model.compile(optimizer=model.optimizer, loss=model.loss)  # what was compiled before holds the old functions
`;
}

function tfjsSwap({ swap, layers }: PatchedSwap): string {
  const names = layers.map(({ name }) => `'${kerasName(name)}'`).join(', ');
  if (swap.tfjs !== undefined) {
    return `// in the model's definition, for ${names}
const activation = '${swap.tfjs}';  // tf.layers.dense({ units, activation, name })
`;
  }
  const image = (layers[0]?.layer.node.op ?? '').startsWith('Conv');
  const own = swap.tfjsLayer!.replace(', sharedAxes: […]', image ? ', sharedAxes: [1, 2]' : '');
  return `// in the model's definition: no activation for ${names}, and behind each
model.add(${own});
`;
}
