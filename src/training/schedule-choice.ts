import { UsageError } from '../graph/errors.ts';
import {
  constant,
  cosine,
  cosineRestarts,
  exponential,
  oneCycle,
  type PlateauOptions,
  type Schedule,
  step,
  warmUp,
} from './schedules.ts';

/** How the learning rate changes. Periods and drops count epochs, as they do in PyTorch's loops; warm-up counts steps. */
export interface ScheduleChoice {
  readonly kind?: 'constant' | 'step' | 'exponential' | 'cosine' | 'cosine-restarts' | 'one-cycle' | 'plateau';
  /** Epochs between drops (`step`), of the first period (`cosine-restarts`), or of patience (`plateau`). */
  readonly every?: number;
  /** Factor of a drop, default 0.1; of every epoch for `exponential`, default 0.95. */
  readonly factor?: number;
  /** Part of the learning rate at which the cosine ends, default 0. */
  readonly floor?: number;
  /** Part of all updates over which `one-cycle` rises, default 0.3; the learning rate is its peak. */
  readonly rise?: number;
  /** Steps over which the learning rate rises linearly from a tenth. */
  readonly warmUp?: number;
}

export const scheduleKinds = [
  'constant',
  'step',
  'exponential',
  'cosine',
  'cosine-restarts',
  'one-cycle',
  'plateau',
] as const;

/** The schedule by update. Throws UsageError where it needs a length that is not known, or a number makes no sense. */
export function scheduleOf(
  choice: ScheduleChoice = {},
  { stepsPerEpoch, total }: { stepsPerEpoch: number | undefined; total: number },
): { schedule: Schedule; plateau?: PlateauOptions } {
  const { kind = 'constant', every, factor, floor } = choice;
  const perEpoch = () => {
    if (stepsPerEpoch !== undefined && stepsPerEpoch > 0) return stepsPerEpoch;
    throw new UsageError(`the schedule "${kind}" counts epochs, and how many steps one has is not known`, {
      code: 'schedule',
      where: '--schedule',
      hint: 'constant, or cosine with --steps',
    });
  };
  const byEpoch = (schedule: Schedule): Schedule => {
    const length = perEpoch();
    return (t) => schedule(Math.floor(t / length));
  };
  const whole = () => {
    if (Number.isFinite(total)) return total;
    const what = kind === 'cosine' ? 'the cosine' : 'one cycle';
    throw new UsageError(`${what} needs to know when training ends`, { code: 'schedule', hint: 'give --steps' });
  };
  const make = (): Schedule => {
    switch (kind) {
      case 'step':
        return byEpoch(step(every ?? 10, factor));
      case 'exponential':
        return byEpoch(exponential(factor ?? 0.95));
      case 'cosine':
        return cosine(whole(), floor);
      case 'cosine-restarts':
        return cosineRestarts((every ?? 10) * perEpoch(), 1, floor);
      case 'one-cycle':
        return oneCycle(whole(), choice.rise);
      default:
        return constant();
    }
  };
  if (kind === 'one-cycle' && choice.warmUp) {
    throw new UsageError('one-cycle rises by itself: it takes no warm-up', {
      code: 'schedule',
      where: '--warm-up',
      hint: 'one-cycle:0.1 rises over a tenth of the steps',
    });
  }
  const base = make();
  const schedule = choice.warmUp ? warmUp(choice.warmUp, base) : base;
  return kind === 'plateau' ? { schedule, plateau: { patience: every, factor } } : { schedule };
}
