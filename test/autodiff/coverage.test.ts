import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { differentiable } from '../../src/autodiff/gradients/index.ts';
import { unsupported } from '../../src/autodiff/gradients/unsupported.ts';
import { zeroOnPurpose } from '../../src/autodiff/gradients/zero.ts';
import { standardOperators, withdrawnOperators } from '../../src/autodiff/standard-operators.ts';
import { upgrades } from '../../src/graph/dialect/upgrades.ts';

const tables = [differentiable, zeroOnPurpose, unsupported].map((table) => Object.keys(table));

describe('the three tables and the ONNX standard', () => {
  it('every operator of the standard stands in exactly one table', () => {
    const homes = (op: string) => tables.filter((table) => table.includes(op)).length;
    expect([...standardOperators.keys()].filter((op) => homes(op) !== 1)).toEqual([]);
    expect(standardOperators.size).toBe(201);
  });

  it('every operator of a table is in the standard', () => {
    expect(tables.flat().filter((op) => !standardOperators.has(op))).toEqual([]);
  });

  it('what the standard has withdrawn is read as an operator it has', () => {
    for (const [old, current] of Object.entries(withdrawnOperators)) {
      expect(upgrades).toHaveProperty(old);
      expect(differentiable).toHaveProperty(current);
      expect(standardOperators.has(old)).toBe(false);
    }
  });
});

describe('gradient checks', () => {
  it('every differentiable operator is named in a test that compares its gradient with differences or PyTorch', () => {
    const folders = ['test/autodiff', 'test/fixtures/gradients'];
    const files = folders.flatMap((folder) =>
      (readdirSync(folder, { recursive: true }) as string[]).map((name) => `${folder}/${name}`),
    );
    const sources = files
      .filter((file) => /(?<!coverage|tables|node-tests)(\.test\.ts|\.json)$/.test(file))
      .map((file) => readFileSync(file, 'utf8'))
      .filter((text) => text.startsWith('{') || /check(Node|Graph)|pullBack|itAgreesWithTorch/.test(text));
    const named = new Set(sources.flatMap((text) => [...text.matchAll(/['"]([A-Z]\w+)['"]/g)].map(([, name]) => name)));
    expect(Object.keys(differentiable).filter((op) => !named.has(op))).toEqual([]);
  });
});
