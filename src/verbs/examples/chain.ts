import { activationTexts } from '../../explain/topics/activations.ts';
import { UsageError } from '../../graph/errors.ts';
import type { Cell, Example } from '../../report/explanation.ts';
import type { ReportSubject } from '../../report/subject.ts';
import type { Runtime } from '../../runtime/runtime.ts';
import { measureCurve } from './curve.ts';
import { cell, digits, look, powerOf, rows } from './lab.ts';

export interface ChainOptions {
  /** Default sigmoid. */
  readonly activation?: string;
  /** Default 10. */
  readonly layers?: number;
  /** Units of each layer, default 1. */
  readonly width?: number;
  /** Default identity: every weight of a chain is 1. */
  readonly init?: string;
  readonly seed?: number;
}

const MOST_LAYERS = 200;
const MOST_WIDTH = 1024;
/** The depths of the textbooks. */
const DEPTHS = [4, 5, 10, 20];

/**
 * Walks the chain rule's product term by term on a real network: φ′(z) and w of each layer, and the product so far,
 * beside the gradient that the backward pass measured there. Throws UsageError for what cannot be built.
 */
export async function chainExample(runtime: Runtime, options: ChainOptions = {}): Promise<Example> {
  const { activation = 'sigmoid', layers = 10, width = 1, init, seed = 0 } = options;
  check(layers, 'layers', MOST_LAYERS);
  check(width, 'width', MOST_WIDTH);
  const layer = activationTexts[activation]?.layer ?? activation;
  const hidden = { units: width, activation: layer, repeat: layers, name: 'layer' };
  const network = { input: width, layers: [{ dense: hidden }], init: 'identity', loss: 'mse', seed };
  const ones = Array<number>(width).fill(1);
  const zeros = Array<number>(width).fill(0);
  const subject = await look(runtime, network, { batch: rows([ones], [zeros]), seed, init });
  const terms = termsOf(subject, layers);
  const loss = logAt(subject, subject.profile.output);
  const input = logAt(subject, subject.profile.values.at(-1)!.name);
  // Parameters without weights (a learned slope) stand between: the first layer's is what the walk ends at.
  const first = subject.profile.parameters.find(({ name, shape }) => shape.length === 2 && name.endsWith('.weight'))!;
  const scalar = width === 1;
  let product = loss;
  const table: Cell[][] = terms.map((term) => {
    product += term.slope + term.weight;
    return [
      String(term.layer),
      ...(scalar ? [cell(term.z)] : []),
      cell(10 ** term.slope),
      cell(term.sign * 10 ** term.weight),
      cell(10 ** product, 'size'),
      cell(10 ** term.measured, 'size'),
    ];
  });
  const slopes = terms.reduce((sum, { slope }) => sum + slope, 0);
  const weights = terms.reduce((sum, { weight }) => sum + weight, 0);
  const bound = await largestSlope(runtime, layer);
  const held = width === 1 ? await heldAtZero(runtime, activation, layer) : undefined;
  const measured = input - loss;
  return {
    setup:
      `${layers} dense layers of ${width === 1 ? 'one unit' : `${width} units`}, ${activation}, ${init ?? 'identity'} weights, biases 0, input ${scalar ? 'x = 1' : 'of ones'}, ` +
      `L = (aₙ − 0)²${scalar ? '' : '; gains are ratios of norms'}`,
    plots: [
      {
        title: 'gradient',
        kind: 'lines',
        x: 'layers back from the output',
        y: 'log₁₀ of the gradient, beside the bound',
        series: [
          {
            name: 'measured',
            x: [0, ...terms.map((_, i) => i + 1)],
            y: [0, ...terms.map((term) => term.measured - loss)],
          },
          { name: `${digits(bound)}ⁿ`, x: [0, layers], y: [0, layers * Math.log10(bound)] },
        ],
      },
    ],
    tables: [
      {
        caption: `∂L/∂aₙ = ${digits(10 ** loss)}; each row multiplies the product by its φ′ and its w:`,
        columns: [
          'layer',
          ...(scalar ? ['z'] : []),
          scalar ? 'φ′(z)' : 'gain of φ′',
          scalar ? 'w' : 'gain of W',
          'product',
          'measured',
        ],
        rows: table,
      },
      ...(held ? [held] : []),
    ],
    conclusions: [
      `the product of all ${2 * layers} factors is ${powerOf(slopes + weights)} (${digits(10 ** (slopes + weights))}); measured ${powerOf(measured)} (${digits(10 ** measured)})`,
      `activation derivatives ${powerOf(slopes)}, weights ${powerOf(weights)}`,
      `${activation}′ is at most ${digits(bound)}: with weights of 1 at most ${digits(bound)}^${layers} = ${digits(bound ** layers)} can be left`,
      `∂L/∂w₁ = ${digits(10 ** first.gradient.log10L2)}: that product times the input`,
    ],
    numbers: {
      product: 10 ** (slopes + weights),
      measured: 10 ** measured,
      productDecades: slopes + weights,
      measuredDecades: measured,
      activationDecades: slopes,
      weightDecades: weights,
      maximumDerivative: bound,
      bound: bound ** layers,
      weightGradient: 10 ** first.gradient.log10L2,
    },
  };
}

