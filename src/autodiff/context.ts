import { GradientError } from '../graph/errors.ts';
import type { Node, Value } from '../graph/graph.ts';
import { toNumbers } from '../graph/tensor.ts';
import type { Formal, Rule, Thunk, Thunks, Tools } from './rule.ts';

/** What a rule is called with: its tools, and under the letters of its signature the values and their gradients. */
export function contextOf(
  rule: Rule,
  upstream: readonly (Value | undefined)[],
  tools: Tools,
): Record<string, unknown> & Tools {
  const { node, g } = tools;
  const context: Record<string, unknown> & Tools = { ...tools };
  const valueAt = (names: string[], i: number) => (names[i] ? tensorOf(tools, names[i]!) : undefined);
  fill(context, rule.inputs, node.inputs.length, (i) => valueAt(node.inputs, i));
  fill(context, rule.outputs, node.outputs.length, (i) => valueAt(node.outputs, i));
  const gradients = rule.outputs.map((formal) => ({ ...formal, name: `d${formal.name}` }));
  fill(context, gradients, node.outputs.length, (i, formal) => {
    const gradient = upstream[i];
    if (gradient || formal.optional || !node.outputs[i]) return gradient;
    return g.zerosLike(g.value(node.outputs[i]!));
  });
  return context;
}

function tensorOf({ g, refuse }: Tools, name: string): Value {
  return (
    g.find(name) ?? refuse(`"${name}" is no tensor`, 'gradients flow through tensors, not through sequences of them')
  );
}

function fill(
  context: Record<string, unknown>,
  formals: readonly Formal[],
  count: number,
  at: (index: number, formal: Formal) => Value | undefined,
): void {
  formals.forEach((formal, i) => {
    context[formal.name] = formal.variadic
      ? Array.from({ length: Math.max(0, count - i) }, (_, k) => at(i + k, formal))
      : at(i, formal);
  });
}

/** What a rule says of one input; undefined for nothing. */
export function thunkOf(formals: readonly Formal[], thunks: Thunks, input: number): Thunk | undefined {
  const last = formals.length - 1;
  const formal = formals[Math.min(input, last)]!;
  const thunk = thunks[formal.name];
  return Array.isArray(thunk) ? thunk[input - last] : thunk;
}

/** The tools that say no. */
export function refusals(node: Node, content: Tools['content']): Pick<Tools, 'integers' | 'refuse'> {
  const where = `node "${node.name}"`;
  return {
    integers: (value) => {
      const tensor = content(value);
      if (tensor) return toNumbers(tensor);
      throw new GradientError(
        `input "${value.name}" of ${node.op} changes with the data, so its gradient has no fixed shape`,
        { code: 'data-dependent-shape', where },
      );
    },
    refuse: (reason, hint) => {
      throw new GradientError(`the gradient of ${node.op} is not available here: ${reason}`, {
        code: 'unsupported-operator',
        where,
        hint,
      });
    },
  };
}
