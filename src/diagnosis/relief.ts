import type { Attribution } from '../flow/attribution.ts';
import type { FactorKind } from '../flow/kinds.ts';
import type { FlowProfile } from '../flow/profile.ts';
import { saturating } from '../flow/units.ts';
import { type Change, predictChange } from '../theory/predict.ts';
import type { Theory } from '../theory/theory.ts';
import { effectiveDecades, scaleFreeDecades } from './decay.ts';
import type { Cause, Relief, RemedyHint } from './finding.ts';
import { hints, type RemedyId } from './remedy-hints.ts';

interface Candidate {
  readonly remedy: RemedyId;
  /** The change as theory knows it. */
  readonly change: Change;
  readonly action: string;
  /** Factors it brings to 1, whichever way they pushed, where theory does not say what remains. */
  readonly removes: ReadonlySet<FactorKind>;
  /** What it alters: of two that do the same, the one that alters less is named. */
  readonly cost: number;
}

/** A remedy that leaves less than this is as good as another that leaves nothing: a factor of three. */
const CLOSE = 0.5;

const weights: readonly FactorKind[] = ['weight-matrix'];
/**
 * Σ 1 / fan-in over the layers from which on a plain network's signals scatter too much from one draw of the weights to
 * the next for any initialization to help (Hanin & Rolnick 2018, theorem 6: their spread grows with the exponential of
 * this sum). Calibrated on ReLU networks with He weights: at 0.3 they train, at 0.45 they do not with SGD.
 */
const SCATTER = 0.38;

const both: readonly FactorKind[] = ['weight-matrix', 'activation-derivative'];
const everything: readonly FactorKind[] = [...both, 'attention'];

