import type { Rule } from '../rule.ts';
import { GradientTables } from '../tables.ts';
import { activations } from './activations.ts';
import { arithmetic } from './arithmetic.ts';
import { attention } from './attention.ts';
import { controlFlow } from './control-flow/index.ts';
import { convolution } from './convolution.ts';
import { einsum } from './einsum.ts';
import { elementary } from './elementary.ts';
import { geometry } from './geometry.ts';
import { indexing } from './indexing.ts';
import { losses } from './losses.ts';
import { matrices } from './matrices.ts';
import { normalization } from './normalization.ts';
import { pooling } from './pooling.ts';
import { recurrent } from './recurrent/index.ts';
import { reductions } from './reductions.ts';
import { resize } from './resize.ts';
import { scattering } from './scattering.ts';
import { shapes } from './shapes.ts';
import { softmax } from './softmax.ts';
import { spectral } from './spectral.ts';
import { unsupported } from './unsupported.ts';
import { zeroOnPurpose } from './zero.ts';

/** Every gradient rule, by operator. */
export const differentiable: Record<string, Rule> = {
  ...activations,
  ...arithmetic,
  ...elementary,
  ...indexing,
  ...reductions,
  ...shapes,
  ...matrices,
  ...convolution,
  ...pooling,
  ...normalization,
  ...softmax,
  ...recurrent,
  ...controlFlow,
  ...attention,
  ...einsum,
  ...geometry,
  ...losses,
  ...resize,
  ...scattering,
  ...spectral,
};

/** The three tables of this project. */
export const gradientTables = new GradientTables({ differentiable, zeroOnPurpose, unsupported });
