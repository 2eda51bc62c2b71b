import type { Node } from '../graph.ts';
import { sizeOf, tensorOf, toNumbers } from '../tensor.ts';
import type { UpgradeContext } from './context.ts';
import {
  flattenSoftmax,
  upgradeBatchNormalization,
  upgradeGroupNormalization,
  withoutSpatial,
} from './normalizations.ts';

/** Brings one operator to the form it has since opset `since`. Changes the node, or returns what replaces it. */
export interface Upgrade {
  readonly since: number;
  readonly apply: (node: Node, context: UpgradeContext) => Node[] | undefined;
}

/**
 * Every standard operator whose form changed between opset 7 and 21 (ONNX Changelog), oldest change first.
 * Operators that only gained element types, attributes or optional inputs whose absence means the old behaviour
 * need no entry.
 */
export const upgrades: Record<string, readonly Upgrade[]> = {
  BatchNormalization: [
    { since: 9, apply: withoutSpatial },
    { since: 14, apply: upgradeBatchNormalization },
  ],
  Clip: [{ since: 11, apply: clipBoundsToInputs }],
  DFT: [{ since: 20, apply: dftAxisToInput }],
  Dropout: [
    { since: 10, apply: dropoutMaskToBool },
    { since: 12, apply: dropoutRatioToInput },
  ],
  GridSample: [{ since: 20, apply: renameGridSampleMode }],
  GroupNormalization: [{ since: 21, apply: upgradeGroupNormalization }],
  Hardmax: [{ since: 13, apply: flattenSoftmax }],
  LogSoftmax: [{ since: 13, apply: flattenSoftmax }],
  Softmax: [{ since: 13, apply: flattenSoftmax }],
  Pad: [{ since: 11, apply: padsToInputs }],
  ReduceL1: [axesToInput(18)],
  ReduceL2: [axesToInput(18)],
  ReduceLogSum: [axesToInput(18)],
  ReduceLogSumExp: [axesToInput(18)],
  ReduceMax: [axesToInput(18)],
  ReduceMean: [axesToInput(18)],
  ReduceMin: [axesToInput(18)],
  ReduceProd: [axesToInput(18)],
  ReduceSum: [axesToInput(13)],
  ReduceSumSquare: [axesToInput(18)],
  Resize: [
    { since: 11, apply: resizeToCoordinates },
    { since: 13, apply: omitEmptyResizeInputs },
  ],
  RoiAlign: [{ since: 16, apply: (node) => setDefault(node, 'coordinate_transformation_mode', 'output_half_pixel') }],
  Scan: [{ since: 9, apply: refuseBatchedScan }],
  Scatter: [{ since: 11, apply: (node) => rename(node, 'ScatterElements') }],
  Slice: [{ since: 10, apply: sliceRangeToInputs }],
  Split: [
    { since: 13, apply: (node, context) => attributesToInputs(node, context, ['split']) },
    { since: 18, apply: stateSplitCount },
  ],
  Squeeze: [axesToInput(13)],
  TopK: [{ since: 10, apply: (node, context) => attributesToInputs(node, context, ['k']) }],
  Unsqueeze: [axesToInput(13)],
  Upsample: [
    { since: 9, apply: upsampleScalesToInput },
    { since: 10, apply: (node) => rename(node, 'Resize') },
  ],
};

/** Reductions, Squeeze and Unsqueeze: the attribute `axes` became the second input; none still means all. */
function axesToInput(since: number): Upgrade {
  return {
    since,
    apply: (node, context) => {
      const { axes } = node.attributes;
      if (Array.isArray(axes) && axes.length === 0) delete node.attributes.axes;
      return attributesToInputs(node, context, ['axes']);
    },
  };
}

/** Moves integer attributes to inputs behind the first; an absent one between two present leaves a gap. */
function attributesToInputs(node: Node, context: UpgradeContext, names: readonly string[]): undefined {
  const inputs = names.map((name) => {
    const value = node.attributes[name];
    delete node.attributes[name];
    if (value === undefined) return '';
    return context.ints(node, name, typeof value === 'number' ? [value] : (value as number[]));
  });
  while (inputs.at(-1) === '') inputs.pop();
  node.inputs = [node.inputs[0] ?? '', ...inputs];
}

function setDefault(node: Node, name: string, value: string): undefined {
  node.attributes[name] ??= value;
}

function rename(node: Node, op: string): undefined {
  node.op = op;
}

/** Clip-6 clips to finite float32 bounds by default, which only infinities notice; absent bounds say the same. */
function clipBoundsToInputs(node: Node, context: UpgradeContext): undefined {
  const [X = ''] = node.inputs;
  const bound = (name: 'min' | 'max'): string => {
    const value = node.attributes[name];
    delete node.attributes[name];
    return typeof value === 'number' ? context.scalar(node, name, value, X) : '';
  };
  node.inputs = [X, bound('min'), bound('max')];
  while (node.inputs.at(-1) === '') node.inputs.pop();
}

