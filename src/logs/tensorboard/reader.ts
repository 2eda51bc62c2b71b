import { DataError } from '../../graph/errors.ts';
import { decodeEvent, type Event, type SummaryValue } from './event.ts';
import { RecordParser } from './record.ts';

/** An event with the place behind it, where reading can be resumed. */
export interface LoggedEvent extends Event {
  readonly values: readonly SummaryValue[];
  /** Byte offset of the next record. */
  readonly next: number;
}

export interface EventReadOptions {
  /** Where to go on: a `next` of an earlier reading. */
  readonly offset?: number;
  /** Bound on one record, in bytes. */
  readonly limit?: number;
}

/** Events out of bytes that arrive in pieces of any size. */
export class EventParser {
  readonly #records: RecordParser;
  readonly #name: string;

  /** `name` is the file's, for messages. */
  constructor(name: string, options: EventReadOptions = {}) {
    this.#records = new RecordParser(name, options);
    this.#name = name;
  }

  /** Where the next record starts. */
  get offset(): number {
    return this.#records.offset;
  }

  /** Bytes received beyond the last whole record: not zero at a file's end when its writer died, or still writes. */
  get waiting(): number {
    return this.#records.waiting;
  }

  /** Takes the next bytes of the file. */
  push(chunk: Uint8Array): void {
    this.#records.push(chunk);
  }

  /**
   * The next event; undefined when more bytes are needed. Throws DataError with the offset for damage; after
   * `corrupt-record` and `corrupt-event` the next call goes on behind it.
   */
  next(): LoggedEvent | undefined {
    const { offset } = this.#records;
    const data = this.#records.next();
    if (!data) return undefined;
    try {
      // Copied: strings of a tensor are views, and the buffer is written to again.
      return { ...decodeEvent(data.slice()), next: this.#records.offset };
    } catch (cause) {
      throw new DataError(`the record is not an event: ${(cause as Error).message}`, {
        code: 'corrupt-event',
        where: `${this.#name}, offset ${offset}`,
        cause,
      });
    }
  }
}

/** The events of a file that arrives in pieces; a torn last record is left unread. Throws DataError for damage. */
export async function* readEvents(
  chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  name: string,
  options: EventReadOptions = {},
): AsyncGenerator<LoggedEvent, void, undefined> {
  const parser = new EventParser(name, options);
  for await (const chunk of chunks) {
    parser.push(chunk);
    for (let event = parser.next(); event; event = parser.next()) yield event;
  }
}
