// Two networks that other tools get wrong, and what checking the rules costs on a large profile.
import { diagnoseFlow } from '../../dist/diagnosis/diagnose-flow.js';
import { diagnose, nodeRuntime } from '../../dist/node.js';
import { modelOf } from './label.mjs';

const runtime = nodeRuntime({ threads: 2 });
const ROUNDS = 21;

const glorot34 = {
  name: 'glorot-relu-34',
  input: 784,
  layers: [
    { dense: { units: 100, activation: 'relu', repeat: 34, name: 'hidden' } },
    { dense: { units: 10, name: 'out' } },
  ],
  init: 'glorot-uniform',
  loss: 'cross-entropy',
};
const zeroLast = {
  name: 'zero-last',
  input: 784,
  layers: [
    { dense: { units: 100, activation: 'relu', repeat: 4, name: 'hidden' } },
    { dense: { units: 10, name: 'out', init: 'zeros' } },
  ],
  init: 'he-normal',
  loss: 'cross-entropy',
};

/** ResNet-50's blocks (He et al. 2016, table 1) on small images: its profile has as many layers as the real one's. */
function resnet50() {
  const unit = (filters, kernel, stride = 1) => [
    { conv2d: { filters, kernel, stride, padding: 'same', bias: false } },
    'batch-norm',
  ];
  const block = (filters, stride, shortcut) => ({
    residual: {
      layers: [...unit(filters, 1, stride), 'relu', ...unit(filters, 3), 'relu', ...unit(4 * filters, 1)],
      ...(shortcut ? { shortcut: unit(4 * filters, 1, stride) } : {}),
      activation: 'relu',
    },
  });
  const stage = (filters, count, stride) => [
    block(filters, stride, true),
    ...Array.from({ length: count - 1 }, () => block(filters, 1, false)),
  ];
  return {
    name: 'resnet-50',
    input: [3, 32, 32],
    layers: [
      ...unit(64, 3, 2),
      'relu',
      ...stage(64, 3, 1),
      ...stage(128, 4, 2),
      ...stage(256, 6, 2),
      ...stage(512, 3, 2),
      'global-average-pool',
      { dense: { units: 10, name: 'out' } },
    ],
    init: 'he-normal',
    loss: 'cross-entropy',
  };
}

/** Lines of the report. */
export async function specialCases() {
  const [first] = (await diagnose(await modelOf(glorot34), { runtime, data: 'mnist' })).diagnosis.findings;
  const zero = await diagnose(await modelOf(zeroLast), { runtime, data: 'mnist', steps: 10 });
  const errors = zero.diagnosis.findings.filter(({ severity }) => severity === 'error');
  const { profile } = await diagnose(await modelOf(resnet50()), { runtime, size: 4 });
  const times = Array.from({ length: ROUNDS }, () => {
    const start = performance.now();
    diagnoseFlow(profile);
    return performance.now() - start;
  }).sort((a, b) => a - b);
  return {
    lines: [
      '## Special cases',
      '',
      `34 ReLU layers with Glorot weights, whose first and last weight gradients look alike: ${first.rule}, ${first.severity}; causes ${first.causes
        .map(({ kind, decades }) => `${kind} ${decades.toFixed(1)}`)
        .join(', ')}; forward signal ${first.evidence.forwardSignalDecades.toFixed(1)} decades.`,
      '',
      `A last layer that starts at zero, after 10 steps: ${errors.length === 0 ? 'no error' : errors.map(({ rule }) => rule).join(', ')}.`,
      '',
      `Checking every rule and attributing ResNet-50's profile (${profile.values.length} values, ${profile.parameters.length} parameters): ${times[ROUNDS >> 1].toFixed(1)} ms, median of ${ROUNDS} (target: 50 ms).`,
    ],
  };
}
