import type { Rule } from '../rule.ts';
import { GradientTables } from '../tables.ts';
import { activations } from './activations.ts';
import { matrices } from './matrices.ts';
import { unsupported } from './unsupported.ts';
import { zeroOnPurpose } from './zero.ts';

/** Every gradient rule, by operator. */
export const differentiable: Record<string, Rule> = { ...activations, ...matrices };

/** The three tables of this project. */
export const gradientTables = new GradientTables({ differentiable, zeroOnPurpose, unsupported });
