import type { Model } from '../../graph/graph.ts';
import { filledTensor, toFloat64 } from '../../graph/tensor.ts';
import { rolesOf } from '../../training/initialize.ts';
import { findingNaming, findingOf, foreseeEffective } from '../evidence.ts';
import { kerasName, nameList, pythonList, torchParameter } from '../patch/names.ts';
import { patchDraws } from '../patch/weights.ts';
import { type Patient, type Remedy, RemedyError } from '../remedy.ts';
import { asVariances, type Draw, drawLayers, usualDraw } from '../rewrite/draw.ts';
import { type WeightLayer, weightLayersOf } from '../rewrite/weight-layers.ts';

/** Random weights for layers whose units are all the same. */
export const randomizeInit: Remedy = {
  id: 'randomize-init',
  title: 'random weights for layers that start at zero or with equal units',
  changes: 'changes-training',
  why: 'Equal weights receive equal gradients and stay equal, and a zero weight passes no gradient on: random weights, of the variance that fits the activation function, make every unit a different one. Only these layers are drawn anew.',
  removes: ['weight-matrix', 'activation-derivative'],
  conflicts: ['use-lsuv-init', 'use-fixup-init'],
  references: ['Rumelhart, Hinton & Williams 1986', 'Goodfellow, Bengio & Courville 2016, Deep Learning, section 8.4'],
  applies(patient) {
    const finding = findingNaming(patient, 'randomize-init');
    const layers = [...drawsOf(patient.design.model, patient).keys()];
    if (!finding || layers.length === 0) return undefined;
    const names = layers.slice(0, 3).map(({ name }) => name);
    return `${finding.title}, and the weights of ${names.join(', ')}${layers.length > 3 ? ', …' : ''} are no random numbers`;
  },
  apply(design, patient) {
    const draws = drawsOf(design.model, patient);
    if (draws.size === 0) {
      throw new RemedyError(`randomize-init finds no zero or equal weights in ${design.model.name}`, {
        code: 'remedy-place',
        hint: 'use-he-init and use-glorot-init draw weights of any kind',
      });
    }
    return { ...design, model: drawLayers(design.model, draws, patient.seed) };
  },
  predict: (patient) => foreseeEffective(patient, { init: asVariances(drawsOf(patient.design.model, patient)) }),
  patch: (patient) => patchDraws(drawsOf(patient.design.model, patient)),
};

/** The layers without random weights, and those that symmetric-initialization found; a zero last layer alone may stay. */
function drawsOf(model: Model, patient: Patient): Map<WeightLayer, Draw> {
  const layers = weightLayersOf(model);
  const found = new Set(findingOf(patient, 'symmetric-initialization')?.where);
  const equal = layers.filter(({ name, random }) => !random || found.has(name));
  if (equal.length === 1 && equal[0] === layers.at(-1)) return new Map();
  return new Map(equal.map((layer) => [layer, usualDraw(layer.activation?.op, layer.activation?.attributes)]));
}

/** Biases smaller than this part of a unit signal silence no unit. */
const SMALL_BIAS = 0.1;

/** Biases at zero where they hold units dead. */
export const zeroBiases: Remedy = {
  id: 'zero-biases',
  title: 'biases of zero where units are dead',
  changes: 'changes-training',
  why: 'A bias far below zero keeps the input of a ReLU negative for every sample, where its derivative is 0. At zero half of the samples activate each unit. Biases of these layers that were learnt are lost; weights stay.',
  removes: ['activation-derivative'],
  conflicts: ['use-critical-init'],
  references: ['Lu et al. 2020, Dying ReLU and Initialization'],
  applies(patient) {
    const finding = deadFinding(patient);
    const biases = biasesOf(patient.design.model, patient);
    return finding && biases.length > 0
      ? `${finding.title}, and ${biases.length === 1 ? biases[0]!.name : `the biases of ${biases.length} layers`} stand below zero`
      : undefined;
  },
  apply(design, patient) {
    const { graph } = design.model;
    const initializers = new Map(graph.initializers);
    const biases = biasesOf(design.model, patient);
    if (biases.length === 0) {
      throw new RemedyError(`zero-biases finds no bias below zero in ${design.model.name}`, { code: 'remedy-place' });
    }
    for (const { name } of biases) {
      const { type, dims } = initializers.get(name)!;
      initializers.set(name, filledTensor(type, dims, 0));
    }
    return { ...design, model: { ...design.model, graph: { ...graph, initializers } } };
  },
  predict(patient) {
    const changed = new Set(biasesOf(patient.design.model, patient).map(({ layer }) => layer));
    const kept = new Map(weightLayersOf(patient.design.model).map((layer) => [layer.name, layer.sigmaW2]));
    return foreseeEffective(patient, {
      init: ({ layer }) => (changed.has(layer) && kept.has(layer) ? { sigmaW2: kept.get(layer)! } : undefined),
    });
  },
  patch(patient) {
    const biases = biasesOf(patient.design.model, patient);
    const layers = new Map(weightLayersOf(patient.design.model).map((entry) => [entry.name, entry.layer]));
    const torch = biases.map(({ name, layer }) => {
      const own = layers.get(layer);
      return own ? torchParameter(name, own, 'bias') : torchParameter(name, { name: layer } as never, 'bias');
    });
    const names = nameList([...new Set(biases.map(({ layer }) => kerasName(layer)))]);
    return {
      pytorch: `import torch.nn as nn\n\nfor bias in ${pythonList(torch)}:\n    nn.init.zeros_(bias)\n`,
      keras: `import keras\n\nfor name in ${names}:\n    layer = model.get_layer(name)\n    layer.bias.assign(keras.ops.zeros(layer.bias.shape))\n`,
      tfjs: `for (const name of ${names}) {\n  const layer = model.getLayer(name);\n  const [kernel, bias] = layer.getWeights();\n  layer.setWeights([kernel, tf.zerosLike(bias)]);\n}\n`,
    };
  },
};

function deadFinding(patient: Patient) {
  return findingOf(patient, 'dead-units') ?? findingNaming(patient, 'zero-biases');
}

/** The biases of layers with dead units that stand below zero on average. */
function biasesOf(model: Model, patient: Patient): { name: string; layer: string }[] {
  const dead = new Set(findingOf(patient, 'dead-units')?.where ?? findingNaming(patient, 'zero-biases')?.where);
  const roles = rolesOf(model);
  return patient.profile.parameters.flatMap(({ name, layer }) => {
    const tensor = model.graph.initializers.get(name);
    if (!tensor || !dead.has(layer) || roles.get(name)?.kind !== 'bias') return [];
    const values = toFloat64(tensor);
    const mean = values.reduce((sum, x) => sum + x, 0) / values.length;
    return mean < -SMALL_BIAS ? [{ name, layer }] : [];
  });
}
