import { kerasName, nameList, torchAssignment, torchPath } from '../patch/names.ts';
import { kerasRebuild, tfjsRebuild } from '../patch/rebuild.ts';
import type { Patch } from '../remedy.ts';
import type { RecurrentSite } from './sites.ts';

/** Code that puts gated layers in the place of plain ones. */
export function patchGates(sites: readonly RecurrentSite[], op: 'LSTM' | 'GRU'): Patch {
  return {
    pytorch: torchPatch(sites, op),
    keras: kerasPatch(sites, op),
    tfjs: tfjsPatch(sites, op),
  };
}

/** The modules that hold the layers: those of a stack are one. */
function modulesOf(sites: readonly RecurrentSite[]): string[] {
  const modules = sites.map(({ layer, storage }) => {
    const own = storage.kind === 'torch' ? storage.leaves[0]!.name : undefined;
    return own && /\.weight_ih_l\d+(_reverse)?$/.test(own)
      ? own.slice(0, own.lastIndexOf('.'))
      : layer.replace(/\.l\d+$/, '');
  });
  return [...new Set(modules)];
}

function torchPatch(sites: readonly RecurrentSite[], op: 'LSTM' | 'GRU'): string {
  const gates = op === 'LSTM' ? 4 : 3;
  const forget = `
            elif name.startswith("bias_ih"):
                p.zero_()
                p[new.hidden_size:2 * new.hidden_size] = 1  # the forget gate: i, f, g, o`;
  const returned =
    op === 'LSTM'
      ? '# forward() stays: y, h = lstm(x) as before; a first state, where it gives one, is a pair: lstm(x, (h, c))'
      : '# forward() stays: y, h = gru(x) as before';
  const hook =
    op === 'LSTM' ? '\n    new.register_forward_hook(lambda module, inputs, output: (output[0], output[1][0]))' : '';
  return `import torch
import torch.nn as nn

def gated(old):
    new = nn.${op}(old.input_size, old.hidden_size, old.num_layers, bias=${op === 'LSTM' ? 'True' : 'old.bias'}, batch_first=old.batch_first,
                  dropout=old.dropout, bidirectional=old.bidirectional)
    with torch.no_grad():
        for name, p in new.named_parameters():
            if name.startswith("weight"):
                for gate in p.chunk(${gates}):  # each gate by itself
                    nn.init.xavier_uniform_(gate) if name.startswith("weight_ih") else nn.init.orthogonal_(gate)${op === 'LSTM' ? forget : ''}
            else:
                p.zero_()${hook}
    return new

${modulesOf(sites)
  .map((path) => torchAssignment(path, `gated(${torchPath(path)})`))
  .join('\n')}
${returned}
`;
}

function namesOf(sites: readonly RecurrentSite[]): string {
  return nameList([...new Set(sites.map(({ layer }) => kerasName(layer)))]);
}

/** In place of each SimpleRNN; what it shares with a gated layer stays as it was made. */
function kerasPatch(sites: readonly RecurrentSite[], op: 'LSTM' | 'GRU'): string {
  const gates = op === 'LSTM' ? 4 : 3;
  return [
    'import keras',
    '',
    `names = ${namesOf(sites)}`,
    'shared = ("units", "return_sequences", "go_backwards", "stateful", "unroll", "use_bias", "dropout", "recurrent_dropout")',
    '',
    'def gated(layer, name):',
    '    if isinstance(layer, keras.layers.Bidirectional):',
    '        return keras.layers.Bidirectional(gated(layer.forward_layer, name), layer.merge_mode, name=name)',
    '    config = layer.get_config()',
    `    return keras.layers.${op}(name=name, **{key: config[key] for key in shared})`,
    '',
    '# Each gate by itself; Keras draws all in one.',
    'def draw(cell):',
    '    for weight, draw in (cell.kernel, "glorot_uniform"), (cell.recurrent_kernel, "orthogonal"):',
    '        shape = (weight.shape[0], cell.units)',
    `        drawn = [keras.initializers.get(draw)(shape) for _ in range(${gates})]`,
    '        weight.assign(keras.ops.concatenate(drawn, axis=1))',
    '',
    'made = {}',
    'def call(layer, *args, **kwargs):',
    '    if layer.name in names:',
    '        layer = made.setdefault(layer.name, gated(layer, layer.name))',
    '    return layer(*args, **kwargs)',
    '',
    ...kerasRebuild,
    'for layer in made.values():',
    '    for one in [layer.forward_layer, layer.backward_layer] if hasattr(layer, "backward_layer") else [layer]:',
    '        draw(one.cell)',
    ...(op === 'LSTM' ? ['# a layer made with return_state=True gives two states where there was one'] : []),
    '',
  ].join('\n');
}

function tfjsPatch(sites: readonly RecurrentSite[], op: 'LSTM' | 'GRU'): string {
  const made = `tf.layers.${op.toLowerCase()}({ ...shared, recurrentActivation: 'sigmoid', name })`;
  return tfjsRebuild([
    ...(op === 'GRU'
      ? [
          '// Not covered: the reset gate behind the matrix, as in the treated file. That of TensorFlow.js stands before it.',
        ]
      : []),
    `const names = new Set(${namesOf(sites)});`,
    'const gated = (layer, name) => {',
    "  if (layer.getClassName() === 'Bidirectional') {",
    '    return tf.layers.bidirectional({ layer: gated(layer.forwardLayer, name), mergeMode: layer.mergeMode, name });',
    '  }',
    '  const { units, returnSequences, goBackwards, stateful, unroll, useBias, dropout, recurrentDropout } = layer.getConfig();',
    '  const shared = { units, returnSequences, goBackwards, stateful, unroll, useBias, dropout, recurrentDropout };',
    `  return ${made};`,
    '};',
    '// Each gate by itself; TensorFlow.js draws all in one.',
    'const draw = (layer) => {',
    '  const [kernel, recurrent, ...bias] = layer.getWeights();',
    '  const [rows, units] = [kernel.shape[0], recurrent.shape[0]];',
    `  const gates = (draw) => tf.concat(Array.from({ length: ${op === 'LSTM' ? 4 : 3} }, draw), 1);`,
    '  const [glorot, orthogonal] = [tf.initializers.glorotUniform({}), tf.initializers.orthogonal({})];',
    '  const drawn = [gates(() => glorot.apply([rows, units])), gates(() => orthogonal.apply([units, units]))];',
    '  layer.setWeights([...drawn, ...bias]);',
    '};',
    'const call = (layer, x) => {',
    '  if (!names.has(layer.name)) return layer.apply(x);',
    '  const made = gated(layer, layer.name);',
    '  const y = made.apply(x);',
    '  for (const one of made.forwardLayer ? [made.forwardLayer, made.backwardLayer] : [made]) draw(one);',
    '  return y;',
    '};',
  ]);
}
