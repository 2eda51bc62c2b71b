import type { Model } from '../graph/graph.ts';

/** A model file and the way to the files beside it, whatever holds them: a disk, a browser's file picker, a test. */
export interface Source {
  /** File name, for messages and to tell the format when the content does not. */
  readonly name: string;
  readonly bytes: Uint8Array;
  /** A file of the same directory, by relative path; undefined when there is none. */
  sibling(name: string): Promise<Uint8Array | undefined> | Uint8Array | undefined;
}

/** One model format. */
export interface Reader {
  readonly format: string;
  /** File-name endings, with the dot, for content that `match` does not recognize. */
  readonly extensions: readonly string[];
  /** Whether the content is of this format. Never throws. */
  match(source: Source): boolean;
  /** Throws ReaderError when the content is broken. */
  read(source: Source): Promise<Model>;
}

/** A source in memory; `files` are its siblings. */
export function memorySource(name: string, bytes: Uint8Array, files: Record<string, Uint8Array> = {}): Source {
  return { name, bytes, sibling: (sibling) => (Object.hasOwn(files, sibling) ? files[sibling] : undefined) };
}
