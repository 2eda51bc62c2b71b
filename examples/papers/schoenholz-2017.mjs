import { check, round, verdictOf } from './numbers.mjs';

export const id = 'schoenholz-2017';
export const title = 'Trainable depth against σ_w';
export const byline = 'Schoenholz et al. 2017';
export const citation =
  'Samuel S. Schoenholz, Justin Gilmer, Surya Ganguli, Jascha Sohl-Dickstein. Deep Information Propagation. ICLR 2017.';
export const url = 'https://arxiv.org/abs/1611.01232';
export const claim =
  'Mean-field theory gives a depth scale ξ from the variances of weights and biases alone. It diverges at the border of order and chaos, and networks train to about 6ξ layers (section 4, figure 5).';
export const difference =
  'The measurement is [examples/depth-scale](../../depth-scale); its numbers are used here. Fewer and shorter trainings than the paper’s, at one number of steps, and none deeper than 80 layers. Gradients are clipped, as they explode in the chaotic phase.';

/** Where training counts as having worked: half of the way between chance and all. */
const trained = 0.55;
export const settings = { trained, measurement: 'examples/depth-scale' };

/** `grid` measures or reads examples/depth-scale/result.json. */
export async function run({ depthScale, meanField }) {
  const grid = await depthScale();
  const rows = [...new Set(grid.cells.map(({ sigmaW2 }) => sigmaW2))].map((sigmaW2) => {
    const { depthScale: xi, trainableDepth } = meanField('Tanh', { sigmaW2, sigmaB2: grid.sigmaB2 });
    const cells = grid.cells.filter((cell) => cell.sigmaW2 === sigmaW2).sort((a, b) => a.depth - b.depth);
    const missed = cells.findIndex(({ accuracy }) => accuracy < trained);
    const reached = missed < 0 ? cells.length : missed;
    return {
      sigmaW2,
      xi: round(xi),
      predicted: round(trainableDepth),
      // The border lies between these two depths of the grid.
      trains: reached === 0 ? 0 : cells[reached - 1].depth,
      fails: missed < 0 ? null : cells[missed].depth,
    };
  });
  return {
    rows,
    series: grid.cells.map(({ sigmaW2, depth, accuracy }) => [sigmaW2, depth, accuracy]),
    verdict: judge(rows),
    seconds: grid.seconds,
  };
}

/** Ranks, ties sharing their mean. */
function ranks(values) {
  const sorted = [...values].sort((a, b) => a - b);
  return values.map((x) => (sorted.indexOf(x) + sorted.lastIndexOf(x)) / 2);
}

/** Spearman's correlation. */
function rankCorrelation(a, b) {
  const [x, y] = [ranks(a), ranks(b)];
  const middle = (x.length - 1) / 2;
  const product = (p, q) => p.reduce((sum, value, i) => sum + (value - middle) * (q[i] - middle), 0);
  return product(x, y) / Math.sqrt(product(x, x) * product(y, y));
}

export function judge(rows) {
  const peak = (key) => rows.reduce((a, b) => (b[key] > a[key] ? b : a)).sigmaW2;
  const deepest = Math.max(...rows.map(({ trains }) => trains));
  const edge = (side) => Math.max(...side.map(({ trains }) => trains));
  return verdictOf([
    check(
      'rank correlation of measured depth with 6ξ over σ_w²',
      rankCorrelation(
        rows.map(({ trains }) => trains),
        rows.map(({ predicted }) => predicted),
      ),
      '>',
      0.7,
    ),
    check(
      'distance in σ_w² between the deepest trained networks and the largest ξ',
      Math.abs(peak('trains') - peak('xi')),
      '<',
      0.3,
    ),
    check(
      'deepest that trains at either end of σ_w², against half of the deepest of all',
      edge([rows[0], rows.at(-1)]),
      '<',
      deepest / 2,
    ),
    check(
      'part of the σ_w² whose border lies within a factor of 2 of 6ξ',
      rows.filter(near).length / rows.length,
      '>',
      0.5,
    ),
  ]);
}

/** Whether [trains, fails] overlaps [6ξ / 2, 12ξ]. */
function near({ predicted, trains, fails }) {
  return (fails ?? Number.POSITIVE_INFINITY) >= predicted / 2 && trains <= 2 * predicted;
}

export const columns = {
  'σ_w²': ({ sigmaW2 }) => sigmaW2,
  ξ: ({ xi }) => xi,
  '6ξ': ({ predicted }) => predicted,
  [`deepest that trains (accuracy of ${trained} and more)`]: ({ trains }) => trains || 'none',
  'next depth, which does not': ({ fails }) => fails ?? 'none',
};

export const panels = ({ rows }) => [
  {
    kind: 'lines',
    title: 'depth, layers',
    x: 'σ_w²',
    wide: true,
    range: [1, 2.5],
    label: (tick) => Math.round(10 ** tick),
    dots: true,
    series: [
      {
        name: '6ξ, from theory',
        paint: 0,
        lines: [rows.map(({ sigmaW2, predicted }) => [sigmaW2, Math.log10(predicted)])],
      },
      {
        name: 'deepest of the grid that trains',
        paint: 1,
        lines: [rows.map(({ sigmaW2, trains }) => [sigmaW2, Math.log10(trains)])],
      },
    ],
  },
];
