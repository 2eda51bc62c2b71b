import { type Attribution, attribute, deepestLayerValue } from '../flow/attribution.ts';
import type { FlowProfile } from '../flow/profile.ts';
import type { Case, Diagnosis, Finding, Severity, Verdict } from './finding.ts';
import { rules } from './rules/index.ts';

const rank: Record<Severity, number> = { error: 0, warning: 1, info: 2 };

/** What else is known of the network, beside its profile. */
export type DiagnosisContext = Pick<Case, 'theory' | 'history' | 'ablation'>;

/** Applies every rule to a flow profile. Knows nothing of where the profile came from. */
export function diagnoseFlow(profile: FlowProfile, { theory, history, ablation }: DiagnosisContext = {}): Diagnosis {
  const from = deepestLayerValue(profile);
  const attribution = from !== undefined ? attribute(profile, from) : undefined;
  const found = rules.flatMap((rule) => rule.check({ profile, attribution, theory, history, ablation }));
  const broken = found.some((finding) => finding.rule === 'non-finite');
  return conclude(
    found.filter((finding) => !(broken && decay.has(finding.rule))),
    attribution,
  );
}

/** Findings in the order of their severity, and the verdict they come to. */
export function conclude(found: readonly Finding[], attribution: Attribution | undefined): Diagnosis {
  const findings = [...found].sort((a, b) => rank[a.severity] - rank[b.severity]);
  return { verdict: verdictOf(findings), findings, attribution };
}

/** What says nothing once numbers are not finite. */
const decay: ReadonlySet<Finding['rule']> = new Set([
  'vanishing-gradient',
  'exploding-gradient',
  'vanishing-through-time',
  'exploding-through-time',
  'poor-initialization',
  'stalled-layer',
  'gradient-distribution',
]);

const verdicts: Partial<Record<Finding['rule'], Verdict>> = {
  'non-finite': 'non-finite',
  'dead-units': 'dead',
  'vanishing-gradient': 'vanishing',
  'exploding-gradient': 'exploding',
  'vanishing-through-time': 'vanishing',
  'exploding-through-time': 'exploding',
  'stalled-layer': 'vanishing',
};

/** The verdict is the first error's; rules stand in the order in which one explains the next. */
function verdictOf(findings: readonly Finding[]): Verdict {
  const error = findings.find((finding) => finding.severity === 'error');
  if (!error) return 'healthy';
  return verdicts[error.rule] ?? 'problem';
}
