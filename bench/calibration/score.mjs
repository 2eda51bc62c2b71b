// What diagnosis says of each network of the corpus, at step 0 and after ten steps, beside what training showed.
import { diagnose, nodeRuntime } from '../../dist/node.js';
import { specOf } from './designs.mjs';
import { modelOf } from './label.mjs';

const runtime = nodeRuntime({ threads: 2 });
export const STEPS = 10;

/** The errors of a diagnosis, as rule ids, and what the main one names as its cause and its cure. */
function errorsOf(findings) {
  const errors = findings.filter(({ severity }) => severity === 'error');
  const [main] = errors;
  return {
    errors: errors.map(({ rule }) => rule),
    warnings: findings.filter(({ severity }) => severity === 'warning').map(({ rule }) => rule),
    cause: main?.causes[0]?.kind,
    relief: main?.relief?.remedy ?? main?.remedies[0]?.id,
    decades: main?.evidence.effectiveDecades,
  };
}

/** Diagnoses one network of the corpus twice. */
export async function scoreOf(network) {
  const model = await modelOf(specOf(network));
  const settings = { runtime, data: network.data, size: network.batch, seed: 1 };
  const before = await diagnose(model, settings);
  const after = await diagnose(model, { ...settings, steps: STEPS });
  return { before: errorsOf(before.diagnosis.findings), after: errorsOf(after.diagnosis.findings) };
}
