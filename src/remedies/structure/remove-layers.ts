import { effectiveDecades } from '../../diagnosis/decay.ts';
import { planBypasses } from '../../flow/bypass.ts';
import { type Model, producers } from '../../graph/graph.ts';
import { findParameters } from '../../graph/parameters.ts';
import { findingOf } from '../evidence.ts';
import { foreseeModel, shapesIn } from '../foresee-model.ts';
import { kerasLayerOf, kerasName, nameList, torchAssignment, torchPath } from '../patch/names.ts';
import { kerasRebuild, kerasWaiting, tfjsRebuild, tfjsWaiting } from '../patch/rebuild.ts';
import { type Patch, type Patient, type Remedy, RemedyError } from '../remedy.ts';
import { GraphEditor } from '../rewrite/editor.ts';
import { plainRuns, unreadNodes } from './blocks.ts';
import { moduleOf } from './modules.ts';
import { some } from './words.ts';

/** A layer that can be left out: what reads `to` reads `from`. */
interface Removal {
  readonly layer: string;
  /** The PyTorch module of its activation function, where it has one of its own. */
  readonly activation?: string | undefined;
  readonly from: string;
  readonly to: string;
  /** Of a branch beside a skip connection, which goes as a whole: its layers. */
  readonly together?: readonly string[];
}

/** Of fewer layers than this that keep their shape, every second one is no way out of depth. */
const SHORTEST = 4;

/** Whether one value can stand for another, as far as shapes say. */
function sameShape(model: Model, patient: Patient): (a: string, b: string) => boolean {
  const shapes = shapesIn(model, patient);
  return (a, b) => shapes.has(a) && shapes.get(a)!.join() === shapes.get(b)?.join();
}

/** Layers that the loss was measured not to need; residual branches go as a whole. */
function unneeded(model: Model, patient: Patient): Removal[] {
  const finding = findingOf(patient, 'effectively-shallow');
  if (!finding?.evidence.removable) return [];
  const named = new Set(finding.where);
  const outputs = new Set(model.graph.outputs.map(({ name }) => name));
  const same = sameShape(model, patient);
  return planBypasses(model.graph, findParameters(model)).bypasses.filter(
    ({ layer, from, to }) => named.has(layer) && !outputs.has(to) && same(from, to),
  );
}

/** Every second of the layers of a chain that could pass their input on as it is. */
function everySecond(model: Model, patient: Patient): Removal[] {
  if (patient.diagnosis.verdict !== 'vanishing' && patient.diagnosis.verdict !== 'exploding') return [];
  const same = sameShape(model, patient);
  return plainRuns(model).flatMap((run) => {
    const even = run
      .map(({ layer, input, site }) => ({ layer, activation: moduleOf(site!, model), from: input, to: site!.output }))
      .filter(({ from, to }) => same(from, to));
    return even.length < SHORTEST ? [] : even.filter((_, i) => i % 2 === 1);
  });
}

function removalsIn(model: Model, patient: Patient): Removal[] {
  const known = unneeded(model, patient);
  return known.length > 0 ? known : everySecond(model, patient);
}

function remove(model: Model, patient: Patient): Model {
  const removals = removalsIn(model, patient);
  if (removals.length === 0) {
    throw new RemedyError('remove-layers found no layer whose input could stand for its output', {
      code: 'remedy-place',
      where: model.name,
    });
  }
  const editor = new GraphEditor(model);
  const stands = new Map<string, string>();
  for (const { from, to } of removals) {
    const by = stands.get(from) ?? from;
    stands.set(to, by);
    editor.redirect(to, by);
  }
  editor.remove(unreadNodes(model, editor.graph));
  return editor.done();
}

