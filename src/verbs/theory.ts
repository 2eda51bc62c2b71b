import { UsageError } from '../graph/errors.ts';
import { countOperators, type Model } from '../graph/graph.ts';
import { findParameters } from '../graph/parameters.ts';
import { sizeOf } from '../graph/tensor.ts';
import { parseInitialWeights } from '../random/parse-initialization.ts';
import type { TheorySubject } from '../report/theory-report.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { predictTheory } from '../theory/predict.ts';
import { initializeWeights } from './initial-weights.ts';
import { prepareForMeasuring, withOwnTensors } from './prepare.ts';

export interface TheoryOptions {
  /** Weights to predict for: `keep` (default), or a scheme drawn by seed: what if they were drawn anew? */
  readonly init?: string;
  readonly seed?: number;
  /** Name of the output from which the gradient comes; default the first. */
  readonly output?: string;
}

/**
 * What mean-field theory says of a model: q*, χ, depth scales, the critical initialization and the decades to expect.
 * Needs no data and runs nothing. Throws UsageError for an unknown scheme or output, or one that needs data.
 */
export async function theory(given: Model, options: TheoryOptions = {}): Promise<TheorySubject> {
  const { init, seed = given.training?.seed ?? 0, output } = options;
  if (init !== undefined && parseInitialWeights(init) === 'lsuv') {
    throw new UsageError('"lsuv" measures on data, and theory has none', {
      code: 'option-value',
      where: '--init',
      hint: 'accepted: keep, or a scheme such as he, glorot, orthogonal, normal:0.02',
    });
  }
  const initial = await initializeWeights(withOwnTensors(given), init, { runtime: noRuntime, seed });
  const { model, notes } = prepareForMeasuring(initial.model);
  const names = model.graph.outputs.map(({ name }) => name);
  if (output !== undefined && !names.includes(output)) {
    throw new UsageError(`the model has no output "${output}"`, {
      code: 'unknown-output',
      hint: `its outputs: ${names.join(', ')}`,
    });
  }
  const parameters = findParameters(model);
  const predicted = predictTheory(model.graph, parameters, { output });
  const assumed = 'inputs are taken as standardized: mean square 1';
  return {
    model: {
      name: model.name,
      format: model.format,
      opset: model.format === 'onnx' ? model.sourceOpset : undefined,
      parameters: parameters.reduce((sum, name) => sum + sizeOf(model.graph.initializers.get(name)!.dims), 0),
      operators: countOperators(model.graph),
    },
    theory: predicted,
    notes: [...initial.notes, ...notes, assumed],
  };
}

const noRuntime: Runtime = {
  name: 'none',
  load: () => Promise.reject(new UsageError('theory runs nothing', { code: 'no-runtime' })),
};
