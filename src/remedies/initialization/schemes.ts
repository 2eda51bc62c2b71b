import { commonActivation } from '../../diagnosis/relief.ts';
import { saturating } from '../../flow/units.ts';
import type { Model } from '../../graph/graph.ts';
import { heVariance, usualScheme } from '../../theory/predict.ts';
import { decadesWithout, findingNaming, findingOf, foreseeEffective } from '../evidence.ts';
import { patchDraws } from '../patch/weights.ts';
import { type Patient, type Remedy, RemedyError } from '../remedy.ts';
import {
  asVariances,
  criticalDraw,
  type Draw,
  drawLayers,
  drawnVariance,
  fits,
  heDraw,
  neededDraws,
  SAME,
} from '../rewrite/draw.ts';
import { type WeightLayer, weightLayersOf } from '../rewrite/weight-layers.ts';

/** Remedies of which each draws all weights: two of them make no sense. */
export const wholeInitializations = [
  'use-he-init',
  'use-glorot-init',
  'use-lecun-init',
  'use-orthogonal-init',
  'use-critical-init',
  'use-lsuv-init',
  'use-fixup-init',
] as const;

export function otherInitializations(id: string): string[] {
  return wholeInitializations.filter((other) => other !== id);
}

/** What every remedy that draws weights has to say. */
export const LOST = 'The weights are drawn anew: what they had learnt is lost.';

interface Scheme {
  readonly id: string;
  readonly title: string;
  readonly why: string;
  readonly references: readonly string[];
  /** The activation functions it is for. */
  suits(activation: string | undefined): boolean;
  /** Undefined where a layer cannot be drawn so, which rules the scheme out for the network. */
  drawFor(layer: WeightLayer): Draw | undefined;
  /** Whether layers of the right variance are drawn too, because more than the variance matters. */
  readonly always?: boolean;
}

/** Products that Gram–Schmidt may take: about ten seconds of them. */
const MOST_PRODUCTS = 1e10;

const schemes: readonly Scheme[] = [
  {
    id: 'use-he-init',
    title: 'He initialization: variance 2 / fan-in',
    why: 'ReLU and its relatives let half of the signal through; weights of variance 2 / fan-in make up for it, so that E[φ′²] σ_w² = 1 and neither signal nor gradient shrinks with depth.',
    references: ['He et al. 2015, Delving Deep into Rectifiers'],
    suits: (activation) => usualScheme(activation) === 'he',
    drawFor: ({ activation }) => heDraw(activation?.op, activation?.attributes ?? {}),
  },
  {
    id: 'use-glorot-init',
    title: 'Glorot initialization: variance 2 / (fan-in + fan-out)',
    why: 'Near zero tanh is the identity: weights of variance 2 / (fan-in + fan-out) keep the size of signals forward and of gradients back, and out of saturation.',
    references: ['Glorot & Bengio 2010, Understanding the difficulty of training deep feedforward neural networks'],
    suits: (activation) => activation === undefined || saturating.has(activation),
    drawFor: () => ({ scheme: { scheme: 'glorot-uniform' } }),
  },
  {
    id: 'use-lecun-init',
    title: 'LeCun initialization: variance 1 / fan-in',
    why: 'At variance 1 / fan-in SELU has its fixed point of mean 0 and variance 1, and ELU passes small signals unchanged.',
    references: ['LeCun et al. 1998, Efficient BackProp', 'Klambauer et al. 2017, Self-Normalizing Neural Networks'],
    suits: (activation) => usualScheme(activation) === 'lecun',
    drawFor: () => ({ scheme: { scheme: 'lecun-normal' } }),
  },
  {
    id: 'use-orthogonal-init',
    title: 'orthogonal initialization',
    why: 'An orthogonal matrix has all singular values 1: not only the mean square of the gradient passes unchanged but every direction of it, whatever the depth.',
    references: [
      'Saxe, McClelland & Ganguli 2014, Exact solutions to the nonlinear dynamics of learning',
      'Pennington, Schoenholz & Ganguli 2017, Resurrecting the sigmoid',
    ],
    suits: () => true,
    drawFor({ activation, fans, taps }) {
      const [rows, columns] = [fans.fanOut / taps, fans.fanIn];
      if (Math.min(rows, columns) ** 2 * Math.max(rows, columns) > MOST_PRODUCTS) return undefined;
      const he = usualScheme(activation?.op) === 'he';
      const gain = he ? Math.sqrt(heVariance(activation?.op, activation?.attributes ?? {})) : 1;
      return { scheme: { scheme: 'orthogonal', gain } };
    },
    always: true,
  },
  {
    id: 'use-critical-init',
    title: "the critical initialization of each layer's own activation function (mean-field theory)",
    why: 'At the critical variance χ = σ_w² E[φ′²] is 1 at the fixed point: the mean square of a gradient is the same in every layer, and nothing else of the design changes.',
    references: [
      'Poole et al. 2016, Exponential expressivity in deep neural networks through transient chaos',
      'Schoenholz et al. 2017, Deep Information Propagation',
      'Roberts, Yaida & Hanin 2022, The Principles of Deep Learning Theory',
    ],
    suits: () => true,
    drawFor: ({ activation, biases }) => criticalDraw(activation?.op, activation?.attributes ?? {}, biases.length > 0),
  },
];

