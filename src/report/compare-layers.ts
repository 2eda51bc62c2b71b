import type { SavedReport } from './read-json.ts';

/** A layer as far as two reports can be compared; decades from the output's gradient. */
export interface ComparedLayer {
  readonly layer: string;
  readonly decades: number;
  /** Whether it has a weight matrix or kernel; undefined where the report does not say. */
  readonly mixes?: boolean;
  /** ‖Δw‖ / ‖w‖ of one step; undefined where there is none. */
  readonly updateRatio?: number;
}

/** A layer of a and the layer of b that stands for it; one of the two where there is no other. */
export interface LayerPair {
  readonly a?: ComparedLayer;
  readonly b?: ComparedLayer;
}

export interface LayerMatch {
  /** From output to input. */
  readonly pairs: readonly LayerPair[];
  /** Pairs made by position, their names being different. */
  readonly byPosition: number;
}

/** A report's layers from output to input; of reports that list none, the first value on the path of each. */
export function layersOf({ layerGradients, flow, parameters }: SavedReport): ComparedLayer[] {
  if (layerGradients) {
    return layerGradients.map(({ layer, decadesFromOutput: decades, mixes, updateRatio }) => {
      return updateRatio === null ? { layer, decades, mixes } : { layer, decades, mixes, updateRatio };
    });
  }
  const owners = new Set(parameters.map(({ layer }) => layer));
  const found = new Map<string, ComparedLayer>();
  for (const { layer, decadesFromOutput: decades, kind } of flow) {
    // A layer's values begin, from the output, with its activation.
    const own = kind !== 'activation-derivative' && kind !== 'reshape' && kind !== 'dropout';
    if (owners.has(layer) && own && !found.has(layer)) found.set(layer, { layer, decades });
  }
  return [...found.values()];
}

/**
 * Matches layers by name. Those left over are matched in their order, layers with a weight matrix and others apart, where
 * both sides have the same number of them, or where no name is common: then from the output on, for decades are counted
 * from there.
 */
export function matchLayers(a: readonly ComparedLayer[], b: readonly ComparedLayer[]): LayerMatch {
  const byName = new Map(b.map((layer) => [layer.layer, layer]));
  const partners = new Map<ComparedLayer, ComparedLayer>();
  for (const layer of a) {
    const partner = byName.get(layer.layer);
    if (partner && byName.delete(layer.layer)) partners.set(layer, partner);
  }
  const taken = new Set(partners.values());
  const strangers = partners.size === 0;
  let byPosition = 0;
  for (const mixes of new Set([...a, ...b].map((layer) => layer.mixes))) {
    const left = a.filter((layer) => layer.mixes === mixes && !partners.has(layer));
    const right = b.filter((layer) => layer.mixes === mixes && !taken.has(layer));
    if (left.length !== right.length && !strangers) continue;
    const count = Math.min(left.length, right.length);
    for (let i = 0; i < count; i++) {
      partners.set(left[i]!, right[i]!);
      taken.add(right[i]!);
    }
    byPosition += count;
  }
  return { pairs: merge(a, b, partners, taken), byPosition };
}

/** Both lists in one: b's own layers stand after the pair that stands before them in b. */
function merge(
  a: readonly ComparedLayer[],
  b: readonly ComparedLayer[],
  partners: ReadonlyMap<ComparedLayer, ComparedLayer>,
  taken: ReadonlySet<ComparedLayer>,
): LayerPair[] {
  const following = new Map<ComparedLayer | undefined, ComparedLayer[]>();
  let before: ComparedLayer | undefined;
  for (const layer of b) {
    if (taken.has(layer)) before = layer;
    else following.set(before, [...(following.get(before) ?? []), layer]);
  }
  const alone = (anchor: ComparedLayer | undefined) => (following.get(anchor) ?? []).map((layer) => ({ b: layer }));
  return [
    ...alone(undefined),
    ...a.flatMap((layer): LayerPair[] => {
      const partner = partners.get(layer);
      return partner ? [{ a: layer, b: partner }, ...alone(partner)] : [{ a: layer }];
    }),
  ];
}
