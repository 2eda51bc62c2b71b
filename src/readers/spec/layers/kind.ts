import type { z } from 'zod';
import type { Value } from '../../../graph/graph.ts';
import type { Layer } from '../network.ts';
import type { OptionSet } from '../tagged.ts';

/** A kind of layer: its options and the nodes it adds. */
export interface LayerKind extends OptionSet {
  /** Name of a layer that is given none; the kind's own name by default. */
  readonly defaultName?: string;
  /** Takes integers: all others are told that an embedding belongs before them. */
  readonly takesTokens?: boolean;
  build(layer: Layer, X: Value): Value;
}

/** A kind of layer whose `build` gets its options typed by their schemas. */
export function layerKind<const S extends z.ZodRawShape>(definition: {
  main?: keyof S & string;
  options: S;
  defaultName?: string;
  takesTokens?: boolean;
  build(layer: Layer, X: Value, options: z.output<z.ZodObject<S>>): Value;
}): LayerKind {
  return {
    ...definition,
    build: (layer, X) => definition.build(layer, X, layer.options as z.output<z.ZodObject<S>>),
  };
}
