import type { OutputSpec } from '../../../graph/assembler.ts';
import type { Graph, Value } from '../../../graph/graph.ts';
import type { Body } from '../../body.ts';
import { type Context, rule } from '../../rule.ts';
import { backwardStep, emitInputs } from './steps.ts';

type Signature = 'M? cond? v_initial* -> v_final_and_scan_outputs*?';

/**
 * Backpropagation through time, as a Loop of as many steps as the forward Loop made: it emits the number and the state
 * of every step, so that neither needs to be known before running. Step s computes forward step t = T − 1 − s again.
 */
export const Loop = rule<Signature>('M? cond? v_initial* -> v_final_and_scan_outputs*?', (context) => {
  const { g, node, attributes, open, refuse, v_initial: states } = context;
  const upstream = context.dv_final_and_scan_outputs;
  const graph = attributes.graph('body') ?? refuse('it has no body');
  const count = states.length;
  const scalarOf = (i: number): readonly number[] => (graph.inputs[i]?.shape?.length === 1 ? [1] : []);
  const body = open(graph, [['int64', scalarOf(0)], ['bool', scalarOf(1)], ...states.map(specOf)]);
  if (upstream.slice(count).some((gradient) => gradient) && !isCounted(context, graph)) {
    refuse(
      'the number of its steps depends on the data, so its scan outputs have no fixed shape',
      'use the final states only, or give it a constant trip count and a condition that stays true',
    );
  }

  const inner = body.g;
  const emittedFrom: Value[] = [];
  const emitted = body.outputs.slice(1 + count).flatMap((slice, j) => {
    const outer = upstream[count + j];
    if (!outer) return [];
    emittedFrom.push(outer);
    return [[slice, inner.input(inner.uniqueName('d_output'), slice.type, slice.shape)] as const];
  });
  const step = backwardStep(
    context,
    { body, before: body.inputs.slice(2), after: body.outputs.slice(1, 1 + count), slices: [], emitted },
    { initial: states, upstream },
  );
  const s = inner.input(inner.uniqueName('step'), 'int64', []);
  const goOn = inner.input(inner.uniqueName('go_on'), 'bool', []);
  const closed = body.close([goOn, ...step.next]);

  const needed = new Set(closed.inputs.map(({ name }) => name));
  if (step.initial.length === 0) return {};
  const kept = [0, ...[...states.keys()].map((k) => k + 2).filter((i) => needed.has(body.inputs[i]!.name))];
  const outputsBefore = (node.attributes.body as Graph).outputs.length - 1;
  const histories = emitInputs(context, {
    inputs: kept.map((i) => [i, body.inputs[i]!]),
    outputsBefore,
    steps: stepsOf(context),
  });
  const T = g.add('Size', [histories[0]!], [['int64', []]])[0]!;
  const last = g.sub(T, g.scalar(1, 'int64'));
  prepend(body, closed, () => {
    const t = inner.sub(last, s);
    const pick = (whole: Value, value: Value) => {
      if (!needed.has(value.name)) return;
      inner.add('Gather', [whole, t], [specOf(value)], { axis: 0 }, { outputs: [value.name] });
    };
    if (needed.has(body.inputs[1]!.name)) {
      // A step is only made while the condition holds.
      const { type, shape, name } = body.inputs[1]!;
      const holds = inner.full(shape, 1, type);
      inner.add('Identity', [holds], [[type, shape]], {}, { outputs: [name] });
    }
    histories.forEach((history, i) => {
      pick(history, body.inputs[kept[i]!]!);
    });
    emitted.forEach(([, gradient], i) => {
      pick(emittedFrom[i]!, gradient);
    });
  });
  closed.inputs = [s, goOn, ...step.given].map(({ name, type, shape }) => ({ name, type, shape: [...shape] }));
  const results = g.add('Loop', [T, null, ...step.initial], step.initial.map(specOf), { body: closed });
  const at = (position: number | undefined) => () => (position === undefined ? null : (results[position] ?? null));
  return {
    v_initial: states.map((_, k) => at(step.carried.indexOf(k))),
    captured: step.captured.map(at),
  };
});

/** Writes nodes before all others of a closed body, with the constants they need. */
function prepend({ g }: Body, closed: Graph, write: () => void): void {
  const start = g.graph.nodes.length;
  write();
  closed.nodes = [...g.graph.nodes.slice(start), ...closed.nodes];
  for (const name of closed.nodes.flatMap(({ inputs }) => inputs)) {
    const constant = g.graph.initializers.get(name);
    if (constant) closed.initializers.set(name, constant);
  }
}

/** Whether the number of steps is known before running: a known limit, and a condition that stays true. */
function isCounted({ M, cond, content }: Context<Signature>, graph: Graph): boolean {
  const truth = (value: Value | undefined) => value === undefined || content(value)?.data[0] === 1;
  const next = graph.outputs[0]!.name;
  const stays = next === graph.inputs[1]!.name || graph.initializers.get(next)?.data[0] === 1;
  return M !== undefined && content(M) !== undefined && truth(cond) && stays;
}

/** The number of steps made for this batch: only shapes of what the forward Loop emits need it. */
function stepsOf({ M, content, v_initial, v_final_and_scan_outputs: results }: Context<Signature>): number {
  const stacked = results[v_initial.length];
  const limit = M && content(M);
  return stacked?.shape[0] ?? (limit ? Number(limit.data[0]) : 1);
}

function specOf({ type, shape }: Value): OutputSpec {
  return [type, shape];
}
