import { isFloat } from '../../graph/data-type.ts';
import { type Model, producers } from '../../graph/graph.ts';
import { sizeOf } from '../../graph/tensor.ts';
import { decadesWithout, findingNaming, findingOf, foreseeEffective } from '../evidence.ts';
import { kerasLayerOf } from '../patch/names.ts';
import { type Design, type Patient, type Remedy, RemedyError } from '../remedy.ts';
import { type ActivationSite, findActivationSites, replaceActivation } from '../rewrite/activation-sites.ts';
import { asVariances, criticalDraw, type Draw, drawLayers, neededDraws, usualDraw } from '../rewrite/draw.ts';
import { GraphEditor } from '../rewrite/editor.ts';
import { type WeightLayer, weightLayersOf } from '../rewrite/weight-layers.ts';
import { moduleOf } from '../structure/modules.ts';
import { patchSwap } from './patch.ts';
import { replacedBy, type Swap, swaps } from './table.ts';

/** Initializations that a swap brings its own of. */
const initializations = ['use-he-init', 'use-glorot-init', 'use-lecun-init', 'use-critical-init'];

/** One remedy for each activation function that can be put in place of another. */
export const activationRemedies: readonly Remedy[] = swaps.map((swap) => ({
  id: swap.id,
  title: `${swap.name} in place of the activation function, and weights drawn for it where theirs do not fit`,
  changes: 'changes-model',
  why: `${swap.why} Weights that do not have its variance are drawn anew: what they had learnt is lost.`,
  removes: ['activation-derivative', 'weight-matrix'],
  conflicts: [...swaps.filter(({ id }) => id !== swap.id).map(({ id }) => id), ...initializations],
  references: swap.references,
  applies: (patient) => reasonFor(swap, patient),
  apply: (design, patient) => swapIn(swap, design, patient),
  predict(patient) {
    const plan = planFor(swap, patient.design.model, opsFor(swap, patient.design.model, patient));
    if (!plan) return undefined;
    const { op, attributes } = swap;
    const change = { activation: op, attributes, instead: plan.ops, init: asVariances(plan.draws) };
    return foreseeEffective(patient, change) ?? decadesWithout(patient, 'activation-derivative', 'weight-matrix');
  },
  patch(patient) {
    const { model } = patient.design;
    const plan = planFor(swap, model, opsFor(swap, model, patient));
    if (!plan) throw nothingToReplace(swap, model);
    const slopes = plan.sites.map((site) => sizeOf(slopesAt(site, model, patient)));
    const modules = plan.sites.map((site) => moduleOf(site, model));
    const places = plan.sites.map(({ nodes, layer }) => kerasLayerOf(nodes[0]!, layer));
    return patchSwap(patient, { swap, ...plan, slopes, modules, places });
  },
}));

interface SwapPlan {
  readonly sites: readonly ActivationSite[];
  readonly ops: readonly string[];
  readonly layers: readonly WeightLayer[];
  readonly draws: ReadonlyMap<WeightLayer, Draw>;
}

/** What is replaced, and which weights are drawn; undefined where the network has none of the operators. */
function planFor(swap: Swap, model: Model, ops: readonly string[]): SwapPlan | undefined {
  const sites = findActivationSites(model).filter(({ op }) => ops.includes(op));
  if (sites.length === 0) return undefined;
  const layers = weightLayersOf(model).filter(({ activation }) => activation && ops.includes(activation.op));
  const draws = neededDraws(layers, ({ biases }) => drawFor(swap, biases.length > 0));
  return { sites, ops: [...new Set(sites.map(({ op }) => op))], layers, draws };
}

/** χ = 1 of a smooth function needs biases; a layer without has He's variance. */
function drawFor({ op, attributes, init }: Swap, hasBias: boolean): Draw {
  return (init === 'critical' ? criticalDraw(op, attributes, hasBias) : undefined) ?? usualDraw(op, attributes);
}

