import { check, round, tail, thinned, verdictOf } from './numbers.mjs';

export const id = 'pascanu-2013';
export const title = 'Clipping rescues an exploding RNN';
export const byline = 'Pascanu et al. 2013';
export const citation =
  'Razvan Pascanu, Tomas Mikolov, Yoshua Bengio. On the difficulty of training recurrent neural networks. ICML 2013.';
export const url = 'https://arxiv.org/abs/1211.5063';
export const claim =
  'Where a recurrence can expand, its gradient explodes and a step of SGD throws the weights far away (section 2.1, figure 6). Scaling the gradient down to a threshold where its norm is larger (section 3.2, algorithm 1) lets the same network train (section 4.1, figure 7).';
export const difference =
  'The adding problem over 20 steps in place of the temporal order problem; a ReLU recurrence that starts as the identity, which nothing bounds. Beside clipping stands what one would try without it: smaller steps.';

const arms = {
  clipped: { learningRate: 0.05, clip: 1 },
  'not clipped': { learningRate: 0.05 },
  'not clipped, steps 50 times smaller': { learningRate: 0.001 },
  'not clipped, steps 500 times smaller': { learningRate: 0.0001 },
};

export const settings = { length: 20, units: 50, steps: 3000, batch: 32, optimizer: 'sgd', seeds: [1, 2, 3], arms };

export async function run({ learn, say }) {
  const { length, units, steps, batch, optimizer, seeds } = settings;
  const rows = [];
  const series = [];
  for (const [arm, { learningRate, clip }] of Object.entries(arms)) {
    for (const seed of seeds) {
      const layer = { rnn: { units, activation: 'relu', init: { normal: 0.1 }, 'recurrent-init': 'identity' } };
      const result = await learn(
        { input: [length, 2], layers: [layer, { dense: 1 }], loss: 'mse', seed },
        {
          data: `adding:${length}`,
          samples: steps * batch,
          steps,
          batch,
          optimizer,
          learningRate,
          clipping: clip === undefined ? undefined : { kind: 'norm', maximum: clip },
          seed,
          monitor: true,
        },
      );
      const { loss, gradientNorm, fault } = result;
      rows.push({
        arm,
        learningRate,
        clip: clip ?? null,
        seed,
        steps: loss.length,
        error: round(tail(loss, 100)),
        largestGradient: round(Math.max(...gradientNorm)),
        clipped:
          clip === undefined ? null : round(gradientNorm.filter((norm) => norm > clip).length / gradientNorm.length),
        fault: fault ?? null,
      });
      series.push({
        arm,
        seed,
        loss: thinned(loss, 80),
        gradientNorm: gradientNorm.slice(0, 60).map((x, i) => [i + 1, round(Math.log10(x))]),
      });
      say(`${arm}, seed ${seed}: ${fault ?? `error ${tail(loss, 100).toFixed(4)}`}`);
    }
  }
  return { rows, series, verdict: judge(rows) };
}

export function judge(rows) {
  const of = (arm) => rows.filter((row) => row.arm === arm);
  const [clipped, plain, , slow] = Object.keys(arms).map(of);
  const broken = (runs) => runs.filter(({ fault }) => fault !== null).length;
  const errors = (runs) => runs.map(({ error }) => error);
  return verdictOf([
    check('not clipped: seeds of 3 that diverge', broken(plain), '>', 2),
    check('clipped: seeds of 3 that diverge', broken(clipped), '<', 1),
    check(
      'clipped: highest error of 3 seeds, against half of the constant answer’s 1/6',
      Math.max(...errors(clipped)),
      '<',
      1 / 12,
    ),
    check(
      'clipped: highest error, against the lowest of steps small enough to do without',
      Math.max(...errors(clipped)),
      '<',
      Math.min(...errors(slow).map((x) => (typeof x === 'number' ? x : Number.POSITIVE_INFINITY))),
    ),
  ]);
}

export const columns = {
  run: ({ arm }) => arm,
  'learning rate': ({ learningRate }) => learningRate,
  seed: ({ seed }) => seed,
  'steps trained': ({ steps }) => steps,
  'mean squared error at the end': ({ error }) => error,
  'largest gradient norm': ({ largestGradient }) => largestGradient,
  'steps clipped': ({ clipped }) => (clipped === null ? '' : `${Math.round(100 * clipped)} %`),
  'ended by': ({ fault }) => fault ?? 'the last step',
};

const shown = ['clipped', 'not clipped', 'not clipped, steps 500 times smaller'];
const names = ['clipped at 1', 'not clipped', 'rate / 500 instead'];
export const panels = ({ series }) => {
  const lines = (key) =>
    shown.map((arm, paint) => ({
      name: names[paint],
      paint,
      lines: series.filter((one) => one.arm === arm).map((one) => one[key]),
    }));
  return [
    {
      kind: 'lines',
      title: 'mean squared error',
      x: 'step',
      range: [0, 0.5],
      series: lines('loss'),
      mark: { at: 1 / 6, text: 'always answering 1' },
    },
    { kind: 'lines', title: 'log₁₀ ‖gradient‖ before clipping', x: 'step', series: lines('gradientNorm') },
  ];
};
