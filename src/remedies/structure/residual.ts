import type { Model } from '../../graph/graph.ts';
import { sizeOf, type Tensor, tensorOf } from '../../graph/tensor.ts';
import { initialize } from '../../random/initializers.ts';
import { createRandom } from '../../random/random.ts';
import { decadesWithout } from '../evidence.ts';
import { foreseeModel, shapesIn } from '../foresee-model.ts';
import { has, isBounded } from '../patient.ts';
import { type Patient, type Remedy, RemedyError } from '../remedy.ts';
import { GraphEditor } from '../rewrite/editor.ts';
import { findStages } from '../rewrite/stages.ts';
import { type Block, blockOf, plainRuns } from './blocks.ts';
import { moduleBefore, moduleOf } from './modules.ts';
import { residualPatch } from './residual-patch.ts';
import { some } from './words.ts';

/** A place for a skip connection, and the projection it needs where sizes differ. */
export interface SkipPlace extends Block {
  readonly projection?: { readonly dims: readonly number[]; readonly strides?: readonly number[] };
}

/** Skips around pairs of layers, from the second layer on: the first one brings the input to the network's width. */
function placesIn(model: Model, patient: Patient): SkipPlace[] {
  const fed = new Set(model.graph.inputs.map(({ name }) => name));
  const shapes = shapesIn(model, patient);
  return plainRuns(model).flatMap((run) => {
    const inner = fed.has(run[0]!.input) ? run.slice(1) : run;
    const places: SkipPlace[] = [];
    for (let i = 0; i < inner.length; i += 2) {
      const place = placeOf(blockOf(inner.slice(i, i + 2)), model, shapes);
      // An odd layer at the end is bridged by itself where that costs nothing.
      if (place && (place.stages.length === 2 || !(place.projection || i === 0))) places.push(place);
    }
    return places;
  });
}

/** A block with its shortcut: x itself, else a matrix or a 1 × 1 convolution with the stride that fits (He et al. 2016, eq. 2). */
function placeOf(block: Block, model: Model, shapes: ReadonlyMap<string, readonly number[]>): SkipPlace | undefined {
  const [from, to] = [shapes.get(block.input), shapes.get(block.preActivation)];
  if (!from || !to || from.length !== to.length) return undefined;
  if (from.join() === to.join()) return block;
  const isImage = block.stages.at(-1)!.channels === 'second';
  const [a, b] = isImage ? [from[1]!, to[1]!] : [from.at(-1)!, to.at(-1)!];
  if (!isImage && from.length !== 2) return undefined;
  const dims = [b, a, ...(isImage ? from.slice(2).map(() => 1) : [])];
  const strides = isImage ? from.slice(2).map((size, i) => Math.ceil(size / to[i + 2]!)) : undefined;
  const fits = isImage
    ? from.slice(2).every((size, i) => Math.ceil(size / strides![i]!) === to[i + 2])
    : from.slice(0, -1).join() === to.slice(0, -1).join();
  const numbers = block.stages.reduce((sum, { weight }) => sum + sizeOf(model.graph.initializers.get(weight)!.dims), 0);
  // A shortcut with more numbers than what it bridges would be the network.
  if (!fits || sizeOf(dims) > numbers) return undefined;
  return { ...block, projection: strides ? { dims, strides } : { dims } };
}

/**
 * The PyTorch module behind which x is added, by layer: of the network as it was given, so that new parameters have the
 * names that the patch gives them, also behind other changes.
 */
function endsIn({ design: { model } }: Patient, after: boolean): Map<string, string> {
  return new Map(
    findStages(model).flatMap((stage): [string, string][] => {
      const end = stage.site && (after ? moduleOf(stage.site, model) : moduleBefore(stage, model));
      return end === undefined ? [] : [[stage.layer, end]];
    }),
  );
}

function addSkips(model: Model, patient: Patient, id: string, isScaled: boolean): Model {
  const places = placesIn(model, patient);
  if (places.length === 0) {
    throw new RemedyError(
      `${id} found no two neighbouring layers without a skip connection that shapes let it bridge`,
      {
        code: 'remedy-place',
        where: model.name,
      },
    );
  }
  const editor = new GraphEditor(model);
  const after = isBounded(patient);
  const ends = endsIn(patient, after);
  /** What is read in place of an activation's output: the next pair's x. */
  const sums = new Map<string, string>();
  for (const place of places) {
    const { layer, weight } = place.stages.at(-1)!;
    const { type } = model.graph.initializers.get(weight)!;
    const end = ends.get(layer) ?? layer;
    const skip = shortcut(editor, { ...place, input: sums.get(place.input) ?? place.input }, end, type, patient.seed);
    // ReLU passes x on whole, since x comes out of a ReLU: relu(x + F(x)), He et al. 2016a. A bounded function would
    // multiply the skip by its derivative too: x + φ(F(x)), the unbroken path of He et al. 2016b.
    editor.insertAfter(after ? place.output : place.preActivation, (X) => {
      const branch = isScaled ? scaled(editor, X, end, type) : X;
      const [sum] = editor.add('Add', [branch, skip], `${layer}.sum`);
      sums.set(place.output, after ? sum! : place.output);
      return sum!;
    });
  }
  return editor.done();
}

