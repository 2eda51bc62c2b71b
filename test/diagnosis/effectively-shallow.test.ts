import { describe, expect, it } from 'vitest';
import { planBypasses } from '../../src/flow/bypass.ts';
import { nodeRuntime } from '../../src/runtime/node/onnxruntime.ts';
import { ablate } from '../../src/verbs/ablation.ts';
import { afterSteps, blobs, classifier, ofRule, specOf } from '../helpers/steps.ts';

const runtime = nodeRuntime({ threads: 1 });
const residual = `
input: 8
layers:
  - dense: {units: 16, activation: relu, name: stem}
  - residual:
      - dense: {units: 16, activation: relu, name: inner}
      - dense: {units: 16, name: outer}
    repeat: 2
    name: block
  - dense: {units: 4, name: out}
init: he
loss: cross-entropy
optimizer: {adam: {lr: 0.01}}
`;

describe('effectively-shallow', () => {
  it('finds the layers that a linear problem does not need, by leaving them out', async () => {
    // Blobs are told apart by a line, and ReLU passes on what is positive: layers that start as identities stay it.
    const deep = classifier({ depth: 5, optimizer: '{sgd: {lr: 0.1}}', init: 'identity' }).replace(
      'layers:',
      'layers:\n  - dense: {units: 24, activation: relu, name: first, init: he}',
    );
    const subject = await afterSteps(deep, { steps: 40 });
    const finding = ofRule('effectively-shallow', subject)!;
    expect(['info', 'warning']).toContain(finding.severity);
    const { ablation } = subject.steps!;
    const joint = ablation!.bypassedTogether!.find(({ layers }) => layers.length === finding.where.length)!;
    expect(joint.layers).toEqual(finding.where);
    expect(joint.loss - ablation!.loss).toBeLessThanOrEqual(0.02 * (ablation!.constantLoss! - ablation!.loss));
    expect(finding.where).not.toContain('out');
    expect(subject.diagnosis.verdict).toBe('healthy');
  });

  it('is silent where the one hidden layer of its width is needed', async () => {
    // Rings cannot be told apart without a hidden layer; the second is trained together with it.
    const rings = classifier({
      inputs: 2,
      depth: 2,
      units: 6,
      classes: 2,
      activation: 'tanh',
      optimizer: '{adam: {lr: 0.03}}',
    });
    const subject = await afterSteps(rings, { steps: 200, batch: { kind: 'named', name: 'circles' } });
    expect(subject.steps!.lossAfter).toBeLessThan(0.3);
    expect(ofRule('effectively-shallow', subject)).toBeUndefined();
    const second = subject.steps!.ablation!.layers.find(({ layer }) => layer === 'hidden.1')!;
    expect(second.bypassed! - subject.steps!.ablation!.loss).toBeGreaterThan(0.05);
  });

  it('says nothing of a network that has learned nothing', async () => {
    const subject = await afterSteps(classifier({ optimizer: '{sgd: {lr: 0.000001}}' }), { steps: 20 });
    expect(subject.steps!.ablation).toBeDefined();
    expect(ofRule('effectively-shallow', subject)).toBeUndefined();
  });
});

describe('leaving out layers', () => {
  it('drops residual branches whole, and passes inputs on where shapes allow it', async () => {
    const { graph } = await specOf(residual);
    const { layers, bypasses } = planBypasses(graph, [...graph.initializers.keys()]);
    const plan = Object.fromEntries(bypasses.map(({ layer, together }) => [layer, together]));
    const names = layers.map(({ layer }) => layer);
    expect(names).toHaveLength(6);
    const [, a, b, c, d] = names as [string, string, string, string, string, string];
    expect(plan[a]).toEqual([a, b]);
    expect(plan[b]).toEqual([a, b]);
    expect(plan[c]).toEqual([c, d]);
    expect(plan.stem).toBeUndefined();
  });

  it('gives the loss of the network without the layer: a branch that ends in zeros is worth nothing', async () => {
    const first = await specOf(residual.replace('name: outer}', 'name: outer, init: zeros}'));
    const options = { runtime, batch: blobs, size: 32, seed: 0 };
    const same = (await ablate(first, first, options))!;
    for (const { layer, bypassed, rewound } of same.layers) {
      expect(rewound, layer).toBe(same.loss);
      if (bypassed !== undefined) expect(bypassed, layer).toBeCloseTo(same.loss, 6);
    }
    expect(same.layers.filter(({ bypassed }) => bypassed !== undefined)).toHaveLength(4);
    expect(same.bypassedTogether!.at(-1)!.loss).toBeCloseTo(same.loss, 6);
    expect(await ablate(first, first, { ...options, budget: 1 })).toBeUndefined();
  });

  it('puts a layer back to the weights that it had', async () => {
    const first = await specOf(classifier({ depth: 2 }));
    const second = await specOf(classifier({ depth: 2 }).replace('optimizer', 'seed: 7\noptimizer'));
    const options = { runtime, batch: blobs, size: 32, seed: 0 };
    const own = async (model: typeof first) => (await ablate(model, model, options))!.loss;
    const mixed = (await ablate(first, second, options))!;
    expect(mixed.loss).toBeCloseTo(await own(second), 6);
    // All layers put back at once are the first network.
    expect(mixed.rewoundTogether!.at(-1)!.layers).toHaveLength(3);
    expect(mixed.rewoundTogether!.at(-1)!.loss).toBeCloseTo(await own(first), 5);
  });
});
