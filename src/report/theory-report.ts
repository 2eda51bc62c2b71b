import type { LayerTheory, Theory } from '../theory/theory.ts';
import { counted, showDecades, showNumber } from './numbers.ts';
import { Page, type TerminalOptions } from './page.ts';
import type { ModelDescription } from './subject.ts';
import { formatName } from './summary.ts';
import { padTo, widthOf } from './text.ts';
import { theoryEntry } from './theory-json.ts';
import { showChi, showTrainable } from './theory-section.ts';

/** What `theory` says of a model without a run. */
export interface TheorySubject {
  readonly model: ModelDescription;
  readonly theory: Theory;
  /** What was assumed, in sentences. */
  readonly notes: readonly string[];
}

/** The contract's name of the JSON form. */
export const THEORY_SCHEMA = 'gradient-doctor/theory@1';

const MOST_ROWS = 24;
const columns = ['σ_w²', 'σ_b²', 'q', 'χ', 'decades'] as const;
const WIDTH = 9;

/** The page for people: the verdict of the formulas, then layer by layer. Pure; no line wider than the terminal. */
export function renderTheory({ model, theory, notes }: TheorySubject, options: TerminalOptions = {}): string {
  const page = new Page(options);
  const { dim, bold } = page.paint;
  page.beside([
    model.name,
    `${formatName(model)}, ${counted(theory.layers.length, 'layer')} covered, ${counted(model.parameters, 'parameter')}`,
  ]);
  for (const note of notes) page.text(`note: ${note}`, dim);
  page.gap();
  if (theory.applies === 'not') page.text('Mean-field theory does not apply to this network.', bold);
  else sayPrediction(page, theory);
  theory.reasons.forEach((reason, i) => {
    page.field(i === 0 ? 'limits' : '', reason, dim);
  });
  if (theory.layers.length > 0) {
    page.gap();
    drawTable(page, theory.layers);
    page.gap();
    saySymbols(page);
  }
  return page.toString();
}

/** The same for scripts: `gradient-doctor/theory@1`, two-space indented; numbers that are not finite are strings. */
export function renderTheoryJson({ model, theory, notes }: TheorySubject): string {
  const { name, format, parameters } = model;
  const report = { schema: THEORY_SCHEMA, model: { name, format, parameters }, notes, ...theoryEntry(theory) };
  return `${JSON.stringify(report, (_, x) => (typeof x === 'number' && !Number.isFinite(x) ? String(x) : x), 2)}\n`;
}

function sayPrediction(page: Page, theory: Theory): void {
  const { predictedDecades, spread = 0, depthScale, trainableDepth } = theory;
  const typical = theory.layers.filter(({ activation }) => activation !== undefined);
  if (Number.isNaN(predictedDecades))
    page.field('gradient', 'no prediction from end to end: part of the way is not covered');
  else {
    const scatter = spread >= 0.05 ? ` ± ${spread.toFixed(1)}` : '';
    page.field('gradient', `${showDecades(predictedDecades)}${scatter} decades from the output to the first layer`);
  }
  if (depthScale !== undefined && trainableDepth !== undefined) {
    const trains = `trainable to ${showTrainable(trainableDepth)} (6ξ)`;
    page.field(
      'depth',
      `ξ = ${showScale(depthScale)}: ${trains}; this network has ${counted(theory.layers.length, 'layer')}`,
    );
  } else if (theory.layers.some(({ residual }) => residual)) {
    page.field('depth', 'no depth scale: with skip connections signals add up, and decay is not exponential');
  }
  const repeated = typical.find((layer) => layer.depthScale === depthScale);
  if (repeated) sayFixedPoint(page, repeated);
  sayCritical(page, typical);
}

function sayFixedPoint(page: Page, repeated: LayerTheory): void {
  const { qStar, chiStar, cStar } = repeated;
  const correlation = cStar === undefined || Number.isNaN(cStar) ? '' : `, c* = ${showNumber(cStar)}`;
  const phase = chiStar > 1.01 ? 'chaotic: gradients grow' : chiStar < 0.99 ? 'ordered: gradients decay' : 'critical';
  const point = `q* = ${showNumber(qStar)}, χ* = ${showChi(chiStar)}${correlation}`;
  page.field('fixed at', `${point} (${phase})`);
}

function sayCritical(page: Page, layers: readonly LayerTheory[]): void {
  const seen = new Set<string>();
  for (const { activation = '', critical } of layers) {
    if (seen.has(activation)) continue;
    seen.add(activation);
    const label = seen.size === 1 ? 'critical' : '';
    if (!critical) {
      page.field(label, `${activation}: no σ_w has χ = 1 at a fixed point`);
      continue;
    }
    const { sigmaW2, sigmaB2, q } = critical;
    const sigmas = `σ_w² = ${showNumber(sigmaW2)}, σ_b² = ${showNumber(sigmaB2)}`;
    const at = Number.isNaN(q) ? '' : q === 0 ? ', where small signals stay small' : ` at q* = ${showNumber(q)}`;
    page.field(label, `${activation}: ${sigmas}${at}`);
  }
}

function drawTable(page: Page, layers: readonly LayerTheory[]): void {
  const { dim } = page.paint;
  const name = Math.max(5, Math.min(page.width - columns.length * WIDTH, longest(page, layers), 36));
  const line = (first: string, cells: readonly string[]) =>
    padTo(page.name(first, name), name) + cells.map((cell) => padTo(page.clean(cell), WIDTH, 'right')).join('');
  page.raw(dim(line('layer', columns)));
  const half = MOST_ROWS / 2;
  const shown = layers.length <= MOST_ROWS ? layers : [...layers.slice(0, half), undefined, ...layers.slice(-half)];
  for (const layer of shown) {
    if (!layer) {
      page.raw(
        dim(`${page.clean('⋮')} ${counted(layers.length - MOST_ROWS, 'layer')} not shown (--format json has all)`),
      );
      continue;
    }
    const { sigmaW2, sigmaB2, q, chi, decades } = layer;
    page.raw(line(describe(layer), [sigmaW2, sigmaB2, q].map(showNumber).concat(showChi(chi), showDecades(decades))));
  }
}

function describe({ layer, activation, normalization, residual }: LayerTheory): string {
  const after = [normalization, activation].filter((part) => part !== undefined).map((part) => short(part!));
  return `${layer}${after.length > 0 ? ` ${after.join(' ')}` : ''}${residual ? ' +' : ''}`;
}

function short(op: string): string {
  return op.replace('Normalization', 'Norm').toLowerCase();
}

function longest(page: Page, layers: readonly LayerTheory[]): number {
  return layers.reduce((most, layer) => Math.max(most, widthOf(page.clean(describe(layer)))), 5);
}

function saySymbols(page: Page): void {
  page.text(
    "σ_w² = fan-in · E[w²], σ_b² = E[b²], q: variance of the layer's output, χ: factor of the gradient's mean square, " +
      'decades: what the layer takes from the gradient on its way to the layer before',
    page.paint.dim,
  );
}

function showScale(layers: number): string {
  return layers < 1000 ? `${showNumber(Number(layers.toPrecision(3)))} layers` : 'over 1000 layers';
}
