import { type Rule, rule } from '../rule.ts';

/** Matrix products. */
export const matrices: Record<string, Rule> = {};
