import type { BatchRequest } from '../../data/index.ts';
import type { Model } from '../../graph/graph.ts';
import { tensorOf } from '../../graph/tensor.ts';
import { createRandom } from '../../random/random.ts';
import { buildSpec } from '../../readers/spec/index.ts';
import type { Cell, Plot } from '../../report/explanation.ts';
import type { ReportSubject } from '../../report/subject.ts';
import type { Runtime } from '../../runtime/runtime.ts';
import { type DiagnoseStepsOptions, diagnoseSteps } from '../diagnose-steps.ts';

/** A network of a worked example: a spec, or a model where a spec cannot say it. */
export type Network = Readonly<Record<string, unknown>> | Model;
export type LookOptions = Partial<Omit<DiagnoseStepsOptions, 'runtime'>>;

/** Layers and width of the networks that examples run. */
export const DEPTH = 10;
export const WIDTH = 100;

/** Diagnoses a network of an example: seed 0, made-up inputs unless it says otherwise. */
export function look(runtime: Runtime, network: Network, options: LookOptions = {}): Promise<ReportSubject> {
  const model = 'graph' in network ? (network as Model) : buildSpec(network);
  return diagnoseSteps(model, { seed: 0, ...options, runtime });
}

/**
 * An MLP of equally wide layers and a linear last one as wide: between its output and its first layer's stand `depth`
 * weight matrices and as many activations, nothing else.
 */
export function deepNetwork(
  activation: unknown,
  init: unknown,
  { depth = DEPTH, width = WIDTH, bias = 0, loss = 'mse' as unknown } = {},
): Network {
  const hidden = {
    units: width,
    ...(activation === undefined ? {} : { activation }),
    bias,
    repeat: depth,
    name: 'hidden',
  };
  return { input: width, layers: [{ dense: hidden }, { dense: { units: width, name: 'out' } }], init, loss };
}

/** What `independent` feeds, in words. */
export const INDEPENDENT = '64 standard-normal inputs, random targets of deviation 1000';
const FAR = 1000;

/** Rows of numbers as a batch, and a target for each. */
export function rows(inputs: readonly (readonly number[])[], targets?: readonly (readonly number[])[]): BatchRequest {
  const matrix = (from: readonly (readonly number[])[]) =>
    tensorOf('float32', [from.length, from[0]!.length], from.flat());
  const target = targets && matrix(targets);
  return { kind: 'tensors', from: 'the example', inputs: new Map([['', matrix(inputs)]]), target };
}

/**
 * 64 standard-normal rows, and random targets so far away that the loss's gradient knows nothing of the weights, as
 * mean-field theory assumes: with near targets the output returns through the very weights that it came by.
 */
export function independent(width: number, seed: number): BatchRequest {
  const random = createRandom(seed).fork('explain');
  const draw = (scale: number) =>
    Array.from({ length: 64 }, () => Array.from({ length: width }, () => scale * random.normal()));
  return rows(draw(1), draw(FAR));
}

/** Decades of the layers with weights, from the first to the last, as a line of a plot. */
export function layerLine(name: string, { profile }: ReportSubject): Plot['series'][number] {
  const layers = profile.layers.filter(({ mixes }) => mixes);
  return { name, x: layers.map((_, i) => i + 1), y: layers.map(({ decadesFromOutput }) => decadesFromOutput) };
}

/** A number as a cell. */
export function cell(value: number, as: Exclude<Cell, string>['as'] = 'number'): Cell {
  return { value, as };
}

/** `10^-6.1`. */
export function powerOf(decades: number): string {
  if (decades === Number.NEGATIVE_INFINITY) return 'exactly 0';
  return `10^${decades.toFixed(1).replace(/^-0\.0$/, '0.0')}`;
}

/** Three digits, or a power of ten where that is shorter. */
export function digits(value: number): string {
  const magnitude = Math.abs(value);
  if (value === 0 || (magnitude >= 1e-3 && magnitude < 1e5)) return String(Number(value.toPrecision(3)));
  return value.toExponential(1).replace('e+', 'e');
}
