import * as ort from 'onnxruntime-node';
import type { Model } from '../../../src/graph/graph.ts';
import { encodeModel } from '../../../src/graph/onnx/encode.ts';
import { sizeOf } from '../../../src/graph/tensor.ts';
import { read } from '../../../src/readers/spec/index.ts';
import { withoutAliases } from '../../../src/runtime/aliases.ts';

/** A spec's text as a model. */
export const fromYaml = (text: string, name = 'net.yaml'): Promise<Model> =>
  read({ name, bytes: new TextEncoder().encode(text) });

/** Runs a model in onnxruntime on `batch` samples; all its values by name, with their shapes. */
export async function run(model: Model, values: ArrayLike<number> | undefined, batch = 1) {
  const graph = { ...model.graph, outputs: [...model.graph.outputs, ...model.graph.values.values()] };
  const session = await ort.InferenceSession.create(encodeModel(withoutAliases({ ...model, graph })), {
    logSeverityLevel: 3,
  });
  const input = model.graph.inputs[0]!;
  const dims = input.shape!.map((dim) => (dim === 'batch' ? batch : (dim as number)));
  const tokens = input.type === 'int64';
  const numbers = Array.from(values ?? Array.from({ length: sizeOf(dims) }, (_, i) => (tokens ? i % 2 : Math.sin(i))));
  const array = input.type === 'float64' ? Float64Array : Float32Array;
  const data = tokens ? BigInt64Array.from(numbers, BigInt) : array.from(numbers);
  const results = await session.run({ [input.name]: new ort.Tensor(input.type as 'float32', data as never, dims) });
  await session.release();
  return Object.fromEntries(
    graph.outputs.map(({ name }) => {
      const tensor = results[name]!;
      return [name, { dims: [...tensor.dims], data: Array.from(tensor.data as Float32Array) }];
    }),
  );
}

/** The model's own output. */
export async function forward(model: Model, values: ArrayLike<number>, batch = 1): Promise<number[]> {
  return (await run(model, values, batch))[model.graph.outputs[0]!.name]!.data;
}

/** Declared shape of every value with the batch filled in. */
export function declaredShapes(model: Model, batch: number): Record<string, number[]> {
  return Object.fromEntries(
    [...model.graph.outputs, ...model.graph.values.values()].map(({ name, shape }) => [
      name,
      shape!.map((dim) => (dim === 'batch' ? batch : (dim as number))),
    ]),
  );
}
