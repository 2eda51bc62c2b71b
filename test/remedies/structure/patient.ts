import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type BatchRequest, makeBatch } from '../../../src/data/index.ts';
import { decodeNpy } from '../../../src/data/npy.ts';
import { effectiveDecades } from '../../../src/diagnosis/decay.ts';
import type { Model } from '../../../src/graph/graph.ts';
import { encodeModel } from '../../../src/graph/onnx/encode.ts';
import type { Tensor } from '../../../src/graph/tensor.ts';
import { readModelSource } from '../../../src/readers/index.ts';
import { memorySource } from '../../../src/readers/source.ts';
import { buildSpec } from '../../../src/readers/spec/index.ts';
import type { Patient, TrainingSetup } from '../../../src/remedies/remedy.ts';
import type { ReportSubject } from '../../../src/report/subject.ts';
import { bindShapes } from '../../../src/runtime/bind.ts';
import { openSource } from '../../../src/runtime/node/files.ts';
import { loadDigit } from '../../../src/runtime/node/mnist-files.ts';
import { nodeRuntime } from '../../../src/runtime/node/onnxruntime.ts';
import { diagnose } from '../../../src/verbs/diagnose.ts';
import { type DiagnoseStepsOptions, diagnoseSteps } from '../../../src/verbs/diagnose-steps.ts';
import { vocabularies } from '../../../src/verbs/model-hints.ts';
import { prepareForMeasuring } from '../../../src/verbs/prepare.ts';
import { train } from '../../../src/verbs/train.ts';
import { openTrainingData } from '../../../src/verbs/training-data.ts';

export const runtime = nodeRuntime({ threads: 1 });
const here = dirname(fileURLToPath(import.meta.url));
const folder = join(here, '../../fixtures/torch');

/** A network that PyTorch exported, with the batch its truth was computed for. */
export async function exported(name: string): Promise<{ model: Model; batch: BatchRequest }> {
  const file = (extension: string) => join(folder, `${name}${extension}`);
  if (!existsSync(file('.onnx'))) throw new Error(`no fixture ${name}`);
  const inputs = new Map([['', decodeNpy(readFileSync(file('.input.npy')), 'input')]]);
  const target = decodeNpy(readFileSync(file('.labels.npy')), 'labels');
  const model = await readModelSource(await openSource(file('.onnx')));
  return { model, batch: { kind: 'tensors', from: name, inputs, target } };
}

/** A network as a patient: diagnosed on a batch, after steps where they are asked for. */
export async function patientOf(
  model: Model,
  batch: BatchRequest,
  { steps, training = {}, ...rest }: Partial<DiagnoseStepsOptions> & { training?: Partial<TrainingSetup> } = {},
): Promise<Patient> {
  const options = { runtime, batch, loadDigits: loadDigit, ...rest };
  const report: ReportSubject =
    steps === undefined ? await diagnose(model, options) : await diagnoseSteps(model, { ...options, steps });
  const inputs = model.graph.inputs.filter(({ name }) => !model.graph.initializers.has(name));
  const prepared = prepareForMeasuring(model).model;
  const made = await makeBatch(batch, inputs, {
    seed: 0,
    loadDigits: loadDigit,
    output: model.graph.outputs[0],
    vocabulary: vocabularies(model, inputs),
    ...(rest.size !== undefined && { size: rest.size }),
  });
  const { binding } = await bindShapes(runtime, prepared, made.inputs);
  return {
    design: {
      model,
      training: {
        optimizer: { name: 'adam' },
        learningRate: 0.01,
        loss: 'cross-entropy',
        output: model.graph.outputs[0]!.name,
        batch: 64,
        ...training,
      },
    },
    profile: report.profile,
    diagnosis: report.diagnosis,
    ...(report.theory && { theory: report.theory }),
    binding,
    inputs: new Map(),
    seed: 1,
  };
}

/** The model as it is once written to a file and read back. */
export function reread(model: Model): Promise<Model> {
  return readModelSource(memorySource('treated.onnx', encodeModel(model)));
}

/** Effective decades between output and first layer. */
export async function decadesOf(model: Model, batch: BatchRequest, size?: number): Promise<number> {
  const { diagnosis } = await diagnose(model, {
    runtime,
    batch,
    loadDigits: loadDigit,
    ...(size !== undefined && { size }),
  });
  return effectiveDecades(diagnosis.attribution!.byKind);
}

/** The outputs of a network for one batch of inputs. */
export async function run(model: Model, inputs: ReadonlyMap<string, Tensor>): Promise<Tensor[]> {
  const session = await runtime.load(model);
  try {
    const names = model.graph.outputs.map(({ name }) => name);
    const results = await session.run(new Map(inputs), names);
    return names.map((name) => results.get(name)!);
  } finally {
    await session.release();
  }
}

/** Accuracy on rows held out, after some steps of Adam. */
export async function learns(
  model: Model,
  { data = 'blobs', steps = 60, learningRate = 0.01, batch = 32, samples = 640 } = {},
): Promise<number> {
  const inputs = model.graph.inputs.filter(({ name }) => !model.graph.initializers.has(name));
  const rows = await openTrainingData({ kind: 'named', name: data }, inputs, {
    samples,
    validation: 0.2,
    seed: 3,
    output: model.graph.outputs[0],
    loadDigits: loadDigit,
  });
  let accuracy = Number.NaN;
  const events = train(model, {
    runtime,
    data: rows,
    batch,
    steps,
    learningRate,
    optimizer: { name: 'adam' },
    seed: 3,
    monitor: false,
  });
  for await (const event of events) {
    if (event.kind === 'validation') accuracy = event.metrics.accuracy ?? event.metrics.rmse ?? accuracy;
  }
  return accuracy;
}

export const blobs = { kind: 'named', name: 'blobs' } as const;

/** Dense layers of 32 units on eight features, for four classes. */
export function chain(activation: string, depth: number, options: Record<string, unknown> = {}) {
  return buildSpec({
    input: 8,
    layers: [
      { dense: { units: 32, activation, repeat: depth, name: 'hidden' } },
      { dense: { units: 4, name: 'out', init: 'he' } },
    ],
    seed: 1,
    ...options,
  });
}
