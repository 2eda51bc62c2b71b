import { describe, expect, it } from 'vitest';
import { differentiable } from '../../src/autodiff/gradients/index.ts';
import { unsupported } from '../../src/autodiff/gradients/unsupported.ts';
import { fixturesAvailable, type OnnxTest, readTestArchive } from '../helpers/onnx-tests.ts';
import { checkNodeTest, type NodeCheckOptions, type Outcome } from './node-check.ts';

/** Float inputs that set what an operator does, and outputs that no gradient is asked for (saved statistics). */
const options: NodeCheckOptions = {
  settings: { Dropout: [1], MelWeightMatrix: [3, 4], OneHot: [0, 1], Resize: [1, 2] },
  outputs: { BatchNormalization: 1, LayerNormalization: 1 },
};

/** Inputs at which there is no derivative: checked 0.05 away. */
const atKinks: Record<string, readonly string[]> = {
  'the input stands on a kink or a jump': [
    'test_elu_example',
    'test_elu_example_expanded_ver18',
    'test_floor_example',
    'test_leakyrelu_example',
    'test_leakyrelu_example_expanded',
    'test_round',
    'test_selu_example',
    'test_selu_example_expanded_ver18',
    'test_sign',
    'test_thresholdedrelu_example',
    'test_thresholdedrelu_example_expanded_ver18',
  ],
  'the maximum is tied': [
    'test_hardmax_one_hot',
    'test_maxpool_3d_dilations',
    'test_maxpool_3d_dilations_use_ref_impl',
  ],
  'the input is the zero vector, which has no direction': ['test_l2normalization_axis_0'],
  'the input stands where the domain of the function ends': ['test_acosh_example', 'test_pow'],
};

/** What is not checked, and why. */
const exceptions: Record<string, readonly string[]> = {
  // As in PyTorch: the zero that Where puts in a NaN's place does not reach back through the softmax that made it.
  'the body takes the softmax of a row of −∞, which is NaN, before it masks it': [
    'test_attention_23_boolmask_fullymasked_row_nan_robustness_expanded',
    'test_attention_23_fullymasked_qk_matmul_output_mode3_zero_expanded',
    'test_attention_24_fullymasked_qk_matmul_output_mode3_zero_expanded',
    'test_attention_24_qk_matmul_output_mode3_softmax_precision_expanded',
    'test_attention_4d_causal_nonpad_negative_offset_structural_empty_expanded',
    'test_attention_causal_boolmask_nan_robustness_expanded',
  ],
  'its gradient is refused: a policy rounds a size up': ['test_resize_downsample_sizes_nearest_not_smaller'],
};

const names = (lists: Record<string, readonly string[]>) => new Set(Object.values(lists).flat());

async function checkAll(tests: readonly OnnxTest[]): Promise<Map<string, Outcome>> {
  const kinks = names(atKinks);
  const outcomes = new Map<string, Outcome>();
  for (const test of tests) {
    outcomes.set(test.name, await checkNodeTest(test, { ...options, nudge: kinks.has(test.name) ? 0.05 : 0 }));
  }
  return outcomes;
}

/** Everything the tests hold, whichever of them there are. */
function expectSound(outcomes: ReadonlyMap<string, Outcome>): void {
  const known = names(exceptions);
  const wrong: string[] = [];
  for (const [name, outcome] of outcomes) {
    if (outcome.kind === 'failed' && !known.has(name)) wrong.push(outcome.message);
    if (outcome.kind === 'passed' && known.has(name)) wrong.push(`${name} passes: it is no exception any more`);
    if (outcome.kind !== 'outside' || !outcome.reason.startsWith('no gradient') || known.has(name)) continue;
    const operator = /operator (\S+) /.exec(outcome.reason)?.[1] ?? '';
    if (!operator.startsWith('ai.onnx.') && !Object.hasOwn(unsupported, operator))
      wrong.push(`${name}: ${outcome.reason}`);
  }
  expect(wrong).toEqual([]);
}

const passed = (outcomes: ReadonlyMap<string, Outcome>) =>
  [...outcomes.values()].filter((outcome) => outcome.kind === 'passed');

/** Operators that ONNX tests on whole numbers, in opset 27 or beside others only; test/autodiff has cases of its own. */
const untested = ['Celu', 'GlobalLpPool', 'If', 'Range', 'Trilu'];
/** Operators whose smallest test, which is the one selected, is of that sort. */
const untestedInSelection = ['Add', 'Cast', 'CastLike', 'Clip', 'CumProd', 'CumSum', 'DequantizeLinear', 'Erf'].concat([
  'GatherND',
  'LRN',
  'MaxPool',
  'Mish',
  'Mod',
  'Pad',
  'ReduceMax',
  'ReduceMin',
  'TopK',
]);

/** Differentiable operators of which no test of that operator alone passed, beyond those excused. */
function uncovered(outcomes: ReadonlyMap<string, Outcome>, excused: readonly string[]): string[] {
  const covered = new Set(passed(outcomes).flatMap(({ ops }) => (ops.length === 1 ? ops : [])));
  return Object.keys(differentiable).filter((op) => !covered.has(op) && !excused.includes(op));
}

describe('the ONNX project’s operator tests, at their own inputs, against differences', () => {
  it('a selection: every operator that has a test, and a gradient', { timeout: 60_000 }, async () => {
    const outcomes = await checkAll(readTestArchive('test/fixtures/onnx-node/selection.tgz'));
    expectSound(outcomes);
    expect(uncovered(outcomes, [...untested, ...untestedInSelection])).toEqual([]);
  });

  describe.skipIf(!fixturesAvailable)('with ../shared/fixtures/onnx', () => {
    it('all of them', { timeout: 180_000 }, async () => {
      const outcomes = await checkAll(readTestArchive('../shared/fixtures/onnx/node-tests.tgz'));
      expectSound(outcomes);
      for (const name of [...names(atKinks), ...names(exceptions)]) expect(outcomes.has(name), name).toBe(true);
      expect(uncovered(outcomes, untested)).toEqual([]);
      const checked = passed(outcomes);
      expect(checked.length).toBeGreaterThanOrEqual(1090);
      expect(checked.filter(({ type }) => type === 'float64').length).toBeGreaterThanOrEqual(850);
    });
  });
});
