import { describe, expect, it } from 'vitest';
import { tensorOf } from '../../src/graph/tensor.ts';
import { reportOf } from '../../src/report/json.ts';
import type { ReportSubject } from '../../src/report/subject.ts';
import { renderTerminal } from '../../src/report/terminal.ts';
import { nodeRuntime } from '../../src/runtime/node/onnxruntime.ts';
import { train } from '../../src/verbs/train.ts';
import { openTrainingData } from '../../src/verbs/training-data.ts';
import { mlp } from '../helpers/networks.ts';
import { afterSteps, alarms, blobs, classifier, series, specOf } from '../helpers/steps.ts';

/** Every report can be written, in both forms, without a number that is none of its own. */
async function report(...given: Parameters<typeof afterSteps>): Promise<ReportSubject> {
  const subject = await afterSteps(...given);
  expect(renderTerminal(subject)).toMatch(/✓|✗|!/);
  expect(reportOf(subject).verdict).toBe(subject.diagnosis.verdict);
  for (const { title, basis, explanation } of subject.diagnosis.findings) {
    expect(`${title} ${basis} ${explanation}`).not.toMatch(/undefined|\bNaN %/);
  }
  return subject;
}

const of = (x: number[], dims: number[], y?: number[]) =>
  ({
    kind: 'tensors',
    from: 'test',
    inputs: new Map([['', tensorOf('float32', dims, x)]]),
    ...(y && { target: tensorOf('int64', [dims[0]!], y) }),
  }) as const;

describe('networks and data at the edges', () => {
  it('one layer: healthy, before and after steps', async () => {
    const one = 'input: 8\nlayers:\n  - dense: 4\nloss: cross-entropy\noptimizer: {adam: 0.01}\n';
    expect(alarms(await report(one, { steps: 0 }))).toEqual([]);
    expect(alarms(await report(one, { steps: 40 }))).toEqual([]);
  });

  it('no parameters: says that there is nothing to train', async () => {
    await expect(
      afterSteps('input: 8\nlayers:\n  - relu\nloss: mse\n', { batch: { kind: 'none' } }),
    ).rejects.toMatchObject({
      code: 'no-parameters',
    });
  });

  it('all parameters frozen: training says so', async () => {
    const model = await specOf(classifier());
    const data = await openTrainingData(blobs, model.graph.inputs, { seed: 0, output: model.graph.outputs[0] });
    const run = async () => {
      const frozen = train(model, { runtime: nodeRuntime({ threads: 1 }), data, steps: 2, freeze: ['*'] });
      for await (const _ of frozen) void _;
    };
    await expect(run()).rejects.toThrow(/parameter/);
  });

  it('a batch of one: no alarm on a network that is well', async () => {
    expect(alarms(await report(classifier({ units: 40 }), { steps: 0, size: 1 }))).toEqual([]);
    const subject = await report(classifier({ units: 40, optimizer: '{adam: {lr: 0.002}}' }), { steps: 30, size: 1 });
    expect(subject.diagnosis.findings.filter(({ severity }) => severity === 'error')).toEqual([]);
  });

  it('constant inputs: what differs is only the bias, and the report stands', async () => {
    const labels = series(64, (i) => i % 4);
    const subject = await report(classifier(), {
      batch: of(
        series(64 * 8, () => 1),
        [64, 8],
        labels,
      ),
      steps: 60,
    });
    // Nothing of the labels can be learned from inputs that do not differ: the constant answer is the best there is.
    expect(subject.steps!.history.constantLoss).toBeCloseTo(Math.log(4), 6);
    expect(subject.steps!.lossAfter).toBeGreaterThan(0.95 * Math.log(4));
    const zeros = await report(classifier(), {
      batch: of(
        series(64 * 8, () => 0),
        [64, 8],
        labels,
      ),
      steps: 0,
    });
    expect(zeros.diagnosis.findings.map(({ rule }) => rule)).not.toContain('non-finite');
  });

  it('NaN in the data: an error that names the input, and nothing about decay', async () => {
    const x = series(64 * 8, (i) => (i === 17 ? Number.NaN : Math.sin(i)));
    for (const steps of [0, 5]) {
      const subject = await report(classifier(), {
        batch: of(
          x,
          [64, 8],
          series(64, (i) => i % 4),
        ),
        steps,
      });
      expect(subject.diagnosis.verdict).toBe('non-finite');
      expect(subject.diagnosis.findings[0]).toMatchObject({ rule: 'non-finite', severity: 'error' });
      expect(subject.diagnosis.findings[0]!.title).toContain('input');
    }
  });

  it('a loss of exactly zero: a network that has converged', async () => {
    const zero =
      'input: 4\nlayers:\n  - dense: {units: 4, bias: false, init: identity}\nloss: mse\noptimizer: {sgd: {lr: 0.1}}\n';
    const x = series(64 * 4, (i) => Math.cos(i));
    const batch = { ...of(x, [64, 4]), target: tensorOf('float32', [64, 4], x) };
    const subject = await report(zero, { batch, steps: 30 });
    expect(subject.steps!.history.loss.every((loss) => loss === 0)).toBe(true);
    expect(subject.diagnosis.verdict).toBe('healthy');
    expect(alarms(subject)).toEqual([]);
  });

  it('half the graph unreachable: names it, and judges the rest', async () => {
    const model = mlp({ depth: 4, activation: 'Relu', gain: Math.SQRT2, inputs: 8, outputs: 4 });
    const { graph } = model;
    // The last layer reads the second activation: what lies between is computed for nothing.
    graph.nodes.find(({ name }) => name === 'out')!.inputs[0] = 'hidden.1.a';
    const subject = await report(model, { steps: 10, size: 16, batch: { kind: 'none' } });
    const loose = subject.diagnosis.findings.find(({ rule }) => rule === 'disconnected-parameter')!;
    expect(loose.severity).toBe('warning');
    expect(loose.where).toContain('hidden.2.weight');
    expect(subject.diagnosis.findings.filter(({ severity }) => severity === 'error')).toEqual([]);
  });
});
