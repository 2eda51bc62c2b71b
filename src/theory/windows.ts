import type { Node } from '../graph/graph.ts';
import { sizeOf } from '../graph/tensor.ts';

/** A value's shape where it is known; a dimension that is not is no number. */
export type ShapeOf = (value: string) => readonly unknown[] | undefined;

/**
 * The part of a convolution's taps that meet the image rather than its padding, on average over its outputs.
 * Undefined where the image's size is not known.
 */
export function insideOf(node: Node, shapeOf: ShapeOf): number | undefined {
  const pads = node.attributes.pads as number[] | undefined;
  const automatic = String(node.attributes.auto_pad ?? 'NOTSET');
  const padded = pads?.some((pad) => pad > 0) || automatic.startsWith('SAME');
  if (!padded || node.op !== 'Conv') return 1;
  const image = spatial(shapeOf(node.inputs[0]!));
  const kernel = spatial(shapeOf(node.inputs[1]!)) ?? (node.attributes.kernel_shape as number[] | undefined);
  if (!image || !kernel || image.length !== kernel.length) return undefined;
  const numbers = (name: string) => (node.attributes[name] as number[] | undefined) ?? image.map(() => 1);
  const [strides, dilations] = [numbers('strides'), numbers('dilations')];
  return image.reduce((part, size, axis) => {
    const [k, stride, dilation] = [kernel[axis]!, strides[axis]!, dilations[axis]!];
    const reach = dilation * (k - 1) + 1;
    const total = Math.max(0, (Math.ceil(size / stride) - 1) * stride + reach - size);
    const given = [pads?.[axis] ?? 0, pads?.[axis + image.length] ?? 0] as const;
    const before = automatic === 'SAME_UPPER' ? total >> 1 : automatic === 'SAME_LOWER' ? (total + 1) >> 1 : given[0];
    const after = automatic.startsWith('SAME') ? total - before : given[1];
    const outputs = Math.floor((size + before + after - reach) / stride) + 1;
    let hits = 0;
    for (let tap = 0; tap < k; tap++) {
      // Outputs o with 0 ≤ o · stride + tap · dilation − before < size.
      const offset = tap * dilation - before;
      const first = Math.max(0, Math.ceil(-offset / stride));
      const last = Math.min(outputs - 1, Math.ceil((size - offset) / stride) - 1);
      hits += Math.max(0, last - first + 1);
    }
    return outputs > 0 ? (part * hits) / (k * outputs) : part;
  }, 1);
}

/**
 * The factor of the gradient's square in pooling: a maximum hands it on to one element, an average of k to k of them,
 * each 1/k of it. Undefined where k is not known.
 */
export function poolGradient(node: Node, shapeOf: ShapeOf): number | undefined {
  switch (node.op) {
    case 'MaxPool':
    case 'GlobalMaxPool':
    case 'ReduceMax':
      return 1;
    case 'AveragePool': {
      const kernel = node.attributes.kernel_shape as number[] | undefined;
      return kernel && 1 / sizeOf(kernel);
    }
    case 'GlobalAveragePool': {
      const image = spatial(shapeOf(node.inputs[0]!));
      return image && 1 / sizeOf(image);
    }
    default: {
      const before = sizeOfSample(shapeOf(node.inputs[0]!));
      const after = sizeOfSample(shapeOf(node.outputs[0]!));
      if (!(before > 0) || !(after > 0)) return undefined;
      return node.op === 'ReduceSum' ? before / after : after / before;
    }
  }
}

/** Elements of a sample; NaN where a dimension other than the batch is not known. */
function sizeOfSample(shape: readonly unknown[] | undefined): number {
  if (!shape || shape.length < 1) return Number.NaN;
  return sizeOf(shape.slice(1).map((dim) => (typeof dim === 'number' ? dim : Number.NaN)));
}

function spatial(shape: readonly unknown[] | undefined): number[] | undefined {
  const dims = shape?.slice(2);
  return dims && dims.length > 0 && dims.every((dim) => typeof dim === 'number') ? (dims as number[]) : undefined;
}
