import { readFileSync } from 'node:fs';
import { encodeModel } from '../../src/graph/onnx/encode.ts';
import { readModelSource } from '../../src/readers/index.ts';
import { memorySource } from '../../src/readers/source.ts';
import { contentHash, identifyTask } from '../../src/trials/identify.ts';
import type { TrialResult, TrialTask } from '../../src/trials/trial.ts';

/** The worker threads' file, as it is shipped. */
export const entry = new URL('../../dist/trial-worker.js', import.meta.url);
export const version = (
  JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as { version: string }
).version;

/** A network of the spec as ONNX. */
export async function encodeSpec(text: string): Promise<Uint8Array> {
  return encodeModel(await readModelSource(memorySource('net.yaml', new TextEncoder().encode(text))));
}

const small = `
input: 4
layers:
  - dense: {units: 8, activation: tanh, repeat: 2, name: hidden}
  - dense: {units: 3, name: out}
init: glorot-uniform
loss: cross-entropy
seed: 3
`;

/** A network small enough that its trials take a fraction of a second, and tasks on it. */
export async function smallTrials(spec = small) {
  const bytes = await encodeSpec(spec);
  const model = await contentHash(bytes);
  const artifacts = new Map([[model, bytes]]);
  const taskOf = (more: Partial<TrialTask> = {}) =>
    identifyTask({
      plan: 'baseline',
      seed: 0,
      steps: 60,
      model,
      training: { optimizer: { name: 'sgd' }, learningRate: 0.1, loss: 'cross-entropy', output: 'out', batch: 16 },
      data: { kind: 'named', name: 'blobs', samples: 200 },
      validation: 0.2,
      scoring: 'cross-entropy',
      gradient: 'start',
      version,
      ...more,
    });
  return { artifacts, taskOf, model };
}

/** A result but for how long it took: the rest is the same on every run. */
export const withoutSeconds = ({ seconds: _, secondsPerStep: __, ...rest }: TrialResult) => rest;
