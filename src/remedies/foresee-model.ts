import { consumers, type Model } from '../graph/graph.ts';
import { findParameters } from '../graph/parameters.ts';
import { predictTheory } from '../theory/predict.ts';
import type { Patient } from './remedy.ts';

/**
 * What theory says of a changed network, as it reads it: undefined where it does not cover it. Pooling, which moves no
 * weight's gradient, is left out as it was measured.
 */
export function foreseeModel(patient: Patient, model: Model): number | undefined {
  const { theory, binding, diagnosis } = patient;
  if (!theory?.network || theory.applies === 'not') return undefined;
  const { input, to } = theory.network;
  const shapes = shapesIn(model, patient);
  const { predictedDecades } = predictTheory(model.graph, findParameters(model), {
    input,
    output: binding.has(to) ? to : undefined,
    shapeOf: (name) => shapes.get(name),
  });
  const decades = predictedDecades - (diagnosis.attribution?.byKind.pooling ?? 0);
  return Number.isFinite(decades) ? decades : undefined;
}

/** Shapes of a network's values, for one batch: what remedies put in has the shape of what it reads, or is added to. */
export function shapesIn({ graph }: Model, { binding }: Patient): Map<string, readonly number[]> {
  const shapes = new Map([...binding].map(([name, { shape }]) => [name, shape]));
  const readers = consumers(graph);
  for (const node of graph.nodes) {
    const [output] = node.outputs;
    if (output === undefined || shapes.has(output)) continue;
    const siblings = (readers.get(output) ?? [])
      .filter(({ node: { op } }) => op === 'Add')
      .flatMap((r) => r.node.inputs);
    const like = /^(Gemm|MatMul|Conv)$/.test(node.op) ? siblings : node.inputs;
    const known = like.find((name) => shapes.has(name) && !graph.initializers.has(name));
    if (known !== undefined) shapes.set(output, shapes.get(known)!);
  }
  return shapes;
}
