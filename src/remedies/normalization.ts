import { initializationFor } from '../diagnosis/relief.ts';
import type { BoundValue, Model } from '../graph/graph.ts';
import { filledTensor, type Tensor, tensorOf, toFloat64 } from '../graph/tensor.ts';
import { rolesOf } from '../training/initialize.ts';
import { layoutFans } from '../training/weight-layout.ts';
import { decadesWithout, findingNaming } from './evidence.ts';
import { foreseeModel } from './foresee-model.ts';
import { normalizationPatch } from './normalization-patch.ts';
import { activationOf, has, isBounded } from './patient.ts';
import { type Patient, type Remedy, RemedyError } from './remedy.ts';
import { type Draw, drawLayers } from './rewrite/draw.ts';
import { GraphEditor } from './rewrite/editor.ts';
import { findStages, type Stage } from './rewrite/stages.ts';
import { type WeightLayer, weightLayersOf } from './rewrite/weight-layers.ts';
import { some } from './structure/words.ts';

/** Added to the variance: 1e-5 in PyTorch and ONNX. */
const EPSILON = 1e-5;
/** What running statistics keep of their old value (ONNX, Keras); PyTorch counts the other share. */
const MOMENTUM = 0.9;
/** Wu & He 2018, section 4.1: 32 groups; 4 channels at least, that there is something to normalize over. */
const GROUPS = 32;
const SMALLEST_GROUP = 4;
/**
 * fan-in · E[w²] where normalization alone does not restore: below, its ε is as large as the variance it divides by;
 * above, a step turns the weights by 1 / ‖w‖² of what it would (van Laarhoven 2017).
 */
const WEAKEST = 1e-3;
const STRONGEST = 100;

export type NormalizationId = 'batch' | 'layer' | 'rms' | 'group';

/** A place for a normalization: behind a layer, before its activation. */
export interface NormalizationPlace {
  readonly stage: Stage;
  readonly shape: readonly number[];
  readonly channels: number;
  /** Channels on the axis behind the batch, with positions behind them. */
  readonly isImage: boolean;
}

interface Kind {
  readonly id: string;
  readonly title: string;
  readonly why: string;
  readonly references: readonly string[];
  fits(place: NormalizationPlace, batch: number): boolean;
  write(editor: GraphEditor, place: NormalizationPlace, X: string, type: Tensor['type']): string;
}

const kinds: Record<NormalizationId, Kind> = {
  batch: {
    id: 'add-batch-norm',
    title: 'batch normalization between each layer and its activation',
    why: 'Each unit gets mean 0 and variance 1 over the batch: pre-activations stay where the derivative of the activation is large, and J = γ/σ · W no longer depends on the size of W.',
    references: [
      'Ioffe & Szegedy 2015, Batch Normalization',
      'Santurkar et al. 2018, How Does Batch Normalization Help Optimization?',
    ],
    // Over the steps of a sequence its statistics would mix positions: layer normalization is for those.
    fits: ({ shape, isImage }, batch) => batch > 1 && (isImage || shape.length === 2),
    write(editor, { stage: { layer }, channels }, X, type) {
      const inputs = [X, ...scaleAndShift(editor, layer, [channels], type)];
      for (const [name, value] of [
        ['running_mean', 0],
        ['running_var', 1],
      ] as const) {
        inputs.push(editor.constant(`${layer}.norm.${name}`, filledTensor(type, [channels], value)));
      }
      const attributes = { epsilon: EPSILON, momentum: MOMENTUM, training_mode: 1 };
      return editor.add('BatchNormalization', inputs, `${layer}.norm`, attributes, 3)[0]!;
    },
  },
  layer: {
    id: 'add-layer-norm',
    title: 'layer normalization between each layer and its activation',
    why: 'Each sample gets mean 0 and variance 1 over its units: the signal keeps its size at every depth, and with it the derivative of the activation, whatever the size of W and of the batch.',
    references: ['Ba, Kiros & Hinton 2016, Layer Normalization'],
    fits: () => true,
    // Over the channels and positions of an image it is group normalization of one group: parameters per channel.
    write: (editor, place, X, type) =>
      place.isImage ? groupNorm(editor, place, X, type, 1) : layerNorm(editor, place, X, type),
  },
  rms: {
    id: 'add-rms-norm',
    title: 'RMS normalization between each layer and its activation',
    why: "Each sample's units are divided by their root mean square: the signal keeps its size at every depth, whatever the size of W; less work than layer normalization, which also takes the mean away.",
    references: ['Zhang & Sennrich 2019, Root Mean Square Layer Normalization'],
    fits: ({ isImage }) => !isImage,
    // Y = X / √(mean X² + ε) · weight, written out: the operator of that name is newer than the dialect.
    write(editor, { stage: { layer }, shape, channels }, X, type) {
      const name = `${layer}.norm`;
      const [square] = editor.add('Mul', [X, X], `${name}.square`);
      const axes = editor.constant(`${name}.axes`, tensorOf('int64', [1], [shape.length - 1]));
      const [mean] = editor.add('ReduceMean', [square!, axes], `${name}.mean`, { keepdims: 1 });
      const [shifted] = editor.add('Add', [mean!, editor.scalar(`${name}.epsilon`, EPSILON, type)], `${name}.shifted`);
      const [root] = editor.add('Sqrt', [shifted!], `${name}.root`);
      const [normalized] = editor.add('Div', [X, root!], `${name}.normalized`);
      const weight = editor.parameter(`${name}.weight`, filledTensor(type, [channels], 1));
      return editor.add('Mul', [normalized!, weight], name)[0]!;
    },
  },
  group: {
    id: 'add-group-norm',
    title: 'group normalization between each convolution and its activation',
    why: 'Each group of channels of a sample gets mean 0 and variance 1: the effect of batch normalization on the chain rule, without a dependence on the batch.',
    references: ['Wu & He 2018, Group Normalization'],
    fits: () => true,
    // A dense layer of the same network has no positions to gain numbers from: one group, which is layer normalization.
    write: (editor, place, X, type) =>
      place.isImage ? groupNorm(editor, place, X, type, groupsOf(place.channels)) : layerNorm(editor, place, X, type),
  },
};

