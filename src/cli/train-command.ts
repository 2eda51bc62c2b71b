import type { TrainingSetup } from '../remedies/remedy.ts';
import { type LossKind, lossKinds } from '../training/losses.ts';
import type { ScheduleChoice } from '../training/schedule-choice.ts';
import { quoteWord } from './measure-options.ts';

/** What a training reads, as it was named on the command line. */
export interface TrainedOn {
  readonly data?: string;
  readonly input?: readonly string[];
  readonly target?: string;
  readonly missing?: string;
  readonly samples?: number;
  readonly validation?: number;
  readonly seed?: number;
  readonly modelOutput?: string;
}

/** The `train` command that trains a network the way a trial did. What the command line cannot say stands in a comment. */
export function trainCommandOf(path: string, training: TrainingSetup, on: TrainedOn): string {
  const { optimizer, learningRate, schedule, clipping, loss, batch } = training;
  const { weightDecay, ...others } = optimizer.options ?? {};
  const options: [string, string | number | undefined][] = [
    ['--data', on.data],
    ...(on.input ?? []).map((input): [string, string] => ['--input', input]),
    ['--target', on.target],
    ['--missing', on.missing],
    ['--samples', on.samples],
    ['--validation', on.validation ?? 0.2],
    ['--loss', lossKinds.includes(loss as LossKind) ? loss : undefined],
    ['--model-output', on.modelOutput],
    ['--batch', batch],
    ['--optimizer', optimizer.name],
    ['--lr', learningRate],
    ['--weight-decay', typeof weightDecay === 'number' ? weightDecay : undefined],
    ['--schedule', schedule && scheduleWord(schedule)],
    ['--warm-up', schedule?.warmUp],
    ['--clip-norm', clipping?.kind === 'norm' ? clipping.maximum : undefined],
    ['--clip-value', clipping?.kind === 'value' ? clipping.maximum : undefined],
    ['--agc', clipping?.kind === 'adaptive' ? clipping.factor : undefined],
    ['--seed', on.seed],
  ];
  const words = options.flatMap(([name, value]) => (value === undefined ? [] : [name, String(value)]));
  const command = ['gradient-doctor', 'train', path, ...words].map(quoteWord).join(' ');
  const rest = Object.entries(others).filter(([name]) => name !== 'lr');
  if (rest.length === 0) return command;
  return `${command}  # with ${rest.map(([name, value]) => `${name} ${value}`).join(', ')}, which only the library takes`;
}

/** `step:10:0.1`, as `--schedule` reads it. */
function scheduleWord({ kind = 'constant', every, factor, floor, rise }: ScheduleChoice): string | undefined {
  if (kind === 'constant') return undefined;
  const numbers = [every, factor, floor, rise].filter((value) => value !== undefined);
  return [kind, ...numbers].join(':');
}
