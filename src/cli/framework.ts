import type { Model } from '../graph/graph.ts';
import type { Framework } from '../report/treatment/words.ts';

/** The framework that a model came from, by what its file says wrote it; PyTorch where nothing is said. */
export function frameworkOf({ source }: Model): Framework {
  const { producerName } = (source ?? {}) as { producerName?: unknown };
  return typeof producerName === 'string' && /keras|tf2onnx|tensorflow/i.test(producerName) ? 'keras' : 'pytorch';
}
