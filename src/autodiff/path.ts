import { isFloat } from '../graph/data-type.ts';
import { GradientError } from '../graph/errors.ts';
import type { Binding, Graph, Node } from '../graph/graph.ts';
import { readNames } from '../graph/subgraphs.ts';
import type { GradientTables } from './tables.ts';

/** The part of a graph through which gradient flows from the loss to what is asked for. */
export interface GradientPath {
  /** Values that depend on a requested value and reach the loss. */
  readonly values: Set<string>;
  /** The nodes between them, in graph order. */
  readonly nodes: Node[];
}

/**
 * The values whose gradient depends on a requested one, each with the name of such a one: one is enough to say what a
 * missing gradient blocks.
 */
export function dependents(
  graph: Graph,
  binding: Binding,
  wrt: Iterable<string>,
  tables: GradientTables,
): Map<string, string> {
  const dependsOn = new Map<string, string>();
  for (const name of wrt) if (carriesGradient(binding, name)) dependsOn.set(name, name);
  for (const node of graph.nodes) {
    if (tables.isZero(node)) continue;
    const source = readNames(node).find((name) => dependsOn.has(name));
    if (source === undefined) continue;
    for (const output of node.outputs) {
      if (output !== '' && carriesGradient(binding, output) && !dependsOn.has(output)) {
        dependsOn.set(output, dependsOn.get(source)!);
      }
    }
  }
  return dependsOn;
}

/**
 * Finds the nodes on the gradient's path from `targets` to `wrt`. An operator without a gradient off the path is no
 * obstacle; on it, a GradientError names the node, the operator, the reason and a value it blocks.
 */
export function findPath(
  graph: Graph,
  binding: Binding,
  targets: Iterable<string>,
  wrt: Iterable<string>,
  tables: GradientTables,
  opset: number,
): GradientPath {
  const dependsOn = dependents(graph, binding, wrt, tables);
  const values = new Set<string>();
  const nodes: Node[] = [];
  for (const target of targets) if (dependsOn.has(target)) values.add(target);
  for (const node of [...graph.nodes].reverse()) {
    if (!node.outputs.some((output) => values.has(output)) || tables.isZero(node)) continue;
    const inputs = readNames(node).filter((name) => dependsOn.has(name));
    if (inputs.length === 0) continue;
    if (!tables.find(node)) throw missingRule(node, tables, opset, dependsOn.get(inputs[0]!)!);
    nodes.push(node);
    for (const input of inputs) values.add(input);
  }
  return { values, nodes: nodes.reverse() };
}

function carriesGradient(binding: Binding, name: string): boolean {
  const value = binding.get(name);
  return value !== undefined && isFloat(value.type);
}

function missingRule(node: Node, tables: GradientTables, opset: number, blocked: string): GradientError {
  const operator = node.domain === '' ? node.op : `${node.domain}.${node.op}`;
  const reason = tables.reasonAgainst(node);
  return new GradientError(
    `operator ${operator} (opset ${opset}) has no gradient here${reason ? `: ${reason}` : ''}; it stands between the loss and "${blocked}"`,
    {
      code: 'unsupported-operator',
      where: `node "${node.name}"`,
      hint:
        node.domain === ''
          ? 'cut the model before this node, or export it so that the operator is decomposed into standard ones'
          : 'export the model with standard ONNX operators only (without graph optimizations)',
    },
  );
}
