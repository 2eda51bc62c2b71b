import { isFloat } from './data-type.ts';
import { consumers, type Graph, type Model } from './graph.ts';
import { sizeOf } from './tensor.ts';

/**
 * Float inputs that are settings or buffers, by operator and position: running statistics, clipping bounds, scales.
 * Everything else of float type that the file stores is trained.
 */
const settings: Record<string, readonly number[]> = {
  BatchNormalization: [3, 4],
  Clip: [1, 2],
  Dropout: [1],
  Pad: [2],
  Resize: [1, 2],
  OneHot: [2],
  Range: [0, 1, 2],
  QuantizeLinear: [1, 2],
  DequantizeLinear: [1, 2],
  Pow: [1],
};

/** Names that exporters make up for constants they lift out of the code. */
const madeUpName = /^(onnx::|\/|_|val_|const|tensor_|scalar_|\d+$)/i;

/**
 * The names of a model's trainable parameters: its float initializers, in file order, less constants (Constant nodes,
 * scalars with made-up names), settings and buffers. A model whose weights are all constants (frozen exports) has the
 * non-scalar constants that its operators read as weights.
 */
export function findParameters(model: Model): string[] {
  const { graph, constants } = model;
  const trainable = (name: string) => isTrainable(graph, name);
  const readers = settingReaders(graph);
  const floats = [...graph.initializers.keys()].filter((name) => trainable(name) && !readers(name));
  const stored = floats.filter((name) => !constants.has(name));
  if (stored.length > 0) return stored;
  return floats.filter((name) => sizeOf(graph.initializers.get(name)!.dims) > 1);
}

function isTrainable(graph: Graph, name: string): boolean {
  const tensor = graph.initializers.get(name)!;
  if (!isFloat(tensor.type) || tensor.data.length === 0) return false;
  return tensor.dims.length > 0 || !madeUpName.test(name);
}

/** Whether a name is read only as a setting (or by nothing at all: unread parameters are kept, they are a finding). */
function settingReaders(graph: Graph): (name: string) => boolean {
  const readers = consumers(graph);
  return (name) => {
    const list = readers.get(name);
    return list?.every(({ node, input }) => settings[node.op]?.includes(input) ?? false) ?? false;
  };
}
