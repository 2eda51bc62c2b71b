import { toFloat64 } from '../../graph/tensor.ts';
import { buildSpec } from '../../readers/spec/index.ts';
import type { Cell, Example } from '../../report/explanation.ts';
import type { Runtime } from '../../runtime/runtime.ts';
import { type Comparison, quantities, runComparison } from './compare.ts';
import { cell, DEPTH, deepNetwork, digits, INDEPENDENT, independent, look, powerOf, WIDTH } from './lab.ts';

const FAN_IN = 256;
const FAN_OUT = 128;
const BINS = 48;

/** The deviation that each scheme's formula gives for these fans, with its default options. */
const deviations: Readonly<Record<string, (fanIn: number, fanOut: number) => number>> = {
  'glorot-uniform': (fanIn, fanOut) => Math.sqrt(2 / (fanIn + fanOut)),
  'glorot-normal': (fanIn, fanOut) => Math.sqrt(2 / (fanIn + fanOut)),
  'he-normal': (fanIn) => Math.sqrt(2 / fanIn),
  'he-uniform': (fanIn) => Math.sqrt(2 / fanIn),
  'lecun-normal': (fanIn) => Math.sqrt(1 / fanIn),
  'lecun-uniform': (fanIn) => Math.sqrt(1 / fanIn),
  'pytorch-default': (fanIn) => Math.sqrt(1 / (3 * fanIn)),
  // Rows or columns of norm 1, whichever are fewer.
  orthogonal: (fanIn, fanOut) => Math.sqrt(1 / Math.max(fanIn, fanOut)),
  'delta-orthogonal': (fanIn, fanOut) => Math.sqrt(1 / Math.max(fanIn, fanOut)),
  identity: (fanIn, fanOut) =>
    Math.sqrt((Math.min(fanIn, fanOut) / (fanIn * fanOut)) * (1 - 1 / Math.max(fanIn, fanOut))),
  normal: () => 0.05,
  'truncated-normal': () => 0.05 * Math.sqrt(0.7737413),
  uniform: () => 0.1 / Math.sqrt(12),
  constant: () => 0,
  zeros: () => 0,
  ones: () => 0,
};

/** A scheme as a spec writes it: a constant needs its value. */
const schemeOf = (id: string): unknown => (id === 'constant' ? { constant: 0.1 } : id);

/** What is measured of an initialization. */
export interface InitializerNumbers {
  readonly formulaStd: number;
  readonly measuredStd: number;
  readonly reluDecades: number;
  readonly tanhDecades: number;
  /** log₁₀ of the last over the first hidden layer's output norm. */
  readonly reluSignal: number;
  readonly tanhSignal: number;
}

async function measureInitializer(
  runtime: Runtime,
  id: string,
): Promise<{ numbers: InitializerNumbers; weights: Float64Array }> {
  const ofModel = !(id in deviations);
  const spec = { input: FAN_IN, layers: [{ dense: { units: FAN_OUT, init: ofModel ? 'he' : schemeOf(id) } }] };
  const weights = ofModel ? new Float64Array() : toFloat64(buildSpec(spec).graph.initializers.get('dense.weight')!);
  const deep = async (activation: string) => {
    const network = deepNetwork(activation, ofModel ? 'he' : schemeOf(id));
    const { diagnosis, profile } = await look(runtime, network, {
      batch: independent(WIDTH, 0),
      ...(ofModel ? { init: id } : {}),
    });
    const layers = profile.layers.filter(({ mixes }) => mixes);
    const sizeAt = (layer: number) =>
      profile.values.find(({ name }) => name === layers[layer]?.value)?.value.log10L2 ?? Number.NaN;
    return { decades: diagnosis.attribution?.totalDecades ?? Number.NaN, signal: sizeAt(DEPTH) - sizeAt(0) };
  };
  const [relu, tanh] = [await deep('relu'), await deep('tanh')];
  const numbers = {
    formulaStd: deviations[id]?.(FAN_IN, FAN_OUT) ?? Number.NaN,
    measuredStd: ofModel ? Number.NaN : deviationOf(weights),
    reluDecades: relu.decades,
    tanhDecades: tanh.decades,
    reluSignal: relu.signal,
    tanhSignal: tanh.signal,
  };
  return { numbers, weights };
}

