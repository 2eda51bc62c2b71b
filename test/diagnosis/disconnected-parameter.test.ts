import { describe, expect, it } from 'vitest';
import { tensorOf } from '../../src/graph/tensor.ts';
import { examine, findingsOf } from '../helpers/examine.ts';
import { mlp } from '../helpers/networks.ts';

describe('disconnected-parameter', () => {
  it('names a parameter that nothing reads', async () => {
    const model = mlp({ depth: 2 });
    model.graph.initializers.set('old_head.weight', tensorOf('float32', [3, 3], new Array(9).fill(1)));
    const findings = await findingsOf('disconnected-parameter', model);
    expect(findings).toMatchObject([{ severity: 'warning', where: ['old_head.weight'] }]);
  });

  it('names parameters behind an operator whose derivative is zero', async () => {
    const model = mlp({ depth: 2 });
    const node = model.graph.nodes.find(({ name }) => name === 'hidden.1.Sigmoid')!;
    model.graph.nodes.splice(model.graph.nodes.indexOf(node) + 1, 0, {
      name: 'round',
      op: 'Round',
      domain: '',
      inputs: [node.outputs[0]!],
      outputs: ['rounded'],
      attributes: {},
    });
    model.graph.nodes.find(({ name }) => name === 'out')!.inputs[0] = 'rounded';
    const findings = await findingsOf('disconnected-parameter', model);
    expect(findings[0]!.where).toEqual(['hidden.0.weight', 'hidden.0.bias', 'hidden.1.weight', 'hidden.1.bias']);
  });

  it('is silent where every parameter is used', async () => {
    expect(await findingsOf('disconnected-parameter', mlp({ depth: 3 }))).toEqual([]);
  });

  it('says so when no parameter is connected at all', async () => {
    const model = mlp({ depth: 0 });
    model.graph.nodes.push({
      name: 'floor',
      op: 'Floor',
      domain: '',
      inputs: ['out.z'],
      outputs: ['floored'],
      attributes: {},
    });
    model.graph.outputs = [{ name: 'floored', type: 'float32', shape: [16, 10] }];
    const { diagnosis } = await examine(model);
    expect(diagnosis.findings).toMatchObject([{ rule: 'disconnected-parameter', severity: 'error' }]);
    expect(diagnosis.verdict).toBe('problem');
  });
});
