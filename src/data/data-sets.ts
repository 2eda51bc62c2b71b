import { arrayOf, isFloat, type TypedArray } from '../graph/data-type.ts';
import { suggest } from '../graph/did-you-mean.ts';
import { DataError } from '../graph/errors.ts';
import type { Dim, ValueInfo } from '../graph/graph.ts';
import { sizeOf, type Tensor, tensorOf } from '../graph/tensor.ts';
import { type Ask, type BuiltIn, builtIns, type DataSetInfo, type Drawn } from './built-in.ts';
import { type DataSet, type DataSetOptions, fittedDataSet } from './dataset.ts';
import { batchAxisOf, bindDims, checkSize, fixedBatchOf, showShape } from './dims.ts';
import type { DigitLoader } from './mnist.ts';
import type { FittedRows } from './sources/row-source.ts';

const LARGEST_PARAMETER = 10_000_000;

export type { DataSetInfo } from './built-in.ts';

/** Fitted to a model: what is drawn, and in which form. */
interface Plan {
  readonly set: BuiltIn;
  readonly info: ValueInfo;
  readonly ask: Ask;
  /** Position of the batch among the input's axes. */
  readonly axis: number;
  readonly unit: readonly number[] | undefined;
  readonly notes: string[];
  readonly name: string;
}

export interface NamedBatch {
  tensor: Tensor;
  target: Tensor;
  size: number;
  info: DataSetInfo;
  detail: string;
  notes: string[];
}

/** What a built-in data set is fitted to. */
export interface NamedOptions {
  readonly seed: number;
  readonly output?: { readonly shape?: readonly Dim[] };
  readonly loadDigits?: DigitLoader;
}

/** The built-in data sets, for help and suggestions. */
export function listDataSets(): DataSetInfo[] {
  return builtIns.map(({ name, real, summary, parameter }) => ({ name, real, summary, parameter }));
}

/** Whether a name is that of a built-in data set, with a parameter (`adding:150`) or without. */
export function isDataSet(name: string): boolean {
  return builtIns.some((set) => set.name === name.split(':', 1)[0]);
}

/**
 * A batch of a built-in data set shaped for the model's single input. Labels are int64 [size]; float32 0 and 1 in the
 * output's shape where it has one unit. Throws DataError when the name is unknown or the model reads another shape.
 */
export async function drawDataSet(
  name: string,
  modelInputs: readonly ValueInfo[],
  options: NamedOptions & { size: number },
): Promise<NamedBatch> {
  const plan = planNamed(name, modelInputs, options);
  const size = fixedBatchOf(modelInputs) ?? options.size;
  checkSize([size, ...plan.ask.example], plan.info.name);
  const drawn = await plan.set.draw({ ...plan.ask, size });
  return { ...shaped(plan, drawn, size), size, info: plan.set, detail: drawn.detail, notes: plan.notes };
}

/**
 * A built-in data set of `rows` rows for a model's single input, as a stream: points and digits are held in memory,
 * sequences are made as they are read. Throws DataError as `drawDataSet`.
 */
export async function openNamed(
  name: string,
  modelInputs: readonly ValueInfo[],
  options: NamedOptions & DataSetOptions & { readonly rows?: number },
): Promise<DataSet> {
  const plan = planNamed(name, modelInputs, options);
  const wanted = options.rows ?? plan.ask.points ?? plan.set.rows;
  checkSize([plan.set.drawRows ? 1 : wanted, ...plan.ask.example], plan.info.name);
  const drawing = (options.rows === undefined && plan.set.drawAll) || plan.set.draw;
  const held = plan.set.drawRows ? undefined : await drawing({ ...plan.ask, size: wanted });
  const rows = held ? held.labels.length : wanted;
  const width = sizeOf(plan.ask.example);
  const take = (numbers: ArrayLike<number>): Drawn => {
    if (!held) return plan.set.drawRows!(plan.ask, numbers);
    const points = new Float32Array(numbers.length * width);
    const labels = Array.from(numbers, (row, i) => {
      points.set(held.points.subarray(row * width, (row + 1) * width), i * width);
      return held.labels[row]!;
    });
    return { points, labels, detail: held.detail };
  };
  const source: FittedRows = {
    name: plan.name,
    real: plan.set.real,
    rows,
    notes: plan.notes,
    close: async () => undefined,
    async read(numbers) {
      const { tensor, target } = shaped(plan, take(numbers), numbers.length);
      return { inputs: new Map([[plan.info.name, tensor]]), target };
    },
    ...(held && { labels: async () => held.labels }),
  };
  return fittedDataSet(source, modelInputs, await source.read([0]), undefined, options);
}

/** Drawn rows as the model reads them: its type, and its batch axis. */
function shaped(
  { info, ask, axis, unit, set }: Plan,
  { points, labels, targetDims = [] }: Drawn,
  size: number,
): { tensor: Tensor; target: Tensor } {
  const flat = tensorOf(info.type ?? 'float32', [size, ...ask.example], points);
  const tensor = axis === 0 ? flat : swapFirstAxes(flat);
  if (targetDims.length > 0) {
    const target = tensorOf('int64', [size, ...targetDims], labels);
    return { tensor, target: ask.timeMajor ? swapFirstAxes(target) : target };
  }
  const values = unit ?? (set.regression ? [1] : undefined);
  return {
    tensor,
    target: values ? tensorOf('float32', [size, ...values], labels) : tensorOf('int64', [size], labels),
  };
}

