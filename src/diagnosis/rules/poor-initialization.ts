import type { LayerTheory } from '../../theory/theory.ts';
import { effectiveDecades, powerOfTen } from '../decay.ts';
import type { Case, DiagnosisRule, Finding, Relief, Severity } from '../finding.ts';
import { hints } from '../remedy-hints.ts';

const ERROR_DECADES = 3;
const WARNING_DECADES = 2;
const NOTE_DECADES = 1.5;
/**
 * A critical σ_w² above this is no advice: a sigmoid's is 103, at which it is flat for most inputs. What is wrong there is
 * the activation function, and the gradient's own rules say so. He's 2 is the largest in use.
 */
const LARGEST_CRITICAL = 10;
/** Variances nearer to the critical one than this factor are not what is wrong: one draw varies by √(2/n) alone. */
const OFF_FACTOR = 1.5;
/** SageMaker Debugger's poor-weight-initialization rule: variances that differ tenfold. */
const FAR_FACTOR = 10;
/** What a layer so far off must cost by itself to be worth a note. */
const FAR_DECADES = 1;
/** A loss this far below the constant answer's is a trained network's: its weights are no initialization. */
const TRAINED = 0.9;

/** First weights whose variance makes signals shrink or grow with depth, against the critical one for their activation. */
export const poorInitialization: DiagnosisRule = {
  id: 'poor-initialization',
  summary: 'first weights whose variance is not the one at which signals keep their size',
  about: {
    meaning:
      'At the critical variance the mean square of a gradient is the same in every layer. Weights drawn smaller lose it, weights drawn larger blow it up, exponentially with depth, and no other part of the design need be at fault.',
    formula:
      "s = fan_in Var(w),  chi = s E[phi'(sqrt(q) z)^2],  critical: chi = 1;  D = sum over layers of 0.5 log10 chi",
    symbols: {
      s: 'variance of the weights times fan-in',
      chi: "factor of the gradient's mean square per layer",
      q: 'variance of the pre-activations',
      phi: 'the activation function',
      z: 'a standard normal number',
      D: 'predicted decades over the whole depth',
    },
    needs: 'one batch',
    thresholds: [
      {
        name: 'error, predicted and measured decades',
        value: ERROR_DECADES,
        source: 'the limit of vanishing-gradient and exploding-gradient',
      },
      { name: 'warning, predicted decades', value: WARNING_DECADES, source: 'the limit of vanishing-gradient' },
      { name: 'note, decades', value: NOTE_DECADES, source: 'the limit of vanishing-gradient' },
      {
        name: 'off, factor between variances',
        value: OFF_FACTOR,
        source: 'calibrated: one draw varies by sqrt(2 / n)',
      },
      {
        name: 'note, factor between variances',
        value: FAR_FACTOR,
        source: 'SageMaker Debugger: variances that differ tenfold',
      },
      {
        name: 'note, decades of one layer',
        value: FAR_DECADES,
        source: 'sigmoid layers lose 0.6 at any usual variance',
      },
      { name: 'trained, part of the constant loss', value: TRAINED, source: 'an untrained network is never that good' },
    ],
    severity:
      'An error where theory predicts three decades or more and the measurement agrees; a warning for two where at least 1.5 are measured; else a note. Silent for trained weights; after training steps it stands where the gradient still vanishes or explodes, and is withdrawn elsewhere.',
    remedies: ['use-critical-init', 'use-he-init', 'use-glorot-init'],
    references: [
      'Glorot & Bengio 2010, Understanding the difficulty of training deep feedforward neural networks',
      'He et al. 2015, Delving Deep into Rectifiers',
      'Poole et al. 2016, Exponential expressivity in deep neural networks through transient chaos',
      'Schoenholz et al. 2017, Deep Information Propagation',
    ],
  },
  check({ profile, attribution, theory, history }: Case): Finding[] {
    if (!theory || theory.applies === 'not') return [];
    // Trained weights are no initialization: after steps, what became of the first ones is read off the gradient.
    if (history || profile.seen.step > 0) return [];
    if (profile.constantLoss !== undefined && profile.loss < TRAINED * profile.constantLoss) return [];
    const predicted = theory.predictedDecades;
    const measured = attribution ? effectiveDecades(attribution.byKind) : Number.NaN;
    const total = attribution?.totalDecades === Number.NEGATIVE_INFINITY ? Number.NEGATIVE_INFINITY : measured;
    // The last layer's size is a free choice: it scales the output, and no layer lies behind it.
    const hidden = theory.layers.slice(0, -1);
    const off = hidden
      .filter((layer) => isOff(layer, predicted))
      .sort((a, b) => Math.abs(Math.log(factorOf(b))) - Math.abs(Math.log(factorOf(a))));
    const worst = off[0];
    if (!worst) return [];
    const severity = severityOf(predicted, total, isFar(worst));
    if (!severity) return [];
    const relief = reliefOf(predicted, off);
    const direction = factorOf(worst) < 1 ? 'too small' : 'too large';
    return [
      {
        rule: 'poor-initialization',
        severity,
        title: `the first weights of ${off.length} of ${hidden.length} hidden layers are ${direction}: variance ${varianceOf(worst)} in ${worst.layer}, critical ${criticalVarianceOf(worst)}`,
        explanation: `χ is ${worst.chi.toPrecision(2)} there, and 1 at the critical variance for ${worst.activation?.toLowerCase() ?? 'a linear layer'}: over the whole depth theory predicts ${powerOfTen(predicted)}, and ${powerOfTen(total)} is measured.`,
        where: off.map(({ layer }) => layer),
        basis: `variance it has → should have: ${off.slice(0, 4).map(sayVariances).join('; ')}${off.length > 4 ? `; and ${off.length - 4} more` : ''}; an error from ${ERROR_DECADES} decades on, predicted and measured (${theory.applies === 'fully' ? 'theory covers every layer' : 'theory covers part of the layers'})`,
        evidence: {
          layers: off.length,
          predictedDecades: predicted,
          measuredDecades: total,
          variance: worst.sigmaW2 / worst.fanIn,
          criticalVariance: worst.critical!.sigmaW2 / worst.fanIn,
          biasVariance: worst.sigmaB2,
          criticalBiasVariance: worst.critical!.sigmaB2,
          factor: factorOf(worst),
          chi: worst.chi,
          variances: off.slice(0, 20).map(sayVariances).join('; '),
          errorThreshold: ERROR_DECADES,
          offThreshold: OFF_FACTOR,
        },
        causes: [{ kind: 'weight-matrix', decades: sumOf(off), share: shareOf(predicted, off) }],
        ...(relief && { relief }),
        remedies: hints(
          'use-critical-init',
          /Relu|Elu|Gelu|Swish|Mish/.test(worst.activation ?? '') ? 'use-he-init' : 'use-glorot-init',
        ),
      },
    ];
  },
};