/** The activation most layers have; undefined where there is none. */
export function commonActivation({ values }: Pick<FlowProfile, 'values'>): string | undefined {
  const counts = new Map<string, number>();
  for (const { op, kind, inner, block } of values) {
    if (kind !== 'activation-derivative' || inner) continue;
    const name = block ?? op;
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  return [...counts].sort((a, b) => b[1] - a[1])[0]?.[0];
}

/** The initialization that keeps the signal's size with an activation, as a remedy. */
export function initializationFor(
  activation: string | undefined,
): 'use-he-init' | 'use-glorot-init' | 'use-critical-init' {
  if (activation === 'Selu') return 'use-critical-init';
  return activation === undefined || saturating.has(activation) ? 'use-glorot-init' : 'use-he-init';
}

const drawnBy: Record<ReturnType<typeof initializationFor>, Pick<Candidate, 'change' | 'action'>> = {
  'use-he-init': { change: 'he-init', action: 'He initialization' },
  'use-glorot-init': { change: 'glorot-init', action: 'Glorot initialization' },
  'use-critical-init': { change: 'critical-init', action: 'the critical initialization' },
};

const batchNorm = {
  remedy: 'add-batch-norm',
  change: 'batch-norm',
  action: 'batch normalization after each weight layer',
} as const;
/** Sequences have no batch of alike units: Transformers normalize each token. */
const layerNorm = {
  remedy: 'add-layer-norm',
  change: 'layer-norm',
  action: 'layer normalization before each block',
} as const;

/** What decides which changes make sense. */
interface Setting {
  readonly activation: string | undefined;
  readonly hasNorm: boolean;
  readonly hasSkips: boolean;
  readonly ofTokens: boolean;
}

function candidatesFor({ activation, hasNorm, hasSkips, ofTokens }: Setting): Candidate[] {
  const bounded = activation !== undefined && saturating.has(activation);
  const init = initializationFor(activation);
  const drawn = bounded ? weights : both;
  const list: Candidate[] = [
    {
      remedy: init,
      ...drawnBy[init],
      removes: new Set(drawn),
      cost: 0,
    },
  ];
  if (bounded) {
    list.push({
      remedy: 'use-relu',
      change: 'relu-he',
      action: `ReLU with He initialization in place of ${activation!.toLowerCase()}`,
      removes: new Set(everything),
      cost: 1,
    });
  }
  if (!hasNorm) {
    list.push({
      ...(ofTokens ? layerNorm : batchNorm),
      removes: new Set(bounded ? drawn : everything),
      cost: 2,
    });
  }
  if (!hasSkips) {
    list.push({
      remedy: 'add-residual',
      change: 'residual',
      action: 'skip connections around pairs of layers',
      removes: new Set(everything),
      cost: 2,
    });
  }
  return list;
}

/**
 * The one change that would remove most of a decay or growth, with the decades that remain: as theory predicts where it
 * covers the change, else the measured decades less those of the causes it takes away.
 */
export function reliefOf(
  profile: FlowProfile,
  attribution: Attribution,
  causes: readonly Cause[],
  theory: Theory | undefined,
): Relief | undefined {
  const [main] = causes;
  const aside = scaleFreeDecades(profile, attribution);
  const measured = effectiveDecades(attribution.byKind) - aside;
  if (!main || !Number.isFinite(measured)) return undefined;
  const setting: Setting = {
    activation: commonActivation(profile),
    hasNorm: profile.values.some(({ kind, inner }) => kind === 'normalization' && !inner),
    hasSkips: attribution.merges.some(({ kind }) => kind === 'skip-connection'),
    ofTokens: profile.values.some(({ kind, inner }) => kind === 'attention' && !inner),
  };
  const ranked = candidatesFor(setting)
    .map((candidate) => {
      const foreseen = theory && predictChange(theory, candidate.change);
      const parts = Object.entries(attribution.byKind).filter(([kind]) => candidate.removes.has(kind as FactorKind));
      const left = measured - parts.reduce((sum, [, decades]) => sum + decades, 0);
      const known = foreseen !== undefined && Number.isFinite(foreseen);
      // Theory counts pooling and a first normalization, which starve or flood no weight: the measured decades do not.
      return { candidate, predicted: known ? foreseen - (attribution.byKind.pooling ?? 0) - aside : left, known };
    })
    .sort((a, b) => Math.abs(a.predicted) - Math.abs(b.predicted));
  const held = ranked.filter(
    ({ candidate, predicted }) => candidate.cost === 2 && Math.abs(predicted) <= Math.abs(measured) - CLOSE,
  );
  const scatters = !setting.hasNorm && !setting.hasSkips && scatterOf(theory) > SCATTER;
  const fitting = scatters && held.length > 0 ? held : ranked;
  const best = fitting[0];
  if (!best) return undefined;
  const enough = fitting.filter(({ predicted }) => Math.abs(predicted) <= Math.abs(best.predicted) + CLOSE);
  const { candidate, predicted, known } = enough.sort((a, b) => a.candidate.cost - b.candidate.cost)[0]!;
  if (Math.abs(predicted) > Math.abs(measured) - CLOSE) return undefined;
  const source = known ? 'theory predicts' : 'the other factors leave';
  return {
    remedy: candidate.remedy,
    predictedDecades: predicted,
    sentence: `${capital(candidate.action)} would remove most of it: ${source} ${signed(predicted)} decades instead of ${signed(measured)}.`,
  };
}

function scatterOf(theory: Theory | undefined): number {
  return (theory?.layers ?? []).reduce((sum, { fanIn }) => sum + 1 / fanIn, 0);
}

/** Remedies with the relief's first. */
export function reliefFirst(relief: Relief | undefined, others: readonly RemedyHint[]): RemedyHint[] {
  if (!relief) return [...others];
  return [...hints(relief.remedy as RemedyId), ...others.filter(({ id }) => id !== relief.remedy)];
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

function signed(decades: number): string {
  const shown = decades.toFixed(1);
  return shown === '-0.0' || shown === '0.0' ? '0.0' : decades > 0 ? `+${shown}` : shown;
}