/** The most groups, up to 32, that divide the channels into at least four each; else one. */
export function groupsOf(channels: number): number {
  for (let groups = GROUPS; groups > 1; groups--) {
    if (channels % groups === 0 && channels / groups >= SMALLEST_GROUP) return groups;
  }
  return 1;
}

function scaleAndShift(editor: GraphEditor, layer: string, dims: readonly number[], type: Tensor['type']): string[] {
  return [
    editor.parameter(`${layer}.norm.weight`, filledTensor(type, dims, 1)),
    editor.parameter(`${layer}.norm.bias`, filledTensor(type, dims, 0)),
  ];
}

function layerNorm(
  editor: GraphEditor,
  { stage: { layer }, channels }: NormalizationPlace,
  X: string,
  type: Tensor['type'],
): string {
  const inputs = [X, ...scaleAndShift(editor, layer, [channels], type)];
  return editor.add('LayerNormalization', inputs, `${layer}.norm`, { axis: -1, epsilon: EPSILON })[0]!;
}

function groupNorm(
  editor: GraphEditor,
  { stage: { layer }, channels }: NormalizationPlace,
  X: string,
  type: Tensor['type'],
  groups: number,
): string {
  const inputs = [X, ...scaleAndShift(editor, layer, [channels], type)];
  const attributes = { num_groups: groups, epsilon: EPSILON };
  return editor.add('GroupNormalization', inputs, `${layer}.norm`, attributes)[0]!;
}

/** The layers of a network that a normalization can stand behind, and does not yet. */
function placesIn(model: Model, { binding, design }: Patient, kind: Kind): NormalizationPlace[] {
  return findStages(model).flatMap((stage): NormalizationPlace[] => {
    const bound: BoundValue | undefined = binding.get(stage.result);
    if (!bound || stage.normalized || stage.leadsTo === 'elsewhere') return [];
    const isImage = stage.channels === 'second';
    const channels = isImage ? bound.shape[1] : bound.shape.at(-1);
    // Of a single unit nothing is left once its mean is taken away.
    if (channels === undefined || (kind !== kinds.batch && channels < 2)) return [];
    const place = { stage, shape: bound.shape, channels, isImage };
    return kind.fits(place, design.training.batch) ? [place] : [];
  });
}

