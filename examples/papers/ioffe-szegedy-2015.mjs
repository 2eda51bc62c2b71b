import { check, mean, round, tail, thinned, verdictOf } from './numbers.mjs';

export const id = 'ioffe-szegedy-2015';
export const title = 'A sigmoid network with and without batch normalization';
export const byline = 'Ioffe & Szegedy 2015';
export const citation =
  'Sergey Ioffe, Christian Szegedy. Batch Normalization: Accelerating Deep Network Training by Reducing Internal Covariate Shift. ICML 2015.';
export const url = 'https://arxiv.org/abs/1502.03167';
export const claim =
  'A network of three sigmoid layers of 100 units on MNIST trains faster and to a higher test accuracy with batch normalization (section 4.1, figure 1a). Deep sigmoid networks train only with it: without, Inception with sigmoids “remained at the accuracy equivalent to chance” (section 4.2).';
export const difference =
  '500 steps in place of 50 000, as 8 000 digits are few; ten sigmoid layers stand for Inception. Each network has the better of two learning rates, both by held-out accuracy.';

export const settings = {
  units: 100,
  depths: [3, 10],
  learningRates: [0.1, 0.5],
  steps: 500,
  batch: 60,
  optimizer: 'sgd',
  init: { normal: 0.1 },
  seeds: [1, 2, 3],
};

const network = (depth, normalized, seed) => ({
  input: 784,
  layers: [
    { repeat: depth, layers: [{ dense: settings.units }, ...(normalized ? ['batch-norm'] : []), 'sigmoid'] },
    { dense: 10 },
  ],
  init: settings.init,
  loss: 'cross-entropy',
  seed,
});

export async function run({ learn, say }) {
  const { depths, learningRates, steps, batch, optimizer, seeds } = settings;
  const rows = [];
  const series = [];
  for (const depth of depths) {
    for (const normalized of [false, true]) {
      for (const learningRate of learningRates) {
        for (const seed of seeds) {
          const options = { data: 'mnist', steps, batch, optimizer, learningRate, seed, validation: 0.125 };
          const { loss, accuracy, validation } = await learn(network(depth, normalized, seed), options);
          const reached = accuracy.findIndex((_, i) => i >= 19 && mean(accuracy.slice(i - 19, i + 1)) > 0.8);
          rows.push({
            depth,
            normalized,
            learningRate,
            seed,
            loss: round(tail(loss)),
            heldOut: round(validation.accuracy),
            stepsTo80: reached < 0 ? null : reached + 1,
          });
          series.push({ depth, normalized, learningRate, seed, accuracy: thinned(accuracy, 50) });
        }
        say(`depth ${depth}, ${normalized ? 'with' : 'without'}, rate ${learningRate}: ${rows.at(-1).heldOut}`);
      }
    }
  }
  return { rows, series, verdict: judge(rows) };
}

/** The runs of the learning rate whose mean held-out accuracy is higher. */
function best(rows, depth, normalized) {
  const of = (rate) => rows.filter((r) => r.depth === depth && r.normalized === normalized && r.learningRate === rate);
  return settings.learningRates.map(of).reduce((a, b) => (score(b) > score(a) ? b : a));
}
const score = (runs) => mean(runs.map(({ heldOut }) => heldOut));
const speed = (runs) => mean(runs.map(({ stepsTo80 }) => stepsTo80 ?? settings.steps));

export function judge(rows) {
  const [plain, normal, deepPlain, deepNormal] = [
    best(rows, 3, false),
    best(rows, 3, true),
    best(rows, 10, false),
    best(rows, 10, true),
  ];
  return verdictOf([
    check('3 layers: held-out accuracy with, against without', score(normal), '>', score(plain)),
    check('3 layers: steps to 80 % with, against half of those without', speed(normal), '<', speed(plain) / 2),
    check('10 layers without: held-out accuracy, against twice chance', score(deepPlain), '<', 0.2),
    check('10 layers with: held-out accuracy', score(deepNormal), '>', 0.8),
  ]);
}

export const columns = {
  layers: ({ depth }) => depth,
  'batch norm': ({ normalized }) => (normalized ? 'with' : 'without'),
  'learning rate': ({ learningRate }) => learningRate,
  seed: ({ seed }) => seed,
  'loss at the end': ({ loss }) => loss,
  'held-out accuracy': ({ heldOut }) => heldOut,
  'steps to 80 %': ({ stepsTo80 }) => stepsTo80 ?? 'never',
};

export const panels = ({ rows, series }) =>
  settings.depths.map((depth) => ({
    kind: 'lines',
    title: `accuracy on its batches, ${depth} sigmoid layers`,
    x: 'step',
    range: [0, 1],
    series: [true, false].map((normalized, paint) => {
      const { learningRate } = best(rows, depth, normalized)[0];
      const runs = series.filter(
        (s) => s.depth === depth && s.normalized === normalized && s.learningRate === learningRate,
      );
      const name = `${normalized ? 'batch norm' : 'none'}, rate ${learningRate}`;
      return { name, paint, lines: runs.map(({ accuracy }) => accuracy) };
    }),
  }));
