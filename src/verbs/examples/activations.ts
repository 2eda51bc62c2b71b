import type { ActivationText } from '../../explain/topics/activation-text.ts';
import { activationTexts } from '../../explain/topics/activations.ts';
import { SATURATION } from '../../flow/units.ts';
import { buildSpec } from '../../readers/spec/index.ts';
import type { Cell, Example, Plot } from '../../report/explanation.ts';
import type { Runtime } from '../../runtime/runtime.ts';
import { activationOf } from '../../theory/activations.ts';
import { chiOf, nextVariance } from '../../theory/recursion.ts';
import { type Curve, gridOf, measureCurve } from './curve.ts';
import { cell, DEPTH, deepNetwork, digits, INDEPENDENT, independent, look, powerOf, rows, WIDTH } from './lab.ts';

/** What is measured of an activation function. */
export interface ActivationNumbers {
  readonly maximum: number;
  /** `z = 0`, or the range where it is reached. */
  readonly maximumAt: string;
  /** From these on the derivative stays below 0.027 of its maximum; undefined where it does not. */
  readonly saturatesLeft: number | undefined;
  readonly saturatesRight: number | undefined;
  /** Whether the derivative is exactly 0 somewhere. */
  readonly flat: boolean;
  readonly init: string;
  /** Of the 10th layer at that initialization; NaN where theory does not know the function. */
  readonly chi: number;
  readonly predictedDecades: number;
  readonly measuredDecades: number;
  readonly risk: 'high' | 'medium' | 'low';
  readonly riskReason: string;
}

const SPAN = 6;
const STEP = 0.05;
/** One network of width 100 is off the theory of infinite width by some tenths of a decade. */
const NETWORKS = 4;
/** A derivative has reached its tail by here: softsign's is below 0.027 from 5.1 on. */
const FAR = 40;
/** An error of vanishing-gradient and exploding-gradient, and half of it. */
const ERROR_DECADES = 3;

/** Measures an activation: its curve, and the gradient through ten layers of it. */
export async function measureActivation(
  runtime: Runtime,
  id: string,
): Promise<{ numbers: ActivationNumbers; curve: Curve }> {
  const text = activationTexts[id]!;
  const layer = text.layer ?? id;
  const wide = await measureCurve(runtime, layer, gridOf(-FAR, FAR, STEP));
  const slopes = wide.slope.map(Math.abs);
  const maximum = Math.max(...slopes);
  const low = (i: number) => slopes[i]! < SATURATION * maximum;
  const first = slopes.findIndex((_, i) => !low(i));
  const last = slopes.findLastIndex((_, i) => !low(i));
  let measuredDecades = 0;
  for (let seed = 0; seed < NETWORKS; seed++) {
    const { diagnosis } = await look(
      runtime,
      { ...deepNetwork(layer, text.init), seed },
      { batch: independent(WIDTH, seed) },
    );
    measuredDecades += (diagnosis.attribution?.totalDecades ?? Number.NaN) / NETWORKS;
  }
  const saturatesLeft = first > 0 ? wide.z[first - 1]! : undefined;
  const saturatesRight = last < slopes.length - 1 ? wide.z[last + 1]! : undefined;
  // Farther out float32 underflows.
  const flat = slopes.some((slope, i) => slope === 0 && Math.abs(wide.z[i]!) <= SPAN);
  const numbers = {
    maximum,
    maximumAt: placeOf(wide.z, slopes, maximum),
    saturatesLeft,
    saturatesRight,
    flat,
    init: text.init,
    ...predict(layer, text.init),
    measuredDecades,
    ...riskOf(measuredDecades, saturatesLeft !== undefined, saturatesRight !== undefined, flat),
  };
  const inside = wide.z.map((z, i) => [z, i] as const).filter(([z]) => Math.abs(z) <= SPAN);
  const take = (values: readonly number[]) => inside.map(([, i]) => values[i]!);
  return { numbers, curve: { z: take(wide.z), value: take(wide.value), slope: take(wide.slope) } };
}

/** Where a maximum is reached: at one point, or beyond the point before the first and up to that after the last. */
function placeOf(z: readonly number[], slopes: readonly number[], maximum: number): string {
  const reached = (slope: number) => slope >= maximum * (1 - 1e-6);
  const [first, last] = [slopes.findIndex(reached), slopes.findLastIndex(reached)];
  if (last - first < 4) return `z = ${digits(z[(first + last) >> 1]!)}`;
  const [low, high] = [z[first - 1], z[last + 1]];
  if (low !== undefined && high !== undefined)
    return low === -high ? `|z| < ${digits(high)}` : `${digits(low)} < z < ${digits(high)}`;
  return low !== undefined ? `z > ${digits(low)}` : high !== undefined ? `z < ${digits(high)}` : 'every z';
}

