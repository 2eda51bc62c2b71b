import { DataError } from '../../graph/errors.ts';
import { maskedCrc32c } from './crc32c.ts';

/** uint64 length and its masked CRC before the data, the data's masked CRC after them. */
const HEADER = 12;
const FOOTER = 4;
/** Default bound on one record: 256 MiB; TensorBoard's own summaries stay far below. */
export const RECORD_LIMIT = 2 ** 28;

/** One TFRecord around `data`. */
export function frameRecord(data: Uint8Array): Uint8Array {
  const record = new Uint8Array(HEADER + data.length + FOOTER);
  const view = new DataView(record.buffer);
  view.setUint32(0, data.length, true);
  view.setUint32(4, Math.floor(data.length / 2 ** 32), true);
  view.setUint32(8, maskedCrc32c(record.subarray(0, 8)), true);
  record.set(data, HEADER);
  view.setUint32(HEADER + data.length, maskedCrc32c(data), true);
  return record;
}

/**
 * TFRecords out of bytes that arrive in pieces of any size. A record that is not whole yet is no error: the file may
 * still grow.
 */
export class RecordParser {
  #bytes = new Uint8Array(0);
  #start = 0;
  #end = 0;
  #offset: number;
  readonly #name: string;
  readonly #limit: number;

  /** `offset` is where in the file the first pushed byte stands: the start of a record. */
  constructor(name: string, { offset = 0, limit = RECORD_LIMIT }: { offset?: number; limit?: number } = {}) {
    this.#name = name;
    this.#offset = offset;
    this.#limit = limit;
  }

  /** Where the next record starts: reading can be resumed there. */
  get offset(): number {
    return this.#offset;
  }

  /** Bytes received beyond the last whole record. */
  get waiting(): number {
    return this.#end - this.#start;
  }

  /** Takes the next bytes of the file; they are copied. */
  push(chunk: Uint8Array): void {
    const needed = this.waiting + chunk.length;
    if (this.#end + chunk.length > this.#bytes.length) {
      const roomy =
        needed > this.#bytes.length ? new Uint8Array(Math.max(needed, 2 * this.#bytes.length)) : this.#bytes;
      roomy.set(this.#bytes.subarray(this.#start, this.#end));
      this.#bytes = roomy;
      this.#end -= this.#start;
      this.#start = 0;
    }
    this.#bytes.set(chunk, this.#end);
    this.#end += chunk.length;
  }

  /**
   * The next record's data, valid until the next push; undefined when more bytes are needed. Throws DataError:
   * `corrupt-record` when only the data are damaged, and the next call goes on behind them; `corrupt-length` when the
   * length is, behind which nothing can be found; `record-too-large`.
   */
  next(): Uint8Array | undefined {
    if (this.waiting < HEADER) return undefined;
    const view = new DataView(this.#bytes.buffer, this.#start, this.waiting);
    if (view.getUint32(8, true) !== maskedCrc32c(this.#bytes.subarray(this.#start, this.#start + 8))) {
      const hint =
        this.#offset === 0
          ? 'expected a TensorBoard event file'
          : 'what stands before this offset is sound; nothing behind it can be read';
      throw this.#broken('corrupt-length', 'the length of the record does not match its checksum', hint);
    }
    const length = Number(view.getBigUint64(0, true));
    if (length > this.#limit) {
      throw this.#broken('record-too-large', `a record of ${length} bytes, over the limit of ${this.#limit}`);
    }
    const size = HEADER + length + FOOTER;
    if (this.waiting < size) return undefined;
    const data = this.#bytes.subarray(this.#start + HEADER, this.#start + HEADER + length);
    const sound = view.getUint32(HEADER + length, true) === maskedCrc32c(data);
    const error = sound ? undefined : this.#broken('corrupt-record', 'the record does not match its checksum');
    this.#start += size;
    this.#offset += size;
    if (error) throw error;
    return data;
  }

  #broken(code: string, message: string, hint?: string): DataError {
    return new DataError(message, { code, where: `${this.#name}, offset ${this.#offset}`, hint });
  }
}
