import { check, round, tail, thinned, verdictOf } from './numbers.mjs';

export const id = 'le-2015';
export const title = 'The adding problem over 150 steps';
export const byline = 'Hochreiter & Schmidhuber 1997, Le et al. 2015';
export const citation =
  'Sepp Hochreiter, Jürgen Schmidhuber. Long Short-Term Memory. Neural Computation 1997. Quoc V. Le, Navdeep Jaitly, Geoffrey E. Hinton. A Simple Way to Initialize Recurrent Networks of Rectified Linear Units. arXiv 2015.';
export const url = 'https://arxiv.org/abs/1504.00941';
export const claim =
  'At length 150 a tanh RNN does not get below the error of answering 1 to every sequence (0.167); an LSTM solves the problem, and so does a ReLU RNN whose recurrent matrix starts as the identity (Le et al., section 4.1, figure 1). The GRU (Cho et al. 2014) came between the two papers and does as well.';
export const difference =
  'Adam in place of plain SGD over millions of steps. A network has solved it once the mean error of 100 batches is below 0.01, a sixteenth of the constant answer’s; training ends there. The tanh RNN has the steps of the slowest of the others.';

/** Rates are those of a coarse search: the IRNN diverges at 1e-3 and above. */
const cells = {
  LSTM: { learningRate: 3e-3, layer: { lstm: { units: 64 } } },
  GRU: { learningRate: 3e-3, layer: { gru: { units: 64 } } },
  // Le et al., section 3: identity, other weights N(0, 0.001²), biases zero.
  IRNN: {
    learningRate: 3e-4,
    layer: { rnn: { units: 100, activation: 'relu', init: { normal: 0.001 }, 'recurrent-init': 'identity' } },
  },
  'tanh RNN': { learningRate: 1e-3, layer: { rnn: { units: 100 } } },
};

export const settings = {
  length: 150,
  steps: 14_000,
  batch: 32,
  optimizer: 'adam',
  clipNorm: 1,
  solved: 0.01,
  seed: 1,
  cells,
};

export async function run({ learn, say }) {
  const { length, batch, optimizer, clipNorm, solved, seed } = settings;
  const rows = [];
  const series = [];
  for (const [cell, { layer, learningRate }] of Object.entries(cells)) {
    const steps = cell === 'tanh RNN' ? Math.max(...rows.map((row) => row.steps)) : settings.steps;
    const result = await learn(
      { input: [length, 2], layers: [layer, { dense: 1 }], loss: 'mse', seed },
      {
        data: `adding:${length}`,
        samples: settings.steps * batch,
        steps,
        batch,
        optimizer,
        learningRate,
        clipping: { kind: 'norm', maximum: clipNorm },
        seed,
        until: ({ loss }) => loss.length >= 100 && tail(loss, 100) < solved,
        say: (text) => say(`${cell} ${text}`),
      },
    );
    const { loss, parameters } = result;
    rows.push({
      cell,
      parameters,
      learningRate,
      seed,
      steps: loss.length,
      error: round(tail(loss, 100)),
      fault: result.fault ?? null,
    });
    series.push({ cell, loss: thinned(loss, 120) });
    say(`${cell}: error ${tail(loss, 100).toFixed(4)} after ${loss.length} steps`);
  }
  return { rows, series, verdict: judge(rows) };
}

export function judge(rows) {
  const error = (cell) => rows.find((row) => row.cell === cell).error;
  const solve = ['LSTM', 'GRU', 'IRNN'].map((cell) =>
    check(`${cell}: mean squared error`, error(cell), '<', settings.solved),
  );
  return verdictOf([
    ...solve,
    check('tanh RNN: mean squared error, against 0.9 of the constant answer’s 1/6', error('tanh RNN'), '>', 0.15),
  ]);
}

export const columns = {
  network: ({ cell }) => cell,
  parameters: ({ parameters }) => parameters,
  'learning rate': ({ learningRate }) => learningRate,
  seed: ({ seed }) => seed,
  'steps trained': ({ steps }) => steps,
  'mean squared error at the end': ({ error }) => error,
};

export const panels = ({ series }) => [
  {
    kind: 'lines',
    title: 'mean squared error',
    x: 'step',
    wide: true,
    range: [0, 0.25],
    series: series.map(({ cell, loss }, paint) => ({ name: cell, paint, lines: [loss] })),
    mark: { at: 1 / 6, text: 'always answering 1' },
  },
];
