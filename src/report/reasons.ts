import { composites } from '../flow/composites.ts';
import type { FactorKind } from '../flow/kinds.ts';
import type { FlowProfile } from '../flow/profile.ts';
import { counted, showPercent } from './numbers.ts';

/** One line on why a kind of factor shrinks or enlarges a gradient, with what was measured of it. */
export function reasonFor(kind: FactorKind, decades: number, profile: FlowProfile): string {
  switch (kind) {
    case 'activation-derivative':
      return activationReason(profile);
    case 'weight-matrix': {
      const mixing = Math.max(1, profile.layers.filter((layer) => layer.mixes).length - 1);
      const gain = 10 ** (decades / mixing);
      return `each weight matrix passes on ×${gain.toPrecision(2)} on average: a matter of initialization`;
    }
    case 'normalization':
      return 'a normalization divides by the spread of what it reads';
    case 'pooling':
      return 'an average spreads its gradient over everything it averages';
    case 'attention':
      return 'attention weights and their softmax scale what passes';
    case 'recurrence':
      return 'one factor for every time step';
    case 'branching':
      return decades > 0 ? 'the gradients of several branches add up' : 'the gradients of branches cancel';
    case 'skip-connection':
      return decades > 0 ? 'the gradients of several branches add up' : 'the gradients of branches cancel';
    case 'dropout':
      return 'dropped units pass nothing';
    case 'loss':
      return 'the derivative of the loss itself';
    case 'arithmetic':
      return 'elementwise arithmetic: multiplications and divisions';
    case 'reshape':
      return 'parts that are not used pass nothing';
  }
}

/** Bounds of φ′ that follow from the function alone. */
const bounds: Readonly<Record<string, string>> = {
  Sigmoid: 'σ′ is at most 0.25 whatever the weights',
  HardSigmoid: 'its slope is at most 0.2 whatever the weights',
  Tanh: 'tanh′ is 1 only at 0 and falls on both sides',
  Softsign: 'its slope is 1 only at 0 and falls on both sides',
  Relu: 'ReLU passes only what is positive',
};

/** GELU, where several operators make one up. */
function titleOf(block: string | undefined): string | undefined {
  return block !== undefined && block in composites ? composites[block as keyof typeof composites].title : undefined;
}

function activationReason({ values }: FlowProfile): string {
  const counts = new Map<string, { layers: number; squares: number[]; inactive: number[] }>();
  for (const { op: own, kind, units, block, inner } of values) {
    if (kind !== 'activation-derivative' || inner) continue;
    const op = titleOf(block) ?? own;
    const entry = counts.get(op) ?? { layers: 0, squares: [], inactive: [] };
    entry.layers++;
    if (units) {
      entry.squares.push(units.meanSquareDerivative);
      entry.inactive.push(units.inactiveFraction);
    }
    counts.set(op, entry);
  }
  const [most] = [...counts].sort((a, b) => b[1].layers - a[1].layers);
  if (!most) return 'the slope of the activation functions';
  const [op, { layers, squares, inactive }] = most;
  const mean = (numbers: readonly number[]) => numbers.reduce((sum, x) => sum + x, 0) / numbers.length;
  const times = counted(layers, 'layer');
  if (squares.length === 0) return `${bounds[op] ?? `the derivative of ${op}`}, ${times}`;
  const measured =
    op === 'Relu' ? `here ${showPercent(1 - mean(inactive))}` : `here ${Math.sqrt(mean(squares)).toPrecision(2)} (rms)`;
  return `${bounds[op] ?? `the derivative of ${op}`}; ${measured} in ${times}`;
}
