import type { Node } from '../graph.ts';
import { tensorOf } from '../tensor.ts';
import type { UpgradeContext } from './context.ts';

/**
 * Softmax, LogSoftmax and Hardmax before opset 13 see a matrix: the axes from `axis` (default 1) on are one.
 * That is today's operator where only one axis is meant; otherwise Flatten goes before it and Reshape behind.
 */
export function flattenSoftmax(node: Node, context: UpgradeContext): Node[] | undefined {
  const axis = typeof node.attributes.axis === 'number' ? node.attributes.axis : 1;
  const [X = ''] = node.inputs;
  const [Y = ''] = node.outputs;
  const rank = context.rankOf(X);
  if (axis === -1 || axis === (rank ?? 0) - 1) {
    node.attributes.axis = -1;
    return undefined;
  }
  if (axis >= 0 && context.endsInOnes(X, axis)) {
    node.attributes.axis = axis;
    return undefined;
  }
  const [shape, matrix, result] = ['shape', 'matrix', 'result'].map((suffix) => context.fresh(node, suffix)) as [
    string,
    string,
    string,
  ];
  node.inputs = [matrix];
  node.outputs = [result];
  node.attributes.axis = -1;
  const around = { ...node, outputs: [Y] };
  return [
    context.node(around, 'Shape', [X], [shape]),
    context.node(around, 'Flatten', [X], [matrix], { axis }),
    node,
    // allowzero: a size of 0 in the shape is a size, not a copy of the matrix's
    context.node(around, 'Reshape', [result, shape], [Y], { allowzero: 1 }),
  ];
}

/** BatchNormalization-7 with spatial = 0 normalizes every activation by its own statistics: Y = (X − mean) / √(var + ε) · scale + B. */
export function withoutSpatial(node: Node, context: UpgradeContext): Node[] | undefined {
  const { spatial, epsilon } = node.attributes;
  delete node.attributes.spatial;
  if (spatial !== 0) return undefined;
  if (node.outputs.slice(1).some((name) => name !== '')) {
    throw context.refuse(
      node,
      'BatchNormalization with spatial=0 in training mode has no counterpart after opset 8',
      'export the model again with opset_version=9 or later',
    );
  }
  const [X, scale, B, mean, variance] = node.inputs as [string, string, string, string, string];
  const [Y] = node.outputs as [string];
  const name = (suffix: string): string => context.fresh(node, suffix);
  const small = context.scalar(node, 'epsilon', typeof epsilon === 'number' ? epsilon : 1e-5, X);
  const [centered, shifted, deviation, normalized, scaled] = [
    'centered',
    'shifted',
    'deviation',
    'normalized',
    'scaled',
  ].map(name) as [string, string, string, string, string];
  return [
    context.node(node, 'Sub', [X, mean], [centered]),
    context.node(node, 'Add', [variance, small], [shifted]),
    context.node(node, 'Sqrt', [shifted], [deviation]),
    context.node(node, 'Div', [centered, deviation], [normalized]),
    context.node(node, 'Mul', [normalized, scale], [scaled]),
    context.node(node, 'Add', [scaled, B], [Y]),
  ];
}

/** Before opset 14 a BatchNormalization with more than one output trains; its saved statistics are gone since. */
export function upgradeBatchNormalization(node: Node, context: UpgradeContext): undefined {
  const [Y = '', mean = '', variance = '', ...saved] = node.outputs;
  if ([mean, variance, ...saved].every((name) => name === '')) {
    node.outputs = [Y];
    return;
  }
  for (const name of saved) {
    if (name !== '' && context.isRead(name)) {
      throw context.refuse(
        node,
        `its output "${name}", the saved statistics of opset 13 and before, is used`,
        'export the model again with opset_version=14 or later',
      );
    }
  }
  node.outputs = [Y, mean || context.fresh(node, 'running_mean'), variance || context.fresh(node, 'running_var')];
  node.attributes.training_mode = 1;
}

/** GroupNormalization-18 scales per group, -21 per channel: every group's number is repeated for its channels. */
export function upgradeGroupNormalization(node: Node, context: UpgradeContext): Node[] {
  const [X, scale, bias] = node.inputs as [string, string, string];
  const name = (suffix: string): string => context.fresh(node, suffix);
  const groups = context.ints(node, 'groups', [Number(node.attributes.num_groups)]);
  const column = context.ints(node, 'column', [-1, 1]);
  const flat = context.constant(node, 'flat', tensorOf('int64', [1], [-1]));
  const [channels, perGroup, shape] = [name('channels'), name('per_group'), name('shape')];
  const repeat = (value: string, part: string): { nodes: Node[]; output: string } => {
    const [standing, expanded, output] = [name(`${part}_column`), name(`${part}_expanded`), name(part)];
    return {
      output,
      nodes: [
        context.node(node, 'Reshape', [value, column], [standing]),
        context.node(node, 'Expand', [standing, shape], [expanded]),
        context.node(node, 'Reshape', [expanded, flat], [output]),
      ],
    };
  };
  const scales = repeat(scale, 'scale');
  const biases = repeat(bias, 'bias');
  node.inputs = [X, scales.output, biases.output];
  return [
    context.node(node, 'Shape', [X], [channels], { start: 1, end: 2 }),
    context.node(node, 'Div', [channels, groups], [perGroup]),
    context.node(node, 'Concat', [groups, perGroup], [shape], { axis: 0 }),
    ...scales.nodes,
    ...biases.nodes,
    node,
  ];
}
