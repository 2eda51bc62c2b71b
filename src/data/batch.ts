import type { DataType } from '../graph/data-type.ts';
import { DataError } from '../graph/errors.ts';
import type { Dim, ValueInfo } from '../graph/graph.ts';
import type { Tensor } from '../graph/tensor.ts';
import { createRandom } from '../random/random.ts';
import { drawDataSet } from './data-sets.ts';
import { bindDims, fixedBatchOf, showShape } from './dims.ts';
import { fitTensors, type GivenTensors } from './given.ts';
import { type Missing, refuseMissing, usableRows } from './missing.ts';
import type { DigitLoader } from './mnist.ts';
import { allRows, permuted } from './order.ts';
import type { RowSource } from './sources/row-source.ts';
import { drawInput } from './synthetic.ts';

/** What a model is fed once, and where it comes from. */
export interface Batch {
  inputs: Map<string, Tensor>;
  /** Absent where nobody gave one: `drawTarget` makes one up. */
  target?: Tensor;
  description: BatchDescription;
}

/** Which batch it is, plainly: every report shows it. */
export interface BatchDescription {
  /** The data set's or the file's name; `synthetic` where nothing was given. */
  name: string;
  /** Whether the rows are someone's data, as against made up. */
  real: boolean;
  size: number;
  seed: number;
  /** One phrase, such as `64 real digits (mnist, seed 0)`. */
  detail: string;
  /** What was assumed on the way, in sentences. */
  notes: string[];
}

/** A built-in data set by name, tensors someone has (`from` names their file), rows of files, or nothing. */
export type BatchRequest =
  | { kind: 'named'; name: string }
  | ({ kind: 'tensors'; from: string; notes?: readonly string[] } & GivenTensors)
  /** Without `missing` rows with NaN go in as they are. */
  | { kind: 'rows'; source: RowSource; missing?: Missing }
  | { kind: 'none' };

export interface BatchOptions {
  /** Rows wanted; a batch that the model fixes wins. */
  size?: number;
  seed?: number;
  /** The model's output, which tells the built-in data sets how many classes to draw. */
  output?: { type?: DataType; shape?: readonly Dim[] };
  /** Bounds of made-up integer inputs by input name: drawn from 0 to bound − 1. */
  vocabulary?: ReadonlyMap<string, number>;
  /** Where mnist's digits come from: files in Node, a fetch in a page. */
  loadDigits?: DigitLoader;
}

/** Rows of a batch when nobody says. */
export const BATCH_SIZE = 64;
const LARGEST_BATCH = 1_000_000;

/**
 * A batch for a model. `modelInputs` are the graph inputs that are not initializers.
 * Throws DataError when what is requested does not exist or does not fit.
 */
export async function makeBatch(
  request: BatchRequest,
  modelInputs: readonly ValueInfo[],
  options: BatchOptions = {},
): Promise<Batch> {
  const { size = BATCH_SIZE, seed = 0 } = options;
  if (!Number.isSafeInteger(size) || size < 1 || size > LARGEST_BATCH) {
    throw new DataError(`a batch of ${size} rows is not possible`, {
      code: 'batch-size',
      where: '--batch',
      hint: `an integer from 1 to ${LARGEST_BATCH}`,
    });
  }
  const batch = await fill(request, modelInputs, { ...options, size, seed });
  const fixed = fixedBatchOf(modelInputs);
  if (fixed !== undefined && fixed !== size) {
    const asked = options.size === undefined ? '' : `, not ${size} as asked`;
    batch.description.notes.unshift(`the model fixes its batch at ${fixed}${asked}`);
  }
  for (const [name, tensor] of batch.inputs) checkNotEmpty(name, tensor);
  return batch;
}

/** A sequence of no steps or an image of no pixels has no gradient, and onnxruntime 1.30 aborts on some of them (GRU). */
function checkNotEmpty(name: string, { dims }: Tensor): void {
  if (!dims.includes(0)) return;
  throw new DataError(`the input has shape [${dims.join(', ')}], which holds no element`, {
    code: 'empty-input',
    where: name,
    hint: 'every dimension must be at least 1',
  });
}

type Settled = BatchOptions & { size: number; seed: number };

