/** A model file's bytes and the means to read the files that lie beside it (weights kept apart). */
export interface Source {
  readonly name: string;
  readonly bytes: Uint8Array;
  sibling(name: string): Promise<Uint8Array>;
}