/** The worked example of one initialization: its weights, and what they do to signal and gradient. */
export async function initializerExample(runtime: Runtime, id: string): Promise<Example> {
  if (id === 'fixup') return runComparison(runtime, residualBlocks());
  const { numbers: n, weights } = await measureInitializer(runtime, id);
  const drawn = weights.length > 0;
  const zeroWide = drawn && deviationOf(weights) === 0;
  return {
    setup: drawn
      ? `a weight matrix of fan_in ${FAN_IN} and fan_out ${FAN_OUT}, seed 0; MLPs of ${DEPTH} layers of width ${WIDTH} drawn with it, ${INDEPENDENT}`
      : `MLPs of ${DEPTH} layers of width ${WIDTH}, ${INDEPENDENT}`,
    plots: drawn && !zeroWide ? [histogramOf(weights)] : [],
    tables: [depthTable([[id, n]])],
    conclusions: [
      ...(drawn
        ? [
            `deviation of ${weights.length} weights: ${digits(n.measuredStd)}; the formula gives ${digits(n.formulaStd)}`,
          ]
        : []),
      `through ${DEPTH} ReLU layers the gradient arrives with ${powerOf(n.reluDecades)} of its size, through ${DEPTH} tanh layers with ${powerOf(n.tanhDecades)}`,
    ],
    numbers: { ...n },
  };
}

/** A network that Fixup is made for: without branches there is nothing for it to scale. */
function residualBlocks(): Comparison {
  const block = { residual: [{ dense: WIDTH }, 'relu', { dense: WIDTH }] };
  const layers = [{ dense: WIDTH }, { repeat: DEPTH, layers: [block] }, { dense: { units: WIDTH, name: 'out' } }];
  const network = { input: WIDTH, layers, init: 'he', loss: 'mse' };
  return {
    setup: `${DEPTH} residual blocks of width ${WIDTH} without normalization, 64 standard-normal inputs; Fixup’s last layer of zeros opens with the first step`,
    specimens: [
      { label: 'He', network },
      { label: 'Fixup', network, options: { init: 'fixup' } },
      { label: 'Fixup, 1 step', network, options: { init: 'fixup', steps: 1 } },
    ],
    quantities: [quantities.stream, quantities.decades],
    drawing: 'none',
  };
}

/** Several initializations side by side. */
export async function compareInitializers(runtime: Runtime, ids: readonly string[]): Promise<Example> {
  const measured: [string, InitializerNumbers][] = [];
  for (const id of ids) measured.push([id, (await measureInitializer(runtime, id)).numbers]);
  return {
    setup: `weight matrices of fan_in ${FAN_IN} and fan_out ${FAN_OUT}; MLPs of ${DEPTH} layers of width ${WIDTH}, ${INDEPENDENT}, seed 0`,
    plots: [],
    tables: [depthTable(measured, true)],
    conclusions: [],
    numbers: Object.fromEntries(
      measured.flatMap(([id, numbers]) => Object.entries(numbers).map(([key, value]) => [`${id}.${key}`, value])),
    ),
  };
}

function depthTable(
  measured: readonly (readonly [string, InitializerNumbers])[],
  withStd = false,
): Example['tables'][number] {
  const row = (title: string, of: (numbers: InitializerNumbers) => Cell): Cell[] => [
    title,
    ...measured.map(([, numbers]) => of(numbers)),
  ];
  const std = [
    row('deviation, formula', ({ formulaStd }) => cell(formulaStd)),
    row('deviation, drawn', ({ measuredStd }) => cell(measuredStd)),
  ];
  return {
    caption: `decades through ${DEPTH} layers: the signal forward, the gradient back`,
    columns: ['', ...measured.map(([id]) => id)],
    rows: [
      ...(withStd ? std : []),
      row('ReLU, signal', ({ reluSignal }) => cell(reluSignal, 'decades')),
      row('ReLU, gradient', ({ reluDecades }) => cell(reluDecades, 'decades')),
      row('tanh, signal', ({ tanhSignal }) => cell(tanhSignal, 'decades')),
      row('tanh, gradient', ({ tanhDecades }) => cell(tanhDecades, 'decades')),
    ],
  };
}

function histogramOf(weights: Float64Array): Example['plots'][number] {
  const reach = weights.reduce((most, w) => Math.max(most, Math.abs(w)), 0);
  const counts = Array<number>(BINS).fill(0);
  for (const w of weights) counts[Math.min(BINS - 1, Math.floor(((w + reach) / (2 * reach)) * BINS))]!++;
  const x = counts.map((_, i) => reach * (-1 + (2 * i + 1) / BINS));
  return { title: 'weights', kind: 'bars', x: 'w', y: 'weights', series: [{ name: 'weights', x, y: counts }] };
}

function deviationOf(values: Float64Array): number {
  const mean = values.reduce((sum, x) => sum + x, 0) / values.length;
  return Math.sqrt(values.reduce((sum, x) => sum + (x - mean) ** 2, 0) / values.length);
}
