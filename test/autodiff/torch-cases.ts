import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import type { Attribute } from '../../src/graph/graph.ts';
import { pullBack } from './pull-back.ts';

interface Listed {
  shape: number[];
  data: number[];
}
interface TorchCase {
  name: string;
  op: string;
  attributes: Record<string, Attribute>;
  inputs: Record<string, Listed>;
  output: Listed;
  upstream: Listed;
  gradients: Record<string, Listed>;
}

/** One test per case of test/fixtures/gradients/<family>.json: output and gradients as PyTorch's autograd has them. */
export function itAgreesWithTorch(
  family: string,
  {
    extra = () => ({}),
    tolerance = 2e-5,
  }: { extra?: (op: string, channels: number) => Record<string, Listed>; tolerance?: number } = {},
): void {
  const file = new URL(`../fixtures/gradients/${family}.json`, import.meta.url);
  const { cases } = JSON.parse(readFileSync(file, 'utf8')) as { cases: TorchCase[] };
  it.each(cases)('PyTorch: $op, $name', async (torch) => {
    const constants = Object.entries(extra(torch.op, torch.output.shape[1]!)).map(([name, given]) => [
      name,
      { ...given, constant: true },
    ]);
    const inputs = { ...torch.inputs, ...Object.fromEntries(constants) };
    const outputs = torch.op === 'BatchNormalization' ? ['Y', 'running_mean', 'running_var'] : ['Y'];
    const options = { attributes: torch.attributes, type: 'float32', outputs } as const;
    const result = await pullBack(torch.op, inputs, torch.upstream.data, { ...options, outputs });
    expectClose(result.Y, torch.output.data, tolerance, 'output');
    for (const [name, gradient] of Object.entries(torch.gradients)) {
      expectClose(result[`d${name}`]!, gradient.data, tolerance, `gradient of ${name}`);
    }
  });
}

/** Every element within `tolerance` of the largest expected magnitude. */
export function expectClose(
  actual: readonly number[],
  expected: readonly number[],
  tolerance: number,
  what: string,
): void {
  expect(actual.length, what).toBe(expected.length);
  const scale = Math.max(1e-6, ...expected.map(Math.abs));
  const worst = Math.max(...actual.map((x, i) => Math.abs(x - expected[i]!)));
  expect(worst, `${what}: largest error ${worst} against magnitudes up to ${scale}`).toBeLessThanOrEqual(
    tolerance * scale,
  );
}
