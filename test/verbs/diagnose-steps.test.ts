import { describe, expect, it } from 'vitest';
import { readModelSource } from '../../src/readers/index.ts';
import { memorySource } from '../../src/readers/source.ts';
import { reportOf } from '../../src/report/json.ts';
import type { ReportSubject } from '../../src/report/subject.ts';
import { renderTerminal } from '../../src/report/terminal.ts';
import { loadDigit } from '../../src/runtime/node/mnist-files.ts';
import { nodeRuntime } from '../../src/runtime/node/onnxruntime.ts';
import { type DiagnoseStepsOptions, diagnoseSteps } from '../../src/verbs/diagnose-steps.ts';

const runtime = nodeRuntime({ threads: 1 });

async function diagnose(text: string, options: Partial<DiagnoseStepsOptions> = {}): Promise<ReportSubject> {
  const model = await readModelSource(memorySource('network.yaml', new TextEncoder().encode(text)));
  return diagnoseSteps(model, {
    runtime,
    batch: { kind: 'named', name: 'mnist' },
    size: 32,
    steps: 10,
    loadDigits: loadDigit,
    ...options,
  });
}

const network = (activation: string, init: string, head: string) => `
input: 784
layers:
  - dense: {units: 30, activation: ${activation}, repeat: 6, name: hidden}
  - dense: {units: 10, name: out, init: ${head}}
init: ${init}
loss: cross-entropy
optimizer: {sgd: {lr: 0.1}}
`;

describe('a diagnosis before and after ten steps', () => {
  it('confirms that a sigmoid network vanishes, and says which layers did not move', async () => {
    const subject = await diagnose(network('sigmoid', 'glorot-uniform', 'glorot-uniform'));
    const { steps, diagnosis } = subject;
    expect(diagnosis.verdict).toBe('vanishing');
    expect(steps!.fates.map(({ rule, fate }) => [rule, fate])).toContainEqual(['vanishing-gradient', 'confirmed']);
    const moved = Object.fromEntries(steps!.layers.map((layer) => [layer.layer, layer.moved]));
    expect(moved.out! / moved['hidden.0']!).toBeGreaterThan(1e3);
    const text = renderTerminal(subject);
    expect(text).toMatch(/after {6}10 steps of sgd at 0\.1: loss \S+ → \S+/);
    expect(text).toMatch(/still {6}2 layers of 7 [^:]*: [^:]*:\s+hidden\.0/);
    expect(text).toMatch(/confirmed {2}vanishing-gradient/);
  });

  it('withdraws what a zero-initialized last layer shows', async () => {
    const options = { steps: 10, optimizer: 'adam', learningRate: 0.01 };
    const before = await diagnose(network('relu', 'he', 'zeros'), { steps: 0 });
    expect(before.diagnosis.findings[0]!.title).toMatch(/the weights of out are zero/);
    expect(before.steps).toBeUndefined();
    const subject = await diagnose(network('relu', 'he', 'zeros'), options);
    expect(subject.steps!.fates).toMatchObject([{ rule: 'vanishing-gradient', fate: 'withdrawn' }]);
    expect(subject.diagnosis).toMatchObject({ verdict: 'healthy', findings: [{ severity: 'info' }] });
    expect(subject.diagnosis.findings[0]!.title).toMatch(
      /^withdrawn after 10 steps of adam: the weights of out are zero/,
    );
    expect(subject.steps!.after.attribution!.totalDecades).toBeGreaterThan(-3);
    expect(subject.steps!.lossAfter).toBeLessThan(subject.steps!.lossBefore);
    expect(renderTerminal(subject)).toMatch(/withdrawn {2}vanishing-gradient: the weights of out are zero/);
  });

  it('reports what only the steps bring about', async () => {
    const subject = await diagnose(network('relu', 'he', 'he'), { optimizer: 'sgd', learningRate: 1e8, steps: 10 });
    expect(subject.steps!.fault).toMatchObject({ kind: 'non-finite' });
    expect(subject.steps!.count).toBeLessThan(10);
    expect(subject.diagnosis.verdict).not.toBe('healthy');
    expect(subject.diagnosis.findings[0]!.title).toMatch(/^after \d steps? of sgd: /);
    expect(renderTerminal(subject)).toMatch(/is not finite at step|the loss is \S+ at step/);
  });

  it('measures the motion that the update norms say, and puts everything into JSON', async () => {
    // One step: the motion over the larger of the weights before and after is the update over nearly the weights.
    const subject = await diagnose(network('relu', 'he', 'he'), { steps: 1, learningRate: 0.001 });
    for (const { moved, updateRatio, layer } of subject.steps!.layers) {
      expect(moved / updateRatio, layer).toBeGreaterThan(0.95);
      expect(moved / updateRatio, layer).toBeLessThan(1.01);
    }
    const { steps } = JSON.parse(JSON.stringify(reportOf(subject))) as ReturnType<typeof reportOf>;
    expect(steps).toMatchObject({
      count: 1,
      optimizer: 'sgd',
      learningRate: 0.001,
      before: { step: 0 },
      after: { step: 1 },
    });
    expect(steps!.layers).toHaveLength(7);
  });

  it('is the same again with the same seed', async () => {
    const text = network('tanh', 'glorot-uniform', 'glorot-uniform');
    const [a, b] = [await diagnose(text, { seed: 5 }), await diagnose(text, { seed: 5 })];
    expect(reportOf(a)).toEqual(reportOf(b));
  });

  it('refuses a number of steps that makes no sense', async () => {
    await expect(diagnose(network('relu', 'he', 'he'), { steps: -1 })).rejects.toThrow('-1 training steps');
  });
});
