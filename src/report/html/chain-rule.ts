import type { LayerShare } from '../../flow/attribution.ts';
import { type FactorKind, factorKinds } from '../../flow/kinds.ts';
import { counted, showDecades, showPower } from '../numbers.ts';
import type { ReportSubject } from '../subject.ts';
import { kindsOf, sayWorstLayers } from '../summary.ts';
import { categoryClass } from './colours.ts';
import { html, type Markup } from './escape.ts';
import { bothWidths, key, name, numbers, section } from './figure.ts';
import { hoverColumns, layerAxis } from './layer-axis.ts';
import { extent, roundScale } from './scale.ts';
import { minus, powerText, px, svg } from './svg.ts';

/** Kinds with a colour of their own; the rest share one. */
const OWN_COLOURS = 7;
/** A product of more factors than this is not read, it is looked at. */
const MOST_CHIPS = 16;
/** Less is not worth a row of the product. */
const SHOWN = 0.005;

/** The chain rule's product, one factor per layer, each split by what made it. */
export function chainRuleSection({ diagnosis: { attribution }, profile }: ReportSubject): Markup {
  if (!attribution || !Number.isFinite(attribution.totalDecades)) return html``;
  const layers = attribution.byLayer.filter(({ decades }) => Number.isFinite(decades));
  if (layers.length === 0) return html``;
  const kinds = (Object.entries(attribution.byKind) as [FactorKind, number][])
    .filter(([, decades]) => Math.abs(decades) >= SHOWN)
    .sort((a, b) => Math.abs(b[1]) - Math.abs(a[1]))
    .map(([kind]) => kind);
  const paints = new Map(kinds.map((kind, i) => [kind, categoryClass(Math.min(i, OWN_COLOURS))]));
  const total = attribution.totalDecades;
  const nameOf = (value: string) => profile.values.find((one) => one.name === value)?.layer || value;
  const told = `${counted(layers.length, 'factor')}, together ${showDecades(total)} decades`;
  const picture = bothWidths((width, narrow) =>
    drawFactors(layers.toReversed(), { paints, label: `Bar chart: ${told}` }, width, narrow),
  );
  const others = kinds.length > OWN_COLOURS;
  const entries = kinds.slice(0, OWN_COLOURS).map((kind) => ({
    mark: 'box' as const,
    paint: paints.get(kind)!,
    text: `${factorKinds[kind]} ${minus(showDecades(attribution.byKind[kind]!))}`,
  }));
  if (others) entries.push({ mark: 'box', paint: categoryClass(OWN_COLOURS), text: 'others' });
  const evenly = sayWorstLayers(attribution, Math.sign(total));
  const body = html`${layers.length <= MOST_CHIPS && chips(layers, total)}<figure>${picture}${kinds.length > 0 && key(entries)}</figure>${numbers('The product, factor by factor', tableOf(layers))}`;
  return section({
    id: 'chain-rule',
    title: 'The chain rule, factor by factor',
    lead: html`Backpropagation multiplies one factor per layer on the way from the output to ${name(nameOf(attribution.from))}: ${counted(layers.length, 'factor')}, whose product is ${powerText(showDecades(total).replace('+', ''))}. A bar below the line makes the gradient smaller, a bar above it larger; colours say what did it.${evenly !== '' && html` The decades came ${evenly}.`}`,
    body,
  });
}

function chips(layers: readonly LayerShare[], total: number): Markup {
  const shown = layers.map(({ layer, decades }) => html`<li>${name(titleOf(layer))}<b>×${factor(decades)}</b></li>`);
  return html`<ol class="chips" aria-label="factors from the output to the first layer">${shown}<li class="total">product<b>${factor(total)}</b></li></ol>`;
}

/** A factor as people write it where that is short, else as a power. */
function factor(decades: number): string {
  return Math.abs(decades) < 3 ? String(Number((10 ** decades).toPrecision(2))) : showPower(decades);
}

function titleOf(layer: string): string {
  return layer === '' ? '(outside layers)' : layer;
}

