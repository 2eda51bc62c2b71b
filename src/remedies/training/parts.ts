import { effectiveDecades } from '../../diagnosis/decay.ts';
import type { Finding, RuleId } from '../../diagnosis/finding.ts';
import { has } from '../patient.ts';
import type { Patient, Remedy, TrainingSetup } from '../remedy.ts';

/** A gradient, a step or a loss that grows beyond bounds. */
export const blowUps = [
  'exploding-gradient',
  'exploding-through-time',
  'loss-divergence',
  'loss-oscillation',
  'overlarge-update',
] as const satisfies readonly RuleId[];

/** What a training remedy says of itself; the rest follows from its changing nothing but training. */
export interface TrainingRemedy {
  readonly id: string;
  readonly title: string;
  readonly why: string;
  readonly conflicts: readonly string[];
  readonly references: readonly string[];
  readonly applies: (patient: Patient) => string | undefined;
  readonly change: (
    training: TrainingSetup,
    patient: Patient,
    design: Patient['design'],
  ) => TrainingSetup | Promise<TrainingSetup>;
  readonly patch: Remedy['patch'];
}

/** A remedy that changes how a network is trained, and leaves the network alone. */
export function trainingRemedy({ change, ...own }: TrainingRemedy): Remedy {
  return {
    ...own,
    changes: 'changes-training',
    removes: [],
    async apply(design, patient) {
      return { ...design, training: await change(design.training, patient, design) };
    },
    predict: unchangedDecades,
  };
}

/**
 * The backward pass stays as it is: where it has vanished, so has what was measured. Of a gradient that explodes nothing
 * is said: what training does with it is changed, not its decades.
 */
function unchangedDecades(patient: Patient): number | undefined {
  const byKind = patient.diagnosis.attribution?.byKind;
  if (!byKind || !has(patient, 'vanishing-gradient', 'vanishing-through-time')) return undefined;
  const decades = effectiveDecades(byKind);
  return Number.isFinite(decades) ? decades : undefined;
}

/** A finding as the beginning of a sentence. */
export function because(finding: Finding | undefined, then: string): string | undefined {
  return finding && `${finding.title}: ${then}`;
}
