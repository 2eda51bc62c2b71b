import type { TrialResult } from '../../trials/trial.ts';
import { nonFiniteAsStrings, reportOf } from '../json.ts';
import type { Treatment } from './treatment.ts';
import { decadesOf, depthRows, droppedPlans, planRows, sayConfidence, sayHeadline } from './words.ts';

/** The contract's name: scripts check it before they read anything else. */
export const TREATMENT_SCHEMA = 'gradient-doctor/treatment@1';

/**
 * The treatment for scripts (docs/treatment-json.md), two-space indented, ending in a newline. Numbers that are not finite
 * are strings.
 */
export function renderTreatmentJson(treatment: Treatment): string {
  const text = JSON.stringify(treatmentOf(treatment), nonFiniteAsStrings, 2);
  // Lists of numbers on one line, as in the other reports.
  return `${text.replace(/\[\n[-+.,eE\d\s]*\]/g, (list) => list.replace(/\s+/g, '').replaceAll(',', ', '))}\n`;
}

/** The treatment as plain data, in the contract's keys and order; non-finite numbers are still numbers. */
export function treatmentOf(treatment: Treatment) {
  const { outcome, reason, before, after, winner, remedies, patches, trials, notes, plans, ranking } = treatment;
  const { level, sentences } = sayConfidence(treatment);
  const proposed = new Map(plans.map((plan) => [plan.id, plan]));
  return {
    schema: TREATMENT_SCHEMA,
    outcome,
    headline: sayHeadline(treatment),
    reason,
    confidence: { level, sentences },
    winner: winner
      ? {
          plan: winner.plan.id,
          remedies: remedies.map(({ id, title, changes, why, references }) => ({
            id,
            title,
            changes,
            why,
            references,
          })),
          decades: { before: decadesOf(before) ?? null, after: (after && decadesOf(after)) ?? null },
          training: winner.design.training,
          model: { sha256: winner.hash, path: treatment.written?.path ?? null, weights: 'starting' },
          train: treatment.written?.train ?? null,
        }
      : null,
    plans: planRows(treatment).map((row) => ({
      plan: row.plan,
      remedies: proposed.get(row.plan)?.remedies ?? [],
      titles: proposed.get(row.plan)?.titles ?? [],
      reasons: proposed.get(row.plan)?.reasons ?? [],
      changes: row.changes ?? null,
      predictedDecades: row.predicted ?? null,
      measuredDecades: row.measured ?? null,
      trainedDecades: row.trained ?? null,
      loss: row.loss,
      accuracy: row.accuracy ?? null,
      accuracyInterval: row.accuracyInterval ?? null,
      againstBaseline: row.interval ?? null,
      againstBest: ranking?.judgements.find(({ plan }) => plan === row.plan)?.againstBest ?? null,
      seeds: row.seeds,
      faults: row.faults,
      parameters: row.parameters ?? null,
      secondsPerStep: row.secondsPerStep ?? null,
    })),
    others: droppedPlans(treatment),
    trials,
    results: treatment.results.map(resultEntry),
    gradient: depthRows(treatment).map(({ layer, before: from, after: to }) => ({
      layer,
      before: from ?? null,
      after: to ?? null,
    })),
    patches,
    notes,
    ...(treatment.command === undefined ? {} : { command: treatment.command }),
    before: reportOf(before),
    after: after ? reportOf(after) : null,
  };
}

function resultEntry({ heldOutLosses: _, training, ...result }: TrialResult) {
  return { ...result, training: { steps: training.map(({ step }) => step), loss: training.map(({ loss }) => loss) } };
}
