import { UserError } from '../graph/errors.ts';
import { encodeModel } from '../graph/onnx/encode.ts';
import type { Design, Patient, Remedy } from '../remedies/remedy.ts';
import { contentHash } from './identify.ts';
import type { Plan } from './trial.ts';

/** A plan carried out: the network as it would be trained. */
export interface Candidate {
  readonly plan: Plan;
  readonly design: Design;
  /** The network as an ONNX file, and the hash of its bytes. */
  readonly bytes: Uint8Array;
  readonly hash: string;
}

/** A plan that could not be carried out, and why. */
export interface SkippedPlan {
  readonly plan: Plan;
  readonly reason: string;
}

/** Applies a plan's remedies in their order. What a remedy cannot do here is a reason, not a failure. */
export async function carryOut(
  plan: Plan,
  patient: Patient,
  remedies: ReadonlyMap<string, Remedy>,
): Promise<Candidate | SkippedPlan> {
  let { design } = patient;
  for (const id of plan.remedies) {
    const remedy = remedies.get(id);
    if (!remedy) return { plan, reason: `there is no remedy "${id}"` };
    try {
      design = await remedy.apply(design, patient);
    } catch (error) {
      // Users add remedies of their own: one that breaks must not take the others with it.
      return { plan, reason: error instanceof UserError ? error.describe() : `${id} failed: ${String(error)}` };
    }
  }
  try {
    const bytes = encodeModel(design.model);
    return { plan, design, bytes, hash: await contentHash(bytes) };
  } catch (error) {
    return { plan, reason: error instanceof UserError ? error.describe() : `cannot be written: ${String(error)}` };
  }
}

export function isCandidate(result: Candidate | SkippedPlan): result is Candidate {
  return 'bytes' in result;
}