/** Findings that speak of signals that change their size, or units that left the range where they respond. */
const sickness = [
  'vanishing-gradient',
  'exploding-gradient',
  'poor-initialization',
  'saturated-units',
  'dead-units',
  'stalled-layer',
  'slow-convergence',
  'loss-plateau',
  'loss-divergence',
] as const;

function isSick(patient: Patient, id: NormalizationId): boolean {
  // It takes no mean away: units that are off stay off.
  const found = id === 'rms' ? sickness.filter((rule) => rule !== 'dead-units') : sickness;
  const { verdict } = patient.diagnosis;
  const named = findingNaming(patient, 'add-layer-norm') !== undefined;
  return verdict !== 'healthy' && !(id === 'rms' && verdict === 'dead') && (named || has(patient, ...found));
}

function normalize(model: Model, patient: Patient, id: NormalizationId): Model {
  const kind = kinds[id];
  const places = placesIn(model, patient, kind);
  if (places.length === 0) {
    throw new RemedyError(`${kind.id} found no layer to stand behind: none leads to an activation function`, {
      code: 'remedy-place',
      where: model.name,
    });
  }
  const editor = new GraphEditor(model);
  for (const place of places) {
    const { type } = model.graph.initializers.get(place.stage.weight)!;
    editor.insertAfter(place.stage.result, (X) => kind.write(editor, place, X, type));
  }
  const normalized = editor.done();
  return drawLayers(normalized, extremeDraws(normalized, places, patient), patient.seed);
}

/** New weights for those layers that normalization alone would not restore. */
function extremeDraws(model: Model, places: readonly NormalizationPlace[], patient: Patient): Map<WeightLayer, Draw> {
  const roles = rolesOf(model);
  const isExtreme = ({ weight }: Stage) => {
    const role = roles.get(weight);
    if (role?.kind !== 'weight') return false;
    const values = toFloat64(model.graph.initializers.get(weight)!);
    const square = values.reduce((sum, w) => sum + w * w, 0) / values.length;
    const sigmaW2 = layoutFans(role.layout).fanIn * square;
    return !(sigmaW2 >= WEAKEST && sigmaW2 <= STRONGEST);
  };
  const extreme = new Set(places.filter(({ stage }) => isExtreme(stage)).map(({ stage }) => stage.layer));
  const scheme = initializationFor(activationOf(patient)) === 'use-he-init' ? 'he-normal' : 'glorot-uniform';
  const layers = weightLayersOf(model).filter(({ name }) => extreme.has(name));
  return new Map(layers.map((layer) => [layer, { scheme: { scheme } }]));
}

function remedyOf(id: NormalizationId): Remedy {
  const kind = kinds[id];
  const others = Object.values(kinds).flatMap((other) => (other === kind ? [] : [other.id]));
  const placesOf = (patient: Patient) => placesIn(patient.design.model, patient, kind);
  return {
    id: kind.id,
    title: kind.title,
    changes: 'changes-model',
    why: kind.why,
    removes:
      id === 'batch'
        ? ['weight-matrix', 'activation-derivative', 'forward-signal', 'depth']
        : ['weight-matrix', 'forward-signal', 'depth'],
    conflicts: others,
    references: kind.references,
    applies(patient) {
      if (!isSick(patient, id)) return undefined;
      const places = placesOf(patient);
      const isRest = id === 'group' && !places.some(({ isImage }) => isImage);
      if (places.length === 0 || isRest) return undefined;
      const names = some(places.map(({ stage }) => stage.layer));
      return `${places.length} ${places.length === 1 ? 'layer goes' : 'layers go'} into an activation function without normalization: ${names}.`;
    },
    apply: (design, patient) => ({ ...design, model: normalize(design.model, patient, id) }),
    predict(patient) {
      const model = normalize(patient.design.model, patient, id);
      const foreseen = foreseeModel(patient, model);
      if (foreseen !== undefined) return foreseen;
      if (isBounded(patient)) return decadesWithout(patient, 'weight-matrix');
      return decadesWithout(patient, 'weight-matrix', 'activation-derivative', 'attention');
    },
    patch(patient) {
      const places = placesOf(patient);
      return normalizationPatch(id, places, extremeDraws(patient.design.model, places, patient));
    },
  };
}

/** Normalizations between the layers of a network and their activation functions. */
export const normalizationRemedies: readonly Remedy[] = (['batch', 'layer', 'rms', 'group'] as const).map(remedyOf);
