/** Why training was stopped. */
export interface Fault {
  readonly kind: 'non-finite' | 'divergence';
  /** The step, counted from 1, at which it was seen. */
  readonly step: number;
  /** The step at which it began: for a loss that rises, that of its lowest mean. */
  readonly since: number;
  /** One sentence with the numbers. */
  readonly message: string;
  /** Trained parameters whose gradient or update is not finite. */
  readonly parameters: readonly string[];
}

/** What a step gave that a fault can be seen in. */
export interface StepFacts {
  readonly step: number;
  readonly loss: number;
  readonly gradientNorms?: Float64Array;
  readonly updateNorms?: Float64Array;
}

/** What `FaultWatch` knows of the steps before: plain numbers, for a checkpoint. */
export interface WatchState {
  readonly reference: number;
  readonly mean: number;
  readonly steps: number;
  readonly lowest: number;
  readonly lowestStep: number;
}

/** Smoothing and limit of fastai's and Lightning's learning-rate finders: they stop at 4 × the best smoothed loss. */
const SMOOTHING = 0.98;
export const RISE = 4;
/** One loss this many times the reference needs no mean: no batch is that unlike the others. */
export const JUMP = 1e3;

/**
 * Sees losses and norms that are not finite, and divergence: a loss whose smoothed mean is 4 times, or which once is
 * 1000 times, the larger of the first loss and `constant`, that of the best constant answer (ln C, ln 2, the variance of
 * the target). A loss below that has not diverged, however far it rises from its lowest.
 */
export class FaultWatch {
  private state: WatchState;
  private readonly parameters: readonly string[];

  constructor(parameters: readonly string[], constant: number, state?: WatchState) {
    this.parameters = parameters;
    this.state = state ?? { reference: constant, mean: 0, steps: 0, lowest: Number.MAX_VALUE, lowestStep: 0 };
  }

  /** For a checkpoint. */
  snapshot(): WatchState {
    return this.state;
  }

  /** The fault that this step shows, if any. */
  see(facts: StepFacts): Fault | undefined {
    const { step, loss } = facts;
    const broken = this.parameters.filter(
      (_, i) => !isFiniteAt(facts.gradientNorms, i) || !isFiniteAt(facts.updateNorms, i),
    );
    if (!Number.isFinite(loss) || broken.length > 0) {
      const which = Number.isFinite(loss)
        ? `the gradient of ${broken[0]}${broken.length > 1 ? ` and ${broken.length - 1} more` : ''} is not finite`
        : `the loss is ${loss}`;
      return { kind: 'non-finite', step, since: step, message: `${which} at step ${step}`, parameters: broken };
    }
    const before = this.state;
    const reference = before.steps === 0 ? Math.max(before.reference, loss) : before.reference;
    const steps = before.steps + 1;
    const mean = SMOOTHING * before.mean + (1 - SMOOTHING) * loss;
    const smoothed = mean / (1 - SMOOTHING ** steps);
    const isLowest = smoothed < before.lowest;
    this.state = {
      reference,
      mean,
      steps,
      lowest: isLowest ? smoothed : before.lowest,
      lowestStep: isLowest ? step : before.lowestStep,
    };
    const jumped = loss > JUMP * reference;
    if (!jumped && !(smoothed > RISE * reference)) return undefined;
    const what = jumped ? `the loss is ${loss.toPrecision(3)}` : `the mean loss is ${smoothed.toPrecision(3)}`;
    const than = `${((jumped ? loss : smoothed) / reference).toPrecision(2)} times what an untrained network has`;
    const since = this.state.lowestStep;
    const rise = `it has risen since step ${since}`;
    return {
      kind: 'divergence',
      step,
      since,
      message: `${what} at step ${step}, ${than} (${reference.toPrecision(3)}); ${rise}`,
      parameters: [],
    };
  }
}

function isFiniteAt(norms: Float64Array | undefined, i: number): boolean {
  return norms === undefined || Number.isFinite(norms[i]!);
}
