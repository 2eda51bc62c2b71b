import type { CompositeId } from '../composites.ts';
import { erf, sigmoid, softplus } from './elementwise.ts';
import type { GraphView } from './graph-view.ts';
import { evaluate, type Region } from './regions.ts';

/** Where regions are compared: on both sides of zero, past every bend, and with a mean and a spread of their own. */
const points = Array.from({ length: 27 }, (_, i) => -5.2 + 0.45 * i);
/** Constants within 1e-3 of the function's own leave its values within this part of them. */
const TOLERANCE = 2e-3;

type Pointwise = (x: number) => number;

const activations: readonly { id: CompositeId; of: Pointwise }[] = [
  // Gaussian error linear unit (Hendrycks and Gimpel 2016); its tanh form differs by 5e-4 at most.
  { id: 'gelu', of: (x) => 0.5 * x * (1 + erf(x / Math.SQRT2)) },
  // The sigmoid form of the same paper, "quick GELU" in CLIP.
  { id: 'gelu', of: (x) => x * sigmoid(1.702 * x) },
  { id: 'silu', of: (x) => x * sigmoid(x) },
  { id: 'mish', of: (x) => x * Math.tanh(softplus(x)) },
  { id: 'hard-swish', of: (x) => (x * Math.min(6, Math.max(0, x + 3))) / 6 },
];

/** Operators of which every function above has one. */
const bends = new Set(['Erf', 'Tanh', 'Sigmoid', 'HardSigmoid', 'Softplus', 'Exp', 'Clip', 'Min', 'Relu']);

/** The function a region computes, found by running it on a few points, so that its form does not matter. */
export function functionOf(view: GraphView, region: Region): CompositeId | undefined {
  return region.axes === '' ? activationOf(view, region) : normalizationOf(view, region);
}

function activationOf(view: GraphView, region: Region): CompositeId | undefined {
  if (region.tensors.length > 0 || !region.nodes.some((node) => bends.has(node.op))) return undefined;
  const values = evaluate(view, region, points, []);
  return activations.find(({ of }) => agree(values, points.map(of)))?.id;
}

const mean = points.reduce((sum, x) => sum + x, 0) / points.length;
const variance = points.reduce((sum, x) => sum + (x - mean) ** 2, 0) / points.length;
const centered = points.map((x) => (x - mean) / Math.sqrt(variance));
const rootMeanSquare = points.map((x) => x / Math.sqrt(variance + mean ** 2));
/** What stands for a scale and a bias: numbers of no pattern, so that no other formula gives the same. */
const stand = [points.map((_, i) => 1.5 + Math.sin(3 * i)), points.map((_, i) => 0.4 + Math.cos(5 * i + 1))];

/** Y = normalized · scale + bias, scale and bias optional. */
function normalizationOf(view: GraphView, region: Region): CompositeId | undefined {
  const values = evaluate(view, region, points, stand);
  const [first, second] = region.tensors.map((_, i) => stand[i]!);
  const forms = [
    [first, second],
    [second, first],
  ];
  for (const [id, normalized] of [
    [region.axes.split(',').includes('0') ? 'batch-norm' : 'layer-norm', centered],
    ['rms-norm', rootMeanSquare],
  ] as const) {
    const matches = forms.some(([scale, bias]) =>
      agree(
        values,
        normalized.map((y, i) => y * (scale?.[i] ?? 1) + (bias?.[i] ?? 0)),
      ),
    );
    if (matches) return id;
  }
  return undefined;
}

function agree(values: readonly number[], expected: readonly number[]): boolean {
  return expected.every((y, i) => Math.abs(values[i]! - y) <= TOLERANCE * Math.max(1, Math.abs(y)));
}
