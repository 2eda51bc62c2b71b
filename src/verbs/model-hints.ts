import { DataError } from '../graph/errors.ts';
import { consumers, type Model, type ValueInfo } from '../graph/graph.ts';
import { findParameters } from '../graph/parameters.ts';
import { type LossKind, lossKinds } from '../training/losses.ts';

/** The loss asked for, else the one the model's file names, else `auto`. */
export function lossKindOf(model: Model, asked: LossKind | 'auto' | undefined): LossKind | 'auto' {
  if (asked !== undefined && asked !== 'auto') return asked;
  return lossKinds.find((kind) => kind === model.training?.loss) ?? 'auto';
}

/** What a model trains. Throws DataError where that is nothing. */
export function trainableParameters(model: Model): string[] {
  const parameters = findParameters(model);
  if (parameters.length > 0) return parameters;
  const isQuantized = model.graph.nodes.some(({ op }) => /quantize|^QLinear|Integer$/i.test(op));
  throw new DataError('the model has no trainable parameters: it stores no float tensors', {
    code: 'no-parameters',
    where: model.name,
    hint:
      model.format === 'spec'
        ? 'give it a layer with weights, such as - dense: 10'
        : isQuantized
          ? 'it is quantized: export the float model, before quantization'
          : 'export it with its weights (export_params=True in PyTorch)',
  });
}

/** Rows of the embedding table that an integer input indexes: made-up indices stay below it. */
export function vocabularies(model: Model, inputs: readonly ValueInfo[]): Map<string, number> {
  const readers = consumers(model.graph);
  const bounds = new Map<string, number>();
  for (const input of inputs) {
    for (const { node, input: position } of readers.get(input.name) ?? []) {
      const table = model.graph.initializers.get(node.inputs[0]!);
      if (node.op !== 'Gather' || position !== 1 || !table) continue;
      const axis = typeof node.attributes.axis === 'number' ? node.attributes.axis : 0;
      const rows = table.dims[axis < 0 ? axis + table.dims.length : axis];
      if (rows !== undefined) bounds.set(input.name, Math.min(rows, bounds.get(input.name) ?? rows));
    }
  }
  return bounds;
}