/** σ_w² over the critical one. */
function factorOf({ sigmaW2, critical }: LayerTheory): number {
  return sigmaW2 / critical!.sigmaW2;
}

/** Whether a layer's variance is off, in the direction of what is predicted where that is worth mentioning. */
function isOff(layer: LayerTheory, predicted: number): boolean {
  if (!layer.critical || layer.normalization !== undefined || layer.critical.sigmaW2 > LARGEST_CRITICAL) return false;
  const factor = factorOf(layer);
  // A residual branch may start as small as it likes; zero weights are another rule's matter.
  if (!(factor > 0) || (layer.residual && factor < 1)) return false;
  if (Math.abs(predicted) >= NOTE_DECADES) return predicted < 0 ? factor < 1 / OFF_FACTOR : factor > OFF_FACTOR;
  return isFar(layer);
}

/** Far from critical, and not one of the functions whose critical variance is far from any in use (sigmoid). */
function isFar(layer: LayerTheory): boolean {
  const factor = factorOf(layer);
  return Math.max(factor, 1 / factor) > FAR_FACTOR && Math.abs(layer.decades) >= FAR_DECADES;
}

function severityOf(predicted: number, measured: number, far: boolean): Severity | undefined {
  if (Number.isNaN(predicted)) return undefined;
  const agree = Math.sign(predicted) === Math.sign(measured);
  const seen = agree ? Math.abs(measured) : 0;
  const size = Math.abs(predicted);
  if (size >= ERROR_DECADES && seen >= ERROR_DECADES) return 'error';
  if (size >= WARNING_DECADES && seen >= NOTE_DECADES) return 'warning';
  return size >= NOTE_DECADES || far ? 'info' : undefined;
}

function sumOf(layers: readonly LayerTheory[]): number {
  return layers.reduce((sum, { decades }) => sum + decades, 0);
}

function shareOf(predicted: number, off: readonly LayerTheory[]): number {
  const share = sumOf(off) / predicted;
  return Number.isFinite(share) ? Math.min(1, Math.max(0, share)) : 1;
}

/** At χ = 1 a layer takes nothing. */
function reliefOf(predicted: number, off: readonly LayerTheory[]): Relief | undefined {
  const after = predicted - sumOf(off);
  if (!Number.isFinite(after)) return undefined;
  const [{ critical, activation }] = off as [LayerTheory];
  return {
    remedy: 'use-critical-init',
    sentence: `weights of variance ${critical!.sigmaW2.toPrecision(3)} / fan-in, critical for ${activation?.toLowerCase() ?? 'linear layers'}, would leave ${powerOfTen(after)} in place of ${powerOfTen(predicted)}`,
    predictedDecades: after,
  };
}

function varianceOf({ sigmaW2, fanIn }: LayerTheory): string {
  return (sigmaW2 / fanIn).toPrecision(2);
}

function criticalVarianceOf({ critical, fanIn }: LayerTheory): string {
  return (critical!.sigmaW2 / fanIn).toPrecision(2);
}

function sayVariances(layer: LayerTheory): string {
  return `${layer.layer} ${varianceOf(layer)} → ${criticalVarianceOf(layer)}`;
}
