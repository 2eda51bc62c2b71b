import type { TrainingSetup } from '../remedies/remedy.ts';

/** An ordered set of remedies; the empty one is the baseline. */
export interface Plan {
  /** `baseline`, or the remedies' ids joined by `+`. */
  readonly id: string;
  readonly remedies: readonly string[];
  /** Effective decades between output and first layer, as the remedies predict them; undefined where nothing is known. */
  readonly predictedDecades?: number;
}

/**
 * Where a trial's rows come from: whoever runs it opens the same ones. `seed` (default 0) draws and splits them, and is
 * the same for all trials of one patient: they are scored on the same held-out rows.
 */
export type TrialData =
  /** A built-in data set, by its name. */
  | { readonly kind: 'named'; readonly name: string; readonly samples?: number; readonly seed?: number }
  /** Tensors packed as an .npz, by content hash. */
  | { readonly kind: 'packed'; readonly hash: string; readonly samples?: number; readonly seed?: number };

/** One training of one candidate with one seed: everything it depends on, as plain values. */
export interface TrialTask {
  /** Hash of everything below: the same task has the same id on every machine. */
  readonly id: string;
  readonly plan: string;
  /** Of the order of rows, dropout masks and what the remedies draw. */
  readonly seed: number;
  /** Steps of training, counted from the beginning. */
  readonly steps: number;
  /** Content hash of the candidate as an ONNX file. */
  readonly model: string;
  readonly training: TrainingSetup;
  readonly data: TrialData;
  /** Part of the rows held out. */
  readonly validation: number;
  /** The loss that the held-out rows are scored by: the given network's, whatever a candidate is trained with. */
  readonly scoring: TrainingSetup['loss'];
  /** Whether the gradient is measured at the start alone, or once more behind training. */
  readonly gradient: 'start' | 'both';
  /** Version of this package: others may train differently. */
  readonly version: string;
}

/** What came of a trial. Curves hold at most some hundreds of points. */
export interface TrialResult {
  readonly id: string;
  readonly plan: string;
  readonly seed: number;
  readonly steps: number;
  /** `fault`: training broke down, which is a result; `failed`: the trial could not be run. */
  readonly status: 'done' | 'fault' | 'failed';
  readonly training: readonly CurvePoint[];
  /** Scores over so many rows held out. */
  readonly heldOut?: { readonly loss: number; readonly accuracy?: number; readonly rows: number };
  /** Held-out loss of each row's batch, in order: what paired comparisons resample. */
  readonly heldOutLosses?: readonly number[];
  /** Effective decades between output and first layer, before training and, where the task asks for it, after. */
  readonly decades?: { readonly before: number; readonly after?: number };
  readonly fault?: { readonly kind: string; readonly step: number; readonly message: string };
  readonly error?: string;
  readonly seconds: number;
  /** Of one step, median: without the start, the measuring and the scoring that `seconds` holds. */
  readonly secondsPerStep?: number;
}

export interface CurvePoint {
  readonly step: number;
  readonly loss: number;
}

/** Files that tasks name by content hash (SHA-256, hex). */
export type Artifacts = ReadonlyMap<string, Uint8Array>;

/** Runs trials somewhere. Results come in any order; a trial that dies with its worker is run again elsewhere. */
export interface Executor {
  readonly name: string;
  /** How many run at the same time, as far as it is known. */
  readonly parallel: number;
  /** Starts what takes time to start, where there is something: trials will follow. */
  start?(): void;
  run(
    tasks: readonly TrialTask[],
    artifacts: Artifacts,
    options?: { readonly signal?: AbortSignal; readonly onProgress?: (progress: TrialProgress) => void },
  ): AsyncIterable<TrialResult>;
  close(): Promise<void>;
}

export interface TrialProgress {
  readonly id: string;
  readonly step: number;
}

/** Runs one trial. Rejects only when aborted: whatever else goes wrong is a result. */
export type RunTrial = (
  task: TrialTask,
  artifacts: Artifacts,
  options?: { readonly signal?: AbortSignal; readonly onProgress?: (progress: TrialProgress) => void },
) => Promise<TrialResult>;