/** The operators of a model that a network's findings ask to be replaced; without findings those flat on both sides. */
function opsFor(swap: Swap, model: Model, patient: Patient): readonly string[] {
  const { bounded, rectifiers } = replacedBy(swap);
  const sites = findActivationSites(model);
  const hasBounded = sites.some(({ op }) => bounded.includes(op));
  return hasBounded && (flatFinding(patient) || !deadFinding(patient)) ? bounded : rectifiers;
}

/** Derivatives that stand among the causes with this share are worth a change of function. */
const SHARE = 0.2;

function flatFinding(patient: Patient) {
  const found = findingOf(patient, 'vanishing-gradient', 'saturated-units', 'effectively-shallow');
  const isCause = found?.causes.some(({ kind, share }) => kind === 'activation-derivative' && share >= SHARE);
  return isCause ? found : findingNaming(patient, 'use-relu');
}

function deadFinding(patient: Patient) {
  return findingOf(patient, 'dead-units') ?? findingNaming(patient, 'use-leaky-relu');
}

function reasonFor(swap: Swap, patient: Patient): string | undefined {
  const { bounded, rectifiers } = replacedBy(swap);
  const ops = opsFor(swap, patient.design.model, patient);
  const sites = findActivationSites(patient.design.model).filter(({ op }) => ops.includes(op));
  const finding = ops === bounded ? flatFinding(patient) : ops === rectifiers ? deadFinding(patient) : undefined;
  if (!finding || sites.length === 0) return undefined;
  return `${finding.title}, and ${sayWhere(sites)} flat ${ops === bounded ? 'on both sides' : 'left of zero'}`;
}

function sayWhere(sites: readonly ActivationSite[]): string {
  const [{ op, layer }] = sites as [ActivationSite];
  if (sites.length === 1) return `the ${op.toLowerCase()} behind ${layer || 'the input'} is`;
  return `${sites.length} functions (${[...new Set(sites.map((site) => site.op.toLowerCase()))].join(', ')}) are`;
}

function swapIn(swap: Swap, design: Design, patient: Patient): Design {
  const { model } = design;
  const plan = planFor(swap, model, opsFor(swap, model, patient));
  if (!plan) throw nothingToReplace(swap, model);
  const editor = new GraphEditor(drawLayers(model, plan.draws, patient.seed));
  for (const site of plan.sites) {
    const slopes = slopesAt(site, model, patient);
    const type = typeAt(site, model, patient);
    const module = moduleOf(site, model);
    const slope = module && `${module}.weight`;
    replaceActivation(editor, site, (X) =>
      swap.write(editor, X, `${site.layer || 'input'}.${swap.id.slice('use-'.length)}`, { type, slopes, slope }),
    );
  }
  return { ...design, model: editor.done() };
}

/**
 * One slope per channel: axis 1 of [N, C] and of what a convolution computes, as PyTorch has it; else one for all.
 */
function slopesAt({ input, output }: ActivationSite, { graph }: Model, { binding }: Patient): number[] {
  const shape = (binding.get(input) ?? binding.get(output))?.shape;
  const channels = shape?.[1];
  if (!shape || channels === undefined) return [1];
  if (shape.length === 2) return [channels];
  const made = producers(graph);
  const source = made.get(input);
  const isImage = source?.op === 'Conv' || source?.op === 'ConvTranspose' || source?.op === 'BatchNormalization';
  return isImage ? [channels, ...shape.slice(2).map(() => 1)] : [1];
}

function typeAt({ input, output }: ActivationSite, { graph }: Model, { binding }: Patient) {
  const type = (binding.get(input) ?? binding.get(output))?.type;
  if (type && isFloat(type)) return type;
  return [...graph.initializers.values()].find((tensor) => isFloat(tensor.type))?.type ?? 'float32';
}

function nothingToReplace({ id }: Swap, { name }: Model): RemedyError {
  return new RemedyError(`${id} finds no activation function to replace in ${name}`, {
    code: 'remedy-place',
    hint: 'a sigmoid, tanh or ReLU between layers',
  });
}
