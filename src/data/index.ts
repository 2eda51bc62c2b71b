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
export { type DataSetInfo, isDataSet, listDataSets, openNamed } from './data-sets.ts';
export {
  type BatchesOptions,
  type DataSet,
  type DataSetOptions,
  dataSetOf,
  type ExampleInfo,
  type Part,
} from './dataset.ts';
export { fixedBatchOf, rowAxisOf } from './dims.ts';
export type { GivenTensors } from './given.ts';
export { checkLabels, drawTarget, type TargetKind } from './labels.ts';
export type { Missing } from './missing.ts';
export type { DigitLoader } from './mnist.ts';
export { decodeNpy, encodeNpy, isNpy } from './npy.ts';
export { ARCHIVE_LIMIT, decodeNpz, isZip } from './npz.ts';
export { requestFromArrays, tableDims } from './requests.ts';
export { openCsv } from './sources/csv-file.ts';
export { isGzip, isIdx, openIdx } from './sources/idx.ts';
export { openImages } from './sources/images.ts';
export { openNpy } from './sources/npy-file.ts';
export { memoryAccess } from './sources/records.ts';
export { type Column, columnOf, columnsSource, type RowSource } from './sources/row-source.ts';
