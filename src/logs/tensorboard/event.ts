import type { Histogram, HistogramBucket } from './histogram.ts';
import { type EventTensor, readTensor, writeTensor } from './tensor.ts';
import { BinaryWriter, readFields, readNumbers, WireType, writeDoubles, writeMessage } from './wire.ts';

/** The first event of every file says this (tensorflow/core/util/events_writer.h, kVersionPrefix and version 2). */
export const FILE_VERSION = 'brain.Event:2';

/** tensorflow.Event, as far as scalars and histograms need it. */
export interface Event {
  /** Seconds since 1970. */
  readonly wallTime: number;
  readonly step: number;
  readonly fileVersion?: string;
  /** A run starts here: what earlier files say of this step and later ones is void. */
  readonly restart?: boolean;
  readonly values?: readonly SummaryValue[];
}

/** One tagged value of an event. */
export type SummaryValue =
  | { readonly kind: 'scalar'; readonly tag: string; readonly value: number }
  | { readonly kind: 'histogram'; readonly tag: string; readonly histogram: Histogram }
  | { readonly kind: 'tensor'; readonly tag: string; readonly plugin: string; readonly tensor: EventTensor }
  /** Images, audio, and tensors of unusual types: present, not read. */
  | { readonly kind: 'other'; readonly tag: string; readonly plugin: string };

/**
 * The two forms in which TensorBoard takes values, scalars in float32 in both. `simple` is PyTorch's: `simple_value`
 * and HistogramProto. `tensor` is TensorFlow 2's: tensors that name their plugin.
 */
export type SummaryForm = 'simple' | 'tensor';

/** SummaryMetadata.data_class (tensorboard/compat/proto/summary.proto). */
const DATA_CLASS = { scalars: 1, histograms: 2 };
const SESSION_START = 1;
const FLOAT32_MAX = (2 - 2 ** -23) * 2 ** 127;

/**
 * An Event message. A scalar beyond float32 is written as its nearest finite number other than zero: what merely is
 * small or large must not be called zero or infinite. Other kinds of values throw TypeError: they are only read.
 */
export function encodeEvent(event: Event, form: SummaryForm = 'simple'): Uint8Array {
  const writer = new BinaryWriter();
  writer.tag(1, WireType.Bit64).double(event.wallTime);
  if (event.step !== 0) writer.tag(2, WireType.Varint).int64(event.step);
  if (event.fileVersion !== undefined) writer.tag(3, WireType.LengthDelimited).string(event.fileVersion);
  const { values = [] } = event;
  if (values.length > 0) {
    writeMessage(writer, 5, (summary) => {
      for (const value of values) writeMessage(summary, 1, (inner) => writeValue(inner, value, form));
    });
  }
  if (event.restart) writeMessage(writer, 7, (session) => session.tag(1, WireType.Varint).int32(SESSION_START));
  return writer.finish();
}

function writeValue(writer: BinaryWriter, value: SummaryValue, form: SummaryForm): void {
  writer.tag(1, WireType.LengthDelimited).string(value.tag);
  if (value.kind === 'scalar') {
    const x = toFloat32(value.value);
    if (form === 'simple') writer.tag(2, WireType.Bit32).float(x);
    else {
      writeMetadata(writer, 'scalars');
      // TensorBoard's data server drops scalars in double precision.
      writeMessage(writer, 8, (tensor) => writeTensor(tensor, 'float', [], [x]));
    }
  } else if (value.kind === 'histogram') {
    const { histogram } = value;
    if (form === 'simple') writeMessage(writer, 5, (proto) => writeHistogram(proto, histogram));
    else {
      writeMetadata(writer, 'histograms');
      const rows = histogram.buckets.flatMap(({ left, right, count }) => [left, right, count]);
      writeMessage(writer, 8, (tensor) => writeTensor(tensor, 'double', [histogram.buckets.length, 3], rows));
    }
  } else throw new TypeError(`"${value.tag}": values of kind ${value.kind} are read, not written`);
}

function toFloat32(x: number): number {
  const rounded = Math.fround(x);
  if (rounded === 0 && x !== 0) return Math.sign(x) * 2 ** -149;
  return Number.isFinite(x) && !Number.isFinite(rounded) ? Math.sign(x) * FLOAT32_MAX : rounded;
}

function writeMetadata(writer: BinaryWriter, plugin: 'scalars' | 'histograms'): void {
  writeMessage(writer, 9, (metadata) => {
    // The plugins' own content is a version number, 0: an empty message.
    writeMessage(metadata, 1, (data) => data.tag(1, WireType.LengthDelimited).string(plugin));
    metadata.tag(4, WireType.Varint).int32(DATA_CLASS[plugin]);
  });
}

/** A HistogramProto has right edges only: the first bucket begins at the minimum, a gap is a bucket of no values. */
function writeHistogram(writer: BinaryWriter, histogram: Histogram): void {
  const limits: number[] = [];
  const counts: number[] = [];
  for (const { left, right, count } of histogram.buckets) {
    if (limits.length > 0 && limits.at(-1) !== left) {
      limits.push(left);
      counts.push(0);
    }
    limits.push(right);
    counts.push(count);
  }
  const { min, max, count, sum = 0, sumSquares = 0 } = histogram;
  [min, max, count, sum, sumSquares].forEach((x, i) => {
    writer.tag(i + 1, WireType.Bit64).double(x);
  });
  writeDoubles(writer, 6, limits);
  writeDoubles(writer, 7, counts);
}

