import { AppendFile } from '../../runtime/node/append-file.ts';
import { readBytes } from '../../runtime/node/files.ts';
import { encodeMetrics, type Metrics, type MetricsLine, parseMetrics } from '../metrics.ts';

/** A metrics file that grows by lines. */
export class MetricsFileWriter {
  readonly #file: AppendFile;
  #text = '';

  private constructor(file: AppendFile) {
    this.#file = file;
  }

  /** Opens a metrics file, creating it where missing; a last line that a crash tore is cut off. Throws DataError. */
  static async open(path: string): Promise<MetricsFileWriter> {
    return new MetricsFileWriter(await AppendFile.openLines(path));
  }

  /** Characters that wait to be written. */
  get pending(): number {
    return this.#text.length;
  }

  /** Logs a line, in memory. Throws UsageError for the step. */
  add(line: MetricsLine): void {
    this.#text += encodeMetrics(line);
  }

  /** Writes what was logged. Throws DataError; nothing is lost, the next call tries again. */
  flush(): Promise<void> {
    return this.#file.flush(() => this.#take());
  }

  /** Writes what was logged, and closes the file also when that fails. */
  close(): Promise<void> {
    return this.#file.close(() => this.#take());
  }

  #take(): Uint8Array {
    const bytes = new TextEncoder().encode(this.#text);
    this.#text = '';
    return bytes;
  }
}

/** The lines of a metrics file. Throws DataError. */
export async function readMetricsFile(path: string): Promise<Metrics> {
  return parseMetrics(new TextDecoder().decode(await readBytes(path)), path);
}
