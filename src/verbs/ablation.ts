import type { Ablation, JointAblation } from '../flow/ablation.ts';
import { type Bypass, type LayerPlan, planBypasses } from '../flow/bypass.ts';
import { unitLayout } from '../flow/symmetry.ts';
import { type Binding, cloneGraph, type Graph, type Model } from '../graph/graph.ts';
import { findParameters } from '../graph/parameters.ts';
import { pruneGraph } from '../graph/prune.ts';
import { capturedNames } from '../graph/subgraphs.ts';
import { scalarOf, sizeOf, type Tensor } from '../graph/tensor.ts';
import { bindBatch, withLoss } from './bind-batch.ts';
import type { DiagnoseOptions } from './diagnose.ts';
import { prepareForMeasuring } from './prepare.ts';
import { keepRunnable } from './runnable.ts';

export interface AblationOptions extends DiagnoseOptions {
  readonly constantLoss?: number;
  /** Multiplications that are spent on it at most; default 2e10, a second or two. */
  readonly budget?: number;
}

const BUDGET = 2e10;

/**
 * The loss of one batch with each layer left out, and with each put back to its first values. Every layer is a switch of
 * one graph and every weight an input, so that one session serves all runs. Undefined where that exceeds the budget.
 */
export async function ablate(
  first: Model,
  trained: Model,
  { runtime, constantLoss, budget = BUDGET, ...options }: AblationOptions,
): Promise<Ablation | undefined> {
  const { model } = prepareForMeasuring(keepRunnable(trained, options.output).model);
  const start = prepareForMeasuring(keepRunnable(first, options.output).model).model.graph.initializers;
  const seed = options.seed ?? model.training?.seed ?? 0;
  const bound = await bindBatch(model, { ...options, runtime, onProgress: undefined }, seed);
  const { graph, binding } = bound;
  const { lossGraph, feeds } = withLoss(bound, seed);
  const parameters = findParameters(model);
  const layers = planBypasses(graph, parameters);
  if (costOf(graph, binding, layers, parameters) > budget) return undefined;
  const bypasses = layers.bypasses.filter(({ from, to }) => canReplace(graph, binding, from, to));
  const switched = withSwitches(pruneGraph(lossGraph.graph, [lossGraph.loss]), bypasses, parameters);
  for (const name of switched.weights) feeds.set(name, graph.initializers.get(name)!);
  for (const name of switched.switches.values()) feeds.set(name, scalarOf('bool', 0));
  const used = new Set(switched.graph.inputs.map(({ name }) => name));
  const session = await runtime.load({ ...model, graph: switched.graph }, { optimization: 'full' });
  try {
    const lossWith: LossWith = async (changed) => {
      const fed = new Map([...feeds, ...changed].filter(([name]) => used.has(name)));
      const results = await session.run(fed, [lossGraph.loss]);
      return Number(results.get(lossGraph.loss)!.data[0]);
    };
    const loss = await lossWith([]);
    const off = scalarOf('bool', 1);
    const switchesOf = new Map(
      bypasses.map((one) => [one.layer, [[switched.switches.get(placeOf(one))!, off]] as Change]),
    );
    const firstOf = new Map(
      layers.layers.map(({ layer, parameters: own }): [string, Change] => {
        const known = own.filter((name) => start.has(name) && used.has(name));
        return [layer, known.map((name) => [name, start.get(name)!])];
      }),
    );
    const bypassed = await eachAlone(switchesOf, lossWith);
    const rewound = await eachAlone(firstOf, lossWith);
    // Halfway back to knowing nothing there is nothing left to ask.
    const enough = loss + ((constantLoss ?? Number.POSITIVE_INFINITY) - loss) / 2;
    return {
      loss,
      ...(constantLoss !== undefined && { constantLoss }),
      layers: layers.layers.map(({ layer }) => {
        const together = bypasses.find((one) => one.layer === layer)?.together ?? [];
        return {
          layer,
          ...(bypassed.has(layer) && { bypassed: bypassed.get(layer)! }),
          ...(together.length > 1 && bypassed.has(layer) && { together }),
          ...(rewound.has(layer) && { rewound: rewound.get(layer)! }),
        };
      }),
      bypassedTogether: await moreAndMore(switchesOf, bypassed, lossWith, enough),
      rewoundTogether: await moreAndMore(firstOf, rewound, lossWith, enough),
    };
  } finally {
    await session.release();
  }
}

