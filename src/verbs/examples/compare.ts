import type { Cell, Example, Plot } from '../../report/explanation.ts';
import type { ReportSubject } from '../../report/subject.ts';
import type { Runtime } from '../../runtime/runtime.ts';
import { cell, type LookOptions, layerLine, look, type Network } from './lab.ts';

/** A network that is looked at, and how a table names it. */
export interface Specimen {
  readonly label: string;
  readonly network: Network;
  readonly options?: LookOptions;
}

/** A number read off a report. */
export interface Quantity {
  readonly name: string;
  readonly as: Exclude<Cell, string>['as'];
  readonly of: (subject: ReportSubject) => number;
}

/** What a comparison draws: the gradient by layer, the loss by step, the gradient by time step. */
export type Drawing = 'layers' | 'loss' | 'time' | 'none';

/** Two or more networks side by side, by the numbers that tell them apart. */
export interface Comparison {
  readonly setup: string;
  readonly specimens: readonly Specimen[];
  readonly quantities: readonly Quantity[];
  readonly drawing: Drawing;
}

/** Runs a comparison. With `rule`, the table also says what that rule finds. */
export async function runComparison(runtime: Runtime, comparison: Comparison, rule?: string): Promise<Example> {
  const { setup, specimens, quantities, drawing } = comparison;
  const subjects: ReportSubject[] = [];
  for (const { network, options } of specimens) subjects.push(await look(runtime, network, options));
  const findingOf = ({ diagnosis, steps }: ReportSubject) =>
    [...diagnosis.findings, ...(steps?.after.findings ?? [])].find((finding) => finding.rule === rule);
  const numbers = specimens.flatMap(({ label }, i) =>
    quantities.map(({ name, of }) => [`${label}: ${name}`, of(subjects[i]!)] as const),
  );
  return {
    setup,
    plots: plotOf(drawing, specimens, subjects),
    tables: [
      {
        columns: ['', ...specimens.map(({ label }) => label)],
        rows: [
          ...quantities.map(({ name, as, of }): Cell[] => [name, ...subjects.map((subject) => cell(of(subject), as))]),
          ...(rule === undefined
            ? []
            : [['the rule says', ...subjects.map((one) => findingOf(one)?.severity ?? 'nothing')]]),
        ],
      },
    ],
    conclusions: subjects.flatMap((subject, i) => {
      const finding = findingOf(subject);
      return finding ? [`${specimens[i]!.label}: ${finding.title}`, `it rests on: ${finding.basis}`] : [];
    }),
    numbers: Object.fromEntries(numbers),
  };
}

function plotOf(drawing: Drawing, specimens: readonly Specimen[], subjects: readonly ReportSubject[]): Plot[] {
  const named = subjects.map((subject, i) => [specimens[i]!.label, subject] as const);
  if (drawing === 'layers') {
    const series = named.map(([label, subject]) => layerLine(label, subject));
    return [{ title: 'gradient', kind: 'lines', x: 'layer, from input to output', y: 'decades', series }];
  }
  if (drawing === 'loss') {
    const series = named.flatMap(([name, { steps }]) =>
      steps ? [{ name, x: steps.history.steps, y: steps.history.loss }] : [],
    );
    return [{ title: 'loss', kind: 'lines', x: 'step', y: 'loss', series }];
  }
  if (drawing === 'time') {
    const series = named.flatMap(([name, { profile }]) => {
      const flow = profile.recurrent?.[0];
      const end = flow?.hidden.at(-1) ?? 0;
      return flow ? [{ name, x: flow.hidden.map((_, i) => i + 1), y: flow.hidden.map((norm) => norm - end) }] : [];
    });
    return [{ title: 'gradient', kind: 'lines', x: 'time step', y: 'decades', series }];
  }
  return [];
}

