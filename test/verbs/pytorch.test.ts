import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { decodeNpy } from '../../src/data/index.ts';
import type { TensorStatistics } from '../../src/flow/statistics.ts';
import type { Graph } from '../../src/graph/graph.ts';
import { readModelSource } from '../../src/readers/index.ts';
import { openSource } from '../../src/runtime/node/files.ts';
import { nodeRuntime } from '../../src/runtime/node/onnxruntime.ts';
import { diagnose } from '../../src/verbs/diagnose.ts';

const here = dirname(fileURLToPath(import.meta.url));
const own = join(here, '../fixtures/torch');
const shared = join(here, '../../../shared/fixtures/torch');
const folders = [own, shared].filter((folder) => existsSync(folder));
const networks = new Map(
  folders
    .flatMap((folder) => readdirSync(folder).map((file) => [file, folder] as const))
    .filter(([file]) => file.endsWith('.values.json'))
    .map(([file, folder]) => [file.replace('.values.json', ''), folder] as const),
);

interface Truth {
  l2: number;
  max_abs: number;
  mean_abs: number;
  fraction_zero: number;
  float32_rel_err?: number | null;
}

describe.skipIf(networks.size === 0)('gradient flow equals PyTorch', () => {
  it.each([...networks])('%s', async (name, folder) => {
    const file = (extension: string) => join(folder, `${name}${extension}`);
    const truth = JSON.parse(readFileSync(file('.json'), 'utf8'));
    const values = JSON.parse(readFileSync(file('.values.json'), 'utf8')).values as Record<
      string,
      { value: Truth; grad: Truth | null }
    >;
    const model = await readModelSource(await openSource(file('.onnx')));
    const { profile } = await diagnose(model, {
      runtime: nodeRuntime(),
      batch: {
        kind: 'tensors',
        from: name,
        inputs: new Map([['', decodeNpy(readFileSync(file('.input.npy')), 'input')]]),
        target: decodeNpy(readFileSync(file('.labels.npy')), 'labels'),
      },
    });
    const double = truth.float64;
    expect(Math.abs(profile.loss / double.loss - 1)).toBeLessThan(1e-5);

    const roundoff = new Set<string>(truth.roundoff_only_parameters ?? double.roundoff_only_parameters ?? []);
    expect(new Set(profile.parameters.map((parameter) => parameter.name))).toEqual(
      new Set(Object.keys(double.parameters)),
    );
    for (const parameter of profile.parameters) {
      const expected = double.parameters[parameter.name] as Truth;
      expect(parameter.roundoffOnly, `${parameter.name} is rounding only`).toBe(roundoff.has(parameter.name));
      if (roundoff.has(parameter.name)) continue;
      compare(
        `parameter ${parameter.name}`,
        parameter.gradient,
        expected,
        Math.max(1e-3, 3 * (expected.float32_rel_err ?? 0)),
      );
    }
    const fromData = dependentOn(model.graph, 'input');
    const measured = new Map(profile.values.map((value) => [value.name, value]));
    let compared = 0;
    for (const [valueName, expected] of Object.entries(values)) {
      const value = measured.get(valueName);
      // What is computed from parameters alone (a transposed weight) is no signal on its way to the output.
      if (!expected.grad || !fromData.has(valueName)) continue;
      expect(value, `value ${valueName} is measured`).toBeDefined();
      compare(`value ${valueName}`, value!.value, expected.value, 1e-3);
      compare(`gradient of ${valueName}`, value!.gradient, expected.grad, 1e-3);
      compared++;
    }
    expect(compared).toBeGreaterThan(0);
  });
});

function dependentOn(graph: Graph, input: string): Set<string> {
  const dependent = new Set([input]);
  for (const node of graph.nodes) {
    if (node.inputs.some((name) => dependent.has(name))) for (const name of node.outputs) dependent.add(name);
  }
  return dependent;
}

function compare(what: string, measured: TensorStatistics, expected: Truth, tolerance: number): void {
  for (const [key, got] of [
    ['l2', measured.l2],
    ['max_abs', measured.maxAbs],
    ['mean_abs', measured.meanAbs],
  ] as const) {
    const allowed = tolerance * Math.abs(expected[key]);
    expect(Math.abs(got - expected[key]), `${what}: ${key} ${got}, PyTorch ${expected[key]}`).toBeLessThanOrEqual(
      allowed,
    );
  }
  // A bias of attention's keys moves all scores alike, so a third of this gradient is rounding only, or exactly zero.
  const rounding = what.endsWith('in_proj_bias') ? 1 / 3 : 1e-3;
  const zeros = Math.abs(measured.zeroFraction - expected.fraction_zero);
  expect(zeros, `${what}: zero fraction`).toBeLessThanOrEqual(rounding);
}
