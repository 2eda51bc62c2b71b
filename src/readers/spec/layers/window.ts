import { type Layer, shown } from '../network.ts';

/** A sliding window over the spatial axes, with one entry for each axis. */
export interface Window {
  readonly kernel: number[];
  readonly stride: number[];
  readonly dilation: number[];
  readonly before: number[];
  readonly after: number[];
  readonly output: number[];
}

/** The window as it is typed. */
export interface WindowOptions {
  readonly kernel: number | readonly number[];
  readonly stride: number | readonly number[];
  readonly padding: 'same' | 'valid' | number | readonly number[];
  readonly dilation: number | readonly number[];
}

/**
 * output = ⌊(input + padding − dilation (kernel − 1) − 1) / stride⌋ + 1.
 * `same` pads so that output = ⌈input / stride⌉, the odd zero last, as TensorFlow does.
 * Throws ReaderError when a list has the wrong length or the kernel does not fit.
 */
export function windowOf(layer: Layer, spatial: readonly number[], options: WindowOptions): Window {
  const each = (option: keyof WindowOptions, value: number | readonly number[]) => {
    if (typeof value === 'number') return spatial.map(() => value);
    if (value.length === spatial.length) return [...value];
    throw layer.error(`expected ${option} to have ${spatial.length} entries, found ${shown(value)}`, { option });
  };
  const kernel = each('kernel', options.kernel);
  const stride = each('stride', options.stride);
  const dilation = each('dilation', options.dilation);
  const reach = kernel.map((size, i) => (size - 1) * dilation[i]! + 1);
  let before: number[];
  let after: number[];
  if (options.padding === 'same') {
    const total = spatial.map((size, i) =>
      Math.max((Math.ceil(size / stride[i]!) - 1) * stride[i]! + reach[i]! - size, 0),
    );
    before = total.map((n) => Math.floor(n / 2));
    after = total.map((n) => Math.ceil(n / 2));
  } else {
    before = each('padding', options.padding === 'valid' ? 0 : options.padding);
    after = [...before];
  }
  const padded = spatial.map((size, i) => size + before[i]! + after[i]!);
  if (padded.some((size, i) => size < reach[i]!)) {
    const dilated = dilation.some((d) => d > 1) ? ` (${shown(reach)} with its dilation)` : '';
    const padding = before.some((n) => n > 0) ? `, ${shown(padded)} with its padding` : '';
    throw layer.error(`a kernel of ${shown(kernel)}${dilated} does not fit an input of ${shown(spatial)}${padding}`, {
      hint: 'use a smaller kernel or "padding: same", or fewer strides and pools before it',
    });
  }
  const output = padded.map((size, i) => Math.floor((size - reach[i]!) / stride[i]!) + 1);
  return { kernel, stride, dilation, before, after, output };
}

/** The attributes that Conv and the pools share. */
export function spatialAttributes({ kernel, stride, before, after }: Window) {
  return { kernel_shape: kernel, strides: stride, pads: [...before, ...after] };
}
