import type { Attribution } from '../flow/attribution.ts';
import type { FactorKind } from '../flow/kinds.ts';
import type { FlowProfile, FlowValue } from '../flow/profile.ts';
import { depthOf, effectiveDecades, neutral } from './decay.ts';
import type { Cause, CauseKind } from './finding.ts';

/** Below this many decades per layer no single layer is to blame: ten of them still pass an eighth of the gradient. */
const MILD = 0.09;
/** Layers that are not counted as depth: what ten mild layers take nobody notices. */
const SHALLOW = 10;
/** A forward signal that changes by this many decades between the first and the last layer has collapsed, or blown up. */
export const FORWARD_DECADES = 1;
/** Functions that answer hardly at all where they are saturated; at the output they stand before the loss. */
const flatAtOutput: ReadonlySet<string> = new Set(['Sigmoid', 'HardSigmoid', 'Softmax', 'Tanh']);

/**
 * Why a gradient vanished (sign −1) or exploded (+1), the strongest first. The decades of the kinds that push in that
 * direction add up to what attribution gives them, with two exceptions: what stands between the output and the loss
 * becomes `loss-saturation`, and a factor that is mild in each of many layers is charged to `depth` for all layers
 * beyond the tenth. A weight gradient is forward signal times δ: where the forward signal collapses too, its decades
 * between the first and the last layer stand beside the others, as `forward-signal`.
 */
export function causesOf(profile: FlowProfile, attribution: Attribution, sign: 1 | -1): Cause[] {
  const decades = new Map<CauseKind, number>();
  for (const [kind, part] of Object.entries(attribution.byKind) as [FactorKind, number][]) {
    if (!neutral.has(kind)) decades.set(kind, part);
  }
  const atLoss = lossSaturation(profile);
  if (atLoss && atLoss.decades < 0) {
    decades.set(atLoss.kind, (decades.get(atLoss.kind) ?? 0) - atLoss.decades);
    decades.set('loss-saturation', atLoss.decades);
  }
  const forward = forwardDecades(profile);
  if (forward !== undefined && Math.abs(forward) >= FORWARD_DECADES) decades.set('forward-signal', forward);
  const pushing = [...decades].filter(([, part]) => Math.sign(part) === sign);
  const charged = chargeDepth(pushing, effectiveDecades(attribution.byKind), depthOf(profile));
  const total = charged.reduce((sum, [, part]) => sum + part, 0);
  return charged
    .map(([kind, part]) => ({ kind, decades: part, share: part / total }))
    .sort((a, b) => Number(a.kind === 'forward-signal') - Number(b.kind === 'forward-signal') || b.share - a.share);
}

/** What mild layers take beyond the tenth, as depth's part. */
function chargeDepth(parts: [CauseKind, number][], effective: number, depth: number): [CauseKind, number][] {
  const layers = depth - 1;
  if (layers <= SHALLOW || Math.abs(effective) / layers > MILD) return parts;
  const kept = SHALLOW / layers;
  const compounding = (kind: CauseKind) => kind !== 'forward-signal' && kind !== 'loss-saturation';
  const depthPart = parts.reduce((sum, [kind, part]) => sum + (compounding(kind) ? part * (1 - kept) : 0), 0);
  const rest = parts.map(([kind, part]): [CauseKind, number] => [kind, compounding(kind) ? part * kept : part]);
  return [...rest, ['depth', depthPart]];
}

/** What the function between the last layer and the loss takes, where the loss reads such a function's result. */
function lossSaturation(profile: FlowProfile): { kind: CauseKind; decades: number } | undefined {
  const output = profile.values.find((value) => value.name === profile.output);
  if (!output || !flatAtOutput.has(output.op)) return undefined;
  const edge = profile.edges.find(({ outputs, inner }) => !inner && outputs.includes(profile.output));
  if (!edge || !Number.isFinite(edge.log10L2) || !Number.isFinite(output.gradient.log10L2)) return undefined;
  return { kind: edge.kind, decades: edge.log10L2 - output.gradient.log10L2 };
}

/**
 * Decades of the forward signal's root mean square between the first and the last hidden layer that mixes units;
 * undefined where there are fewer than three such layers, or one of them is zero. The last layer is not hidden: the size
 * of its result is a free choice, and its biases stay where what it receives has vanished.
 */
export function forwardDecades(profile: FlowProfile): number | undefined {
  const values = new Map(profile.values.map((value) => [value.name, value]));
  const mixing = profile.layers.filter((layer) => layer.mixes);
  const hidden = mixing.slice(0, -1).flatMap((layer) => values.get(layer.value) ?? []);
  const [first, last] = [hidden[0], hidden.at(-1)];
  if (hidden.length < 3 || !first || !last) return undefined;
  const change = rms(last) - rms(first);
  return Number.isFinite(change) ? change : undefined;
}

/**
 * Decades, at most 0, that the network takes from the weight gradient of each layer that mixes units: ‖dW‖ = ‖X‖ ‖dY‖,
 * so what the forward signal lost on its way to the layer, and the gradient on its way from the output. All that is
 * neutral is taken off the latter, wherever it stands: rather too little is charged to the network than too much.
 */
export function lostDecades(profile: FlowProfile, attribution: Attribution): Map<string, number> {
  const values = new Map(profile.values.map((value) => [value.name, value]));
  const neutralPart = Math.min(0, attribution.totalDecades - effectiveDecades(attribution.byKind)) || 0;
  const mixing = profile.layers.filter((layer) => layer.mixes);
  const sizes = mixing.map(({ value }) => (values.has(value) ? rms(values.get(value)!) : Number.NaN));
  return new Map(
    mixing.map(({ name, decadesFromOutput }, i) => {
      const forward = i > 0 ? sizes[i - 1]! - sizes[0]! : 0;
      const backward = decadesFromOutput - neutralPart;
      return [name, [forward, backward].reduce((sum, part) => sum + Math.min(0, part || 0), 0)];
    }),
  );
}

/** log₁₀ of the root mean square of a value. */
function rms({ value }: FlowValue): number {
  return value.log10L2 - 0.5 * Math.log10(value.count);
}