interface Factors {
  readonly paints: ReadonlyMap<FactorKind, string>;
  readonly label: string;
}

function drawFactors(
  layers: readonly LayerShare[],
  { paints, label }: Factors,
  width: number,
  narrow: boolean,
): Markup {
  const left = narrow ? 42 : 56;
  const axis = layerAxis(
    layers.map(({ layer }) => titleOf(layer)),
    left,
    width - 8,
    narrow,
  );
  const [top, bottom] = [24, narrow ? 200 : 220];
  const stacks = layers.map((layer) => stack(layer, paints));
  const [low, high] = extent([0, ...stacks.flatMap((parts) => parts.flatMap(({ from, to }) => [from, to]))])!;
  const span = Math.max(0.4, high - low);
  const y = roundScale(Math.min(low, high - span), high, bottom, top, 5);
  const bar = Math.max(0.8, Math.min(46, axis.pitch * (axis.pitch < 4 ? 1 : 0.72)));
  const bars = stacks.flatMap((parts, i) =>
    parts.map(({ from, to, paint }) => {
      const [a, b] = [y.at(Math.max(from, to)), y.at(Math.min(from, to))];
      return html`<rect class="${paint}" x="${px(axis.at(i) - bar / 2)}" y="${px(a)}" width="${px(bar)}" height="${px(b - a)}"/>`;
    }),
  );
  const right = width - 8;
  const grid = y.ticks.map(
    (tick) =>
      html`<path class="grid" d="M${left} ${px(y.at(tick))}H${px(right)}"/><text class="tick" x="${left - 7}" y="${px(y.at(tick) + 4)}" text-anchor="end">${minus(String(tick))}</text>`,
  );
  return svg(width, bottom + axis.height, label, [
    html`<text class="axis-name" x="2" y="12">decades of each factor (log₁₀)</text>`,
    ...grid,
    ...bars,
    html`<path class="zero-line" d="M${left} ${px(y.at(0))}H${px(right)}"/>`,
    axis.draw(bottom),
    ...(narrow ? [] : hoverColumns(layers.length, axis, { top, height: bottom - top, tell: (i) => tell(layers[i]!) })),
  ]);
}

function stack({ byKind, decades }: LayerShare, paints: ReadonlyMap<FactorKind, string>) {
  let [down, up] = [0, 0];
  const entries = Object.entries(byKind) as [FactorKind, number][];
  const parts = entries.length > 0 ? entries : [[undefined, decades] as const];
  return parts
    .filter(([, part]) => Number.isFinite(part) && Math.abs(part) >= SHOWN)
    .map(([kind, part]) => {
      const from = part < 0 ? down : up;
      const to = from + part;
      if (part < 0) down = to;
      else up = to;
      return { from, to, paint: (kind && paints.get(kind)) ?? categoryClass(OWN_COLOURS) };
    });
}

function tell({ layer, decades, byKind }: LayerShare): string {
  const parts = partsOf(byKind);
  return `${titleOf(layer)}: ×${showPower(decades)}, ${showDecades(decades)} decades${parts === '' ? '' : ` (${parts})`}`;
}

function partsOf(byKind: LayerShare['byKind']): string {
  return kindsOf({ byKind, totalDecades: 0, from: '', to: '', byLayer: [], merges: [], blockedBy: [] })
    .map(([kind, decades]) => `${factorKinds[kind]} ${showDecades(decades)}`)
    .join(', ');
}

function tableOf(layers: readonly LayerShare[]) {
  let product = 0;
  const columns = [
    { title: 'layer, from output to input' },
    { title: 'factor', numeric: true },
    { title: 'decades', numeric: true },
    { title: 'product so far, decades', numeric: true },
    { title: 'made of' },
  ];
  const rows = layers.map(({ layer, decades, byKind }) => {
    product += decades;
    return [name(titleOf(layer)), showPower(decades), showDecades(decades), showDecades(product), partsOf(byKind)];
  });
  return { columns, rows };
}