function padsToInputs(node: Node, context: UpgradeContext): undefined {
  const { value } = node.attributes;
  attributesToInputs(node, context, ['pads']);
  delete node.attributes.value;
  if (typeof value === 'number' && value !== 0) {
    node.inputs.push(context.scalar(node, 'value', value, node.inputs[0]!));
  }
}

function sliceRangeToInputs(node: Node, context: UpgradeContext): undefined {
  return attributesToInputs(node, context, ['starts', 'ends', 'axes']);
}

/** Split-13 without sizes splits evenly into as many parts as it has outputs; since 18 the number must be said. */
function stateSplitCount(node: Node): undefined {
  if ((node.inputs[1] ?? '') === '') node.attributes.num_outputs ??= node.outputs.length;
}

/** The mask of Dropout-7 has the type of the data. */
function dropoutMaskToBool(node: Node, context: UpgradeContext): Node[] | undefined {
  const mask = node.outputs[1] ?? '';
  if (mask === '' || !context.isRead(mask)) return undefined;
  const bool = context.fresh(node, 'mask');
  node.outputs[1] = bool;
  return [node, context.node(node, 'CastLike', [bool, node.inputs[0]!], [mask])];
}

/** Before opset 12 a Dropout in a file is inference: the third input, training_mode, stays absent. */
function dropoutRatioToInput(node: Node, context: UpgradeContext): undefined {
  const { ratio } = node.attributes;
  delete node.attributes.ratio;
  const [X = ''] = node.inputs;
  node.inputs = [
    X,
    context.constant(node, 'ratio', tensorOf('float32', [], [typeof ratio === 'number' ? ratio : 0.5])),
  ];
}

function upsampleScalesToInput(node: Node, context: UpgradeContext): undefined {
  const { scales } = node.attributes;
  if (!Array.isArray(scales)) {
    throw context.refuse(node, 'Upsample without scales', 'expected the attribute "scales" of Upsample-7');
  }
  delete node.attributes.scales;
  const values = scales as number[];
  node.inputs = [node.inputs[0]!, context.constant(node, 'scales', tensorOf('float32', [values.length], values))];
}

/**
 * Resize-10 maps coordinates by x / scale ('asymmetric'). Its nearest neighbour rounds down when enlarging and up when
 * shrinking (onnxruntime, upsample.h: ResizeNearestMode::SIMPLE); scales that are not known enlarge.
 */
function resizeToCoordinates(node: Node, context: UpgradeContext): undefined {
  const [X = '', scales = ''] = node.inputs;
  node.inputs = [X, '', scales];
  node.attributes.coordinate_transformation_mode = 'asymmetric';
  if ((node.attributes.mode ?? 'nearest') !== 'nearest') return;
  const tensor = context.tensor(scales);
  const factors = tensor === undefined ? [] : toNumbers(tensor);
  const shrinks = factors.some((factor) => factor < 1);
  if (shrinks && factors.some((factor) => factor > 1)) {
    throw context.refuse(
      node,
      `Resize-10 by [${factors.join(', ')}] enlarges one axis and shrinks another, which later opsets cannot say`,
      'export the model again with opset_version=11 or later',
    );
  }
  node.attributes.nearest_mode = shrinks ? 'ceil' : 'floor';
}

/** Resize-11 demanded roi and scales even when unused; empty tensors stood for "absent". */
function omitEmptyResizeInputs(node: Node, context: UpgradeContext): undefined {
  node.inputs = node.inputs.map((name, i) => {
    const tensor = i === 1 || i === 2 ? context.tensor(name) : undefined;
    return tensor !== undefined && sizeOf(tensor.dims) === 0 ? '' : name;
  });
}

function renameGridSampleMode(node: Node): undefined {
  const { mode } = node.attributes;
  if (mode === 'bilinear') node.attributes.mode = 'linear';
  if (mode === 'bicubic') node.attributes.mode = 'cubic';
}

/** DFT-17 transforms along an attribute with default 1; DFT-20 along an input with default −2. */
function dftAxisToInput(node: Node, context: UpgradeContext): undefined {
  const { axis } = node.attributes;
  delete node.attributes.axis;
  const [X = '', length = ''] = node.inputs;
  node.inputs = [
    X,
    length,
    context.constant(node, 'axis', tensorOf('int64', [], [typeof axis === 'number' ? axis : 1])),
  ];
}

function refuseBatchedScan(node: Node, context: UpgradeContext): never {
  throw context.refuse(
    node,
    'Scan of opset 8 loops over a batch with sequence lengths, which Scan dropped in opset 9',
    'export the model again with opset_version=9 or later',
  );
}
