import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { type CompositeId, composites } from '../../src/flow/composites.ts';
import { type FactorKind, factorKinds } from '../../src/flow/kinds.ts';
import { sizeOf, tensorOf } from '../../src/graph/tensor.ts';
import { readModelSource } from '../../src/readers/index.ts';
import { renderJson } from '../../src/report/json.ts';
import { reasonFor } from '../../src/report/reasons.ts';
import type { ReportSubject } from '../../src/report/subject.ts';
import { openSource } from '../../src/runtime/node/files.ts';
import { nodeRuntime } from '../../src/runtime/node/onnxruntime.ts';
import { diagnose } from '../../src/verbs/diagnose.ts';

const folder = join(dirname(fileURLToPath(import.meta.url)), '../fixtures/composites');
interface Truth {
  loss: number;
  /** Module → log₁₀ ‖gradient of its input, by way of it alone‖ / ‖gradient of its output‖. */
  gains: Record<string, number>;
  /** Name → ‖gradient‖ in float64, and the relative error of PyTorch's own float32. */
  parameters: Record<string, [norm: number, rounding: number]>;
  input: { shape: number[]; type: 'float32' | 'int64' };
  labels: number[];
}
const truth = JSON.parse(readFileSync(join(folder, 'truth.json'), 'utf8')) as Record<string, Truth>;

/** Diagnoses a fixture on the batch that PyTorch saw (generate.py: `spread`). */
async function examine(name: string): Promise<ReportSubject> {
  const { input, labels } = truth[name]!;
  const spread = Array.from({ length: sizeOf(input.shape) }, (_, i) => (i * i) % 10007);
  const values = spread.map((x) => (input.type === 'int64' ? x % 50 : x / 5000 - 1));
  const model = await readModelSource(await openSource(join(folder, `${name}.onnx`)));
  return diagnose(model, {
    runtime: nodeRuntime({ threads: 1 }),
    batch: {
      kind: 'tensors',
      from: 'spread',
      inputs: new Map([['', tensorOf(input.type, input.shape, values)]]),
      target: tensorOf('int64', [labels.length], labels),
    },
  });
}

/** `/features/features.1/features.1.0/Conv` → `features.1.0`: each part of the path is named with its parents. */
function moduleOf(node: string): string {
  const path: string[] = [];
  for (const part of node.split('/').slice(1, -1)) {
    if (part.startsWith(`${path.at(-1)}.`)) path.pop();
    path.push(part);
  }
  return path.join('.');
}

const sum = (byKind: Partial<Record<FactorKind, number>>) => Object.values(byKind).reduce((a, b) => a + b, 0);

describe('written-out blocks pass on what PyTorch says their modules do', () => {
  it.each(Object.keys(truth).filter((name) => Object.keys(truth[name]!.gains).length > 0))('%s', async (name) => {
    const { profile, diagnosis } = await examine(name);
    const { loss, gains, parameters } = truth[name]!;
    // Two samples of few pixels: batch normalization makes rounding errors larger.
    const tolerance = /mobilenet|efficientnet/.test(name) ? 1e-2 : 1e-3;
    expect(profile.loss / loss).toBeCloseTo(1, 4);
    const norms = new Map(profile.values.map((value) => [value.name, value.gradient.log10L2]));
    const measured = new Map<string, number>();
    for (const { kind, node, inner, outputs, log10L2 } of profile.edges) {
      if (inner || (kind !== 'normalization' && kind !== 'activation-derivative')) continue;
      expect(measured.has(moduleOf(node)), `${node} is one edge`).toBe(false);
      measured.set(moduleOf(node), log10L2 - norms.get(outputs[0]!)!);
    }
    for (const [module, gain] of Object.entries(gains)) {
      expect(
        Math.abs(measured.get(module)! - gain),
        `${module}: ${measured.get(module)}, PyTorch ${gain}`,
      ).toBeLessThan(tolerance);
    }
    for (const { name: parameter, gradient } of profile.parameters) {
      const [expected, rounding] = parameters[parameter]!;
      // Beside the largest gradients rounding is all there is to some: biases before batch normalization.
      if (expected < 1e-6) continue;
      expect(Math.abs(gradient.l2 / expected - 1), `gradient of ${parameter}`).toBeLessThan(
        Math.max(1e-3, 3 * rounding),
      );
    }
    const { totalDecades, byKind, byLayer } = diagnosis.attribution!;
    expect(sum(byKind)).toBeCloseTo(totalDecades, 6);
    expect(byLayer.reduce((total, layer) => total + layer.decades, 0)).toBeCloseTo(totalDecades, 6);
  });
});