/** Reads an Event message, unknown fields skipped. Throws Error or RangeError where the bytes are no such message. */
export function decodeEvent(bytes: Uint8Array): Event & { readonly values: readonly SummaryValue[] } {
  let wallTime = 0;
  let step = 0;
  let fileVersion: string | undefined;
  let restart = false;
  const values: SummaryValue[] = [];
  readFields(bytes, (field, wire, reader) => {
    if (field === 1 && wire === WireType.Bit64) wallTime = reader.double();
    else if (field === 2 && wire === WireType.Varint) step = Number(reader.int64());
    else if (field === 3 && wire === WireType.LengthDelimited) fileVersion = reader.string();
    else if (field === 5 && wire === WireType.LengthDelimited) readSummary(reader.bytes(), values);
    else if (field === 7 && wire === WireType.LengthDelimited) restart = readStatus(reader.bytes()) === SESSION_START;
    else return false;
    return true;
  });
  const event = { wallTime, step, values };
  return Object.assign(event, fileVersion === undefined ? {} : { fileVersion }, restart ? { restart } : {});
}

function readStatus(bytes: Uint8Array): number {
  let status = 0;
  readFields(bytes, (field, wire, reader) => {
    if (field !== 1 || wire !== WireType.Varint) return false;
    status = reader.int32();
    return true;
  });
  return status;
}

function readSummary(bytes: Uint8Array, values: SummaryValue[]): void {
  readFields(bytes, (field, wire, reader) => {
    if (field !== 1 || wire !== WireType.LengthDelimited) return false;
    values.push(readValue(reader.bytes()));
    return true;
  });
}

function readValue(bytes: Uint8Array): SummaryValue {
  let tag = '';
  let plugin = '';
  let scalar: number | undefined;
  let histogram: Histogram | undefined;
  let tensor: EventTensor | undefined;
  readFields(bytes, (field, wire, reader) => {
    if (field === 1 && wire === WireType.LengthDelimited) tag = reader.string();
    else if (field === 2 && wire === WireType.Bit32) scalar = reader.float();
    else if (field === 5 && wire === WireType.LengthDelimited) histogram = readHistogram(reader.bytes());
    else if (field === 8 && wire === WireType.LengthDelimited) tensor = readTensor(reader.bytes());
    else if (field === 9 && wire === WireType.LengthDelimited) plugin = readPlugin(reader.bytes());
    else return false;
    return true;
  });
  if (scalar !== undefined) return { kind: 'scalar', tag, value: scalar };
  if (histogram) return { kind: 'histogram', tag, histogram };
  if (!tensor) return { kind: 'other', tag, plugin };
  const { dims, values } = tensor;
  if (plugin === 'scalars' && values.length === 1) return { kind: 'scalar', tag, value: values[0]! };
  if (plugin === 'histograms' && dims.length === 2 && dims[1] === 3) {
    return { kind: 'histogram', tag, histogram: histogramOfRows(values) };
  }
  return { kind: 'tensor', tag, plugin, tensor };
}

/** The plugin's name in SummaryMetadata.plugin_data. */
function readPlugin(bytes: Uint8Array): string {
  let name = '';
  readFields(bytes, (field, wire, reader) => {
    if (field !== 1 || wire !== WireType.LengthDelimited) return false;
    readFields(reader.bytes(), (inner, innerWire, data) => {
      if (inner !== 1 || innerWire !== WireType.LengthDelimited) return false;
      name = data.string();
      return true;
    });
    return true;
  });
  return name;
}

/**
 * Reads a HistogramProto as TensorBoard does (tensorboard/data_compat.py): empty buckets at both ends are dropped,
 * and the outermost edges, which may be ±1.8e308, become the extremes that were seen.
 */
function readHistogram(bytes: Uint8Array): Histogram {
  const facts = [0, 0, 0, 0, 0];
  const limits: number[] = [];
  const counts: number[] = [];
  readFields(bytes, (field, wire, reader) => {
    if (field >= 1 && field <= 5 && wire === WireType.Bit64) facts[field - 1] = reader.double();
    else if (field === 6) return readNumbers(reader, wire, WireType.Bit64, (r) => r.double(), limits);
    else if (field === 7) return readNumbers(reader, wire, WireType.Bit64, (r) => r.double(), counts);
    else return false;
    return true;
  });
  if (limits.length !== counts.length) {
    throw new RangeError(`a histogram of ${counts.length} buckets with ${limits.length} limits`);
  }
  const [min, max, count, sum, sumSquares] = facts as [number, number, number, number, number];
  const start = counts.findIndex((inBucket) => inBucket > 0);
  const end = counts.findLastIndex((inBucket) => inBucket > 0);
  const buckets: HistogramBucket[] = [];
  for (let i = Math.max(start, 0); i <= end; i++) {
    if (!(counts[i]! > 0)) continue;
    const left = i === start ? min : limits[i - 1]!;
    buckets.push({ left, right: i === end ? max : limits[i]!, count: counts[i]! });
  }
  return { buckets, count, min, max, sum, sumSquares };
}

function histogramOfRows(rows: readonly number[]): Histogram {
  const buckets: HistogramBucket[] = [];
  for (let i = 0; i < rows.length; i += 3) {
    if (rows[i + 2]! > 0) buckets.push({ left: rows[i]!, right: rows[i + 1]!, count: rows[i + 2]! });
  }
  return {
    buckets,
    count: buckets.reduce((sum, bucket) => sum + bucket.count, 0),
    min: buckets[0]?.left ?? 0,
    max: buckets.at(-1)?.right ?? 0,
  };
}
