import { consumers, type Model, producers } from '../../graph/graph.ts';
import { findParameters } from '../../graph/parameters.ts';
import { findResidualBranches } from '../../graph/residual-branches.ts';
import { readNames } from '../../graph/subgraphs.ts';
import { findStages, type Stage } from '../rewrite/stages.ts';

/** Neighbouring layers of a plain chain: what enters the first, and what the last one's activation makes of it. */
export interface Block {
  readonly stages: readonly Stage[];
  readonly input: string;
  /** What the last layer gives its activation function. */
  readonly preActivation: string;
  readonly output: string;
}

/**
 * Layers of a chain without branches, each with its activation function, in runs of neighbours: nothing else stands
 * between two of a run but normalizations, pooling and dropout. None of them lies within, or under, a skip connection.
 */
export function plainRuns(model: Model): Stage[][] {
  const stages = findStages(model).filter(({ leadsTo, inBranch }) => leadsTo === 'activation' && !inBranch);
  const readers = consumers(model.graph);
  const made = producers(model.graph);
  const outputs = new Set(model.graph.outputs.map(({ name }) => name));
  const single = (value: string) => (readers.get(value) ?? []).length === 1 && !outputs.has(value);
  const under = coveredBySkips(model);
  /** The activation's output that a layer's input comes from, by shapes that change and dropout. */
  const source = (stage: Stage) => {
    let value = stage.input;
    for (let node = made.get(value); node && /^(Dropout|Identity|Flatten|MaxPool|AveragePool)$/.test(node.op); ) {
      if (!single(value)) break;
      value = node.inputs[0]!;
      node = made.get(value);
    }
    return value;
  };
  const runs: Stage[][] = [];
  const bySource = new Map<string, Stage[]>();
  for (const stage of stages) {
    const last = bySource.get(source(stage));
    const neighbour = last?.at(-1);
    const plain = !under.has(stage.node.name) && neighbour && !under.has(neighbour.node.name);
    const run = plain && single(neighbour.site!.output) && single(stage.input) ? last! : [];
    if (run.length === 0) runs.push(run);
    run.push(stage);
    bySource.set(stage.site!.output, run);
  }
  return runs.filter((run) => run.length > 1 || !under.has(run[0]!.node.name));
}

/** Nodes that stand on a branch of a skip connection, or beside one. */
function coveredBySkips(model: Model): Set<string> {
  const branches = findResidualBranches(model.graph, findParameters(model));
  return new Set(branches.flatMap(({ branch, shortcut }) => [...branch, ...shortcut].map(({ name }) => name)));
}

/** Neighbouring stages as a block. */
export function blockOf(stages: readonly Stage[]): Block {
  const last = stages.at(-1)!;
  return { stages, input: stages[0]!.input, preActivation: last.site!.input, output: last.site!.output };
}

/** Names of the nodes that lead to no output of the network any more, of those that did before. */
export function unreadNodes(before: Model, after: Model['graph']): string[] {
  const leading = (graph: Model['graph']) => {
    const made = producers(graph);
    const found = new Set<string>();
    const pending = graph.outputs.map(({ name }) => name);
    for (let value = pending.pop(); value !== undefined; value = pending.pop()) {
      const node = made.get(value);
      if (!node || found.has(node.name)) continue;
      found.add(node.name);
      pending.push(...readNames(node));
    }
    return found;
  };
  const now = leading(after);
  return [...leading(before.graph)].filter((name) => !now.has(name));
}
