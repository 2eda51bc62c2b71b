import type { LayerTable } from '../network.ts';
import { activationAliases, activations } from './activations.ts';
import { blocks } from './blocks.ts';
import { linear, linearAliases } from './linear.ts';
import { normalization, normalizationAliases } from './normalization.ts';
import { pooling, poolingAliases } from './pooling.ts';
import { shaping } from './shaping.ts';

/** Every layer a spec may name. A new kind is one entry in its family's table. */
export const layerTable: LayerTable = {
  kinds: { ...linear, ...activations, ...normalization, ...pooling, ...shaping, ...blocks },
  aliases: { ...linearAliases, ...activationAliases, ...normalizationAliases, ...poolingAliases },
  activations,
  activationAliases,
};
