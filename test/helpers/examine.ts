import type { Finding, RuleId } from '../../src/diagnosis/finding.ts';
import type { Model } from '../../src/graph/graph.ts';
import type { Tensor } from '../../src/graph/tensor.ts';
import type { ReportSubject } from '../../src/report/subject.ts';
import { nodeRuntime } from '../../src/runtime/node/onnxruntime.ts';
import { diagnose } from '../../src/verbs/diagnose.ts';

const runtime = nodeRuntime({ threads: 1 });

/** Diagnoses a model on synthetic data, or on one given input. */
export function examine(model: Model, input?: Tensor): Promise<ReportSubject> {
  const batch = input
    ? { kind: 'tensors' as const, from: 'test', inputs: new Map([['', input]]) }
    : { kind: 'none' as const };
  return diagnose(model, { runtime, batch });
}

/** What one rule found. */
export async function findingsOf(rule: RuleId, model: Model, input?: Tensor): Promise<readonly Finding[]> {
  const { diagnosis } = await examine(model, input);
  return diagnosis.findings.filter((finding) => finding.rule === rule);
}
