import { planRungs, type Rung, trialsOf } from './halving.ts';
import type { Pace } from './pace.ts';

/** What is left of a budget. */
export interface Room {
  readonly trials: number;
  /** Of one worker, as if all worked one after the other; Infinity where no time is set. */
  readonly seconds: number;
  readonly pace: Pace;
}

/** Rounds to come, and the plans that enter the first of them. */
export interface Schedule {
  readonly rungs: readonly Rung[];
  readonly plans: readonly string[];
  /** Whether the time is expected to do: not where even the least takes longer. */
  readonly fits: boolean;
}

/** Steps of the last round: fewer say nothing, more are not asked for unless someone does. */
const FEWEST_STEPS = 30;
const MOST_STEPS = 3000;
/** Another round is so many times longer at least. */
const WORTH_LONGER = 2;
/** Where no time is set, and nobody says. */
const USUAL_STEPS = 300;
/** Rather fewer plans than a last round shorter than this, and rather a shorter one than fewer plans than these. */
const ENOUGH_STEPS = 100;
const ENOUGH_PLANS = 4;

/**
 * The first schedule for plans in the order of their promise: as many as the room allows, then as long as it allows. Where
 * it is short, plans give way first, then the length of the last round, then seeds. No rungs where not even one plan fits
 * into the number of trials.
 */
export function planSchedule(
  plans: readonly string[],
  { steps, seeds }: { readonly steps?: number; readonly seeds: number },
  room: Room,
): Schedule {
  const all = plans.length;
  const some = Math.min(ENOUGH_PLANS, all);
  const free = steps === undefined && Number.isFinite(room.seconds);
  const fixed = steps ?? USUAL_STEPS;
  const least = free ? [ENOUGH_STEPS, FEWEST_STEPS] : [fixed];
  for (let each = seeds; each > 0; each--) {
    for (const length of least) {
      const most = length === least[0] ? all : some;
      for (let count = most; count >= (each > 1 ? some : 1); count--) {
        const rungs = planRungs(count, length, each);
        const entering = plans.slice(0, count);
        if (!fitsInto(room, rungs, entering)) continue;
        return { rungs: free ? longest(entering, rungs, each, room) : rungs, plans: entering, fits: true };
      }
    }
  }
  for (let count = all; count > 0; count--) {
    const rungs = planRungs(count, least.at(-1)!, 1);
    if (trialsOf(rungs, count) <= room.trials && (count <= some || !free)) {
      return { rungs, plans: plans.slice(0, count), fits: false };
    }
  }
  return { rungs: [], plans: [], fits: false };
}

/**
 * The rounds to come after one of `before` steps, as long as the room allows, and the plans that enter them: a round
 * hardly longer than the last would tell nothing new, and is left out with the plans it would drop.
 */
export function replan(plans: readonly string[], before: number, seeds: number, room: Room): Schedule {
  const shortest = planRungs(plans.length, Math.max(FEWEST_STEPS, before), seeds);
  const rungs = longest(plans, shortest, seeds, room);
  const [{ steps, keep }] = rungs as [Rung, ...Rung[]];
  if (rungs.length > 1 && steps < WORTH_LONGER * before) return replan(plans.slice(0, keep), before, seeds, room);
  return { rungs, plans, fits: fitsInto(room, rungs, plans) && rungs.at(-1)!.steps >= WORTH_LONGER * before };
}

/** The longest schedule that is known to fit, from a shorter one on. */
function longest(plans: readonly string[], shortest: readonly Rung[], seeds: number, room: Room): readonly Rung[] {
  let best = shortest;
  for (let steps = shortest.at(-1)!.steps; steps <= MOST_STEPS; steps = Math.ceil(steps * 1.1)) {
    const longer = planRungs(plans.length, steps, seeds);
    const known = room.pace.secondsFor(longer, plans) <= room.seconds;
    if (trialsOf(longer, plans.length) <= room.trials && known) best = longer;
  }
  return best;
}

/** Where nothing was timed nothing speaks against it. */
function fitsInto({ trials, seconds, pace }: Room, rungs: readonly Rung[], plans: readonly string[]): boolean {
  return trialsOf(rungs, plans.length) <= trials && !(pace.secondsFor(rungs, plans) > seconds);
}