/** One remedy for each scheme that draws every dense and convolutional layer. */
export const schemeRemedies: readonly Remedy[] = schemes.map((scheme) => ({
  id: scheme.id,
  title: scheme.title,
  changes: 'changes-training',
  why: `${scheme.why} ${LOST}`,
  removes: ['weight-matrix', 'forward-signal'],
  conflicts: otherInitializations(scheme.id),
  references: scheme.references,
  applies(patient) {
    const { model } = patient.design;
    if (!scheme.suits(commonActivation(patient.profile))) return undefined;
    const draws = drawsOf(scheme, model);
    if (!draws || !helps(patient, foreseeEffective(patient, { init: asVariances(draws) }))) return undefined;
    return reasonFor(scheme.id, patient, draws);
  },
  apply(design, patient) {
    const draws = drawsOf(scheme, design.model);
    if (!draws) {
      throw new RemedyError(`${scheme.id} knows no weights for a layer of ${design.model.name}`, {
        code: 'remedy-place',
        hint: 'use-he-init and use-glorot-init draw any layer',
      });
    }
    return { ...design, model: drawLayers(design.model, draws, patient.seed) };
  },
  predict(patient) {
    const draws = drawsOf(scheme, patient.design.model);
    if (!draws) return undefined;
    return foreseeEffective(patient, { init: asVariances(draws) }) ?? decadesWithout(patient, 'weight-matrix');
  },
  patch: (patient) => patchDraws(drawsOf(scheme, patient.design.model) ?? new Map()),
}));

/** Undefined where a layer cannot be drawn. */
function drawsOf({ drawFor, always }: Scheme, model: Model): Map<WeightLayer, Draw> | undefined {
  const layers = weightLayersOf(model);
  const all = layers.map((layer) => [layer, drawFor(layer)] as const);
  if (all.some(([, draw]) => draw === undefined)) return undefined;
  return always ? new Map(all as [WeightLayer, Draw][]) : neededDraws(layers, drawFor, SAME);
}

/** A change that leaves all but half a decade of what is measured is none. */
const ENOUGH = 0.5;

/** Whether the decades that theory predicts are an improvement; where either is not known, nothing speaks against it. */
export function helps(patient: Patient, predicted: number | undefined): boolean {
  const measured = decadesWithout(patient);
  if (!findingOf(patient, 'vanishing-gradient', 'exploding-gradient') || blocked(patient)) return true;
  return predicted === undefined || measured === undefined || Math.abs(predicted) <= Math.abs(measured) - ENOUGH;
}

function blocked({ diagnosis }: Patient): boolean {
  return !Number.isFinite(diagnosis.attribution?.totalDecades);
}

/** The error or warning that weights can cause, if there is one. */
export function weightFinding(patient: Patient, id: string) {
  return (
    findingNaming(patient, id) ??
    findingOf(patient, 'poor-initialization', 'vanishing-gradient', 'exploding-gradient', 'symmetric-initialization') ??
    findingNaming(patient, 'use-critical-init')
  );
}

/**
 * Why drawing weights anew fits: a finding that weights can cause, and weights that are not as they would be drawn.
 * What follows a normalization does not care, and the last layer's size is a free choice.
 */
function reasonFor(id: string, patient: Patient, draws: ReadonlyMap<WeightLayer, Draw>): string | undefined {
  const finding = weightFinding(patient, id);
  if (!finding) return undefined;
  const layers = weightLayersOf(patient.design.model);
  const normalized = new Set(
    patient.theory?.layers.filter(({ normalization }) => normalization !== undefined).map(({ layer }) => layer),
  );
  const hidden = layers.slice(0, -1).filter(({ name }) => !normalized.has(name));
  const off = hidden.filter((layer) => draws.has(layer) && !fits(layer, draws.get(layer)!, SAME));
  const [worst] = [...off].sort((a, b) => distance(b, draws) - distance(a, draws));
  if (!worst) return undefined;
  const { sigmaW2 } = drawnVariance(draws.get(worst)!, worst);
  const is = worst.sigmaW2 / worst.fans.fanIn;
  const should = sigmaW2 / worst.fans.fanIn;
  return `${finding.title}; ${off.length} of ${hidden.length} hidden layers have other weights (${worst.name}: variance ${is.toPrecision(2)}, it would be ${should.toPrecision(2)})`;
}

function distance(layer: WeightLayer, draws: ReadonlyMap<WeightLayer, Draw>): number {
  return Math.abs(Math.log(layer.sigmaW2 / drawnVariance(draws.get(layer)!, layer).sigmaW2));
}
