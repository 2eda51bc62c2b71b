import { type BatchRequest, makeBatch } from '../data/index.ts';
import type { DigitLoader } from '../data/mnist.ts';
import type { Model } from '../graph/graph.ts';
import type { PatientTools } from '../remedies/remedy.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { applyLsuv } from './lsuv.ts';
import { vocabularies } from './model-hints.ts';
import { findLearningRate } from './range-test.ts';
import type { TrainingData } from './training-data.ts';

export interface ToolOptions {
  readonly runtime: Runtime;
  readonly batch?: BatchRequest;
  readonly size?: number;
  readonly seed: number;
  readonly loadDigits?: DigitLoader;
  /** Rows for a range test; absent where there are none. */
  readonly open?: () => Promise<TrainingData>;
  /** Its reason is what measuring ends with. */
  readonly signal?: AbortSignal;
  readonly onProgress?: (message: string) => void;
}

/** What remedies may ask to be measured on the data. */
export function patientTools(options: ToolOptions): PatientTools {
  const { runtime, seed, open, signal, onProgress = () => {} } = options;
  return {
    async lsuv(model: Model) {
      signal?.throwIfAborted();
      onProgress('layer-sequential unit variance');
      const feeds = model.graph.inputs.filter((input) => !model.graph.initializers.has(input.name));
      const { inputs } = await makeBatch(options.batch ?? { kind: 'none' }, feeds, {
        size: options.size,
        seed,
        output: model.graph.outputs[0],
        vocabulary: vocabularies(model, feeds),
        loadDigits: options.loadDigits,
      });
      return (await applyLsuv(model, { runtime, inputs, seed, signal })).model;
    },
    async findLearningRate(design) {
      if (!open) return undefined;
      signal?.throwIfAborted();
      onProgress('range test of the learning rate');
      const data = await open();
      try {
        const found = await findLearningRate(design, { runtime, data, seed, signal });
        // A test that was broken off knows half of it.
        signal?.throwIfAborted();
        return found;
      } finally {
        await data.close();
      }
    },
  };
}
