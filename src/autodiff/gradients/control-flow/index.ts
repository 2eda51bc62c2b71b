import type { Rule } from '../../rule.ts';
import { If } from './if.ts';
import { Loop } from './loop.ts';
import { Scan } from './scan.ts';

/** Operators that run subgraphs. */
export const controlFlow: Record<string, Rule> = { If, Loop, Scan };
