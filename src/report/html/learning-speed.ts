import type { FlowParameter } from '../../flow/profile.ts';
import { type LayerRow, layerRows, leadingRows, totalNonFinite } from '../layer-rows.ts';
import { counted, showNumber, showPower, showSize } from '../numbers.ts';
import { STILL } from '../steps-section.ts';
import type { ReportSubject } from '../subject.ts';
import { html, type Markup } from './escape.ts';
import { bothWidths, key, name, numbers, section } from './figure.ts';
import { drawLayerChart } from './layer-chart.ts';
import { powerText } from './svg.ts';

interface Speed {
  readonly name: string;
  /** log₁₀ ‖∂C/∂w‖ and ‖∂C/∂b‖. */
  readonly weight: number | undefined;
  readonly bias: number | undefined;
  /** log₁₀ of update over weight. */
  readonly update: number | undefined;
  readonly updateRatio: number | undefined;
}

/** How fast each layer can learn: the gradients of its weights and biases, and one step against the weights. */
export function learningSpeedSection(subject: ReportSubject): Markup {
  const { probe, profile } = subject;
  const byName = new Map(profile.parameters.map((parameter) => [parameter.name, parameter]));
  const parametersOf = new Map(
    profile.layers.map((layer) => [layer.name, layer.parameters.flatMap((one) => byName.get(one) ?? [])]),
  );
  const speeds = leadingRows(layerRows(subject))
    .map((row) => speedOf(row, parametersOf.get(row.name) ?? []))
    .reverse();
  if (speeds.length === 0) return html``;
  const names = speeds.map((speed) => speed.name);
  const hasBias = speeds.some(({ bias }) => bias !== undefined);
  const tell = (i: number) => {
    const { name: layer, weight, bias, updateRatio } = speeds[i]!;
    return `${layer}: ‖∂C/∂w‖ ${show(weight)}, ‖∂C/∂b‖ ${show(bias)}, update/weight ${updateRatio === undefined ? '–' : showSize(updateRatio)}`;
  };
  const gradients = bothWidths((width, narrow) =>
    drawLayerChart(
      {
        label: `Gradients of weights and biases over ${counted(names.length, 'layer')}: ${tell(0)}; ${tell(names.length - 1)}`,
        names,
        scale: 'log10',
        axisName: '‖∂C/∂w‖ and ‖∂C/∂b‖',
        series: [
          { values: speeds.map(({ bias }) => bias), paint: 'second', mark: 'ring' },
          { values: speeds.map(({ weight }) => weight), paint: 'measured', mark: 'dot' },
        ],
        tell,
        height: 210,
      },
      width,
      narrow,
    ),
  );
  const updates = bothWidths((width, narrow) =>
    drawLayerChart(
      {
        label: `Size of one step against the weights over ${counted(names.length, 'layer')}`,
        names,
        scale: 'log10',
        axisName: 'update ÷ weight, one step',
        span: [Math.log10(STILL), 0],
        bands: [{ from: Number.NEGATIVE_INFINITY, to: Math.log10(STILL), paint: 'flag', text: 'hardly trains' }],
        series: [{ values: speeds.map(({ update }) => update), paint: 'third', mark: 'dot' }],
        tell,
        height: 210,
      },
      width,
      narrow,
    ),
  );
  const rows = speeds
    .map((speed) => [
      name(speed.name),
      show(speed.weight),
      show(speed.bias),
      speed.updateRatio === undefined ? '–' : showSize(speed.updateRatio),
    ])
    .reverse();
  const columns = [
    { title: 'layer, from output to input' },
    { title: '‖∂C/∂w‖', numeric: true },
    { title: '‖∂C/∂b‖', numeric: true },
    { title: 'update/weight', numeric: true },
  ];
  const body = html`<figure>${gradients}${key([
    { mark: 'dot', paint: 'measured', text: '∂C/∂w, the weights' },
    ...(hasBias ? [{ mark: 'ring', paint: 'second', text: '∂C/∂b, the biases' } as const] : []),
  ])}</figure><figure>${updates}${key([
    {
      mark: 'dot',
      paint: 'third',
      text: `one step of ${probe.update.optimizer} at learning rate ${showNumber(probe.update.learningRate)}, against the weights`,
    },
    {
      mark: 'box',
      paint: 'flag',
      text: html`a step changes less than ${powerText(String(Math.round(Math.log10(STILL))))} of the weights`,
    },
  ])}</figure>${numbers('The numbers behind these pictures', { columns, rows })}`;
  return section({
    id: 'speed',
    title: 'How fast each layer learns',
    lead: html`A layer moves as fast as the gradient of its own weights lets it. Above: the size of the cost's gradient for each layer's weights and biases. Below: how much one training step changes the weights; where it is tiny, the layer stays what it was.`,
    body,
  });
}

function show(log: number | undefined): string {
  return log === undefined ? '–' : showPower(log);
}

function speedOf(row: LayerRow, parameters: readonly FlowParameter[]): Speed {
  const biases = parameters.filter(
    ({ shape, connected, roundoffOnly }) => shape.length < 2 && connected && !roundoffOnly,
  );
  const onlyBiases = parameters.every(({ shape }) => shape.length < 2);
  return {
    name: row.name,
    weight: row.weightGradient,
    bias: onlyBiases || biases.length === 0 ? undefined : jointNorm(biases),
    update: row.updateRatio === undefined ? undefined : Math.log10(row.updateRatio),
    updateRatio: row.updateRatio,
  };
}

/** log₁₀ √Σ‖g‖². */
function jointNorm(parameters: readonly FlowParameter[]): number {
  const broken = parameters.find(({ gradient }) => totalNonFinite(gradient) > 0);
  if (broken) return broken.gradient.nonFinite.nan > 0 ? Number.NaN : Number.POSITIVE_INFINITY;
  const largest = Math.max(...parameters.map(({ gradient }) => gradient.log10L2));
  if (!Number.isFinite(largest)) return largest;
  const squares = parameters.reduce((sum, { gradient }) => sum + 10 ** (2 * (gradient.log10L2 - largest)), 0);
  return largest + Math.log10(squares) / 2;
}