/** σ_w² of the schemes that activations name, for square layers. */
const variances: Readonly<Record<string, number>> = { he: 2, glorot: 1, lecun: 1 };

/** Mean-field theory for the network that is measured: inputs of variance 1, no biases. */
function predict(layer: unknown, init: string): Pick<ActivationNumbers, 'chi' | 'predictedDecades'> {
  const { nodes } = buildSpec({ input: 1, layers: [layer] }).graph;
  const operators = nodes.map(({ op }) => op).join(' ');
  const node = nodes.at(-1)!;
  const attributes = node.attributes as Record<string, number>;
  const activation =
    operators === 'Sigmoid Mul' ? activationOf('Swish') : activationOf(node.op, { ...attributes, ...limitsOf(layer) });
  if (!activation || nodes.length > 2) return { chi: Number.NaN, predictedDecades: Number.NaN };
  const variance = { sigmaW2: variances[init]!, sigmaB2: 0 };
  let q = variance.sigmaW2;
  let chi = Number.NaN;
  let decades = 0;
  for (let i = 0; i < DEPTH; i++) {
    chi = chiOf(activation, variance, q);
    decades += 0.5 * Math.log10(chi);
    q = nextVariance(activation, variance, q);
  }
  return { chi, predictedDecades: decades };
}

/** Clip's limits are inputs of its node, not attributes. */
function limitsOf(layer: unknown): Record<string, number> {
  if (layer === 'relu6') return { min: 0, max: 6 };
  return typeof layer === 'object' && layer !== null && 'clip' in layer ? (layer.clip as Record<string, number>) : {};
}

function riskOf(
  decades: number,
  left: boolean,
  right: boolean,
  flat: boolean,
): Pick<ActivationNumbers, 'risk' | 'riskReason'> {
  const size = Math.abs(decades);
  if (!(size < ERROR_DECADES)) {
    return { risk: 'high', riskReason: `${decades < 0 ? 'vanishes' : 'explodes'} even at its usual initialization` };
  }
  if (left && right) return { risk: 'medium', riskReason: 'saturates on both sides' };
  if (size >= ERROR_DECADES / 2)
    return { risk: 'medium', riskReason: `${decades < 0 ? 'shrinks' : 'grows'} with depth` };
  return { risk: 'low', riskReason: flat ? 'units can die' : 'keeps a slope' };
}

/** The worked example of one activation function. */
export async function activationExample(runtime: Runtime, id: string): Promise<Example> {
  const text = activationTexts[id]!;
  if (!text.elementwise) return vectorExample(runtime, id, text);
  const { numbers, curve } = await measureActivation(runtime, id);
  const n = numbers;
  const theory = Number.isFinite(n.predictedDecades)
    ? `; theory predicts ${powerOf(n.predictedDecades)}, with χ = ${digits(n.chi)} in the 10th layer`
    : '';
  return {
    setup: `${text.title} and its derivative on [−${FAR}, ${FAR}] in steps of ${STEP}; ${setupOf(text.init)}`,
    plots: [curvePlot([[text.title, curve]])],
    tables: [],
    conclusions: [
      `maximum derivative: ${digits(n.maximum)}, at ${n.maximumAt}`,
      `saturates: ${saturationOf(n)}`,
      `through ${DEPTH} layers: the gradient arrives with ${powerOf(n.measuredDecades)} of its size (${digits(10 ** n.measuredDecades)}×)${theory}`,
      `risk: ${n.risk} (${n.riskReason})`,
    ],
    numbers: flatten(n),
  };
}

