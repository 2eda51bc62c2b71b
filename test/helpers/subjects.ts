import type { Finding } from '../../src/diagnosis/finding.ts';
import type { Attribution } from '../../src/flow/attribution.ts';
import type { FlowEdge, FlowLayer, FlowParameter, FlowValue } from '../../src/flow/profile.ts';
import { measureTensor, type TensorStatistics } from '../../src/flow/statistics.ts';
import { tensorOf } from '../../src/graph/tensor.ts';
import type { ReportSubject } from '../../src/report/subject.ts';

/** Statistics of a tensor with these elements. */
export function statisticsOf(...elements: number[]): TensorStatistics {
  return measureTensor(tensorOf('float64', [elements.length], elements));
}

/** Statistics as they come out where float64 cannot hold the norm. */
export function tinyStatistics(log10L2: number): TensorStatistics {
  return { ...statisticsOf(0), l2: 10 ** log10L2, log10L2, maxAbs: 10 ** log10L2, zeroFraction: 0 };
}

export interface LayerSketch {
  name: string;
  /** Decades from the output; gives the gradient unless that is said. */
  decades?: number;
  gradient?: TensorStatistics;
  weight?: TensorStatistics;
  updateRatio?: number;
  mixes?: boolean;
}

export interface SubjectSketch {
  /** From input to output. */
  layers: LayerSketch[];
  verdict?: ReportSubject['diagnosis']['verdict'];
  findings?: Finding[];
  byKind?: Attribution['byKind'];
  merges?: Attribution['merges'];
  edges?: FlowEdge[];
  blockedBy?: Attribution['blockedBy'];
  notes?: string[];
  name?: string;
  loss?: number;
}

/** A report's subject made by hand: a chain of dense layers. */
export function subjectOf(sketch: SubjectSketch): ReportSubject {
  const gradients = sketch.layers.map(({ decades = 0, gradient }) => gradient ?? tinyStatistics(decades));
  const end = gradients.at(-1)?.log10L2 ?? 0;
  const values: FlowValue[] = sketch.layers.map(({ name }, i) => ({
    name: `${name}_out`,
    node: `${name}_node`,
    op: 'Gemm',
    kind: 'weight-matrix',
    layer: name,
    shape: [64, gradients[i]!.count],
    gradient: gradients[i]!,
    value: statisticsOf(1, 2),
    decadesFromOutput: gradients[i]!.log10L2 - end,
  }));
  const parameters: FlowParameter[] = sketch.layers.map(({ name, weight, updateRatio = 1e-3 }, i) => ({
    name: `${name}.weight`,
    layer: name,
    shape: [2, 2],
    gradient: weight ?? gradients[i]!,
    value: statisticsOf(0.5, -0.5),
    updateRatio,
    connected: true,
    roundoffOnly: false,
  }));
  const layers: FlowLayer[] = sketch.layers.map(({ name, mixes = true }, i) => ({
    name,
    op: 'Gemm',
    node: `${name}_node`,
    value: `${name}_out`,
    parameters: [`${name}.weight`],
    mixes,
    decadesFromOutput: values[i]!.decadesFromOutput,
  }));
  const total = values[0]?.decadesFromOutput ?? Number.NaN;
  const byKind = sketch.byKind ?? { 'activation-derivative': total };
  return {
    model: { name: sketch.name ?? 'net', format: 'onnx', parameters: 170110, operators: { Sigmoid: 2, Gemm: 3 } },
    probe: {
      batch: {
        name: 'mnist',
        real: true,
        size: 64,
        seed: 0,
        detail: '64 real digits (mnist, seed 0)',
        notes: sketch.notes ?? [],
      },
      lossKind: 'cross-entropy',
      lossReason: 'cross-entropy, because the output [64, 10] looks like 10 logits',
      update: { optimizer: 'sgd', learningRate: 0.01 },
      runtime: 'onnxruntime-node 1.30.0',
      command: 'gradient-doctor diagnose net.onnx --data mnist',
    },
    profile: {
      loss: sketch.loss ?? 2.34,
      output: values.at(-1)?.name ?? 'none',
      values: values.toReversed(),
      parameters,
      edges: sketch.edges ?? [],
      layers,
      cuts: values.map((value) => value.name).toReversed(),
      seen: { batch: 64, batches: 1, step: 0 },
    },
    diagnosis: {
      verdict: sketch.verdict ?? 'healthy',
      findings: sketch.findings ?? [],
      attribution: {
        from: values[0]?.name ?? 'none',
        to: values.at(-1)?.name ?? 'none',
        totalDecades: total,
        byKind,
        byLayer: layers
          .map(({ name }, i) => ({
            layer: name,
            decades: (values[i]!.decadesFromOutput ?? 0) - (values[i + 1]?.decadesFromOutput ?? 0),
            byKind: {},
          }))
          .toReversed(),
        merges: sketch.merges ?? [],
        blockedBy: sketch.blockedBy ?? [],
      },
    },
  };
}

/** A finding with what a test says of it. */
export function findingOf(parts: Partial<Finding> = {}): Finding {
  return {
    rule: 'vanishing-gradient',
    severity: 'error',
    title: "the first layer (hidden.0) receives 10^-6.0 of the output's gradient",
    explanation: 'The chain rule multiplies one derivative per layer.',
    where: ['hidden.0'],
    basis: '-0.6 decades per layer; an error from -3 decades on',
    evidence: { totalDecades: -6, errorThreshold: -3 },
    causes: [{ kind: 'activation-derivative', decades: -6, share: 1 }],
    remedies: [{ id: 'use-relu', action: 'ReLU in place of the activation', changes: 'the model' }],
    ...parts,
  };
}
