import type { Node } from '../graph/graph.ts';
import { sizeOf } from '../graph/tensor.ts';

/** A value's shape where it is known; a dimension that is not is no number. */
export type ShapeOf = (value: string) => readonly unknown[] | undefined;

/** Operators that leave an image's size as it is. */
const keeping =
  /^(.*Normalization|Relu|.*Relu|Elu|Selu|Celu|Gelu|Sigmoid|Tanh|Soft(plus|sign)|Hard(Sigmoid|Swish)|Mish|Swish|Clip|Erf|Add|Sub|Mul|Div|Sum|Identity|Dropout|Cast|LRN)$/;

/** How a window of one axis slides: outputs, and the padding before the first element. */
interface Slide {
  readonly outputs: number;
  readonly before: number;
}

/** Sizes of images, followed through windows where the file does not declare them. */
export class Images {
  readonly shapeOf: ShapeOf;
  private readonly sizes = new Map<string, readonly number[]>();

  constructor(shapeOf: ShapeOf) {
    this.shapeOf = shapeOf;
  }

  /** Height, width, … of a value; undefined where they are not known. */
  of(value: string): readonly number[] | undefined {
    return spatial(this.shapeOf(value)) ?? this.sizes.get(value);
  }

  /** Takes note of what a node makes of its image. */
  follow(node: Node): void {
    const [input = ''] = node.inputs;
    const [output] = node.outputs;
    const image = this.of(input);
    if (!image || output === undefined || node.domain !== '') return;
    if (keeping.test(node.op)) this.sizes.set(output, image);
    else if (/^(Conv|MaxPool|AveragePool)$/.test(node.op)) {
      const slides = this.slidesOf(node, image);
      if (slides)
        this.sizes.set(
          output,
          slides.map(({ outputs }) => outputs),
        );
    }
  }

  /** Per axis, how a convolution's or a pool's window slides. */
  slidesOf(node: Node, image: readonly number[]): Slide[] | undefined {
    const kernel = this.kernelOf(node);
    if (!kernel || kernel.length !== image.length) return undefined;
    const { pads, strides, dilations, auto_pad: automatic = 'NOTSET', ceil_mode: ceil = 0 } = node.attributes;
    const list = (given: unknown, axis: number, standard: number) =>
      Array.isArray(given) && typeof given[axis] === 'number' ? given[axis] : standard;
    return image.map((size, axis) => {
      const stride = Math.max(1, list(strides, axis, 1));
      const reach = list(dilations, axis, 1) * (kernel[axis]! - 1) + 1;
      if (String(automatic).startsWith('SAME')) {
        const outputs = Math.ceil(size / stride);
        const total = Math.max(0, (outputs - 1) * stride + reach - size);
        return { outputs, before: automatic === 'SAME_UPPER' ? total >> 1 : (total + 1) >> 1 };
      }
      const before = list(pads, axis, 0);
      const steps = (size + before + list(pads, axis + image.length, 0) - reach) / stride;
      return { outputs: Math.max(0, (ceil === 1 ? Math.ceil(steps) : Math.floor(steps)) + 1), before };
    });
  }

  kernelOf(node: Node): readonly number[] | undefined {
    const given = node.attributes.kernel_shape;
    return Array.isArray(given) ? (given as number[]) : spatial(this.shapeOf(node.inputs[1] ?? ''));
  }
}

/**
 * The part of a convolution's taps that meet the image rather than its padding, on average over its outputs.
 * Undefined where the image's size is not known.
 */
export function insideOf(node: Node, images: Images): number | undefined {
  const { pads, strides, dilations, auto_pad: automatic = 'NOTSET' } = node.attributes;
  const padded = (Array.isArray(pads) && pads.some((pad) => Number(pad) > 0)) || String(automatic).startsWith('SAME');
  if (!padded || node.op !== 'Conv') return 1;
  const image = images.of(node.inputs[0]!);
  const slides = image && images.slidesOf(node, image);
  if (!image || !slides) return undefined;
  const step = (given: unknown, axis: number) => (Array.isArray(given) ? Number(given[axis] ?? 1) : 1);
  return image.reduce((part, size, axis) => {
    const { outputs, before } = slides[axis]!;
    const [k, stride, dilation] = [images.kernelOf(node)![axis]!, step(strides, axis), step(dilations, axis)];
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
export function poolGradient(node: Node, images: Images): number | undefined {
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
      const image = images.of(node.inputs[0]!);
      return image && 1 / sizeOf(image);
    }
    default: {
      const before = sizeOfSample(images.shapeOf(node.inputs[0]!));
      const after = sizeOfSample(images.shapeOf(node.outputs[0]!));
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
