import { type BatchRequest, decodeNpz, isDataSet, type Missing, openNamed } from '../data/index.ts';
import type { DigitLoader } from '../data/mnist.ts';
import type { Model } from '../graph/graph.ts';
import type { FileAccess } from '../runtime/file-access.ts';
import type { TrialData } from '../trials/trial.ts';
import { checkNames, type DataNames } from './data-names.ts';
import { tensorData } from './open-data.ts';
import { openRows } from './open-rows.ts';
import { packData } from './pack-data.ts';
import type { TrainingData } from './training-data.ts';
import type { TreatData } from './treat.ts';

export interface TreatDataOptions {
  readonly files: FileAccess;
  readonly seed: number;
  /** Rows taken in all; default what there is, and of files what fits into 256 MiB. */
  readonly samples?: number;
  readonly missing?: Missing;
  readonly loadDigits?: DigitLoader;
}

/** What a patient is diagnosed on, and its candidates are trained on. */
export interface OpenedData {
  readonly data: TreatData;
  readonly batch: BatchRequest;
  /** The rows as trials see them. The caller closes them. */
  open(): Promise<TrainingData>;
  close(): Promise<void>;
}

/**
 * Opens what someone names for a treatment: built-in data sets by their name, files packed as one archive that every
 * worker trains on. Undefined where nothing is named. Throws DataError, UsageError as `openData` does.
 */
export async function openTreatData(
  names: DataNames,
  model: Model,
  { files, seed, samples, missing, loadDigits }: TreatDataOptions,
): Promise<OpenedData | undefined> {
  checkNames(names);
  const { data: name, inputs = [], target } = names;
  if (name === undefined && inputs.length === 0 && target === undefined) return undefined;
  const feeds = model.graph.inputs.filter((input) => !model.graph.initializers.has(input.name));
  const limit = samples === undefined ? {} : { samples };
  if (name !== undefined && isDataSet(name)) {
    const output = model.graph.outputs[0];
    const open = () => openNamed(name, feeds, { seed, rows: samples, output, loadDigits });
    const rows = await open();
    await rows.close();
    const trial: TrialData = { kind: 'named', name, seed, ...limit };
    const data = { name, trial, rows: rows.size, notes: rows.notes };
    return { data, batch: { kind: 'named', name }, open, close: async () => {} };
  }
  const source = await openRows(names, feeds, { files, missing });
  try {
    const { bytes, hash, rows, notes } = await packData(source, feeds, { seed, samples, missing });
    return {
      data: {
        name: source.name,
        trial: { kind: 'packed', hash, seed },
        artifacts: new Map([[hash, bytes]]),
        rows,
        notes,
      },
      batch: { kind: 'rows', source, missing },
      open: () => tensorData(source.name, decodeNpz(bytes, source.name), feeds, { seed }),
      close: () => source.close(),
    };
  } catch (error) {
    await source.close();
    throw error;
  }
}