/** Checks a name, its parameter, the model's input and output. */
function planNamed(fullName: string, modelInputs: readonly ValueInfo[], options: NamedOptions): Plan {
  const [name, ...rest] = fullName.split(':') as [string, ...string[]];
  const set = builtIns.find((candidate) => candidate.name === name);
  if (!set) {
    const names = builtIns.map((candidate) => candidate.name);
    throw misfit(`there is no built-in data set "${name}"`, suggest(name, names, 'data sets'));
  }
  const parameter = rest.length === 0 ? undefined : readParameter(set, rest.join(':'));
  if (modelInputs.length !== 1) {
    const names = modelInputs.map((info) => info.name).join(', ') || 'none';
    throw misfit(
      `${name} feeds models of one input, this one has ${modelInputs.length} (${names})`,
      '--input NAME=FILE.npy',
    );
  }
  const info = modelInputs[0]!;
  const notes: string[] = [];
  const example = exampleShape(set, info, notes, parameter);
  if (example === undefined) {
    const have =
      set.shapes?.map((shape) => showShape(['N', ...shape])).join(' or ') ??
      set.form ??
      'of any shape that begins with the batch';
    const others = builtIns.filter((other) => other !== set && exampleShape(other, info, []) !== undefined);
    const fits = others.length > 0 ? `what fits: --data ${others.map((other) => other.name).join(', ')}` : 'none fits';
    const wants = `${info.type ?? 'float32'} ${showShape(info.shape)}`;
    throw misfit(
      `the model's input "${info.name}" wants ${wants}, ${fullName} comes as float32 ${have}`,
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
  if (set.regression && options.output?.shape && !output.unit) {
    throw misfit(
      `${name} wants one number per sequence, the model's output is ${showShape(options.output.shape)}`,
      'a model whose output is [N, 1]',
    );
  }
  const classes = set.classes ?? output.classes ?? 2;
  if (set.classes === undefined && output.classes === undefined && !set.regression) {
    notes.push('how many classes the model tells apart is not known; 2 were drawn');
  }
  const features = sizeOf(example);
  const timeMajor = options.output?.shape !== undefined && batchAxisOf(options.output.shape) === 1;
  const ask: Ask = {
    example,
    features,
    classes,
    seed: options.seed,
    timeMajor,
    points: typeof parameter === 'number' && set.parameter === 'ROWS' ? parameter : undefined,
    permuted: parameter === 'permuted',
    loadDigits: options.loadDigits,
  };
  return { set, info, ask, axis: axisFor(set, info), unit: output.unit, notes, name: fullName };
}

/** A whole number, or the word that the data set knows. */
function readParameter(set: BuiltIn, text: string): number | 'permuted' {
  if (set.parameter === undefined)
    throw misfit(`${set.name} takes no parameter, found "${text}"`, `--data ${set.name}`);
  if (set.parameter === 'permuted') {
    if (text === 'permuted') return text;
    throw misfit(`${set.name} does not know "${text}"`, `--data ${set.name}:permuted`);
  }
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (value >= 2 && value <= LARGEST_PARAMETER) return value;
  throw misfit(`"${text}" is not a whole number from 2 to ${LARGEST_PARAMETER}`, `--data ${set.name}:150`);
}

/** Sequences may count their steps first: [T, N, features]. */
function axisFor(set: BuiltIn, { shape }: ValueInfo): 0 | 1 {
  return set.sequence && shape && batchAxisOf(shape) === 1 ? 1 : 0;
}

/** out[j, i, …] = tensor[i, j, …]. */
function swapFirstAxes({ type, dims, data }: Tensor): Tensor {
  const [a = 1, b = 1, ...rest] = dims;
  const width = sizeOf(rest);
  const out = new (arrayOf(type))(data.length);
  for (let i = 0; i < a; i++) {
    for (let j = 0; j < b; j++) {
      const from = (i * b + j) * width;
      out.set((data as TypedArray).subarray(from, from + width) as never, (j * a + i) * width);
    }
  }
  return { type, dims: [b, a, ...rest], data: out };
}

/** The shape of one example as the model reads it, or undefined where the data set has no such shape. */
function exampleShape(
  set: BuiltIn,
  info: ValueInfo,
  notes: string[],
  parameter?: number | string,
): readonly number[] | undefined {
  const { shape, type = 'float32' } = info;
  if (!isFloat(type) && !set.integers) return undefined;
  const axis = axisFor(set, info);
  const rest = shape?.filter((_, i) => i !== axis);
  if (shape && batchAxisOf(shape) !== axis) return undefined;
  if (set.fit) {
    const length = typeof parameter === 'number' && set.parameter === 'LENGTH' ? parameter : undefined;
    return set.fit(rest, isFloat(type), length);
  }
  if (!shape || !rest) return set.shapes?.[0];
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
