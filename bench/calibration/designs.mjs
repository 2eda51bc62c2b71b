// Designs of the corpus as network specs.

/** Layers with what stands around them, from a design: also with one property changed, to see whether that restores it. */
export function specOf({ design, optimizer, id }) {
  const build = { dense, conv, residual, recurrent, transformer }[design.family];
  return {
    name: id.replaceAll(/[^\w-]/g, '-'),
    ...build(design),
    loss: design.loss ?? 'cross-entropy',
    optimizer: { [optimizer.name]: optimizer.lr },
    seed: design.seed ?? 0,
  };
}

const normOf = (norm) => (norm ? [norm] : []);
const biasOf = (design) => (design.bias === undefined ? {} : { bias: design.bias });

function dense(design) {
  const { depth, width = 64, activation, norm, init, last, skip } = design;
  const unit = [
    { dense: { units: width, ...biasOf(design) } },
    ...normOf(norm),
    ...(activation === 'linear' ? [] : [activation]),
  ];
  const hidden = skip
    ? [
        { dense: { units: width } },
        ...(activation === 'linear' ? [] : [activation]),
        { repeat: { times: Math.max(1, Math.floor((depth - 1) / 2)), layers: [{ residual: [...unit, ...unit] }] } },
      ]
    : [{ repeat: { times: depth, layers: unit } }];
  return {
    input: 784,
    layers: [...hidden, { dense: { units: 10, name: 'out', ...(last === undefined ? {} : { init: last }) } }],
    init,
  };
}

function conv(design) {
  const { depth, width = 8, activation, norm, init, last, skip } = design;
  const unit = (stride) => [
    { conv2d: { filters: width, padding: 'same', stride, ...biasOf(design) } },
    ...normOf(norm),
    activation,
  ];
  return {
    input: [1, 28, 28],
    layers: [
      ...unit(2),
      ...unit(2),
      skip
        ? { repeat: { times: Math.floor((depth - 2) / 2), layers: [{ residual: [...unit(1), ...unit(1)] }] } }
        : { repeat: { times: depth - 2, layers: unit(1) } },
      'flatten',
      { dense: { units: 10, name: 'out', ...(last === undefined ? {} : { init: last }) } },
    ],
    init,
  };
}

function residual(design) {
  const { depth, width = 8, activation, norm, init, skip = true, zeroBranch, bottleneck } = design;
  const unit = (filters, more) => [{ conv2d: { filters, padding: 'same', ...more } }, ...normOf(norm)];
  // 1×1, 3×3 and 1×1 to four times the width: 49 weight layers on the way through sixteen blocks, as in ResNet-50.
  const body = bottleneck
    ? [...unit(width, { kernel: 1 }), activation, ...unit(width), activation, ...unit(4 * width, { kernel: 1 })]
    : [...unit(width), activation, ...unit(width, zeroBranch ? { init: 'zeros' } : {})];
  return {
    input: [1, 28, 28],
    layers: [
      ...unit(bottleneck ? 4 * width : width, { stride: 4 }),
      activation,
      skip
        ? { repeat: { times: depth, layers: [{ residual: { layers: body, activation } }] } }
        : { repeat: { times: depth, layers: [...body, activation] } },
      'flatten',
      { dense: { units: 10, name: 'out' } },
    ],
    init,
  };
}

function recurrent(design) {
  const { cell, width = 32, steps, activation, task, init, recurrentInit, stack = 1 } = design;
  const options = {
    units: width,
    ...(activation ? { activation } : {}),
    ...(init ? { init } : {}),
    ...(recurrentInit ? { 'recurrent-init': recurrentInit } : {}),
  };
  const layers = Array.from({ length: stack }, (_, i) => ({ [cell]: { ...options, sequence: i < stack - 1 } }));
  return {
    input: task === 'adding' ? [steps, 2] : [28, 28],
    layers: [...layers, { dense: { units: task === 'adding' ? 1 : 10, name: 'out' } }],
  };
}

function transformer(design) {
  const { depth, width = 32, norm, init, activation = 'gelu' } = design;
  return {
    input: [28, 28],
    layers: [
      { dense: { units: width } },
      'positional-embedding',
      {
        'transformer-encoder': { heads: 4, 'feed-forward': 2 * width, activation, norm, repeat: depth },
      },
      ...(norm === 'pre' ? ['layer-norm'] : []),
      'mean-pool',
      { dense: { units: 10, name: 'out' } },
    ],
    ...(init ? { init } : {}),
  };
}
