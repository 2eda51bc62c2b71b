import { describe, expect, it } from 'vitest';
import { requestFromArrays } from '../../src/data/requests.ts';
import type { DataType } from '../../src/graph/data-type.ts';
import type { Dim, ValueInfo } from '../../src/graph/graph.ts';
import { sizeOf, type Tensor, tensorOf } from '../../src/graph/tensor.ts';

const input = (name: string, shape?: Dim[]): ValueInfo => ({ name, type: 'float32', shape });
const ramp = (type: DataType, dims: number[]) =>
  tensorOf(
    type,
    dims,
    Array.from({ length: sizeOf(dims) }, (_, i) => i),
  );

describe('requestFromArrays', () => {
  const [a, b, y] = [ramp('float32', [2, 3]), ramp('float32', [2, 4]), ramp('int64', [2])];
  const read = (arrays: Record<string, Tensor>, ...inputs: ValueInfo[]) => {
    const request = requestFromArrays(new Map(Object.entries(arrays)), inputs, 'a.npz');
    if (request.kind !== 'tensors') throw new Error(request.kind);
    return { inputs: Object.fromEntries(request.inputs), target: request.target, notes: request.notes };
  };

  it.each(['x', 'X', 'input', 'inputs', 'data', 'features', 'x_train', 'anything'])(
    'takes "%s" for the only input',
    (key) => {
      expect(read({ [key]: a, labels: y }, input('pixels'))).toEqual({ inputs: { pixels: a }, target: y, notes: [] });
    },
  );

  it("takes numpy's unnamed arrays in order, and exact names first", () => {
    expect(read({ arr_0: a, arr_1: y }, input('pixels')).target).toBe(y);
    expect(read({ left: a, right: b, y }, input('left'), input('right'))).toEqual({
      inputs: { left: a, right: b },
      target: y,
      notes: [],
    });
    expect(read({ y: a, labels: y }, input('y'))).toEqual({ inputs: { y: a }, target: y, notes: [] });
    expect(read({ x_train: a, y_train: y, x_test: b, y_test: y }, input('i')).notes).toEqual([
      'not used of a.npz: x_test, y_test',
    ]);
  });

  it('lists the arrays where none is the input', () => {
    expect(() => read({ picture: a, pixel: b }, input('pixels'))).toThrow(
      expect.objectContaining({ message: 'no array for the model\'s input "pixels"', hint: 'did you mean "pixel"?' }),
    );
    expect(() => read({ u: a, v: b }, input('left'), input('right'))).toThrow(
      expect.objectContaining({ hint: 'arrays in the file: u, v' }),
    );
  });
});
