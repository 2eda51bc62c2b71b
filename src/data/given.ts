import { isFloat } from '../graph/data-type.ts';
import { suggest } from '../graph/did-you-mean.ts';
import { DataError } from '../graph/errors.ts';
import type { Dim, ValueInfo } from '../graph/graph.ts';
import { sizeOf, type Tensor } from '../graph/tensor.ts';
import { castTensor, takeFirst } from './cast.ts';
import { bindDims, fixedBatchOf, rowAxisOf, showShape } from './dims.ts';
import { fillByConvention } from './synthetic.ts';

/** Tensors that someone has: by input name, '' standing for the only input. */
export interface GivenTensors {
  inputs: ReadonlyMap<string, Tensor>;
  target?: Tensor;
}

export interface FittedTensors {
  inputs: Map<string, Tensor>;
  target?: Tensor;
  size: number;
  /** Rows there were to take from. */
  rows: number;
  notes: string[];
}

/**
 * Given tensors as the model wants them: names, ranks, fixed dims and symbols checked, types cast, the first `size`
 * rows taken (exactly the model's batch where it is fixed). Throws DataError saying what was expected and found;
 * `rowNumbers` is what errors call the rows.
 */
export function fitTensors(
  given: GivenTensors,
  modelInputs: readonly ValueInfo[],
  size: number,
  rowNumbers?: ArrayLike<number>,
): FittedTensors {
  const named = nameInputs(given.inputs, modelInputs);
  const notes: string[] = [];
  const symbols = new Map<string, { value: number; where: string }>();
  let rows: { count: number; where: string } | undefined;
  const countRows = (count: number, where: string) => {
    rows ??= { count, where };
    if (rows.count !== count) throw misfit(where, `has ${count} rows, but ${rows.where} has ${rows.count}`);
  };
  const fixed = fixedBatchOf(modelInputs);
  const axes = new Map<string, number | undefined>();
  for (const info of modelInputs) {
    const tensor = named.get(info.name);
    if (!tensor) continue;
    const shape: Dim[] = info.shape ?? tensor.dims.map(() => null);
    const axis = rowAxisOf(shape, fixed);
    axes.set(info.name, axis);
    checkShape(tensor, info, shape, axis, symbols);
    if (axis !== undefined) countRows(tensor.dims[axis]!, info.name);
  }
  if (given.target) {
    if (given.target.dims.length === 0) throw misfit('target', 'is a scalar', 'expected one row per example');
    countRows(given.target.dims[0]!, 'target');
  }

  const available = rows?.count ?? 1;
  if (available === 0) throw misfit(rows!.where, 'has no rows');
  if (fixed !== undefined && available < fixed) {
    throw misfit(
      rows!.where,
      `has ${available} rows, the model's batch is fixed at ${fixed}`,
      `give at least ${fixed}`,
    );
  }
  const taken = fixed ?? Math.min(size, available);
  const inputs = new Map<string, Tensor>();
  for (const info of modelInputs) {
    const tensor = named.get(info.name);
    if (!tensor) continue;
    const axis = axes.get(info.name);
    const type = info.type ?? (isFloat(tensor.type) ? 'float32' : tensor.type);
    if (isFloat(type) && !isFloat(tensor.type))
      notes.push(`${info.name}: ${tensor.type} values were taken unscaled as ${type}`);
    const first = axis === undefined ? tensor : takeFirst(tensor, axis, taken);
    inputs.set(info.name, castTensor(first, type, info.name, rowNumbers));
  }
  fillMissing(modelInputs, inputs, taken, symbols, notes);
  const target = given.target && castTarget(takeFirst(given.target, 0, taken), rowNumbers);
  return { inputs, target, size: taken, rows: available, notes };
}

function nameInputs(given: ReadonlyMap<string, Tensor>, modelInputs: readonly ValueInfo[]): Map<string, Tensor> {
  const names = modelInputs.map((info) => info.name);
  const named = new Map<string, Tensor>();
  for (const [key, tensor] of given) {
    if (key === '' && names.length !== 1) {
      throw misfit(
        '--input',
        `the model has ${names.length} inputs`,
        `name them: ${names.map((n) => `--input ${n}=FILE.npy`).join(' ')}`,
      );
    }
    const name = key === '' ? names[0]! : key;
    if (!names.includes(name))
      throw misfit('--input', `the model has no input "${key}"`, suggest(key, names, 'inputs'));
    if (named.has(name)) throw misfit('--input', `the input "${name}" was given twice`);
    named.set(name, tensor);
  }
  return named;
}