interface Term {
  readonly layer: number;
  /** Mean pre-activation. */
  readonly z: number;
  /** log₁₀ of the two gains, and the sign of a single weight. */
  readonly slope: number;
  readonly weight: number;
  readonly sign: number;
  /** log₁₀ of the gradient of the layer's input. */
  readonly measured: number;
}

/** The factors of each layer, from the last to the first. */
function termsOf({ profile, diagnosis }: ReportSubject, count: number): Term[] {
  const layers = profile.layers.filter(({ mixes }) => mixes);
  const atOutput = profile.values.findIndex(({ name }) => name === profile.output);
  const input = profile.values.at(-1)!;
  if (layers.length !== count || atOutput < 0 || !diagnosis.attribution) {
    throw new UsageError('no gradient comes through this chain', { code: 'no-chain', where: 'explain chain-rule' });
  }
  const logOf = new Map(profile.values.map((value) => [value.name, value.gradient.log10L2]));
  return layers
    .map((layer, i) => {
      const z = profile.values.find(({ name }) => name === layer.value)!;
      // Where the next layer reads: this layer's activation; at the end the output.
      const out = i === count - 1 ? logOf.get(profile.output)! : belowOf(layers[i + 1]!.value);
      const below = i === 0 ? logOf.get(input.name)! : belowOf(layer.value);
      const weight = profile.parameters.find(({ name }) => name === layer.parameters[0]);
      return {
        layer: i + 1,
        z: z.value.mean,
        slope: z.gradient.log10L2 - out,
        weight: below - z.gradient.log10L2,
        sign: weight && weight.value.count === 1 ? Math.sign(weight.value.mean) : 1,
        measured: below,
      };
    })
    .reverse();

  /** log₁₀ of the gradient of what a layer reads: the edge that its matrix product brings. */
  function belowOf(value: string): number {
    const edge = profile.edges.find(({ outputs, kind }) => outputs.includes(value) && kind === 'weight-matrix');
    return edge?.log10L2 ?? Number.NEGATIVE_INFINITY;
  }
}

/** The textbooks' numbers: unit weights, and biases that hold every layer at z = 0. */
async function heldAtZero(runtime: Runtime, activation: string, layer: unknown): Promise<Example['tables'][number]> {
  // ReLU has its kink at 0: it is held at 1, where it passes its input on.
  const at = activation.includes('relu') ? 1 : 0;
  const { value } = await measureCurve(runtime, layer, [at]);
  const bias = at - value[0]!;
  const table: Cell[][] = [];
  for (const n of DEPTHS) {
    const hidden = { units: 1, activation: layer, weights: [[1]], bias: [bias], repeat: n };
    const { profile } = await look(
      runtime,
      { input: 1, layers: [{ dense: hidden }], loss: 'mse' },
      { batch: rows([[value[0]!]], [[value[0]! - 1]]) },
    );
    const gain =
      profile.values.at(-1)!.gradient.log10L2 -
      profile.values.find(({ name }) => name === profile.output)!.gradient.log10L2;
    table.push([`${n} layers`, cell(10 ** (gain / n)), cell(10 ** gain, 'size')]);
  }
  return {
    caption: `with unit weights, and biases that hold every layer at z = ${at}:`,
    columns: ['', 'φ′ of each', 'product'],
    rows: table,
  };
}

async function largestSlope(runtime: Runtime, layer: unknown): Promise<number> {
  const grid = Array.from({ length: 1601 }, (_, i) => (i - 800) / 100);
  const { slope } = await measureCurve(runtime, layer, grid);
  return Math.max(...slope.map(Math.abs));
}

function logAt({ profile }: ReportSubject, name: string): number {
  return profile.values.find((value) => value.name === name)?.gradient.log10L2 ?? Number.NEGATIVE_INFINITY;
}

function check(value: number, what: string, most: number): void {
  if (Number.isSafeInteger(value) && value >= 1 && value <= most) return;
  throw new UsageError(`${value} ${what}`, { code: 'option-value', where: `--${what}`, hint: `expected 1 to ${most}` });
}