export const removeLayers: Remedy = {
  id: 'remove-layers',
  title: 'fewer layers',
  changes: 'changes-model',
  why: 'Each layer multiplies the gradient by one more derivative and one more matrix: half of the factors take half of the decades.',
  removes: ['depth', 'activation-derivative', 'weight-matrix'],
  conflicts: ['add-residual', 'add-scaled-residual'],
  references: [
    'Veit, Wilber & Belongie 2016, Residual Networks Behave Like Ensembles of Relatively Shallow Networks',
    'Zhang, Bengio & Singer 2019, Are All Layers Created Equal?',
    'Schoenholz et al. 2017, Deep Information Propagation',
  ],
  applies(patient) {
    const { model } = patient.design;
    const known = unneeded(model, patient);
    if (known.length > 0) {
      return `The loss stays where it is without ${some(known.map(({ layer }) => layer))}.`;
    }
    const half = everySecond(model, patient);
    if (half.length === 0) return undefined;
    return `Depth is what takes the gradient, and ${some(half.map(({ layer }) => layer))} keep the shape of what they read.`;
  },
  apply: (design, patient) => ({ ...design, model: remove(design.model, patient) }),
  predict(patient) {
    const { model } = patient.design;
    const foreseen = foreseeModel(patient, remove(model, patient));
    const { attribution } = patient.diagnosis;
    if (foreseen !== undefined || !attribution) return foreseen;
    const gone = new Set(removalsIn(model, patient).map(({ layer }) => layer));
    const left = attribution.byLayer.filter(({ layer }) => !gone.has(layer));
    const decades = left.reduce((sum, { byKind }) => sum + effectiveDecades(byKind), 0);
    return Number.isFinite(decades) ? decades : undefined;
  },
  patch: (patient) => patchRemoval(patient.design.model, removalsIn(patient.design.model, patient)),
};

/** Sums that pass on one of what they add: the layer of Keras or TensorFlow.js, and which. */
function keptTerms({ graph }: Model, branches: readonly Removal[]): string {
  const made = producers(graph);
  const entries = branches.map(({ from, to }) => {
    const sum = made.get(to)!;
    return `${JSON.stringify(kerasLayerOf(sum.name, sum.name))}: ${sum.inputs.indexOf(from)}`;
  });
  return [...new Set(entries)].join(', ');
}

function patchRemoval(model: Model, removals: readonly Removal[]): Patch {
  const branches = removals.filter(({ together }) => together);
  const single = removals.filter(({ together }) => !together);
  const names = nameList(single.map(({ layer }) => kerasName(layer)));
  const kept = keptTerms(model, branches);
  const sums = (...lines: string[]) => (branches.length > 0 ? lines : []);
  return {
    pytorch: [
      'import torch.nn as nn',
      '',
      '# Left out, each with the activation that follows it; one that is a function call in forward, or a module',
      '# called in several places, leave out there.',
      ...single.flatMap(({ layer, activation }) =>
        [layer, ...(activation === undefined ? [] : [activation])].map((name) =>
          torchAssignment(name, 'nn.Identity()'),
        ),
      ),
      ...sums(
        '# Not covered by code: these stand in branches beside skip connections. In forward, leave out the branch and the',
        '# sum: x + branch(x) becomes x.',
        ...[...new Set(branches.flatMap(({ together }) => together!))].map((name) => `#   ${torchPath(name)}`),
      ),
    ].join('\n'),
    keras: [
      'import keras',
      '',
      '# Left out, each with its activation, within it or as a layer of its own.',
      `left_out = ${names}`,
      ...sums('# Of these sums with a skip connection one term stays: the branch goes as a whole.', `sums = {${kept}}`),
      ...kerasWaiting,
      '',
      'def call(layer, *args, **kwargs):',
      '    if layer.name in left_out:',
      '        if layer.activation is keras.activations.linear:',
      '            waiting[id(args[0])] = layer.name',
      '        return args[0]',
      '    if isinstance(layer, functions) and waiting.pop(id(args[0]), None):',
      '        return args[0]',
      ...sums('    if layer.name in sums:', '        return args[0][sums[layer.name]]'),
      '    return layer(*args, **kwargs)',
      '',
      ...kerasRebuild,
    ].join('\n'),
    tfjs: tfjsRebuild([
      '// Left out, each with its activation, within it or as a layer of its own.',
      `const leftOut = new Set(${names});`,
      ...sums(
        '// Of these sums with a skip connection one term stays: the branch goes as a whole.',
        `const sums = { ${kept} };`,
      ),
      ...tfjsWaiting,
      'const call = (layer, x) => {',
      '  if (leftOut.has(layer.name)) {',
      "    if (ownOf(layer) === 'linear') waiting.set(x.id, layer.name);",
      '    return x;',
      '  }',
      '  if (functions.has(layer.getClassName()) && waiting.delete(x.id)) return x;',
      ...sums('  if (layer.name in sums) return x[sums[layer.name]];'),
      '  return layer.apply(x);',
      '};',
    ]),
  };
}
