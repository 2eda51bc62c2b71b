import { isFloat } from '../graph/data-type.ts';
import { DataError } from '../graph/errors.ts';
import { filledTensor, sizeOf, type Tensor, tensorOf } from '../graph/tensor.ts';
import type { Random } from '../random/random.ts';
import { type BoundInput, checkSize } from './dims.ts';

const DEFAULT_BOUND = 10;

/** A tensor made up for one input, and in words how. */
export interface DrawnInput {
  tensor: Tensor;
  how: 'standard normal' | 'uniform integers' | 'random bits' | 'by convention';
  note?: string;
}

/**
 * Made-up content for an input: what its name stands for by convention (masks, positions), else standard-normal
 * floats, uniform integers below `bound`, or random bits. `random` is forked by the input's name.
 */
export function drawInput(bound: BoundInput, random: Random, vocabulary?: number): DrawnInput {
  const { info, dims } = bound;
  const type = info.type ?? 'float32';
  const size = sizeOf(dims);
  checkSize(dims, info.name);
  if (type === 'string') {
    throw new DataError('strings cannot be made up', { code: 'no-data', where: info.name, hint: `give --input` });
  }
  const conventional = fillByConvention(bound);
  if (conventional) return conventional;
  const stream = random.fork(info.name);
  const draw = (one: () => number) => tensorOf(type, dims, Float64Array.from({ length: size }, one));
  if (isFloat(type)) return { tensor: draw(stream.normal), how: 'standard normal' };
  if (type === 'bool') return { tensor: draw(() => stream.below(2)), how: 'random bits' };
  const limit = Math.min(vocabulary ?? DEFAULT_BOUND, largest[type] ?? Infinity);
  if (!Number.isSafeInteger(limit) || limit < 1) {
    throw new DataError(`integers below ${vocabulary} cannot be drawn`, { code: 'no-data', where: info.name });
  }
  const why = vocabulary === undefined ? `; how many the model knows is not known here, give --input to be sure` : '';
  return {
    tensor: draw(() => stream.below(limit)),
    how: 'uniform integers',
    note: `${info.name}: integers drawn uniformly from 0 to ${limit - 1}${why}`,
  };
}

const largest: Partial<Record<string, number>> = { int8: 128, int16: 32768, uint8: 256, uint16: 65536, int32: 2 ** 31 };

/** The input names of Hugging Face's exporters: masks are ones, token types zeros, positions 0, 1, 2, …; or nothing. */
export function fillByConvention({ info, dims }: BoundInput): DrawnInput | undefined {
  const type = info.type ?? 'float32';
  if (type === 'string') return undefined;
  const filled = (value: number, words: string): DrawnInput => ({
    tensor: filledTensor(type, dims, value),
    how: 'by convention',
    note: `${info.name}: filled with ${words}, as its name suggests`,
  });
  if (/mask/i.test(info.name)) return filled(1, 'ones');
  if (/token_type|segment_ids/i.test(info.name)) return filled(0, 'zeros');
  if (/position_?ids/i.test(info.name)) {
    const length = dims.at(-1) ?? 1;
    const values = Float64Array.from({ length: sizeOf(dims) }, (_, i) => i % length);
    return {
      tensor: tensorOf(type, dims, values),
      how: 'by convention',
      note: `${info.name}: filled with 0, 1, 2, … along the sequence, as its name suggests`,
    };
  }
  return undefined;
}
