import type { Tools } from '../rule.ts';

/** How a window slides along one spatial axis: output o covers inputs o·stride − before + k·dilation, k < kernel. */
export interface Window {
  readonly input: number;
  readonly output: number;
  readonly kernel: number;
  readonly stride: number;
  readonly dilation: number;
  /** Padding before the first input. */
  readonly before: number;
}

/**
 * The windows of a convolution or pooling node, auto_pad resolved to padding (ONNX Conv and MaxPool specification).
 * Refuses SAME padding that comes out at −2 or less (stride at least kernel + 2): onnxruntime 1.30 shifts the windows
 * of some operators then, and of others not.
 */
export function windowsOf(
  { attributes, refuse }: Pick<Tools, 'attributes' | 'refuse'>,
  kernel: readonly number[],
  input: readonly number[],
  output: readonly number[],
): Window[] {
  const rank = kernel.length;
  const strides = attributes.numbers('strides') ?? Array<number>(rank).fill(1);
  const dilations = attributes.numbers('dilations') ?? Array<number>(rank).fill(1);
  const pads = attributes.numbers('pads') ?? Array<number>(2 * rank).fill(0);
  const autoPad = attributes.string('auto_pad', 'NOTSET');
  return kernel.map((size, axis) => {
    const window = {
      input: input[axis]!,
      output: output[axis]!,
      kernel: size,
      stride: strides[axis]!,
      dilation: dilations[axis]!,
    };
    const needed = spanOf(window) - window.input;
    if (autoPad.startsWith('SAME') && needed < -1) {
      refuse(`auto_pad ${autoPad} with stride ${window.stride} and kernel ${size}`, 'write the padding as pads');
    }
    return { ...window, before: paddingBefore(autoPad, pads[axis]!, needed) };
  });
}

function paddingBefore(autoPad: string, explicit: number, needed: number): number {
  switch (autoPad) {
    case 'VALID':
      return 0;
    case 'SAME_UPPER':
      return Math.floor(Math.max(0, needed) / 2);
    case 'SAME_LOWER':
      return Math.ceil(Math.max(0, needed) / 2);
    default:
      return explicit;
  }
}

/** Inputs under one window, holes included. */
export function extentOf({ kernel, dilation }: Pick<Window, 'kernel' | 'dilation'>): number {
  return dilation * (kernel - 1) + 1;
}

/** Inputs, padding included, from the first window's start to the last one's end. */
export function spanOf(window: Omit<Window, 'before' | 'input'>): number {
  return (window.output - 1) * window.stride + extentOf(window);
}

/** Padding after the last input that the windows reach; negative when they leave inputs uncovered. */
export function paddingAfter(window: Window): number {
  return spanOf(window) - window.input - window.before;
}

/** Shape and attributes of the ConvTranspose that carries a value at each window back to the inputs it covers. */
export function transposedWindows(windows: readonly Window[], group: number): Record<string, number | number[]> {
  const after = windows.map(paddingAfter);
  return {
    kernel_shape: windows.map((window) => window.kernel),
    strides: windows.map((window) => window.stride),
    dilations: windows.map((window) => window.dilation),
    pads: [...windows.map((window) => window.before), ...after.map((n) => Math.max(0, n))],
    output_padding: after.map((n) => Math.max(0, -n)),
    group,
  };
}
