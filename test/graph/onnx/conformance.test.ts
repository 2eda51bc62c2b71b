import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { decodeModel } from '../../../src/graph/onnx/decode.ts';
import { encodeModel } from '../../../src/graph/onnx/encode.ts';
import { type Tensor, tensorOf } from '../../../src/graph/tensor.ts';
import { difference, type OnnxTest, readPb, readTestArchive, runModel } from '../../helpers/onnx-tests.ts';

/** Models outside what this project reads: opset below 7 or above 26, the batched Scan of opset 8. */
const refused = /^(onnx-opset|onnx-old-form)$/;

/** Runs a test as it is and after reading and writing it; reports disagreement only where onnxruntime itself passes. */
async function check({ model, inputs, outputs, name }: OnnxTest): Promise<'same' | 'refused' | 'not run' | string> {
  const feeds = inputs.map(readPb);
  const expected = outputs.map(readPb);
  const differs = (actual: Tensor[]): string | undefined =>
    expected.map((tensor, i) => difference(actual[i]!, tensor!)).find((reason) => reason !== undefined);
  const passable = !feeds.includes(undefined) && !expected.includes(undefined);
  const passes =
    passable &&
    (await runModel(model, feeds as Tensor[]).then(
      (actual) => differs(actual) === undefined,
      () => false,
    ));
  let bytes: Uint8Array;
  try {
    bytes = encodeModel(await decodeModel(model, { name }));
  } catch (error) {
    return refused.test((error as { code?: string }).code ?? '') ? 'refused' : `${name}: ${error}`;
  }
  if (!passes) return 'not run';
  const reason = await runModel(bytes, feeds as Tensor[]).then(differs, String);
  return reason === undefined ? 'same' : `${name}: ${reason}`;
}

async function tally(tests: OnnxTest[]): Promise<{ same: number; refused: number; wrong: string[] }> {
  const results: string[] = [];
  for (const item of tests) results.push(await check(item));
  const wrong = results.filter((result) => !['same', 'refused', 'not run'].includes(result));
  const count = (kind: string): number => results.filter((result) => result === kind).length;
  return { same: count('same'), refused: count('refused'), wrong };
}

test('a selection of the ONNX operator tests computes the same after reading and writing', async () => {
  const { same, refused: out, wrong } = await tally(readTestArchive('test/fixtures/onnx-node/selection.tgz'));
  expect(wrong).toEqual([]);
  expect(out).toBe(1); // Scan-8
  expect(same).toBeGreaterThanOrEqual(190);
});

const shared = '../shared/fixtures/onnx';

describe.skipIf(!existsSync(shared))('with ../shared/fixtures/onnx', () => {
  test('all ONNX operator tests', { timeout: 120_000 }, async () => {
    const { same, wrong } = await tally(readTestArchive(`${shared}/node-tests.tgz`));
    expect(wrong).toEqual([]);
    expect(same).toBeGreaterThanOrEqual(1400);
  });

  test('all converted PyTorch modules of opset 7 and later', { timeout: 60_000 }, async () => {
    const { wrong } = await tally(readTestArchive(`${shared}/pytorch-converted.tgz`));
    expect(wrong).toEqual([]);
  });

  test.each(['squeezenet', 'shufflenet', 'inception_v2', 'resnet50', 'densenet121'])(
    '%s of opset 9 computes the same in the dialect',
    { timeout: 60_000 },
    async (name) => {
      const bytes = readFileSync(`${shared}/light/light_${name}.onnx`);
      const model = await decodeModel(bytes, { name });
      expect(model.graph.inputs).toHaveLength(1);
      const shape = model.graph.inputs[0]!.shape as number[];
      const size = shape.reduce((product, dim) => product * dim, 1);
      const X = tensorOf(
        'float32',
        shape,
        Array.from({ length: size }, (_, i) => Math.sin(i)),
      );
      const [before] = await runModel(bytes, [X]);
      const [after] = await runModel(encodeModel(model), [X]);
      expect(difference(after!, before!)).toBeUndefined();
    },
  );
});
