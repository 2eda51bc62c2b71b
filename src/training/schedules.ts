import { UsageError } from '../graph/errors.ts';

/** The factor on the base learning rate at an update, counted from 0. Scheduled by update or by epoch: the caller's unit. */
export type Schedule = (step: number) => number;

export const constant = (): Schedule => () => 1;

/** factor^⌊t / every⌋: torch.optim.lr_scheduler.StepLR. */
export function step(every: number, factor = 0.1): Schedule {
  checkPeriod(every, 'the steps between drops');
  checkFactor(factor);
  return (t) => factor ** Math.floor(t / every);
}

/** factor^t: ExponentialLR. */
export function exponential(factor: number): Schedule {
  checkFactor(factor);
  return (t) => factor ** t;
}

/**
 * floor + (1 − floor)(1 + cos(π t / period)) / 2: CosineAnnealingLR, `floor` being eta_min over the base rate. It stays at
 * the floor after the period, where PyTorch's rises again.
 */
export function cosine(period: number, floor = 0): Schedule {
  checkPeriod(period, 'the period');
  checkFloor(floor);
  return (t) => floor + ((1 - floor) * (1 + Math.cos((Math.PI * Math.min(t, period)) / period))) / 2;
}

/** The same from the top again after every period, each `multiply` times as long as the last: CosineAnnealingWarmRestarts. */
export function cosineRestarts(period: number, multiply = 1, floor = 0): Schedule {
  checkPeriod(period, 'the period');
  checkPeriod(multiply, 'the multiplier of periods');
  checkFloor(floor);
  return (t) => {
    let start = 0;
    let length = period;
    if (multiply === 1) start = Math.floor(t / period) * period;
    else {
      while (t >= start + length) {
        start += length;
        length *= multiply;
      }
    }
    return floor + ((1 - floor) * (1 + Math.cos((Math.PI * (t - start)) / length))) / 2;
  };
}

/** OneCycleLR's div_factor and final_div_factor: it begins at 1/25 of the peak and ends 10 000 times lower. */
const ONE_CYCLE_START = 1 / 25;
const ONE_CYCLE_END = ONE_CYCLE_START / 1e4;

/**
 * Up to the base rate over part `rise` of `total` updates, then down to nearly nothing, both by half a cosine: OneCycleLR
 * with its defaults (Smith & Topin 2018), the base rate being max_lr; momentum stays as it is. It stays at the end.
 */
export function oneCycle(total: number, rise = 0.3): Schedule {
  checkPeriod(total, 'the updates of one cycle');
  if (!(rise > 0 && rise < 1)) {
    throw new UsageError(`the rise takes ${rise} of the updates`, {
      code: 'schedule',
      hint: 'expected a part of them: above 0, below 1, such as 0.3',
    });
  }
  const peak = rise * total - 1;
  const last = total - 1;
  const between = (from: number, to: number, part: number) => to + ((from - to) * (1 + Math.cos(Math.PI * part))) / 2;
  return (t) => {
    if (t < peak) return between(ONE_CYCLE_START, 1, t / peak);
    // Too few updates to rise at all: it starts at the peak.
    const start = Math.max(0, peak);
    return last > start ? between(1, ONE_CYCLE_END, Math.min(1, (t - start) / (last - start))) : 1;
  };
}

/** Linear from `from` to 1 over `steps`: LinearLR. Another schedule follows it, or, with `shift`, begins when it ends. */
export function warmUp(steps: number, after: Schedule = constant(), { from = 0.1, shift = false } = {}): Schedule {
  checkPeriod(steps, 'the steps of warm-up');
  if (!(from > 0 && from <= 1)) {
    throw new UsageError(`warm-up starts from ${from}`, {
      code: 'schedule',
      hint: 'expected a factor above 0, at most 1',
    });
  }
  return (t) => (t < steps ? from + ((1 - from) * t) / steps : 1) * after(shift ? Math.max(0, t - steps) : t);
}

export interface PlateauOptions {
  readonly factor?: number;
  /** Reports without improvement that are tolerated. */
  readonly patience?: number;
  /** What an improvement must exceed: relative to the best, or absolute. */
  readonly threshold?: number;
  readonly thresholdMode?: 'relative' | 'absolute';
  /** Reports after a drop that are not counted. */
  readonly cooldown?: number;
  /** The learning rate does not fall below this. */
  readonly minimum?: number;
  /** Whether smaller or larger is better. */
  readonly mode?: 'min' | 'max';
}

/** Everything a plateau schedule remembers: plain numbers, for a checkpoint. `best` is null before the first report. */
export interface PlateauState {
  learningRate: number;
  best: number | null;
  bad: number;
  cooling: number;
}

/** Smaller changes of the learning rate are not made: ReduceLROnPlateau's eps. */
const LEAST_CHANGE = 1e-8;

/** Lowers the learning rate when a metric stops improving: ReduceLROnPlateau, with its defaults. */
export class ReduceOnPlateau {
  readonly state: PlateauState;
  private readonly options: Required<PlateauOptions>;

  /** Starts at a learning rate, or goes on from a state that was saved. */
  constructor(start: number | PlateauState, options: PlateauOptions = {}) {
    this.options = {
      factor: 0.1,
      patience: 10,
      threshold: 1e-4,
      thresholdMode: 'relative',
      cooldown: 0,
      minimum: 0,
      mode: 'min',
      ...options,
    };
    const { factor } = this.options;
    if (!(factor > 0 && factor < 1)) {
      throw new UsageError(`the factor is ${factor}`, { code: 'schedule', hint: 'expected a number between 0 and 1' });
    }
    this.state = typeof start === 'number' ? { learningRate: start, best: null, bad: 0, cooling: 0 } : { ...start };
  }

  /** Takes the metric of an epoch and returns the learning rate from here on. NaN counts as no improvement. */
  report(metric: number): number {
    const { state } = this;
    const { factor, patience, cooldown, minimum } = this.options;
    if (this.improves(metric)) {
      state.best = metric;
      state.bad = 0;
    } else state.bad++;
    if (state.cooling > 0) {
      state.cooling--;
      state.bad = 0;
    }
    if (state.bad > patience) {
      const lower = Math.max(state.learningRate * factor, minimum);
      if (state.learningRate - lower > LEAST_CHANGE) state.learningRate = lower;
      state.cooling = cooldown;
      state.bad = 0;
    }
    return state.learningRate;
  }

  private improves(metric: number): boolean {
    const { threshold, thresholdMode, mode } = this.options;
    const { best } = this.state;
    if (best === null) return !Number.isNaN(metric);
    const sign = mode === 'min' ? -1 : 1;
    const bar = thresholdMode === 'relative' ? best * (1 + sign * threshold) : best + sign * threshold;
    return mode === 'min' ? metric < bar : metric > bar;
  }
}

function checkPeriod(value: number, what: string): void {
  if (Number.isFinite(value) && value >= 1) return;
  throw new UsageError(`${what}: ${value}`, { code: 'schedule', hint: 'expected a number of at least 1' });
}

function checkFactor(value: number): void {
  if (value > 0 && value <= 1) return;
  throw new UsageError(`the factor is ${value}`, { code: 'schedule', hint: 'expected a number above 0, at most 1' });
}

function checkFloor(value: number): void {
  if (value >= 0 && value < 1) return;
  throw new UsageError(`the floor is ${value}`, {
    code: 'schedule',
    hint: 'expected a part of the learning rate: 0 or more, below 1',
  });
}