async function fill(request: BatchRequest, modelInputs: readonly ValueInfo[], options: Settled): Promise<Batch> {
  const { seed } = options;
  if (request.kind === 'named') {
    const drawn = await drawDataSet(request.name, modelInputs, options);
    const { real } = drawn.info;
    const noun = real ? 'digit' : drawn.info.parameter === 'LENGTH' ? 'sequence' : 'point';
    const how = drawn.detail === '' ? '' : `: ${drawn.detail}`;
    return {
      inputs: new Map([[modelInputs[0]!.name, drawn.tensor]]),
      target: drawn.target,
      description: {
        name: request.name,
        real,
        size: drawn.size,
        seed,
        detail: `${count(drawn.size, `${real ? 'real' : 'synthetic'} ${noun}`)} (${request.name}, seed ${seed})${how}`,
        notes: drawn.notes,
      },
    };
  }
  if (request.kind === 'tensors') {
    const { inputs, target, size, rows, notes } = fitTensors(request, modelInputs, options.size);
    const taken = size < rows ? `the first ${size} of ${count(rows, 'row')}` : count(size, 'row');
    const all = [...(request.notes ?? []), ...notes];
    if (!target) all.push('no target was given: it is drawn at random');
    return {
      inputs,
      target,
      description: { name: request.from, real: true, size, seed, detail: `${taken} of ${request.from}`, notes: all },
    };
  }
  return request.kind === 'rows' ? readRows(request, modelInputs, options) : makeUp(modelInputs, options);
}

/** The first rows of a source; of one whose rows stand by class, the first in an order drawn from the seed. */
async function readRows(
  { source, missing }: Extract<BatchRequest, { kind: 'rows' }>,
  modelInputs: readonly ValueInfo[],
  options: Settled,
): Promise<Batch> {
  const { seed } = options;
  const usable = await usableRows(source, missing);
  const all = usable.rows.count;
  const wanted = Math.min(fixedBatchOf(modelInputs) ?? options.size, all);
  const order = source.sorted ? permuted(all, seed, 'batch') : allRows(all);
  const numbers = Float64Array.from({ length: wanted }, (_, i) => usable.rows.at(order.at(i)));
  const given = await source.read(numbers);
  if (missing === 'error') refuseMissing(given, numbers, source);
  const { inputs, target, size, notes } = fitTensors(given, modelInputs, wanted, numbers);
  const part = source.sorted
    ? `${size} of ${count(all, 'row')}, seed ${seed}`
    : `the first ${size} of ${count(all, 'row')}`;
  const said = [...(source.notes ?? []), ...notes, ...usable.notes];
  if (!target) said.push('no target was given: it is drawn at random');
  const detail = `${size < all ? part : count(size, 'row')} of ${source.name}`;
  return { inputs, target, description: { name: source.name, real: source.real, size, seed, detail, notes: said } };
}

function makeUp(modelInputs: readonly ValueInfo[], { size, seed, vocabulary }: Settled): Batch {
  const shaped = modelInputs.map((info) => {
    if (info.shape) return { ...info, shape: info.shape };
    throw new DataError(`the model does not say what shape it wants ${showShape(info.shape)}`, {
      code: 'no-data',
      where: info.name,
      hint: `--input ${info.name}=FILE.npy`,
    });
  });
  const bound = bindDims(shaped, size);
  const random = createRandom(seed).fork('inputs');
  const inputs = new Map<string, Tensor>();
  const ways = new Set<string>();
  const notes = [...bound.notes];
  for (const input of bound.inputs) {
    const drawn = drawInput(input, random, vocabulary?.get(input.info.name));
    inputs.set(input.info.name, drawn.tensor);
    if (drawn.note !== undefined) notes.push(drawn.note);
    ways.add(drawn.how);
  }
  if (ways.size > 1) ways.delete('by convention');
  const how = [...ways].join(' and ') || 'none wanted by the model';
  const detail = `${count(bound.size, 'synthetic input')}: ${how}, labels drawn at random (no data given)`;
  return { inputs, description: { name: 'synthetic', real: false, size: bound.size, seed, detail, notes } };
}

function count(n: number, noun: string): string {
  return `${n} ${noun}${n === 1 ? '' : 's'}`;
}
