import { check, mean, round, verdictOf } from './numbers.mjs';

export const id = 'glorot-bengio-2010';
export const title = 'Back-propagated gradients, standard against normalized initialization';
export const byline = 'Glorot & Bengio 2010';
export const citation =
  'Xavier Glorot, Yoshua Bengio. Understanding the difficulty of training deep feedforward neural networks. AISTATS 2010.';
export const url = 'https://proceedings.mlr.press/v9/glorot10a.html';
export const claim =
  'With the standard initialization U[−1/√n, 1/√n], so n Var[W] = 1/3, the variance of the back-propagated gradients falls from layer to layer towards the input; with the normalized one, U[±√6/√(n_in + n_out)], it does not (figure 7). The weight gradients of the standard one are nevertheless alike in all layers at the start (figure 8).';
export const difference =
  'Five tanh layers of 1000 units as in the paper; MNIST digits, 300 of them, in place of Shapeset.';

export const settings = { units: 1000, layers: 5, samples: 300, seeds: [1, 2, 3] };
const schemes = { standard: { 'lecun-uniform': { gain: 1 / Math.sqrt(3) } }, normalized: 'glorot-uniform' };

const network = (scheme, seed) => ({
  input: 784,
  layers: [
    { dense: { units: settings.units, activation: 'tanh', repeat: settings.layers, name: 'hidden' } },
    { dense: 10 },
  ],
  init: schemes[scheme],
  loss: 'cross-entropy',
  seed,
});

export async function run({ diagnose, say }) {
  const rows = [];
  const series = [];
  for (const scheme of Object.keys(schemes)) {
    for (const seed of settings.seeds) {
      const { profile } = await diagnose(network(scheme, seed), { data: 'mnist', size: settings.samples, seed });
      for (const layer of profile.layers.filter(({ name }) => name.startsWith('hidden'))) {
        const weight = profile.parameters.find(({ name }) => name === `${layer.name}.weight`);
        const value = profile.values.find(({ name }) => name === layer.value);
        rows.push({
          scheme,
          seed,
          layer: Number(layer.name.split('.')[1]) + 1,
          gradientDecades: round(value.gradient.log10L2),
          weightGradientDecades: round(weight.gradient.log10L2),
        });
        if (seed !== settings.seeds[0]) continue;
        const { from, counts } = value.gradient.log2Histogram;
        series.push({ scheme, layer: rows.at(-1).layer, from, counts });
      }
      say(`${scheme}, seed ${seed}`);
    }
  }
  return { rows, series, verdict: judge(rows) };
}

/** Decades a layer, towards the input: the slope between the last hidden layer and the first. */
const slopes = (rows, scheme, key, [from, to]) =>
  settings.seeds.map((seed) => {
    const at = (layer) => rows.find((row) => row.scheme === scheme && row.seed === seed && row.layer === layer)[key];
    return (at(to) - at(from)) / (from - to);
  });

export function judge(rows) {
  const standard = slopes(rows, 'standard', 'gradientDecades', [5, 1]);
  const normalized = slopes(rows, 'normalized', 'gradientDecades', [5, 1]);
  // The first layer's input is pixels, which are not what a tanh layer passes on.
  const weights = slopes(rows, 'standard', 'weightGradientDecades', [5, 2]);
  const predicted = Math.log10(Math.sqrt(1 / 3));
  return verdictOf([
    check(
      'standard: decades of gradient a layer towards the input, least decay of 3 seeds',
      Math.max(...standard),
      '<',
      -0.15,
    ),
    check(
      `standard: distance from the paper's √(n Var[W]) = √(1/3), which is ${predicted.toFixed(3)} decades a layer`,
      Math.abs(mean(standard) - predicted),
      '<',
      0.06,
    ),
    check(
      'normalized: decades of gradient a layer, largest of 3 seeds',
      Math.max(...normalized.map(Math.abs)),
      '<',
      0.06,
    ),
    check(
      'standard: decades of weight gradient a layer, largest of 3 seeds',
      Math.max(...weights.map(Math.abs)),
      '<',
      0.06,
    ),
  ]);
}

export const columns = {
  initialization: ({ scheme }) => scheme,
  seed: ({ seed }) => seed,
  layer: ({ layer }) => layer,
  'log₁₀ ‖∂C/∂a‖': ({ gradientDecades }) => gradientDecades,
  'log₁₀ ‖∂C/∂W‖': ({ weightGradientDecades }) => weightGradientDecades,
};

export const panels = ({ series }) =>
  Object.keys(schemes).map((scheme, i) => ({
    kind: 'ridges',
    title: `${scheme}: |∂C/∂a| by layer`,
    paint: i,
    rows: series
      .filter((row) => row.scheme === scheme)
      .map(({ layer, from, counts }) => ({ name: `layer ${layer}`, from, counts })),
  }));