/** Several activation functions side by side. */
export async function compareActivations(runtime: Runtime, ids: readonly string[]): Promise<Example> {
  const measured: ({ id: string } & Awaited<ReturnType<typeof measureActivation>>)[] = [];
  for (const id of ids.filter((one) => activationTexts[one]!.elementwise)) {
    measured.push({ id, ...(await measureActivation(runtime, id)) });
  }
  const row = (title: string, of: (numbers: ActivationNumbers) => Cell): Cell[] => [
    title,
    ...measured.map(({ numbers }) => of(numbers)),
  ];
  const curves = measured.map(({ id, curve }) => [id, curve] as const);
  return {
    setup: `derivatives on [−${FAR}, ${FAR}] in steps of ${STEP}; ${setupOf('its usual initialization')}`,
    plots: [slopePlot(curves)],
    tables: [
      {
        columns: ['', ...measured.map(({ id }) => id)],
        rows: [
          row('maximum φ′', ({ maximum }) => cell(maximum)),
          row('reached at', ({ maximumAt }) => maximumAt),
          row('saturates', (n) => saturationOf(n)),
          row('initialization', ({ init }) => init),
          row('χ, 10th layer', ({ chi }) => cell(chi)),
          row(`decades over ${DEPTH} layers, predicted`, ({ predictedDecades }) => cell(predictedDecades, 'decades')),
          row('measured', ({ measuredDecades }) => cell(measuredDecades, 'decades')),
          row('factor', ({ measuredDecades }) => cell(10 ** measuredDecades, 'size')),
          row('risk', ({ risk }) => risk),
          row('because it', ({ riskReason }) => riskReason),
        ],
      },
    ],
    conclusions: ids
      .filter((id) => !activationTexts[id]!.elementwise)
      .map((id) => `${id} acts on all units together: explain ${id} alone`),
    numbers: Object.assign({}, ...measured.map(({ id, numbers }) => flatten(numbers, `${id}.`))),
  };
}

function setupOf(init: string): string {
  return `MLPs of ${DEPTH} such layers of width ${WIDTH} and a linear last one, ${init}, biases 0, ${INDEPENDENT}: the mean of ${NETWORKS} networks`;
}

function saturationOf({ saturatesLeft: left, saturatesRight: right }: ActivationNumbers): string {
  if (left !== undefined && right !== undefined && Math.abs(left + right) < 0.2) return `|z| ≥ ${digits(right)}`;
  const parts = [left !== undefined ? `z ≤ ${digits(left)}` : '', right !== undefined ? `z ≥ ${digits(right)}` : ''];
  return parts.filter((part) => part !== '').join(', ') || 'nowhere';
}

function flatten(numbers: ActivationNumbers, prefix = ''): Record<string, number | string> {
  const entries = Object.entries(numbers).filter(([, value]) => value !== undefined);
  return Object.fromEntries(
    entries.map(([key, value]) => [prefix + key, typeof value === 'boolean' ? String(value) : value]),
  );
}

function curvePlot([[title, { z, value, slope }]]: readonly [readonly [string, Curve]]): Plot {
  return {
    title,
    kind: 'lines',
    x: 'z',
    y: 'φ, φ′',
    series: [
      { name: 'φ(z)', x: z, y: value },
      { name: 'φ′(z)', x: z, y: slope },
    ],
  };
}

function slopePlot(curves: readonly (readonly [string, Curve])[]): Plot {
  return {
    title: 'derivatives',
    kind: 'lines',
    x: 'z',
    y: 'φ′',
    series: curves.map(([id, { z, slope }]) => ({ name: `${id} φ′`, x: z, y: slope })),
  };
}

/** Scores of one sample that differ more and more: how much of the gradient a softmax passes back to them. */
async function vectorExample(runtime: Runtime, id: string, text: ActivationText): Promise<Example> {
  const gaps = [0, 1, 2, 4, 8, 16];
  const gains: number[] = [];
  for (const gap of gaps) {
    const network = {
      input: 2,
      layers: [
        {
          dense: {
            units: 2,
            weights: [
              [1, 0],
              [0, 1],
            ],
            bias: false,
          },
        },
        id,
      ],
      loss: 'mse',
    };
    const { diagnosis } = await look(runtime, network, { batch: rows([[gap, 0]], [[0, 1]]) });
    gains.push(diagnosis.attribution?.totalDecades ?? Number.NaN);
  }
  const last = gains.at(-1)!;
  return {
    setup: `two scores, the first larger by a gap, ${text.title.toLowerCase()}, and a squared error: what reaches the scores`,
    plots: [
      {
        title: 'gain',
        kind: 'lines',
        x: 'gap between the scores',
        y: 'gain, decades',
        series: [{ name: 'gain', x: gaps, y: gains }],
      },
    ],
    tables: [
      {
        columns: ['gap', 'decades', 'gain'],
        rows: gaps.map((gap, i) => [String(gap), cell(gains[i]!, 'decades'), cell(10 ** gains[i]!, 'size')]),
      },
    ],
    conclusions: [`with a gap of 16 the scores receive ${powerOf(last)} of the gradient`],
    numbers: Object.fromEntries(gaps.map((gap, i) => [`decadesAtGap${gap}`, gains[i]!])),
  };
}