/** Inputs to be fed otherwise. */
type Change = readonly (readonly [string, Tensor])[];
type LossWith = (changes: Change) => Promise<number>;

async function eachAlone(changes: ReadonlyMap<string, Change>, lossWith: LossWith): Promise<Map<string, number>> {
  const losses = new Map<string, number>();
  for (const [layer, change] of changes) if (change.length > 0) losses.set(layer, await lossWith(change));
  return losses;
}

/** The cheapest layer, then the two cheapest together, and so on until the loss exceeds `enough`. */
async function moreAndMore(
  changes: ReadonlyMap<string, Change>,
  alone: ReadonlyMap<string, number>,
  lossWith: LossWith,
  enough: number,
): Promise<JointAblation[]> {
  const joint: JointAblation[] = [];
  const order = [...alone].sort(([, a], [, b]) => a - b).map(([layer]) => layer);
  for (let count = 1; count <= order.length; count++) {
    const chosen = order.slice(0, count);
    const loss = count === 1 ? alone.get(chosen[0]!)! : await lossWith(chosen.flatMap((layer) => changes.get(layer)!));
    joint.push({ layers: chosen, loss });
    if (!(loss <= enough)) break;
  }
  return joint;
}

/** Multiplications of all forward passes: weights times places where they are used, by the number of runs. */
function costOf(
  graph: Graph,
  binding: Binding,
  { layers, bypasses }: LayerPlan,
  parameters: readonly string[],
): number {
  const readers = new Map(graph.nodes.flatMap((node) => node.inputs.map((input) => [input, node] as const)));
  let once = 0;
  for (const name of parameters) {
    const { dims } = graph.initializers.get(name)!;
    const output = binding.get(readers.get(name)?.outputs[0] ?? '');
    if (dims.length < 2 || !output) continue;
    const units = unitLayout(graph, name)?.units ?? dims[0]!;
    once += sizeOf(dims) * Math.max(1, sizeOf(output.shape) / Math.max(1, units));
  }
  return once * (1 + 2 * layers.length + 2 * bypasses.length);
}

/** Whether one value can stand for another wherever it is read: equal type and shape, and no subgraph reads it. */
function canReplace(graph: Graph, binding: Binding, from: string, to: string): boolean {
  const [a, b] = [binding.get(from), binding.get(to)];
  if (!a || !b || a.type !== b.type || a.shape.join() !== b.shape.join()) return false;
  return !graph.nodes.some((node) => capturedNames(node).includes(to));
}

/** Bypasses of one residual branch are one switch. */
function placeOf({ from, to }: Bypass): string {
  return `${from} → ${to}`;
}

/** to′ = Where(switch, from, to), read in place of `to`; parameters become inputs. */
function withSwitches(given: Graph, bypasses: readonly Bypass[], parameters: readonly string[]) {
  const graph = cloneGraph(given);
  const switches = new Map<string, string>();
  for (const bypass of bypasses) {
    const place = placeOf(bypass);
    const at = graph.nodes.findIndex(({ outputs }) => outputs.includes(bypass.to));
    if (switches.has(place) || at < 0) continue;
    const name = `leave_out_${switches.size}`;
    switches.set(place, name);
    graph.inputs.push({ name, type: 'bool', shape: [] });
    const output = `${name}_result`;
    for (const node of graph.nodes) node.inputs = node.inputs.map((input) => (input === bypass.to ? output : input));
    graph.nodes.splice(at + 1, 0, {
      name,
      op: 'Where',
      domain: '',
      inputs: [name, bypass.from, bypass.to],
      outputs: [output],
      attributes: {},
    });
  }
  const weights = parameters.filter((name) => graph.initializers.has(name));
  for (const name of weights) {
    const { type, dims } = graph.initializers.get(name)!;
    graph.initializers.delete(name);
    graph.inputs.push({ name, type, shape: [...dims] });
  }
  return { graph, switches, weights };
}
