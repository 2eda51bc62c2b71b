import type { Model } from '../../graph/graph.ts';
import { kerasName, torchAssignment, torchPath } from '../patch/names.ts';
import type { Patch } from '../remedy.ts';
import type { RecurrentSite } from './sites.ts';

/** Code that puts gated layers in the place of plain ones. */
export function patchGates(model: Model, sites: readonly RecurrentSite[], op: 'LSTM' | 'GRU'): Patch {
  return {
    pytorch: torchPatch(sites, op),
    keras: sites.map((site) => kerasLayer(model, site, op)).join('\n'),
    tfjs: sites.map((site) => tfjsLayer(model, site, op)).join('\n'),
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

/** Whether the layer passes on every step. */
function isWhole({ graph }: Model, { node }: RecurrentSite): boolean {
  const [Y] = node.outputs;
  return !!Y && graph.nodes.some(({ inputs }) => inputs.includes(Y));
}

function kerasLayer(model: Model, site: RecurrentSite, op: 'LSTM' | 'GRU'): string {
  const { directions, hidden, layer } = site;
  const whole = isWhole(model, site) ? ', return_sequences=True' : '';
  const name = `name="${kerasName(layer)}"`;
  const cell = `keras.layers.${op}(${hidden}${whole}${directions === 2 ? '' : `, ${name}`})`;
  const made = directions === 2 ? `keras.layers.Bidirectional(${cell}, ${name})` : cell;
  const start =
    op === 'LSTM' ? 'Glorot kernels, orthogonal recurrence, forget bias 1' : 'Glorot kernels, orthogonal recurrence';
  return `import keras

# in the model's definition, in place of SimpleRNN; Keras starts it with ${start}
x = ${made}(x)
`;
}

function tfjsLayer(model: Model, site: RecurrentSite, op: 'LSTM' | 'GRU'): string {
  const { directions, hidden, layer } = site;
  const whole = isWhole(model, site) ? ', returnSequences: true' : '';
  const forget = op === 'LSTM' ? ', unitForgetBias: true' : '';
  const name = `name: '${kerasName(layer)}'`;
  const cell = (own: string) => `tf.layers.${op.toLowerCase()}({ units: ${hidden}${whole}${forget}${own} })`;
  const made = directions === 2 ? `tf.layers.bidirectional({ layer: ${cell('')}, ${name} })` : cell(`, ${name}`);
  const note = op === 'GRU' ? ' (its reset gate stands before the matrix)' : '';
  return `// in the model's definition, in place of simpleRNN${note}
model.add(${made});
`;
}