function checkShape(
  tensor: Tensor,
  info: ValueInfo,
  shape: readonly Dim[],
  batchAxis: number | undefined,
  symbols: Map<string, { value: number; where: string }>,
): void {
  const wanted = showShape(shape);
  const found = `[${tensor.dims.join(', ')}]`;
  if (tensor.dims.length !== shape.length) {
    throw misfit(info.name, `expected shape ${wanted}, found ${found}`, reshapeHint(tensor.dims, shape, batchAxis));
  }
  shape.forEach((dim, axis) => {
    const actual = tensor.dims[axis]!;
    if (axis === batchAxis) return;
    if (typeof dim === 'number' && dim !== actual) {
      const hint = reshapeHint(tensor.dims, shape, batchAxis);
      throw misfit(info.name, `expected shape ${wanted}, found ${found}: axis ${axis} is ${actual}, not ${dim}`, hint);
    }
    if (typeof dim === 'string' && dim !== '') {
      const before = symbols.get(dim);
      if (before && before.value !== actual) {
        throw misfit(info.name, `axis ${axis} ("${dim}") is ${actual}, but ${before.value} in ${before.where}`);
      }
      symbols.set(dim, { value: actual, where: info.name });
    }
  });
}

function reshapeHint(
  dims: readonly number[],
  shape: readonly Dim[],
  batchAxis: number | undefined,
): string | undefined {
  const fits = (other: readonly number[]) =>
    other.length === shape.length &&
    shape.every((dim, i) => i === batchAxis || typeof dim !== 'number' || dim === other[i]);
  if (batchAxis === 0 && fits([1, ...dims])) return 'add the batch axis: array[None]';
  const rest = shape.slice(1);
  if (batchAxis === 0 && rest.every((dim) => typeof dim === 'number') && sizeOf(dims.slice(1)) === sizeOf(rest)) {
    return `array.reshape(${[-1, ...rest].join(', ')}) would fit`;
  }
  if (dims.length === 4 && fits([dims[0]!, dims[3]!, dims[1]!, dims[2]!]))
    return 'array.transpose(0, 3, 1, 2) would fit';
  if (dims.length === 4 && fits([dims[0]!, dims[2]!, dims[3]!, dims[1]!]))
    return 'array.transpose(0, 2, 3, 1) would fit';
  return undefined;
}

/** Inputs that nobody gave: masks, token types and positions have a meaning by name, others are needed. */
function fillMissing(
  modelInputs: readonly ValueInfo[],
  inputs: Map<string, Tensor>,
  size: number,
  symbols: ReadonlyMap<string, { value: number }>,
  notes: string[],
): void {
  const missing = modelInputs.filter((info) => !inputs.has(info.name));
  if (missing.length === 0) return;
  const shaped = missing.flatMap((info) => (info.shape ? [{ ...info, shape: info.shape }] : []));
  const bound = bindDims(shaped, size, new Map(Array.from(symbols, ([name, { value }]) => [name, value])));
  notes.push(...bound.notes);
  for (const input of bound.inputs) {
    const filled = fillByConvention(input);
    if (!filled) continue;
    inputs.set(input.info.name, filled.tensor);
    notes.push(filled.note!);
  }
  const needed = missing.filter((info) => !inputs.has(info.name));
  if (needed.length > 0) {
    const list = needed.map((info) => `"${info.name}" ${showShape(info.shape)}`).join(', ');
    throw misfit('--input', `no data for the model's input ${list}`, `--input ${needed[0]!.name}=FILE.npy`);
  }
}

/** Labels as int64, values as float32: what the losses read. */
function castTarget(target: Tensor, rowNumbers?: ArrayLike<number>): Tensor {
  return castTensor(target, isFloat(target.type) ? 'float32' : 'int64', 'target', rowNumbers);
}

function misfit(where: string, message: string, hint?: string): DataError {
  return new DataError(message, { code: 'data-shape', where, hint });
}
