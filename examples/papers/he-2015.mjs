import { check, round, tail, thinned, verdictOf } from './numbers.mjs';

export const id = 'he-2015';
export const title = 'Thirty ReLU layers with Xavier and with He initialization';
export const byline = 'He et al. 2015';
export const citation =
  'Kaiming He, Xiangyu Zhang, Shaoqing Ren, Jian Sun. Delving Deep into Rectifiers: Surpassing Human-Level Performance on ImageNet Classification. ICCV 2015.';
export const url = 'https://arxiv.org/abs/1502.01852';
export const claim =
  'A 30-layer ReLU model converges with Var[W] = 2/n. With Xavier’s 1/n it “completely stalls”, its gradients “all diminishing” (section 2.2, figure 3).';
export const difference =
  'Thirty dense layers of 100 units on MNIST digits; the paper’s are 27 convolutions and 3 dense layers on ImageNet.';

export const settings = {
  depth: 30,
  units: 100,
  steps: 800,
  batch: 64,
  optimizer: 'momentum',
  learningRate: 0.005,
  seeds: [1, 2, 3],
};
const schemes = { Xavier: 'glorot-uniform', He: 'he-normal' };

export async function run({ learn, diagnose, say }) {
  const { depth, units, steps, batch, optimizer, learningRate, seeds } = settings;
  const rows = [];
  const series = [];
  for (const [scheme, init] of Object.entries(schemes)) {
    for (const seed of seeds) {
      const spec = {
        input: 784,
        layers: [{ dense: { units, activation: 'relu', repeat: depth - 1, name: 'hidden' } }, { dense: 10 }],
        init,
        loss: 'cross-entropy',
        seed,
      };
      const { profile } = await diagnose(spec, { data: 'mnist', size: batch, seed });
      const gradients = profile.parameters
        .filter(({ name }) => name.endsWith('.weight'))
        .map(({ gradient }, i) => [i + 1, round(gradient.log10L2)]);
      const result = await learn(spec, {
        data: 'mnist',
        steps,
        batch,
        optimizer,
        learningRate,
        seed,
        validation: 0.125,
      });
      const { loss, accuracy } = result;
      const [first, last] = [gradients[0][1], gradients.at(-1)[1]];
      rows.push({
        scheme,
        seed,
        loss: round(tail(loss)),
        accuracy: round(tail(accuracy)),
        heldOut: round(result.validation.accuracy),
        firstLayerGradient: first,
        lastLayerGradient: last,
      });
      series.push({ scheme, seed, loss: thinned(loss), gradients });
      say(`${scheme}, seed ${seed}: loss ${tail(loss).toFixed(3)}`);
    }
  }
  return { rows, series, verdict: judge(rows) };
}

export function judge(rows) {
  const of = (scheme, key) => rows.filter((row) => row.scheme === scheme).map((row) => row[key]);
  return verdictOf([
    check(
      'Xavier: lowest loss of 3 seeds, against 0.99 ln 10 of knowing nothing',
      Math.min(...of('Xavier', 'loss')),
      '>',
      0.99 * Math.log(10),
    ),
    check(
      'Xavier: first layer’s weight gradient, log₁₀, largest of 3 seeds',
      Math.max(...of('Xavier', 'firstLayerGradient')),
      '<',
      -4,
    ),
    check('He: highest loss of 3 seeds, against half of ln 10', Math.max(...of('He', 'loss')), '<', 0.5 * Math.log(10)),
    check('He: held-out accuracy, lowest of 3 seeds', Math.min(...of('He', 'heldOut')), '>', 0.6),
  ]);
}

export const columns = {
  initialization: ({ scheme }) => scheme,
  seed: ({ seed }) => seed,
  'loss at the end': ({ loss }) => loss,
  'accuracy on its batches': ({ accuracy }) => accuracy,
  'held-out accuracy': ({ heldOut }) => heldOut,
  'log₁₀ ‖∂C/∂W₁‖ before': ({ firstLayerGradient }) => firstLayerGradient,
  'log₁₀ ‖∂C/∂W₃₀‖ before': ({ lastLayerGradient }) => lastLayerGradient,
};

const lines = (series, key) =>
  Object.keys(schemes).map((scheme, paint) => ({
    name: scheme,
    paint,
    lines: series.filter((one) => one.scheme === scheme).map((one) => one[key]),
  }));

export const panels = ({ series }) => [
  {
    kind: 'lines',
    title: 'loss',
    x: 'step',
    series: lines(series, 'loss'),
    mark: { at: Math.log(10), text: 'knowing nothing: ln 10' },
  },
  { kind: 'lines', title: 'log₁₀ ‖∂C/∂W‖ before training', x: 'layer', series: lines(series, 'gradients') },
];
