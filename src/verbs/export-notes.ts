import type { Model } from '../graph/graph.ts';
import { dependentOn } from '../graph/subgraphs.ts';

/** How PyTorch's exporter is told to leave a model as it trains. */
const FOR_TRAINING = 'export with training=torch.onnx.TrainingMode.TRAINING and do_constant_folding=False to keep it';
/** What PyTorch's exporter calls a tensor that it computed: by the operator that reads it. */
const computedFilter = /^onnx::Conv(Transpose)?_\d+$/;

/**
 * What the way a model was exported means for its gradients, in sentences for the report: only what the file shows for
 * certain. `parameters` are the names taken as trainable.
 */
export function noteExport(model: Model, parameters: readonly string[]): string[] {
  const { graph, constants } = model;
  const notes = noteQuantization(model, parameters);
  const frozen = parameters.filter((name) => constants.has(name));
  if (frozen.length > 0) {
    notes.push(
      `the file stores its weights as constants (a frozen export): its ${counted(frozen.length, 'constant')} of more ` +
        'than one element are taken as the parameters',
    );
  }
  const inference = graph.nodes.filter(
    ({ op, domain, attributes }) => op === 'BatchNormalization' && domain === '' && attributes.training_mode !== 1,
  );
  if (inference.length > 0) {
    notes.push(
      `batch normalization is in inference mode (${counted(inference.length, 'node')}): running statistics are ` +
        `constants, so the gradient differs from training; ${FOR_TRAINING}`,
    );
  }
  const filters = new Set(graph.nodes.filter(({ op }) => op.startsWith('Conv')).map(({ inputs }) => inputs[1]!));
  const computed = [...filters].filter((name) => computedFilter.test(name) && graph.initializers.has(name));
  if (computed.length > 0) {
    notes.push(
      `the exporter computed ${counted(computed.length, 'convolution weight')} (${computed[0]}): what it folded in, ` +
        `such as batch normalization, is no longer there and takes no part in the gradient; ${FOR_TRAINING}`,
    );
  }
  return notes;
}

/** Rounding to integers and weights stored as such: no gradient passes the one, and the others are no parameters. */
export function noteQuantization({ graph }: Model, parameters: readonly string[]): string[] {
  const notes: string[] = [];
  const quantizing = graph.nodes.filter(({ op }) => op === 'QuantizeLinear' || op === 'DynamicQuantizeLinear');
  const trained = quantizing.length > 0 ? dependentOn(graph, parameters) : new Set<string>();
  const stops = quantizing.filter(({ inputs }) => trained.has(inputs[0]!));
  if (stops.length > 0) {
    const [{ op, name, outputs }] = stops as [(typeof stops)[number]];
    const where = `${name || outputs[0]}${stops.length > 1 ? ` and ${stops.length - 1} more` : ''}`;
    notes.push(`${op} (${where}) has integer outputs: gradients stop there; export the float model`);
  }
  const stored = graph.nodes.filter(
    ({ op, inputs }) => op === 'DequantizeLinear' && graph.initializers.has(inputs[0]!),
  );
  if (stored.length > 0) {
    notes.push(
      `DequantizeLinear reads ${counted(stored.length, 'tensor')} stored as integers (${stored[0]!.inputs[0]}): they are ` +
        'no parameters; export the float model',
    );
  }
  return notes;
}

function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}
