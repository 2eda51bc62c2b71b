import type { Case, DiagnosisRule, Finding } from '../finding.ts';
import { hints } from '../remedy-hints.ts';

/** Parameters from which no path leads to the loss: they will never change. */
export const disconnectedParameter: DiagnosisRule = {
  id: 'disconnected-parameter',
  summary: 'parameters from which no differentiable path leads to the loss',
  about: {
    meaning:
      'No path of differentiable operators leads from the loss to the parameter: its gradient does not exist, and training never changes it.',
    formula: 'no path w -> ... -> L along operators whose derivative is not zero everywhere',
    symbols: { w: 'the parameter', L: 'the loss' },
    needs: 'one batch',
    thresholds: [],
    severity: 'An error where no parameter is connected at all, otherwise a warning.',
    remedies: ['connect-parameter'],
    references: [],
  },
  check({ profile }: Case): Finding[] {
    const loose = profile.parameters.filter((parameter) => !parameter.connected);
    if (loose.length === 0) return [];
    const all = loose.length === profile.parameters.length;
    const names = loose.map((parameter) => parameter.name);
    const list = names.length > 3 ? `${names.slice(0, 3).join(', ')} and ${names.length - 3} more` : names.join(', ');
    return [
      {
        rule: 'disconnected-parameter',
        severity: all ? 'error' : 'warning',
        title: all ? 'no parameter is connected to the loss' : `no path leads from the loss to ${list}`,
        explanation:
          'The parameter is unused, feeds only another output, or lies behind an operator whose derivative is zero everywhere.',
        where: names,
        basis: `${loose.length} of ${profile.parameters.length} parameters`,
        evidence: { disconnected: loose.length, parameters: profile.parameters.length },
        causes: [],
        remedies: hints('connect-parameter'),
      },
    ];
  },
};
