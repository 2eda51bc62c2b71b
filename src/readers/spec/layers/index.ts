import type { LayerTable } from '../network.ts';
import { activationAliases, activations } from './activations.ts';
import { attention, attentionAliases } from './attention.ts';
import { blocks } from './blocks.ts';
import { embedding, embeddingAliases } from './embedding.ts';
import { linear, linearAliases } from './linear.ts';
import { normalization, normalizationAliases } from './normalization.ts';
import { pooling, poolingAliases } from './pooling.ts';
import { recurrent } from './recurrent.ts';
import { scaling, scalingAliases } from './scaling.ts';
import { shaping } from './shaping.ts';
import { steps } from './steps.ts';

/** Every layer a spec may name. A new kind is one entry in its family's table. */
export const layerTable: LayerTable = {
  kinds: {
    ...linear,
    ...recurrent,
    ...embedding,
    ...attention,
    ...activations,
    ...normalization,
    ...pooling,
    ...steps,
    ...scaling,
    ...shaping,
    ...blocks,
  },
  aliases: {
    ...linearAliases,
    ...embeddingAliases,
    ...attentionAliases,
    ...activationAliases,
    ...normalizationAliases,
    ...poolingAliases,
    ...scalingAliases,
  },
  activations,
  activationAliases,
};
