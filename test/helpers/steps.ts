import type { Case, Finding, RuleId } from '../../src/diagnosis/finding.ts';
import { rules } from '../../src/diagnosis/rules/index.ts';
import type { StepHistory } from '../../src/flow/history.ts';
import type { Model } from '../../src/graph/graph.ts';
import { readModelSource } from '../../src/readers/index.ts';
import { memorySource } from '../../src/readers/source.ts';
import type { ReportSubject } from '../../src/report/subject.ts';
import { nodeRuntime } from '../../src/runtime/node/onnxruntime.ts';
import { type DiagnoseStepsOptions, diagnoseSteps } from '../../src/verbs/diagnose-steps.ts';
import { train } from '../../src/verbs/train.ts';
import { openTrainingData } from '../../src/verbs/training-data.ts';
import { subjectOf } from './subjects.ts';

const runtime = nodeRuntime({ threads: 1 });
/** Four Gaussians in eight dimensions: a network that trains at all learns them in some dozen steps. */
export const blobs = { kind: 'named', name: 'blobs' } as const;

/** A network from the text of its spec. */
export function specOf(text: string): Promise<Model> {
  return readModelSource(memorySource('network.yaml', new TextEncoder().encode(text)));
}

/** A classifier of blobs. */
export function classifier({
  activation = 'relu',
  depth = 3,
  units = 24,
  init = 'he',
  head = 'he',
  optimizer = '{adam: {lr: 0.01}}',
  classes = 4,
  inputs = 8,
} = {}): string {
  return `
input: ${inputs}
layers:
  - dense: {units: ${units}, activation: ${activation}, repeat: ${depth}, name: hidden}
  - dense: {units: ${classes}, name: out, init: ${head}}
init: ${init}
loss: cross-entropy
optimizer: ${optimizer}
`;
}

/** Diagnoses a network, given as a spec or as it is, on blobs, before and after training steps. */
export async function afterSteps(
  network: string | Model,
  options: Partial<DiagnoseStepsOptions> = {},
): Promise<ReportSubject> {
  const model = typeof network === 'string' ? await specOf(network) : network;
  return diagnoseSteps(model, { runtime, batch: blobs, size: 64, steps: 40, ...options });
}

/** The findings of one rule in a report, and `undefined` in place of them where there is none. */
export function ofRule(rule: RuleId, { diagnosis }: ReportSubject): Finding | undefined {
  return diagnosis.findings.find((finding) => finding.rule === rule);
}

/** What is found beyond notes. */
export function alarms({ diagnosis }: ReportSubject): RuleId[] {
  return diagnosis.findings.filter(({ severity }) => severity !== 'info').map(({ rule }) => rule);
}

/** The network after so many steps of its own optimizer on blobs. */
export async function trainedOn(text: string, steps: number): Promise<Model> {
  const model = await specOf(text);
  const data = await openTrainingData(blobs, model.graph.inputs, { seed: 0, output: model.graph.outputs[0] });
  for await (const event of train(model, { runtime, data, batch: 64, steps, seed: 0 })) {
    if (event.kind === 'end') return { ...event.trainingModel, training: model.training };
  }
  throw new Error('training has no end');
}

/** What a rule says of a history made by hand, whose layers each have a constant relative update. */
export function judge(
  rule: RuleId,
  {
    loss,
    constantLoss,
    updates = { first: 1e-3, last: 1e-3 },
  }: { loss: readonly number[]; constantLoss?: number; updates?: Readonly<Record<string, number>> },
): Finding[] {
  const names = Object.keys(updates);
  const subject = subjectOf({ layers: names.map((name) => ({ name })) });
  const history: StepHistory = {
    steps: loss.map((_, i) => i + 1),
    loss,
    ...(constantLoss !== undefined && { constantLoss }),
    layers: names.map((layer) => ({
      layer,
      weightNorm: loss.map(() => 1),
      updateNorm: loss.map(() => updates[layer]!),
    })),
  };
  const given: Case = { profile: subject.profile, attribution: subject.diagnosis.attribution, history };
  return rules.find(({ id }) => id === rule)!.check(given);
}

/** `n` numbers by their place. */
export function series(n: number, of: (i: number) => number): number[] {
  return Array.from({ length: n }, (_, i) => of(i));
}