/** The numbers that examples read. */
export const quantities = {
  decades: {
    name: 'decades, output to first layer',
    as: 'decades',
    of: ({ diagnosis, steps }) => (steps?.after ?? diagnosis).attribution?.totalDecades ?? Number.NaN,
  },
  slopes: {
    name: 'of it activation derivatives',
    as: 'decades',
    of: ({ diagnosis }) => diagnosis.attribution?.byKind['activation-derivative'] ?? 0,
  },
  weights: {
    name: 'of it weights',
    as: 'decades',
    of: ({ diagnosis }) => diagnosis.attribution?.byKind['weight-matrix'] ?? 0,
  },
  signal: {
    name: 'signal, first layer to output',
    as: 'decades',
    of: ({ profile }) => {
      const first = profile.layers.find(({ mixes }) => mixes)?.value;
      const size = (name: string | undefined) =>
        profile.values.find((value) => value.name === name)?.value.log10L2 ?? Number.NaN;
      return size(profile.output) - size(first);
    },
  },
  stream: {
    name: 'growth of the stream',
    as: 'decades',
    of: ({ profile }) => {
      const sums = profile.values.filter(({ op }) => op === 'Add');
      const first = profile.layers.find(({ mixes }) => mixes)?.value;
      const start = profile.values.find(({ name }) => name === first);
      return (sums[0]?.value.log10L2 ?? Number.NaN) - (start?.value.log10L2 ?? Number.NaN);
    },
  },
  dead: { name: 'most dead units', as: 'percent', of: ({ profile }) => most(profile, (u) => u.dead / u.units) },
  saturated: { name: 'most saturated', as: 'percent', of: ({ profile }) => most(profile, (u) => u.saturatedFraction) },
  broken: {
    name: 'parameters with NaN or infinite gradients',
    as: 'number',
    of: ({ profile }) =>
      profile.parameters.filter(({ gradient: { nonFinite: n } }) => n.nan + n.positiveInfinity + n.negativeInfinity > 0)
        .length,
  },
  oneSign: {
    name: 'elements of the first gradient of one sign',
    as: 'percent',
    of: ({ profile }) => {
      const histogram = profile.parameters.find(({ shape }) => shape.length > 1)!.gradient.log2Histogram;
      const all = histogram.counts.reduce((sum, count) => sum + count, 0);
      return Math.max(histogram.negatives, all - histogram.negatives) / all;
    },
  },
  loose: {
    name: 'parameters without a path',
    as: 'number',
    of: ({ profile }) => profile.parameters.filter(({ connected }) => !connected).length,
  },
  through: {
    name: 'decades, last step to first',
    as: 'decades',
    of: ({ profile }) => profile.recurrent?.[0]?.totalDecades ?? Number.NaN,
  },
  perStep: {
    name: 'decades per step',
    as: 'number',
    of: ({ profile }) => {
      const flow = profile.recurrent?.[0];
      return flow ? flow.recurrence / flow.gains.length : Number.NaN;
    },
  },
  smallestUpdate: {
    name: 'smallest ‖Δw‖/‖w‖ of a layer',
    as: 'size',
    of: ({ steps }) => Math.min(...(steps?.layers.map(({ updateRatio }) => updateRatio) ?? [Number.NaN])),
  },
  largestUpdate: {
    name: 'largest ‖Δw‖/‖w‖ of a layer',
    as: 'size',
    of: ({ steps }) => Math.max(...(steps?.layers.map(({ updateRatio }) => updateRatio) ?? [Number.NaN])),
  },
  firstMoved: {
    name: 'first layer moved, ‖Δw‖/‖w‖',
    as: 'size',
    of: ({ steps }) => steps?.layers[0]?.moved ?? Number.NaN,
  },
  lastMoved: {
    name: 'last layer moved, ‖Δw‖/‖w‖',
    as: 'size',
    of: ({ steps }) => steps?.layers.at(-1)?.moved ?? Number.NaN,
  },
  firstLoss: { name: 'loss of the first step', as: 'number', of: ({ steps }) => steps?.history.loss[0] ?? Number.NaN },
  lastLoss: {
    name: 'loss of the last step',
    as: 'number',
    of: ({ steps }) => steps?.history.loss.at(-1) ?? Number.NaN,
  },
  skip: {
    name: 'least share of a skip connection',
    as: 'percent',
    of: ({ diagnosis }) => {
      const merges = diagnosis.attribution?.merges.filter(({ kind }) => kind === 'skip-connection') ?? [];
      const shares = merges.map(({ branches }) => Math.max(...branches.map(({ share }) => share)));
      return shares.length === 0 ? Number.NaN : Math.min(...shares);
    },
  },
} as const satisfies Record<string, Quantity>;

type Units = NonNullable<ReportSubject['profile']['values'][number]['units']>;

function most({ values }: ReportSubject['profile'], of: (units: Units) => number): number {
  return values.reduce((largest, { units }) => (units ? Math.max(largest, of(units)) : largest), 0);
}
