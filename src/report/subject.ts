import type { BatchDescription } from '../data/index.ts';
import type { Diagnosis, Finding } from '../diagnosis/finding.ts';
import type { Ablation } from '../flow/ablation.ts';
import type { StepHistory } from '../flow/history.ts';
import type { FlowProfile } from '../flow/profile.ts';
import type { UpdateRule } from '../flow/update.ts';
import type { Theory } from '../theory/theory.ts';

/** Everything a report is made of. Reports compute nothing: they choose, order and format. */
export interface ReportSubject {
  readonly model: ModelDescription;
  readonly probe: ProbeDescription;
  readonly profile: FlowProfile;
  /** With training steps: as they leave it. */
  readonly diagnosis: Diagnosis;
  /** What theory predicts of the same weights. */
  readonly theory?: Theory;
  readonly steps?: StepsDescription;
}

/** What some training steps changed; the profile is that before them. */
export interface StepsDescription {
  /** Steps done. */
  readonly count: number;
  readonly optimizer: string;
  readonly learningRate: number;
  /** On the batch of the report. */
  readonly lossBefore: number;
  readonly lossAfter: number;
  /** From input to output. */
  readonly layers: readonly LayerMovement[];
  /** Every step's loss and norms. */
  readonly history: StepHistory;
  /** What each layer is worth after the steps. */
  readonly ablation?: Ablation;
  readonly fates: readonly FindingFate[];
  /** What the same batch shows afterwards. */
  readonly after: Diagnosis & { readonly step: number };
  /** Why training stopped early. */
  readonly fault?: {
    readonly kind: string;
    readonly step: number;
    readonly message: string;
    readonly where: readonly string[];
  };
}

export interface LayerMovement {
  readonly layer: string;
  /** ‖w after − w before‖ over the weights' size. */
  readonly moved: number;
  /** Median of ‖Δw‖ / ‖w‖ over the steps. */
  readonly updateRatio: number;
  /** ‖∂L/∂w‖ of the first and the last step. */
  readonly gradientBefore: number;
  readonly gradientAfter: number;
}

/** What training made of a finding. */
export interface FindingFate {
  readonly rule: Finding['rule'];
  readonly fate: 'confirmed' | 'weaker' | 'withdrawn' | 'new';
  readonly before?: Finding;
  readonly after?: Finding;
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
