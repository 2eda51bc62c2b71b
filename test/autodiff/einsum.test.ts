import { describe, it } from 'vitest';
import { checkNode } from './gradient-check.ts';

const sizes: Record<string, number> = { a: 2, b: 3, c: 2, d: 4, i: 3, j: 2, k: 4, n: 2, A: 2, B: 3 };

/** Shapes by their labels; `...` stands for the axes given with it. */
const shapesOf = (equation: string, hidden: readonly number[][]): number[][] =>
  equation
    .replace(/\s/g, '')
    .split('->')[0]!
    .split(',')
    .map((term, k) => {
      const dims = (labels: string) => [...labels].map((label) => sizes[label]!);
      const [head = '', tail] = term.split('...');
      return tail === undefined ? dims(head) : [...dims(head), ...hidden[k]!, ...dims(tail)];
    });

describe('Einsum, against differences', () => {
  it.each([
    ['ij->ji'],
    ['abcd->dbca'],
    ['ij->i'],
    ['ij->'],
    ['->'],
    ['ii->i'],
    ['ii->'],
    ['iji->j'],
    ['...ii->...i', [[2, 2]]],
    ['ij,jk->ik'],
    ['ij,jk'],
    ['ba'],
    ['i,i'],
    ['i,j->ij'],
    ['bij, bjk -> bik'],
    ['aid,ajd->aij'],
    [
      '...ij,...jk->...ik',
      [
        [2, 3],
        [2, 3],
      ],
    ],
    [
      '...ij,...jk->...ik',
      [
        [2, 3],
        [2, 1],
      ],
    ],
    ['i...->...', [[2, 3]]],
    ['i...,i...', [[2], [2]]],
    ['ij,ik,in->jkn'],
    ['ij,kj,->ik'],
    ['ab,cd->ad'],
    ['ii,ij->j'],
    ['nd,nd,n->'],
  ] as [string, number[][]?][])('%s', async (equation, hidden = []) => {
    const inputs = shapesOf(equation, hidden).map((shape, i) => ({ name: `X${i}`, shape }));
    await checkNode({ op: 'Einsum', inputs, attributes: { equation } });
  });
});
