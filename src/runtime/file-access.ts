/** Bytes at any place of something large: a file on disk, a remote object, a buffer. */
export interface RandomAccess {
  /** What errors call it. */
  readonly name: string;
  /** In bytes. */
  readonly size: number;
  /** Exactly `length` bytes from `offset`, as an array of their own. Throws DataError where they end early. */
  read(offset: number, length: number): Promise<Uint8Array>;
  close(): Promise<void>;
}

/** Decodes one image file to row-major pixels [height, width, channels] of 8 bits. */
export interface ImageDecoder {
  /** The size a file has by itself. Throws DataError for what is no image. */
  sizeOf(path: string): Promise<{ width: number; height: number }>;
  /** The pixels, scaled to the wanted size; 1 channel is grey, 3 are red, green, blue, 4 with opacity. */
  decode(path: string, width: number, height: number, channels: 1 | 3 | 4): Promise<Uint8Array>;
}

/** Files by path, whatever holds them. */
export interface FileAccess {
  /** What stands at a path; undefined for nothing. */
  kindOf(path: string): Promise<'file' | 'folder' | undefined>;
  /** A file's bytes. Throws DataError with code `no-file` where there is none. */
  read(path: string): Promise<Uint8Array>;
  /** Opens a file for positional reads; errors as for `read`. */
  open(path: string): Promise<RandomAccess>;
  /** Names in a folder, sorted by code unit; hidden ones left out. */
  list(path: string): Promise<{ files: string[]; folders: string[] }>;
  /** Throws DataError where images cannot be decoded here, saying what to install. */
  images(): Promise<ImageDecoder>;
}
