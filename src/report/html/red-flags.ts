import { ERROR_DECADES as GROWTH_ERROR } from '../../diagnosis/rules/exploding-gradient.ts';
import { ERROR_DECADES as DECAY_ERROR } from '../../diagnosis/rules/vanishing-gradient.ts';
import type { ReportSubject } from '../subject.ts';

/** Decades from the output at which the rules raise an error; a finding's own evidence comes first. */
export function redFlags({ diagnosis: { findings } }: ReportSubject): { decay: number; growth: number } {
  const limit = (rule: string) => {
    const threshold = findings.find((finding) => finding.rule === rule)?.evidence.errorThreshold;
    return typeof threshold === 'number' ? threshold : undefined;
  };
  return { decay: limit('vanishing-gradient') ?? DECAY_ERROR, growth: limit('exploding-gradient') ?? GROWTH_ERROR };
}
