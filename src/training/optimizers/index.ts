import { suggest } from '../../graph/did-you-mean.ts';
import { UsageError } from '../../graph/errors.ts';
import { adagrad } from './adagrad.ts';
import { adam, adamw } from './adam.ts';
import { lion } from './lion.ts';
import { rmsprop } from './rmsprop.ts';
import { nonNegative, type OptimizerRule, type OptionRule, positive } from './rule.ts';
import { momentum, nesterov, plain } from './sgd.ts';

/** The optimizers this project knows. `momentum` and `nesterov` are `sgd` with momentum 0.9. */
export const optimizers: Readonly<Record<string, OptimizerRule>> = {
  sgd: plain,
  momentum,
  nesterov,
  adam,
  adamw,
  rmsprop,
  adagrad,
  lion,
};

/** An optimizer by name, with the options that differ from its defaults (camelCase, PyTorch's meaning). */
export interface OptimizerChoice {
  readonly name: string;
  /** `lr` may stand among them: it is the loop's, the step takes the learning rate as an input. */
  readonly options?: Readonly<Record<string, number | boolean>>;
}

/** An optimizer with all its options. */
export interface Optimizer {
  readonly name: string;
  readonly rule: OptimizerRule;
  readonly learningRate: number;
  readonly options: Readonly<Record<string, number | boolean>>;
}

/** Options of every optimizer: the learning rate, and weight decay apart from the gradient. */
const common: Record<string, OptionRule> = { lr: positive(0), decoupledWeightDecay: nonNegative(0) };

/** Checks a choice and fills in the defaults. Throws UsageError for an unknown name or option, or a value out of range. */
export function resolveOptimizer({ name, options = {} }: OptimizerChoice): Optimizer {
  const rule = Object.hasOwn(optimizers, name) ? optimizers[name]! : undefined;
  if (!rule) {
    throw new UsageError(`no optimizer "${name}"`, {
      code: 'unknown-optimizer',
      hint: suggest(name, Object.keys(optimizers)),
    });
  }
  const rules: Record<string, OptionRule> = { ...common, ...rule.options };
  for (const [option, value] of Object.entries(options)) checkOption(name, option, value, rules);
  const defaults = Object.fromEntries(Object.entries(rules).map(([option, { default: value }]) => [option, value]));
  const learningRate = (options.lr as number | undefined) ?? rule.learningRate;
  return { name, rule, learningRate, options: { ...defaults, ...options, lr: learningRate } };
}

const ranges = {
  fraction: { holds: (x: number) => x >= 0 && x < 1, text: 'a number from 0 up to, not including, 1' },
  positive: { holds: (x: number) => x > 0, text: 'a number above 0' },
  'non-negative': { holds: (x: number) => x >= 0, text: 'a number of 0 or more' },
};

function checkOption(name: string, option: string, value: unknown, rules: Record<string, OptionRule>): void {
  const where = `optimizer ${name}`;
  const rule = Object.hasOwn(rules, option) ? rules[option]! : undefined;
  if (!rule) {
    throw new UsageError(`${name} has no option "${option}"`, {
      code: 'unknown-option',
      where,
      hint: suggest(option, Object.keys(rules), 'options'),
    });
  }
  if (!rule.range) {
    if (typeof value === 'boolean') return;
    throw new UsageError(`${option} is ${String(value)}`, { code: 'option-value', where, hint: 'true or false' });
  }
  const { holds, text } = ranges[rule.range];
  if (typeof value === 'number' && Number.isFinite(value) && holds(value)) return;
  throw new UsageError(`${option} is ${String(value)}`, { code: 'option-value', where, hint: `expected ${text}` });
}
