import type { BatchDescription } from '../data/index.ts';
import type { Diagnosis } from '../diagnosis/finding.ts';
import type { FlowProfile } from '../flow/profile.ts';
import type { UpdateRule } from '../flow/update.ts';

/** Everything a report is made of. Reports compute nothing: they choose, order and format. */
export interface ReportSubject {
  readonly model: ModelDescription;
  readonly probe: ProbeDescription;
  readonly profile: FlowProfile;
  readonly diagnosis: Diagnosis;
}

export interface ModelDescription {
  readonly name: string;
  /** Id of the format: `onnx`, `spec`. */
  readonly format: string;
  /** Opset the file was written in, for ONNX. */
  readonly opset?: number;
  /** Number of trained numbers. */
  readonly parameters: number;
  readonly operators: Readonly<Record<string, number>>;
}

export interface ProbeDescription {
  readonly batch: BatchDescription;
  readonly lossKind: string;
  /** What loss was picked and why. */
  readonly lossReason: string;
  readonly update: UpdateRule;
  readonly runtime: string;
  /** Command that reproduces the report. */
  readonly command?: string;
}
