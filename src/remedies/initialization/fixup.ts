import { findComposites } from '../../flow/composites.ts';
import type { Model } from '../../graph/graph.ts';
import { findParameters } from '../../graph/parameters.ts';
import { planFixup } from '../../random/fixup.ts';
import { findingOf, foreseeEffective } from '../evidence.ts';
import { patchDraws } from '../patch/weights.ts';
import { type Remedy, RemedyError } from '../remedy.ts';
import { asVariances, type Draw, drawLayers } from '../rewrite/draw.ts';
import { type WeightLayer, weightLayersOf } from '../rewrite/weight-layers.ts';
import { LOST, otherInitializations } from './schemes.ts';

/** Residual branches that start at zero, so that the network starts as its skip connections. */
export const useFixupInit: Remedy = {
  id: 'use-fixup-init',
  title: 'Fixup: each residual branch ends in a zero layer, the others are scaled down, the classifier is zero',
  changes: 'changes-training',
  why: `Without normalization each of L branches adds its variance to the residual stream, which grows with depth; with branches that start at zero and move by 1/L each, an update changes the output by as much as in a shallow network. ${LOST}`,
  removes: ['weight-matrix', 'skip-connection', 'forward-signal'],
  conflicts: [
    ...otherInitializations('use-fixup-init'),
    'add-batch-norm',
    'add-layer-norm',
    'add-group-norm',
    'add-rms-norm',
  ],
  references: ['Zhang, Dauphin & Ma 2019, Fixup Initialization'],
  applies(patient) {
    const { model } = patient.design;
    const finding = findingOf(
      patient,
      'exploding-gradient',
      'vanishing-gradient',
      'poor-initialization',
      'loss-divergence',
      'overlarge-update',
      'non-finite',
    );
    if (!finding || hasNormalization(model)) return undefined;
    const { branches } = planFixup(model.graph, findParameters(model));
    if (branches === 0) return undefined;
    return `${finding.title}, and ${branches} residual branch${branches === 1 ? '' : 'es'} without normalization add${branches === 1 ? 's' : ''} to the skip connections`;
  },
  apply(design, { seed }) {
    const draws = drawsOf(design.model);
    if (!draws) {
      throw new RemedyError(`use-fixup-init finds no residual branch in ${design.model.name}`, {
        code: 'remedy-place',
        hint: 'a network with skip connections; add-residual makes one',
      });
    }
    return { ...design, model: drawLayers(design.model, draws, seed) };
  },
  // A zero classifier passes nothing at first, and opens with the first step: what is foretold holds from then on.
  predict(patient) {
    const draws = drawsOf(patient.design.model);
    const last = weightLayersOf(patient.design.model).at(-1);
    if (!draws || !last) return undefined;
    const opened = new Map(draws);
    if (isZero(opened.get(last))) opened.set(last, { scheme: { scheme: 'he-normal' } });
    return foreseeEffective(patient, { init: asVariances(opened) });
  },
  patch: (patient) => patchDraws(drawsOf(patient.design.model) ?? new Map()),
};

function isZero(draw: Draw | undefined): boolean {
  return draw?.scheme.scheme === 'zeros';
}

function hasNormalization({ graph }: Model): boolean {
  return (
    graph.nodes.some(({ op }) => op.endsWith('Normalization')) ||
    findComposites(graph).some(({ kind }) => kind === 'normalization')
  );
}

/** Each layer's factor on He's deviation; a layer of several weights has its smallest. */
function drawsOf(model: Model): Map<WeightLayer, Draw> | undefined {
  const { gains, branches } = planFixup(model.graph, findParameters(model));
  if (branches === 0) return undefined;
  return new Map(
    weightLayersOf(model).map((layer) => {
      const gain = Math.min(...layer.weights.map((name) => gains.get(name) ?? 1));
      const scheme = gain === 0 ? ({ scheme: 'zeros' } as const) : ({ scheme: 'he-normal', gain } as const);
      return [layer, { scheme }];
    }),
  );
}
