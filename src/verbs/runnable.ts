import { differentiable, gradientTables } from '../autodiff/gradients/index.ts';
import { unsupported } from '../autodiff/gradients/unsupported.ts';
import { zeroOnPurpose } from '../autodiff/gradients/zero.ts';
import { nearest } from '../graph/did-you-mean.ts';
import { GradientError } from '../graph/errors.ts';
import { type Graph, type Model, type Node, producers } from '../graph/graph.ts';
import { pruneGraph } from '../graph/prune.ts';
import { readNames, subgraphsOf } from '../graph/subgraphs.ts';
import type { PreparedModel } from './prepare.ts';

/** onnxruntime's own operators beside the standard ones; whether it has one of that name is for it to say. */
const ownDomains = /^(com\.microsoft|ai\.onnx\.)/;

/**
 * Leaves out the outputs that need an operator onnxruntime does not know, and what only they need: such an operator off
 * the path is no obstacle. Throws GradientError naming the operator where the output that is asked for needs it.
 */
export function keepRunnable(model: Model, wanted: string | undefined): PreparedModel {
  const { graph } = model;
  const blocking = new Map<string, Node>();
  for (const { name } of graph.outputs) {
    const node = firstUnknown(graph, name);
    if (node) blocking.set(name, node);
  }
  const idle = blocking.size === 0 && graph.nodes.some((node) => !isKnown(node));
  if (blocking.size === 0 && !idle) return { model, notes: [] };
  const kept = graph.outputs.map(({ name }) => name).filter((name) => !blocking.has(name));
  const asked = wanted ?? graph.outputs[0]?.name ?? '';
  const obstacle = blocking.get(asked);
  if (obstacle) throw unknownOperator(obstacle, wanted === undefined ? kept[0] : undefined);
  const notes = [...blocking].map(
    ([name, node]) => `the output "${name}" is left out: onnxruntime has no operator ${fullName(node)}`,
  );
  return { model: { ...model, graph: pruneGraph(graph, kept) }, notes };
}

/** The first unknown operator, from the output back, among those that an output needs. */
function firstUnknown(graph: Graph, output: string): Node | undefined {
  const made = producers(graph);
  const queue = [output];
  const seen = new Set(queue);
  for (let name = queue.shift(); name !== undefined; name = queue.shift()) {
    const node = made.get(name);
    if (!node) continue;
    if (!isKnown(node)) return node;
    for (const input of readNames(node)) {
      if (!seen.has(input)) queue.push(input);
      seen.add(input);
    }
  }
  return undefined;
}

function isKnown(node: Node): boolean {
  const own =
    node.domain === ''
      ? gradientTables.find(node) !== undefined ||
        gradientTables.isZero(node) ||
        gradientTables.reasonAgainst(node) !== undefined
      : ownDomains.test(node.domain);
  return own && subgraphsOf(node).every((body) => body.nodes.every(isKnown));
}

function fullName({ domain, op }: Node): string {
  return domain === '' ? op : `${domain}:${op}`;
}

function unknownOperator(node: Node, other: string | undefined): GradientError {
  const standard = [differentiable, zeroOnPurpose, unsupported].flatMap(Object.keys);
  const near = node.domain === '' ? nearest(node.op, standard) : undefined;
  const instead = other === undefined ? '' : `, or read an output that does not need it: --model-output ${other}`;
  return new GradientError(`onnxruntime has no operator ${fullName(node)}`, {
    code: 'unknown-operator',
    where: `node "${node.name || node.outputs[0]}"`,
    hint: near
      ? `did you mean "${near}"?`
      : `accepted: standard ONNX operators and functions that the file defines${instead}`,
  });
}
