import type { Ablation } from '../../flow/ablation.ts';
import { counted, showNumber, showSize } from '../numbers.ts';
import { STILL, sayFate } from '../steps-section.ts';
import type { ReportSubject } from '../subject.ts';
import { html, type Markup } from './escape.ts';
import { bothWidths, key, name, numbers, section } from './figure.ts';
import { drawLayerChart, type LayerSeries } from './layer-chart.ts';
import { raised } from './words.ts';

/** What some training steps changed: each finding's fate, and how far every layer went. */
export function stepsSection({ steps }: ReportSubject): Markup {
  if (!steps) return html``;
  const { count, optimizer, learningRate, layers, fates, fault } = steps;
  const still = layers.filter(({ updateRatio }) => !(updateRatio >= STILL));
  const list = fates.map(
    (fate) =>
      html`<li><span class="badge ${fate.fate === 'withdrawn' ? 'good' : fate.fate === 'weaker' ? 'warning' : 'error'}">${fate.fate}</span> ${raised(sayFate(fate))}</li>`,
  );
  const moved = numbers('How far each layer went', {
    columns: [
      { title: 'layer, from output to input' },
      { title: 'moved, of its weights', numeric: true },
      { title: 'median update/weight', numeric: true },
      { title: '‖∂C/∂w‖ first step', numeric: true },
      { title: 'last step', numeric: true },
    ],
    rows: layers
      .map(({ layer, ...row }) => [
        name(layer),
        showSize(row.moved),
        showSize(row.updateRatio),
        showSize(row.gradientBefore),
        showSize(row.gradientAfter),
      ])
      .reverse(),
  });
  const body = html`${fault && html`<p class="alarm">${fault.message}${fault.where.length > 0 && html`; first in ${name(fault.where[0]!)}`}</p>`}${fates.length > 0 ? html`<ul class="fates">${list}</ul>` : html`<p>No finding before, none after.</p>`}${still.length > 0 && html`<p>${counted(still.length, 'layer')} of ${layers.length} hardly ${still.length === 1 ? 'trains' : 'train'}: a step changes less than ${showSize(STILL)} of the weights in ${still.slice(0, 4).map(({ layer }, i) => html`${i > 0 && ', '}${name(layer)}`)}${still.length > 4 && ` and ${still.length - 4} more`}.</p>`}${moved}${worth(steps.ablation)}`;
  return section({
    id: 'steps',
    title: `What ${counted(count, 'training step')} changed`,
    lead: `${counted(count, 'step')} of ${optimizer} at learning rate ${showNumber(learningRate)}, then the same batch measured again.`,
    body,
  });
}

/** The loss with one layer left out, or put back to where it started: what does not hurt is not used. */
function worth(ablation: Ablation | undefined): Markup {
  if (!ablation || ablation.layers.length === 0) return html``;
  const { layers, loss, constantLoss } = ablation;
  const series: LayerSeries[] = [
    { values: layers.map(({ rewound }) => rewound), paint: 'second', mark: 'ring', line: false },
    { values: layers.map(({ bypassed }) => bypassed), paint: 'measured', mark: 'dot', line: false },
  ];
  const show = (x: number | undefined) => (x === undefined ? '–' : showNumber(x));
  const picture = bothWidths((width, narrow) =>
    drawLayerChart(
      {
        label: `Loss with one of ${counted(layers.length, 'layer')} left out or put back to its start`,
        names: layers.map(({ layer }) => layer),
        scale: 'linear',
        axisName: 'loss',
        span: constantLoss === undefined ? [loss, loss] : [loss, constantLoss],
        lines: [
          { y: loss, text: 'nothing changed' },
          ...(constantLoss === undefined ? [] : [{ y: constantLoss, text: 'constant answer' }]),
        ],
        series,
        tell: (i) => `${layers[i]!.layer}: ${show(layers[i]!.bypassed)} left out, ${show(layers[i]!.rewound)} put back`,
        height: 190,
      },
      width,
      narrow,
    ),
  );
  const rows = layers.map(({ layer, bypassed, rewound }) => [name(layer), show(bypassed), show(rewound)]).reverse();
  const columns = [
    { title: 'layer, from output to input' },
    { title: 'loss without it', numeric: true },
    { title: 'loss with its first weights', numeric: true },
  ];
  return html`<h3>What each layer is worth</h3><p class="lead">The loss with one layer taken out or set back to its first weights. A layer whose points lie on the line “nothing changed” could as well not be there.</p><figure>${picture}${key(
    [
      { mark: 'dot', paint: 'measured', text: 'layer left out' },
      { mark: 'ring', paint: 'second', text: 'layer put back to its first weights' },
    ],
  )}</figure>${numbers('The numbers behind this picture', { columns, rows })}`;
}
