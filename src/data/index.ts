export { createRandom, type Random } from '../random/random.ts';
export {
  BATCH_SIZE,
  type Batch,
  type BatchDescription,
  type BatchOptions,
  type BatchRequest,
  makeBatch,
} from './batch.ts';
export { castTensor, takeFirst } from './cast.ts';
export { type CsvOptions, decodeCsv, type Table } from './csv.ts';
export { type DataSetInfo, isDataSet, listDataSets } from './data-sets.ts';
export { fixedBatchOf } from './dims.ts';
export type { GivenTensors } from './given.ts';
export { checkLabels, drawTarget, type TargetKind } from './labels.ts';
export type { DigitLoader } from './mnist.ts';
export { decodeNpy, encodeNpy, isNpy } from './npy.ts';
export { ARCHIVE_LIMIT, decodeNpz, isZip } from './npz.ts';
export { requestFromArrays, requestFromTable } from './requests.ts';
