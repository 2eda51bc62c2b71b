import type { FlowProfile } from '../flow/profile.ts';
import type { RecurrentFlow } from '../flow/recurrent.ts';
import { counted, showDecades } from './numbers.ts';
import type { Page } from './page.ts';

/** At most this many layers and directions; JSON has them all. */
const MOST_FLOWS = 6;
/** Cells of a line over the steps. */
const CELLS = 24;
/** The lowest and the highest level lie at least this many decades apart: ordinary unevenness must not look like decay. */
const LEAST_SPAN = 4;
const levels = { unicode: '▁▂▃▄▅▆▇█', ascii: '.:-=+*%#' };

/** How the gradient fares through time: a row for each recurrent layer, in both directions where it has them. */
export function describeRecurrence(page: Page, { recurrent = [] }: FlowProfile): void {
  const flows = recurrent.slice(0, MOST_FLOWS);
  const names = flows.map(
    ({ layer, node, direction }) => `${layer || node}${direction === 'reverse' ? ', reverse' : ''}`,
  );
  const width = Math.min(22, Math.max(0, ...names.map((name) => name.length)));
  flows.forEach((flow, i) => {
    const head = { name: names[i]!, width, figure: showDecades(flow.totalDecades) };
    page.row(i === 0 ? 'time' : '', head, `${drawSteps(flow.hidden, page.unicode)} ${inWords(flow)}`);
  });
  const more = recurrent.length - flows.length;
  if (more > 0) page.field('', `and ${counted(more, 'more recurrent layer')}: --format json has all`, page.paint.dim);
}

/** Sizes over the steps, first to last: a bar of one character for each group of neighbouring steps. */
export function drawSteps(decades: readonly number[], unicode: boolean): string {
  const finite = decades.filter(Number.isFinite);
  const high = finite.reduce((most, x) => Math.max(most, x), Number.NEGATIVE_INFINITY);
  const low = Math.min(
    high - LEAST_SPAN,
    finite.reduce((least, x) => Math.min(least, x), high),
  );
  const bars = unicode ? levels.unicode : levels.ascii;
  const cells = Math.min(CELLS, decades.length);
  return Array.from({ length: cells }, (_, cell) => {
    const from = Math.floor((cell * decades.length) / cells);
    const to = Math.floor(((cell + 1) * decades.length) / cells);
    const group = decades.slice(from, to);
    if (group.some(Number.isNaN)) return '?';
    const most = group.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
    if (most === Number.NEGATIVE_INFINITY) return '_';
    const level = Number.isFinite(most)
      ? Math.round(((most - low) / (high - low)) * (bars.length - 1))
      : bars.length - 1;
    return bars[level]!;
  }).join('');
}

function inWords({ hidden, gains, from, recurrence, direct, factors, totalDecades }: RecurrentFlow): string {
  const steps = counted(hidden.length, 'step');
  if (from === undefined) return `${steps}: no gradient reaches any`;
  if (gains.length === 0) return `${steps}: nothing to carry`;
  const each = `${steps}, ${showDecadesFinely(recurrence / gains.length)} decades in each`;
  if (Math.abs(direct) >= 0.05 || !Number.isFinite(totalDecades)) {
    return `${each}; the recurrence alone ${showDecades(recurrence)}, the rest arrives directly`;
  }
  if (!factors) return each;
  const { recurrentWeights, activationDerivative } = factors;
  return `${each}: recurrent weights ${showDecades(recurrentWeights)}, activation derivatives ${showDecades(activationDerivative)}`;
}

/** Steps are many, and each does little. */
function showDecadesFinely(decades: number): string {
  if (!Number.isFinite(decades) || Math.abs(decades) >= 1) return showDecades(decades);
  const text = decades.toFixed(2);
  return decades > 0 ? `+${text}` : text.replace(/^-(0\.00)$/, '$1');
}
