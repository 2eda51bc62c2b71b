import { check, mean, round, tail, thinned, verdictOf } from './numbers.mjs';

export const id = 'he-2016';
export const title = 'Plain and residual networks at growing depth';
export const byline = 'He et al. 2016';
export const citation =
  'Kaiming He, Xiangyu Zhang, Shaoqing Ren, Jian Sun. Deep Residual Learning for Image Recognition. CVPR 2016.';
export const url = 'https://arxiv.org/abs/1512.03385';
export const claim =
  'Plain networks degrade with depth: a deeper one has a higher training error, though it has batch normalization (figures 1 and 6, left). Residual networks of the same layers do not, and gain from depth (figure 6, middle).';
export const difference =
  'Dense layers of 64 units with batch normalization and identity shortcuts around pairs, on MNIST digits; the paper’s are convolutions on CIFAR-10, 64 000 updates. Two layers read these digits, so depth has little to give here.';

export const settings = {
  units: 64,
  depths: [8, 20, 56],
  steps: 600,
  batch: 64,
  optimizer: 'momentum',
  learningRate: 0.01,
  seeds: [1, 2, 3],
};

const pair = () => {
  const layer = { dense: { units: settings.units, bias: false } };
  return [layer, 'batch-norm', 'relu', layer, 'batch-norm'];
};

/** As in the paper 6n + 2 layers with weights; a residual network has no parameter more than its plain one. */
const network = (kind, depth, seed) => {
  const repeat = (depth - 2) / 2;
  const body =
    kind === 'residual' ? { residual: pair(), activation: 'relu', repeat } : { repeat, layers: [...pair(), 'relu'] };
  return {
    input: 784,
    layers: [{ dense: settings.units }, 'batch-norm', 'relu', body, { dense: 10 }],
    init: 'he-normal',
    loss: 'cross-entropy',
    seed,
  };
};

export async function run({ learn, say }) {
  const { depths, steps, batch, optimizer, learningRate, seeds } = settings;
  const rows = [];
  const series = [];
  for (const kind of ['plain', 'residual']) {
    for (const depth of depths) {
      for (const seed of seeds) {
        const options = { data: 'mnist', steps, batch, optimizer, learningRate, seed, validation: 0.125 };
        const { loss, accuracy, validation, parameters } = await learn(network(kind, depth, seed), options);
        const trainingError = round(1 - tail(accuracy, 100));
        rows.push({
          kind,
          depth,
          seed,
          parameters,
          loss: round(tail(loss, 100)),
          trainingError,
          heldOut: round(validation.accuracy),
        });
        series.push({ kind, depth, seed, loss: thinned(loss, 60) });
        say(`${kind} ${depth}, seed ${seed}: training error ${trainingError}`);
      }
    }
  }
  return { rows, series, verdict: judge(rows) };
}

const error = (rows, kind, depth) =>
  mean(rows.filter((row) => row.kind === kind && row.depth === depth).map(({ trainingError }) => trainingError));

export function judge(rows) {
  const [shallow, middle, deep] = settings.depths;
  const of = (kind, depth) => error(rows, kind, depth);
  return verdictOf([
    check(
      `plain: training error of ${middle} layers, against that of ${shallow}`,
      of('plain', middle),
      '>',
      of('plain', shallow),
    ),
    check(
      `plain: training error of ${deep} layers, against that of ${middle}`,
      of('plain', deep),
      '>',
      of('plain', middle),
    ),
    check(`${middle} layers: training error residual, against plain`, of('residual', middle), '<', of('plain', middle)),
    check(
      `${deep} layers: training error residual, against a third of plain`,
      of('residual', deep),
      '<',
      of('plain', deep) / 3,
    ),
    check(
      `residual: training error of ${deep} layers, against that of ${shallow}`,
      of('residual', deep),
      '<',
      of('residual', shallow),
    ),
  ]);
}

export const columns = {
  network: ({ kind }) => kind,
  layers: ({ depth }) => depth,
  seed: ({ seed }) => seed,
  parameters: ({ parameters }) => parameters,
  'loss at the end': ({ loss }) => loss,
  'training error': ({ trainingError }) => trainingError,
  'held-out accuracy': ({ heldOut }) => heldOut,
};

export const panels = ({ series }) =>
  ['plain', 'residual'].map((kind) => ({
    kind: 'lines',
    title: `${kind}: training loss`,
    x: 'step',
    range: [0, 2.6],
    series: settings.depths.map((depth, paint) => ({
      name: `${depth} layers`,
      paint,
      lines: series.filter((s) => s.kind === kind && s.depth === depth).map(({ loss }) => loss),
    })),
  }));
