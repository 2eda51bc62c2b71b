import { DataError } from '../graph/errors.ts';
import type { Dim, ValueInfo } from '../graph/graph.ts';
import { sizeOf } from '../graph/tensor.ts';

/** The shape of one model input with everything symbolic settled. */
export interface BoundInput {
  info: ValueInfo;
  dims: number[];
}

export interface BoundInputs {
  inputs: BoundInput[];
  /** Examples in the batch. */
  size: number;
  /** Whether the model's own declaration fixes the batch. */
  fixed: boolean;
  notes: string[];
}

const batchName = /^(n|b|bs|none|batch.*|.*[_ -]batch(_?size)?|unk__\d+)$/i;
const sequenceName = /seq|time|len|token|step|^t$|^s$/i;
const sideName = /height|width|^h$|^w$|rows|cols/i;

/** Chosen where a model leaves a size open: long enough to have a past, large enough for three poolings. */
const SEQUENCE_LENGTH = 16;
const IMAGE_SIDE = 32;
/** 1 GiB of float32. */
const MOST_ELEMENTS = 2 ** 28;

/**
 * Where the examples are counted: the axis named like a batch, else axis 0 unless it is named like a sequence.
 */
export function batchAxisOf(shape: readonly Dim[]): number | undefined {
  const named = shape.findIndex((dim) => typeof dim === 'string' && batchName.test(dim));
  if (named >= 0) return named;
  const first = shape[0];
  if (first === undefined) return undefined;
  return typeof first === 'string' && sequenceName.test(first) ? undefined : 0;
}

/** As `batchAxisOf`, but an axis that is fixed at another number than the model's batch counts something else. */
export function rowAxisOf(shape: readonly Dim[], fixedBatch: number | undefined): number | undefined {
  const axis = batchAxisOf(shape);
  if (axis === undefined) return undefined;
  return typeof shape[axis] === 'number' && shape[axis] !== fixedBatch ? undefined : axis;
}

/** The batch that the model's declaration fixes (first input that has one), or undefined. */
export function fixedBatchOf(modelInputs: readonly ValueInfo[]): number | undefined {
  for (const { shape } of modelInputs) {
    const axis = shape ? batchAxisOf(shape) : undefined;
    if (axis !== undefined) {
      const dim = shape![axis]!;
      return typeof dim === 'number' ? dim : undefined;
    }
  }
  return undefined;
}

/**
 * Concrete dims for every input: fixed ones as declared, the batch as `size`, one number per symbol, and defaults
 * with a note for the rest. `known` holds symbols already settled by given tensors.
 */
export function bindDims(
  modelInputs: readonly (ValueInfo & { shape: Dim[] })[],
  size: number,
  known: ReadonlyMap<string, number> = new Map(),
): BoundInputs {
  const fixedBatch = fixedBatchOf(modelInputs);
  const batch = fixedBatch ?? size;
  const symbols = new Map(known);
  const notes: string[] = [];
  for (const { shape } of modelInputs) {
    const axis = batchAxisOf(shape);
    const dim = axis === undefined ? undefined : shape[axis];
    if (typeof dim === 'string' && dim !== '' && !symbols.has(dim)) symbols.set(dim, batch);
  }
  const inputs = modelInputs.map((info) => {
    const batchAxis = batchAxisOf(info.shape);
    const dims = info.shape.map((dim, axis) => {
      if (typeof dim === 'number') return dim;
      if (dim !== null && symbols.has(dim)) return symbols.get(dim)!;
      if (axis === batchAxis) return batch;
      const chosen = defaultFor(dim, axis, info.shape.length);
      if (dim !== null && dim !== '') symbols.set(dim, chosen);
      const label = dim === null || dim === '' ? `axis ${axis}` : `"${dim}" (axis ${axis})`;
      notes.push(
        `${info.name}: the model leaves ${label} open, ${chosen} was taken; give --input ${info.name}=FILE.npy to set it`,
      );
      return chosen;
    });
    return { info, dims };
  });
  return { inputs, size: batch, fixed: fixedBatch !== undefined, notes };
}

function defaultFor(dim: string | null, axis: number, rank: number): number {
  if (dim !== null && /past/i.test(dim)) return 1;
  if (dim !== null && sideName.test(dim)) return IMAGE_SIDE;
  if (dim !== null && sequenceName.test(dim)) return SEQUENCE_LENGTH;
  // Images are the rank-4 inputs: [N, C, H, W].
  return rank === 4 && axis >= 2 ? IMAGE_SIDE : 1;
}

/** Throws DataError for a shape of more than 2^28 elements: a model's declaration may come from a stranger. */
export function checkSize(dims: readonly number[], name: string): void {
  const size = sizeOf(dims);
  if (size <= MOST_ELEMENTS) return;
  throw new DataError(`its shape [${dims.join(', ')}] has ${size} elements, over the limit of ${MOST_ELEMENTS}`, {
    code: 'too-large',
    where: name,
    hint: 'a smaller --batch',
  });
}

/** `[batch, 784, ?]`: a declared shape as the model's file has it. */
export function showShape(shape: readonly Dim[] | undefined): string {
  return shape ? `[${shape.map((dim) => dim ?? '?').join(', ')}]` : '[unknown rank]';
}