describe('attribution of transformers', () => {
  it('is the same whether layer normalization is an operator or written out', async () => {
    const [primitives, operators] = await Promise.all(['vit_opset14', 'vit_opset17'].map(examine));
    const kinds = (subject: ReportSubject) => subject.diagnosis.attribution!.byKind;
    expect(Object.keys(kinds(primitives!)).sort()).toEqual(Object.keys(kinds(operators!)).sort());
    for (const [kind, decades] of Object.entries(kinds(operators!))) {
      expect(kinds(primitives!)[kind as FactorKind], kind).toBeCloseTo(decades, 4);
    }
    const names = (subject: ReportSubject) => subject.profile.layers.map(({ name, mixes }) => ({ name, mixes }));
    expect(names(primitives!)).toEqual(names(operators!));
    const merges = (subject: ReportSubject) =>
      subject.diagnosis.attribution!.merges.map(({ kind, branches }) => [kind, ...branches.map(({ op }) => op)]);
    expect(merges(primitives!)).toEqual(merges(operators!));
  });

  it('names only what a transformer is made of', async () => {
    const { profile, diagnosis } = await examine('encoder_prenorm_gelu');
    const { byKind, merges } = diagnosis.attribution!;
    const parts = [
      'normalization',
      'attention',
      'weight-matrix',
      'activation-derivative',
      'skip-connection',
      'pooling',
    ];
    expect(
      Object.keys(byKind)
        .filter((kind) => kind !== 'reshape')
        .sort(),
    ).toEqual(parts.sort());
    // Two skip connections in each of three layers; beside them only Q, K and V cut from one product.
    expect(
      merges.filter(({ kind }) => kind === 'skip-connection').map(({ branches }) => branches.map(({ op }) => op)),
    ).toEqual(new Array(6).fill(['Add', 'LayerNormalization']));
    expect(merges.filter(({ kind }) => kind !== 'skip-connection').map(({ kind }) => kind)).toEqual(
      new Array(3).fill('reshape'),
    );
    expect(reasonFor('activation-derivative', -1, profile)).toMatch(
      /^the derivative of GELU; here 0\.\d+ \(rms\) in 3 layers$/,
    );
  });

  it('tells three projections of one value from a skip connection', async () => {
    const { profile, diagnosis } = await examine('zoo');
    const { merges } = diagnosis.attribution!;
    expect(merges.map(({ kind }) => kind)).toEqual(new Array(3).fill('skip-connection'));
    const into = profile.edges.filter(({ value }) => value === merges[0]!.value);
    expect(into.map(({ op }) => op).sort()).toEqual(['Add', 'MatMul', 'MatMul', 'MatMul']);
  });

  it('makes one layer of a written-out normalization and its parameters', async () => {
    const { profile } = await examine('zoo');
    const norm = profile.layers.find((layer) => layer.name === 'blocks.17')!;
    expect(norm).toMatchObject({ parameters: ['blocks.17.weight', 'blocks.17.bias'], mixes: false });
    const value = profile.values.find(({ name }) => name === norm.value)!;
    expect(value).toMatchObject({ block: 'layer-norm', layer: 'blocks.17' });
    expect(value.inner).toBeUndefined();
    const inside = profile.values.filter(({ layer, inner }) => layer === 'blocks.17' && inner);
    expect(new Set(inside.map(({ kind }) => kind))).toEqual(new Set(['normalization']));
  });
});

describe('blocks in reports', () => {
  it('stand at each of their values in JSON', async () => {
    const report = JSON.parse(renderJson(await examine('efficientnet')));
    const blocks = report.flow.filter((entry: { block?: string }) => entry.block !== undefined);
    expect(new Set(blocks.map(({ block }: { block: CompositeId }) => composites[block].title))).toEqual(
      new Set(['SiLU']),
    );
    expect(blocks.filter(({ inner }: { inner: boolean }) => !inner)).toHaveLength(10);
    for (const kind of Object.keys(report.attribution.byKind)) expect(Object.keys(factorKinds)).toContain(kind);
  });

  it('the sigmoid within a SiLU saturates nothing', async () => {
    const { profile, diagnosis } = await examine('efficientnet');
    for (const { op, inner, units } of profile.values) if (inner && op === 'Sigmoid') expect(units).toBeUndefined();
    expect(diagnosis.findings.map(({ rule }) => rule)).not.toContain('saturated-units');
  });
});

describe('what the export means for the gradient', () => {
  const notesOf = async (name: string) =>
    (await examine(name)).probe.batch.notes.filter((note) => /batch norm|export/.test(note));

  it('batch normalization in inference mode passes what PyTorch passes, and the report says so', async () => {
    const { profile, probe } = await examine('inference');
    const notes = probe.batch.notes.filter((note) => /batch norm|export/.test(note));
    expect(profile.loss).toBeCloseTo(truth.inference!.loss, 5);
    for (const { name, gradient } of profile.parameters) {
      expect(gradient.l2 / truth.inference!.parameters[name]![0], name).toBeCloseTo(1, 3);
    }
    expect(notes).toEqual([
      expect.stringMatching(/^the exporter stored 2 more tensors once/),
      expect.stringMatching(/^batch normalization is in inference mode \(1 node\): .*TrainingMode\.TRAINING/),
    ]);
  });

  it('names weights that the exporter computed, and nothing where it computed none', async () => {
    expect(await notesOf('folded')).toEqual([
      expect.stringMatching(/computed 1 convolution weight \(onnx::Conv_\d+\)/),
    ]);
    expect(await notesOf('convnext')).toEqual([]);
    expect(await notesOf('efficientnet')).toEqual([]);
  });
});
