import { consumers, type Model, type ValueInfo } from '../graph/graph.ts';
import { type LossKind, lossKinds } from '../training/losses.ts';

/** The loss asked for, else the one the model's file names, else `auto`. */
export function lossKindOf(model: Model, asked: LossKind | 'auto' | undefined): LossKind | 'auto' {
  if (asked !== undefined && asked !== 'auto') return asked;
  return lossKinds.find((kind) => kind === model.training?.loss) ?? 'auto';
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
