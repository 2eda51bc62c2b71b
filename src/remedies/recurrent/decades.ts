import { effectiveDecades } from '../../diagnosis/decay.ts';
import type { Node } from '../../graph/graph.ts';
import type { Patient } from '../remedy.ts';
import { type StoredElements, traceElements, valuesOf } from '../rewrite/stored-elements.ts';

/** A recurrent layer's step, linear about its first state: h_t ← (keep + mix · Q) h_{t−1} + enter · W x_t, Q orthogonal. */
export interface Step {
  /** What of the state stays as it is: a forget gate, an update gate. */
  readonly keep: number;
  /** What of it goes through the recurrent matrix, that matrix's gain included. */
  readonly mix: number;
  /** What of a new input gets into the state. */
  readonly enter: number;
  /** ‖W‖²_F / H: what the input's weights do to the squared norm of a gradient that reaches them. */
  readonly weights: number;
}

/** A layer whose state stays what it is (IRNN). */
export interface Hoard {
  readonly hoards: true;
  readonly weights: number;
}

/**
 * Effective decades between output and first layer once recurrent layers have other steps: those measured, with the shares
 * of those layers taken out and put in anew. Undefined where nothing was measured. The layer whose output the account ends
 * at has no share: what it does through time moves its own weights, not the gradient at its output.
 */
export function predictSteps(
  patient: Patient,
  changed: readonly Node[],
  stepOf: (node: Node) => Step | Hoard,
): number | undefined {
  const { attribution } = patient.diagnosis;
  if (!attribution) return undefined;
  const layers = new Map(patient.profile.recurrent?.map(({ node, layer }) => [node, layer]));
  const shares = new Map(attribution.byLayer.map(({ layer, byKind }) => [layer, byKind.recurrence]));
  let decades = effectiveDecades(attribution.byKind);
  const seen = new Set<string>();
  for (const node of changed) {
    const layer = layers.get(node.name) ?? '';
    const share = shares.get(layer);
    if (share === undefined || node.outputs.includes(attribution.from)) continue;
    // Layers of one module may have one name, and one share.
    if (!seen.has(layer)) decades -= share;
    seen.add(layer);
    decades += gainOf(stepOf(node), node, patient);
  }
  return Number.isFinite(decades) ? decades : undefined;
}

/** Points on the circle of Q's eigenvalues: the mean over them is exact to three digits for 200 steps. */
const ANGLES = 512;

/**
 * Decades from the gradient of a layer's states to that of its inputs, ½ log₁₀ (‖∂L/∂X‖² / ‖∂L/∂Y‖²). A gradient g that
 * reaches the state at one step goes back as J^k g, J = keep + mix · Q, and into each input as enter · Wᵀ J^k g:
 *
 *     ‖∂L/∂X‖² / ‖g‖² = weights · enter² · Σ_{k<T} ⟨|keep + mix · e^{iθ}|^{2k}⟩_θ,
 *
 * the mean over the angles of Q's eigenvalues, since the powers of a large random matrix are orthogonal to each other
 * (of a Gaussian one as well, with its gain in `mix`). Gradients that reach many steps are taken as unrelated: each
 * brings the same factor.
 *
 * A state that stays (IRNN) hands a gradient on undiminished until its ReLU is shut: half of the units with inputs that
 * push one way, by the arcsine law half of the steps where they do not: T / 2 in place of the sum. Gradients that reach
 * every step add up there, ⅙ T² as an integral of ½ (T − t)² over T steps.
 */
function gainOf(step: Step | Hoard, node: Node, patient: Patient): number {
  const steps = stepsOf(node, patient);
  if ('hoards' in step) {
    const sum = reachesEveryStep(node, patient) ? steps ** 2 / 6 : steps / 2;
    return 0.5 * Math.log10(step.weights * Math.max(1, sum));
  }
  const { keep, mix, enter, weights } = step;
  let mean = 0;
  for (let i = 0; i < ANGLES; i++) {
    const square = keep ** 2 + mix ** 2 + 2 * keep * mix * Math.cos((2 * Math.PI * (i + 0.5)) / ANGLES);
    mean += (Math.abs(1 - square) < 1e-9 ? steps : (1 - square ** steps) / (1 - square)) / ANGLES;
  }
  return 0.5 * Math.log10(weights * enter ** 2 * mean);
}

/** X is [steps, batch, features], or with layout 1 [batch, steps, features]. */
function stepsOf(node: Node, { binding }: Patient): number {
  const shape = binding.get(node.inputs[0]!)?.shape ?? [];
  return shape[node.attributes.layout === 1 ? 1 : 0] ?? 1;
}

/** Whether what follows reads every state: nothing arrives directly where it reads the last one alone. */
function reachesEveryStep(node: Node, { profile }: Patient): boolean {
  return (profile.recurrent ?? []).some((flow) => flow.node === node.name && Math.abs(flow.direct) > 1e-3);
}

/** The logistic function, of a gate's bias: what the gate is before anything is learnt. */
export const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));

/** ‖∂a‖ / ‖∂h‖ of one step of a plain recurrence as it was measured: the root mean square of φ′. */
export function slopeOf(node: Node, { profile }: Patient): number {
  const flows = (profile.recurrent ?? []).filter((flow) => flow.node === node.name && flow.factors);
  const steps = flows.reduce((sum, { gains }) => sum + gains.length, 0);
  const decades = flows.reduce((sum, { factors }) => sum + factors!.activationDerivative, 0);
  return steps > 0 && Number.isFinite(decades) ? 10 ** (decades / steps) : 1;
}

/** ‖·‖²_F / H of one gate's matrix in W or R [directions, gates · H, columns], over all directions. */
export function squareGain(
  { design: { model } }: Patient,
  node: Node,
  input: 1 | 2,
  gate: number,
  gates: number,
): number {
  const stored = traceElements(model.graph, node.inputs[input]!);
  if (!stored) return 1;
  return meanOver(stored, valuesOf(model.graph, stored), gate, gates, (x) => x * x) * stored.dims[2]!;
}

/** Mean bias of a gate, Wb and Rb together. */
export function gateBias({ design: { model } }: Patient, node: Node, gate: number, gates: number): number {
  const stored = node.inputs[3] ? traceElements(model.graph, node.inputs[3]) : undefined;
  if (!stored) return 0;
  const values = valuesOf(model.graph, stored);
  const size = stored.dims[1]! / (2 * gates);
  let sum = 0;
  values.forEach((x, i) => {
    if (Math.floor((i % stored.dims[1]!) / size) % gates === gate) sum += x;
  });
  return sum / (size * stored.dims[0]!);
}

/** Mean over the elements of one gate. */
function meanOver(
  { dims: [, rows = 1, columns = 1] }: StoredElements,
  values: Float64Array,
  gate: number,
  gates: number,
  of: (x: number) => number,
): number {
  let [sum, count] = [0, 0];
  values.forEach((x, i) => {
    if (Math.floor((i % (rows * columns)) / ((rows / gates) * columns)) !== gate) return;
    sum += of(x);
    count++;
  });
  return sum / count;
}