function scaled(editor: GraphEditor, X: string, end: string, type: Tensor['type']): string {
  const alpha = editor.parameter(`${end}.alpha`, tensorOf(type, [1], [0]));
  return editor.add('Mul', [X, alpha], `${end}.scaled`)[0]!;
}

function shortcut(
  editor: GraphEditor,
  { input, projection }: SkipPlace,
  end: string,
  type: Tensor['type'],
  seed: number,
): string {
  if (!projection) return input;
  const { dims, strides } = projection;
  const name = `${end}.skip`;
  // LeCun's variance keeps the size of what passes a linear layer.
  const random = createRandom(seed).fork('add-residual').fork(name);
  const W = editor.parameter(
    `${name}.weight`,
    tensorOf(type, dims, initialize({ scheme: 'lecun-normal' }, dims, random)),
  );
  if (!strides) return editor.add('Gemm', [input, W], name, { transB: 1 })[0]!;
  const attributes = { kernel_shape: strides.map(() => 1), strides: [...strides] };
  return editor.add('Conv', [input, W], name, attributes)[0]!;
}

const sickness = [
  'vanishing-gradient',
  'exploding-gradient',
  'poor-initialization',
  'stalled-layer',
  'slow-convergence',
  'loss-plateau',
] as const;

function remedyOf(about: Pick<Remedy, 'id' | 'title' | 'why' | 'references' | 'conflicts'>, isScaled: boolean): Remedy {
  const { id } = about;
  return {
    ...about,
    changes: 'changes-model',
    removes: ['activation-derivative', 'weight-matrix', 'depth', 'forward-signal'],
    applies(patient) {
      if (patient.diagnosis.verdict === 'healthy' || !has(patient, ...sickness)) return undefined;
      // Added to what grows already, a skip makes it grow more; one that begins with a branch of zero does not.
      if (!isScaled && patient.diagnosis.verdict === 'exploding') return undefined;
      const places = placesIn(patient.design.model, patient);
      if (places.length === 0) return undefined;
      const names = some(places.map(({ stages }) => stages.map(({ layer }) => layer).join(' – ')));
      return `Layers of a plain chain can be bridged, two at a time: ${names}.`;
    },
    apply: (design, patient) => ({ ...design, model: addSkips(design.model, patient, id, isScaled) }),
    predict(patient) {
      return (
        foreseeModel(patient, addSkips(patient.design.model, patient, id, isScaled)) ??
        decadesWithout(patient, 'weight-matrix', 'activation-derivative', 'attention')
      );
    },
    patch(patient) {
      const after = isBounded(patient);
      const ends = endsIn(patient, after);
      return residualPatch(placesIn(patient.design.model, patient), { isScaled, after, ends });
    },
  };
}

export const addResidual = remedyOf(
  {
    id: 'add-residual',
    title: 'skip connections around pairs of layers',
    why: 'With y = x + F(x) the Jacobian is I + ∂F/∂x: the product over layers keeps a term 1 that no small derivative or weight multiplies.',
    references: [
      'He et al. 2016a, Deep Residual Learning for Image Recognition',
      'He et al. 2016b, Identity Mappings in Deep Residual Networks',
    ],
    conflicts: ['add-scaled-residual', 'remove-layers'],
  },
  false,
);

export const addScaledResidual = remedyOf(
  {
    id: 'add-scaled-residual',
    title: 'skip connections around pairs of layers, each branch times a learnt number that starts at 0',
    why: 'With y = x + α F(x) and α = 0 the Jacobian of each block is I exactly at the start, at any depth; training opens the branches as far as they help.',
    references: [
      'Bachlechner et al. 2021, ReZero is All You Need',
      'De & Smith 2020, Batch Normalization Biases Residual Blocks Towards the Identity Function (SkipInit)',
    ],
    conflicts: ['add-residual', 'remove-layers'],
  },
  true,
);
