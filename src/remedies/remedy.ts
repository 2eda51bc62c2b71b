import type { CauseKind, Diagnosis } from '../diagnosis/finding.ts';
import type { FlowProfile } from '../flow/profile.ts';
import { UserError } from '../graph/errors.ts';
import type { Binding, Model } from '../graph/graph.ts';
import type { Theory } from '../theory/theory.ts';
import type { Clipping } from '../training/clipping.ts';
import type { LossPlan } from '../training/losses.ts';
import type { OptimizerChoice } from '../training/optimizers/index.ts';
import type { ScheduleChoice } from '../training/schedule-choice.ts';

/** A remedy that turned out not to fit the network it was to change. */
export class RemedyError extends UserError {}

/** How a network is trained. */
export interface TrainingSetup {
  readonly optimizer: OptimizerChoice;
  readonly learningRate: number;
  readonly schedule?: ScheduleChoice;
  readonly clipping?: Clipping;
  readonly loss: LossPlan['kind'];
  /** The output the loss reads. */
  readonly output: string;
  readonly batch: number;
}

/** A network with how it is trained: what remedies change. */
export interface Design {
  readonly model: Model;
  readonly training: TrainingSetup;
}

/** What is known of the network that is to be treated. Of the network as it was given, also for the later remedies of a plan. */
export interface Patient {
  readonly design: Design;
  readonly profile: FlowProfile;
  readonly diagnosis: Diagnosis;
  readonly theory?: Theory;
  /** Types and shapes of the given network's values, for one batch. */
  readonly binding: Binding;
  /** Mean and standard deviation of each float input over a batch, one per feature (last axis) or channel. */
  readonly inputs: ReadonlyMap<string, InputStatistics>;
  readonly seed: number;
  /** Rows there are to train on; absent where none were given, or where they do not end. */
  readonly rows?: number;
  /** What needs runs of the network; absent where nothing can be run. */
  readonly tools?: PatientTools;
}

export interface InputStatistics {
  readonly axis: number;
  readonly mean: readonly number[];
  readonly deviation: readonly number[];
}

export interface PatientTools {
  /** Layer-sequential unit-variance weights, measured on the data (Mishkin & Matas 2016). */
  lsuv(model: Model): Promise<Model>;
  /** The learning rate of a range test on the data (Smith 2017); undefined where none lowers the loss. */
  findLearningRate(design: Design): Promise<number | undefined>;
}

/** What kind of change a remedy is: the function computed stays, only training changes, or the network does. */
export type RemedyChange = 'exact' | 'changes-training' | 'changes-model';

export interface Remedy {
  /** Stable, kebab-case. */
  readonly id: string;
  /** What to do, in a few words. */
  readonly title: string;
  readonly changes: RemedyChange;
  /** Which factor of the chain rule it removes, and how. */
  readonly why: string;
  /** Causes it takes away. */
  readonly removes: readonly CauseKind[];
  /** Remedies that make no sense together with it. */
  readonly conflicts: readonly string[];
  readonly references: readonly string[];
  /** Remedies that make a plan together with it, although they take away the same cause. */
  completedBy?(patient: Patient): readonly string[];
  /** Why it fits this network, in one sentence; undefined where it does not. */
  applies(patient: Patient): string | undefined;
  /** The design with the change; the given one stays as it is. Throws RemedyError where the change cannot be made. */
  apply(design: Design, patient: Patient): Design | Promise<Design>;
  /** Effective decades between output and first layer after the change; undefined where nothing is known of it. */
  predict(patient: Patient): number | undefined;
  /** Code to paste, naming the user's own layers. `treated`: the design that a plan with this remedy came to, if it did. */
  patch(patient: Patient, treated?: Design): Patch;
}

/** The same change in each framework, as code with comments. */
export interface Patch {
  readonly pytorch: string;
  readonly keras: string;
  readonly tfjs: string;
}
