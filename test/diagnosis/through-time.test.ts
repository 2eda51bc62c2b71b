import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { causesThroughTime, lagOf } from '../../src/diagnosis/through-time.ts';
import { recurrentFlow } from '../../src/flow/recurrent.ts';
import { diagnose } from '../../src/node.ts';

const fixtures = join(dirname(fileURLToPath(import.meta.url)), '../fixtures/torch');
const examine = async (name: string) => {
  const file = (ending: string) => join(fixtures, `${name}${ending}`);
  return diagnose(file('.onnx'), { inputs: [file('.input.npy')], target: file('.labels.npy') });
};

describe('vanishing-through-time', () => {
  it('is an error for a plain recurrence that forgets within ten steps', async () => {
    const { diagnosis } = await examine('rnn_tanh_seq50');
    const [finding] = diagnosis.findings;
    expect(finding).toMatchObject({ rule: 'vanishing-through-time', severity: 'error', where: ['rnn.l0'] });
    expect(finding!.causes[0]!.kind).toBe('weight-matrix');
    // PyTorch's ‖∂L/∂x_t‖ per step has the same slope: W_ih is the same at every step.
    const { float64 } = JSON.parse(readFileSync(join(fixtures, 'rnn_tanh_seq50.json'), 'utf8'));
    const truth = float64.input_grad_l2_per_step as number[];
    const slope = (Math.log10(truth[0]!) - Math.log10(truth.at(-1)!)) / (truth.length - 1);
    expect(finding!.evidence.decadesPerStep as number).toBeCloseTo(slope, 1);
    expect(diagnosis.verdict).toBe('vanishing');
  });

  it('is a warning for gates, which can learn to open', async () => {
    const { diagnosis } = await examine('lstm_seq50');
    expect(diagnosis.findings).toMatchObject([{ rule: 'vanishing-through-time', severity: 'warning' }]);
    expect(diagnosis.verdict).toBe('healthy');
  });

  it('is silent for identity recurrence', async () => {
    const { diagnosis } = await examine('rnn_relu_identity_seq50');
    expect(diagnosis.findings).toEqual([]);
  });
});

describe('exploding-through-time', () => {
  it('is an error for recurrent weights of 2.5', async () => {
    const { diagnosis } = await examine('rnn_relu_explode_seq50');
    const [finding] = diagnosis.findings;
    expect(finding).toMatchObject({ rule: 'exploding-through-time', severity: 'error' });
    expect(finding!.causes.map(({ kind }) => kind)).toEqual(['weight-matrix']);
    expect(diagnosis.verdict).toBe('exploding');
  });
});

describe('lag and causes', () => {
  const place = { layer: 'rnn', node: 'rnn', op: 'RNN', direction: 'forward' } as const;

  it('count the steps until a thousandth is left', () => {
    const hidden = [-8, -6, -4, -2, 0];
    const carried = [-8, -6, -4, -2, Number.NEGATIVE_INFINITY];
    const preactivation = [-9, -6.5, -4.5, -2.5, -0.5];
    const flow = recurrentFlow(place, { hidden, carried, preactivation });
    expect(flow.recurrence).toBeCloseTo(-8, 12);
    expect(lagOf(flow, -3)).toBe(2);
    expect(lagOf(flow, -20)).toBeUndefined();
    const causes = causesThroughTime(flow);
    expect(causes.reduce((sum, { share }) => sum + share, 0)).toBeCloseTo(1, 12);
    expect(causes[0]).toMatchObject({ kind: 'weight-matrix', decades: -6 });
  });
});
