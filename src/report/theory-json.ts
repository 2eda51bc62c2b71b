import { compareTheory } from '../theory/compare.ts';
import type { Theory } from '../theory/theory.ts';

/** What a JSON report says of theory; `measured` holds decades from the output by layer, where there was a run. */
export function theoryEntry(theory: Theory, total?: number, measured: ReadonlyMap<string, number> = new Map()) {
  const { applies, reasons, predictedDecades, spread, depthScale, trainableDepth, layers } = theory;
  const comparison = compareTheory(theory, total);
  return {
    applies,
    reasons,
    predictedDecades,
    ...(total === undefined ? {} : { measuredDecades: total }),
    ...(comparison && { agrees: comparison.agrees }),
    ...(spread === undefined ? {} : { spread }),
    depthScale: depthScale ?? null,
    trainableDepth: trainableDepth ?? null,
    layers: layers.map((layer) => ({
      layer: layer.layer,
      activation: layer.activation ?? null,
      ...(layer.normalization === undefined ? {} : { normalization: layer.normalization }),
      ...(layer.residual ? { residual: true } : {}),
      fanIn: layer.fanIn,
      sigmaW2: layer.sigmaW2,
      sigmaB2: layer.sigmaB2,
      q: layer.q,
      qStar: layer.qStar,
      chi: layer.chi,
      chiStar: layer.chiStar,
      ...(layer.cStar === undefined ? {} : { cStar: layer.cStar }),
      depthScale: layer.depthScale,
      decades: layer.decades,
      ...(layer.decadesFromOutput === undefined ? {} : { decadesFromOutput: layer.decadesFromOutput }),
      ...(measured.has(layer.layer) ? { measuredFromOutput: measured.get(layer.layer) } : {}),
      critical: layer.critical ?? null,
    })),
  };
}
