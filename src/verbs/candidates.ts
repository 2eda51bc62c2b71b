import { UserError } from '../graph/errors.ts';
import { encodeModel } from '../graph/onnx/encode.ts';
import type { Design, Patient, Remedy } from '../remedies/remedy.ts';
import type { Plan } from '../trials/trial.ts';

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
      if (!(error instanceof UserError)) throw error;
      return { plan, reason: error.describe() };
    }
  }
  const bytes = encodeModel(design.model);
  return { plan, design, bytes, hash: await hashOf(bytes) };
}

export function isCandidate(result: Candidate | SkippedPlan): result is Candidate {
  return 'bytes' in result;
}

/** SHA-256 of some bytes, in hexadecimal. */
export async function hashOf(bytes: Uint8Array): Promise<string> {
  const digest = await crypto.subtle.digest('SHA-256', bytes as Uint8Array<ArrayBuffer>);
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, '0')).join('');
}
