import type { GraphBuilder } from '../../graph/builder.ts';
import type { Value } from '../../graph/graph.ts';
import { range } from '../../graph/shapes.ts';
import { tensorOf } from '../../graph/tensor.ts';
import { type Rule, rule } from '../rule.ts';

/** Sums of products over named axes. */
export const einsum: Record<string, Rule> = {
  // dXₖ = the sum of products of dY with the other operands that leaves Xₖ's axes; axes that were summed away alone get
  // dY at every place, and a repeated axis (a diagonal) gets it on the diagonal.
  Einsum: rule('Inputs* -> Output', ({ Inputs, Output, dOutput, g, attributes }) => {
    const { terms, output } = parseEquation(attributes.string('equation', ''), Inputs, Output.shape.length);
    const sizes = new Map<string, number>();
    terms.forEach((term, k) => {
      term.forEach((label, axis) => {
        sizes.set(label, Math.max(sizes.get(label) ?? 1, Inputs[k]!.shape[axis]!));
      });
    });
    return {
      Inputs: Inputs.map((X, k) => () => {
        const term = terms[k]!;
        const others = range(Inputs.length).filter((i) => i !== k);
        const unique = term.filter((label, axis) => term.indexOf(label) === axis);
        const reached = new Set([...output, ...others.flatMap((i) => terms[i]!)]);
        const kept = unique.filter((label) => reached.has(label));
        const operands = [{ value: dOutput, term: output }];
        for (const i of others) operands.push({ value: Inputs[i]!, term: terms[i]! });
        const product = writeEinsum(g, operands, kept, sizes);
        const placed = spreadOver(g, product, kept, unique, sizes);
        return onDiagonals(g, placed, unique, term, X.type);
      }),
    };
  }),
};

interface Equation {
  readonly terms: string[][];
  readonly output: string[];
}

/** Labels per operand and of the output, an ellipsis written out as one label per axis it stands for, aligned right. */
function parseEquation(equation: string, inputs: readonly Value[], outputRank: number): Equation {
  const [left = '', right] = equation.replace(/\s/g, '').split('->');
  const spare = [...'ZYXWVUTSRQPONMLKJIHGFEDCBAzyxwvutsrqponmlkjihgfedcba'].filter(
    (letter) => !equation.includes(letter),
  );
  const labels = (term: string, rank: number): string[] => {
    const [head = '', tail] = term.split('...');
    if (tail === undefined) return [...head];
    const hidden = rank - head.length - tail.length;
    return [...head, ...spare.slice(0, hidden).reverse(), ...tail];
  };
  const terms = left.split(',').map((term, k) => labels(term, inputs[k]!.shape.length));
  if (right !== undefined) return { terms, output: labels(right, outputRank) };
  // Without an output: the ellipsis, then the labels that stand once, in alphabetical order.
  const named = left.replace(/[.,]/g, '');
  const single = [...named].filter((label) => named.indexOf(label) === named.lastIndexOf(label));
  return {
    terms,
    output: [...labels(left.includes('...') ? '...' : '', outputRank - single.length), ...single.sort()],
  };
}

/** One Einsum of operands; a single operand whose axes only change order is transposed. */
function writeEinsum(
  g: GraphBuilder,
  operands: readonly { value: Value; term: readonly string[] }[],
  kept: readonly string[],
  sizes: ReadonlyMap<string, number>,
): Value {
  const [first, ...rest] = operands as [{ value: Value; term: readonly string[] }];
  if (rest.length === 0 && kept.length === first.term.length) {
    return g.transpose(
      first.value,
      kept.map((label) => first.term.indexOf(label)),
    );
  }
  // onnxruntime takes no operand without axes beside others: a number multiplies the rest.
  if (first.term.length === 0 && rest.length > 0) {
    return g.mul(writeEinsum(g, rest, kept, sizes), first.value);
  }
  const equation = `${operands.map(({ term }) => term.join('')).join(',')}->${kept.join('')}`;
  const shape = kept.map((label) => sizes.get(label)!);
  const values = operands.map(({ value }) => value);
  return g.add('Einsum', values, [[first.value.type, shape]], { equation })[0]!;
}

/** X with axes `from` repeated over the axes of `to` that it lacks. */
function spreadOver(
  g: GraphBuilder,
  X: Value,
  from: readonly string[],
  to: readonly string[],
  sizes: ReadonlyMap<string, number>,
): Value {
  if (from.length === to.length) return X;
  const standing = to.map((label) => (from.includes(label) ? sizes.get(label)! : 1));
  return g.expand(
    g.reshape(X, standing),
    to.map((label) => sizes.get(label)!),
  );
}

/** X with axes `unique` as a tensor with axes `term`, in which labels repeat: zero off the diagonals. */
function onDiagonals(
  g: GraphBuilder,
  X: Value,
  unique: readonly string[],
  term: readonly string[],
  type: Value['type'],
): Value {
  if (unique.length === term.length) return X;
  const size = (label: string) => X.shape[unique.indexOf(label)]!;
  // Each label's first axis holds X; at every further one a mask compares the two indices.
  const standing = term.map((label, axis) => (term.indexOf(label) === axis ? size(label) : 1));
  const full = term.map(size);
  let placed = g.expand(g.reshape(X, standing), full);
  term.forEach((label, axis) => {
    const first = term.indexOf(label);
    if (first === axis) return;
    const index = (at: number) =>
      g.constant(
        tensorOf(
          'int64',
          full.map((n, i) => (i === at ? n : 1)),
          range(size(label)),
        ),
      );
    placed = g.where(g.equal(index(first), index(axis)), placed, g.scalar(0, type));
  });
  return placed;
}
