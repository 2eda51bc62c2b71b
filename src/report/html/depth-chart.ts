import type { Theory } from '../../theory/theory.ts';
import { type LayerRow, layerRows, leadingRows } from '../layer-rows.ts';
import { counted, showCount, showDecades, showNumber, showPower } from '../numbers.ts';
import type { ReportSubject } from '../subject.ts';
import { type Content, html, type Markup } from './escape.ts';
import { bothWidths, key, name, numbers, section } from './figure.ts';
import { type Band, drawLayerChart } from './layer-chart.ts';
import { redFlags } from './red-flags.ts';
import { power, powerText } from './svg.ts';

/** Gradient magnitude against depth: measured, predicted, and where the rules raise a flag. */
export function depthSection(subject: ReportSubject): Markup {
  const rows = leadingRows(layerRows(subject)).reverse();
  if (rows.length === 0) return html``;
  const predicted = predictedDecades(subject.theory, rows);
  const flags = redFlags(subject);
  const bands: Band[] = [
    { from: Number.NEGATIVE_INFINITY, to: flags.decay, paint: 'flag', text: 'red flag: vanishing' },
    { from: Number.POSITIVE_INFINITY, to: flags.growth, paint: 'flag', text: 'red flag: exploding' },
  ];
  const hasTheory = predicted.filter((x) => x !== undefined).length > 1;
  const first = rows[0]!;
  const picture = bothWidths((width, narrow) =>
    drawLayerChart(
      {
        label: inWords(rows),
        names: rows.map((row) => row.name),
        scale: 'log10',
        axisName: "gradient ÷ output's gradient",
        span: [-4, 0.5],
        bands,
        series: [
          ...(hasTheory ? [{ values: predicted, paint: 'predicted', mark: 'none' } as const] : []),
          {
            values: rows.map((row) => row.decades),
            paint: 'measured',
            mark: 'dot',
            note: Number.isFinite(first.decades) ? power(plain(first.decades)) : undefined,
          },
        ],
        tell: (i) => {
          const { name: layer, decades, remark } = rows[i]!;
          const expected = predicted[i] === undefined ? '' : `; theory ${showDecades(predicted[i]!)}`;
          return `${layer}: ${showDecades(decades)} decades${remark === undefined ? '' : ` (${remark})`}${expected}`;
        },
      },
      width,
      narrow,
    ),
  );
  const body = html`<figure>${picture}${key([
    { mark: 'dot', paint: 'measured', text: 'measured' },
    ...(hasTheory ? [{ mark: 'dash', paint: 'predicted', text: 'predicted by mean-field theory' } as const] : []),
    {
      mark: 'box',
      paint: 'flag',
      text: html`red flag: ${powerText(String(flags.decay))} or less, or ${powerText(String(flags.growth))} or more`,
    },
  ])}</figure>${theoryWords(subject.theory, hasTheory)}${numbers('The numbers behind this picture', tableOf(rows, predicted, hasTheory))}`;
  return section({
    id: 'depth',
    title: 'How much gradient reaches each layer',
    lead: html`Learning travels from the output (right) back to the input (left). Each point is one layer's gradient ‖∂C/∂z‖, compared with the output's. One line of the grid down means ten times less, or as many times as the axis says.`,
    body,
  });
}

function plain(decades: number): string {
  return showDecades(decades).replace('+', '');
}

function inWords(rows: readonly LayerRow[]): string {
  const [first, last] = [rows[0]!, rows.at(-1)!];
  return `Line chart of the gradient in decades from the output's over ${counted(rows.length, 'layer')}: ${last.name} ${showDecades(last.decades)}, ${first.name} ${showDecades(first.decades)}`;
}

function tableOf(rows: readonly LayerRow[], predicted: readonly (number | undefined)[], hasTheory: boolean) {
  const columns: { title: Content; numeric?: boolean }[] = [
    { title: 'layer, from output to input' },
    { title: 'decades', numeric: true },
    { title: 'as a factor', numeric: true },
    ...(hasTheory ? [{ title: 'theory', numeric: true }] : []),
    { title: 'remark' },
  ];
  const cells = rows.map((row, i): Content[] => [
    name(row.name),
    showDecades(row.decades),
    Number.isFinite(row.decades) ? showPower(row.decades) : showDecades(10 ** row.decades),
    ...(hasTheory ? [predicted[i] === undefined ? '–' : showDecades(predicted[i]!)] : []),
    row.remark ?? '',
  ]);
  return { columns, rows: cells.reverse() };
}

/**
 * Theory's decades at each row: 0 at the deepest layer it covers, and from there each layer's own added on the way to the
 * input. Where it covers only part of the network the line begins at what was measured there.
 */
export function predictedDecades(theory: Theory | undefined, rows: readonly LayerRow[]): (number | undefined)[] {
  const none = rows.map(() => undefined);
  if (!theory || theory.applies === 'not' || theory.layers.length === 0) return none;
  const at = new Map<string, number>();
  const last = rows.find((row) => row.name === theory.layers.at(-1)!.layer);
  let sum = theory.applies === 'fully' ? 0 : (last?.decades ?? 0);
  for (const { layer, decades } of theory.layers.toReversed()) {
    at.set(layer, sum);
    sum += decades;
  }
  return rows.map((row) => at.get(row.name));
}

function theoryWords(theory: Theory | undefined, drawn: boolean): Markup {
  if (!theory || (theory.applies !== 'not' && !drawn)) return html``;
  const { applies, reasons, predictedDecades: total, depthScale, trainableDepth } = theory;
  if (applies === 'not') return html`<p class="small">Theory says nothing of this network: ${reasons.join(' ')}</p>`;
  return html`<p class="small">Mean-field theory, from the weights alone and before any data, expects ${showDecades(total)} decades${applies === 'partly' && ' over the layers it covers'}.${scaleWords(total, depthScale, trainableDepth)}${reasons.length > 0 && html` ${reasons.join(' ')}`}</p>`;
}

function scaleWords(total: number, depthScale: number | undefined, trainable: number | undefined): string {
  if (depthScale === undefined || Number.isNaN(depthScale)) return '';
  if (!Number.isFinite(depthScale)) return ' At this initialization it neither grows nor falls with depth.';
  const how = total < 0 ? 'falls to 1/e' : 'grows by e';
  const limit =
    trainable !== undefined && trainable >= 1
      ? `; networks of this kind with more than about ${showCount(Math.round(trainable))} layers do not train (Schoenholz et al. 2017)`
      : '';
  return ` Deep inside, it ${how} every ${showNumber(Math.abs(depthScale))} layers${limit}.`;
}
