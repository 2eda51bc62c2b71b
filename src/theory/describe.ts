import { activationOf } from './activations.ts';
import { criticalInitialization } from './critical.ts';
import { type Evaluation, evaluate } from './evaluate.ts';
import {
  type ActivationStep,
  inputsOf,
  type LinearStep,
  type NormalizationStep,
  type Step,
  type TheoryNetwork,
} from './network.ts';
import { fixedPointOf, scaleOf, TRAINABLE_SCALES } from './recursion.ts';
import type { LayerTheory, Theory } from './theory.ts';

/** Layers of fewer inputs than this are no averages: their fluctuations are those of single weights. */
const NARROW = 16;

/** The theory of a network that has been read. */
export function theoryOf(network: TheoryNetwork): Theory {
  const evaluation = evaluate(network);
  const onPath = network.steps.filter(({ output }) => evaluation.gradients.has(output));
  const linear = onPath.filter((step): step is LinearStep => step.kind === 'linear');
  const readers = new Map<string, Step[]>();
  for (const step of network.steps) {
    for (const name of inputsOf(step)) readers.set(name, [...(readers.get(name) ?? []), step]);
  }
  const made = new Map(network.steps.map((step) => [step.output, step]));
  const described = linear.map((step) => describeLayer(step, network, evaluation, { readers, made }));
  const structured = linear.filter(({ random }) => !random);
  const layers = described.filter(
    ({ chi, decades }, i) => linear[i]!.random && !(Number.isNaN(chi) && Number.isNaN(decades)),
  );
  const total = evaluation.gradients.get(network.from) ?? Number.NEGATIVE_INFINITY;
  const predictedDecades = structured.length > 0 ? Number.NaN : decadesOf(total);
  const uncovered = onPath.filter(({ kind }) => kind === 'unknown' || kind === 'pool');
  const complete = structured.length === 0 && uncovered.length === 0 && !Number.isNaN(predictedDecades);
  // Beside a skip connection signals add up: nothing repeats at a fixed point (Yang and Schoenholz 2017).
  const typical = onPath.some(({ kind }) => kind === 'sum') ? undefined : typicalLayer(layers);
  return {
    applies: layers.length === 0 ? 'not' : complete ? 'fully' : 'partly',
    reasons: [...reasonsOf(uncovered, structured, linear), ...network.assumptions],
    layers,
    predictedDecades,
    spread: decadesOf(Math.sqrt(linear.reduce((sum, { output }) => sum + (evaluation.noise.get(output) ?? 0), 0))),
    ...(typical && { depthScale: typical.depthScale, trainableDepth: TRAINABLE_SCALES * typical.depthScale }),
    network,
  };
}

/** ln of a square in decades of its root. */
function decadesOf(logSquare: number): number {
  return logSquare / (2 * Math.LN10);
}

interface Neighbours {
  readonly readers: ReadonlyMap<string, readonly Step[]>;
  readonly made: ReadonlyMap<string, Step>;
}

function describeLayer(
  step: LinearStep,
  network: TheoryNetwork,
  evaluation: Evaluation,
  { readers, made }: Neighbours,
): LayerTheory {
  const { activation, normalization, residual } = followers(step, readers);
  const { sigmaW2, bias, inside, fanIn, layer } = step;
  const { square: q, mean } = evaluation.signals.get(step.output)!;
  const chi = Math.exp(
    Math.log(sigmaW2 * inside) +
      [activation, normalization].reduce((sum, next) => sum + (next ? evaluation.factors.get(next.output)! : 0), 0),
  );
  const sigmas = { sigmaW2, sigmaB2: bias.square };
  const phi = activationOf(activation?.op ?? 'Identity', activation?.attributes)!;
  // With normalization each layer begins anew: its point is fixed already. With a branch beside it there is none.
  const fixed =
    normalization || residual || !step.random
      ? {
          qStar: normalization && !residual ? q : Number.NaN,
          chiStar: chi,
          cStar: Number.NaN,
          depthScale: scaleOf(chi),
        }
      : fixedPointOf(phi, sigmas, Number.isFinite(q) ? q : 1);
  return {
    layer,
    ...(activation && { activation: activation.op }),
    fanIn,
    ...sigmas,
    q: q - mean * mean + bias.mean * bias.mean,
    ...fixed,
    chi,
    decades: step.output === network.from ? 0 : localDecades(step, evaluation, made, readers),
    decadesFromOutput: decadesOf(evaluation.gradients.get(step.output)!),
    ...(activation && { critical: criticalInitialization(phi, bias.square) }),
    ...(normalization && { normalization: normalization.op }),
    ...(residual && { residual }),
  };
}

/** The activation function and normalization that follow a layer, before the next layer, and whether a sum does. */
function followers(step: LinearStep, readers: ReadonlyMap<string, readonly Step[]>) {
  let activation: ActivationStep | undefined;
  let normalization: NormalizationStep | undefined;
  let residual = false;
  for (let value = step.output; ; ) {
    const next: readonly Step[] = readers.get(value) ?? [];
    if (next.length !== 1) break;
    const [one] = next as [Step];
    if (one.kind === 'activation' && !activation) activation = one;
    else if (one.kind === 'normalization' && !activation && !normalization) normalization = one;
    else if (one.kind === 'sum') residual = true;
    else if (one.kind !== 'affine') break;
    if (residual) break;
    value = one.output;
  }
  return { activation, normalization, residual };
}

/** From a layer's output back to the output of the layer before it, or to where branches meet. */
function localDecades(
  step: LinearStep,
  { factors }: Evaluation,
  made: ReadonlyMap<string, Step>,
  readers: ReadonlyMap<string, readonly Step[]>,
): number {
  let sum = factors.get(step.output)!;
  for (let value = step.input; ; ) {
    const before = made.get(value);
    if (!before || before.kind === 'linear' || before.kind === 'sum' || (readers.get(value)?.length ?? 0) > 1) break;
    const [next] = inputsOf(before);
    if (next === undefined || inputsOf(before).length > 1) break;
    sum += factors.get(before.output)!;
    value = next;
  }
  return decadesOf(sum);
}

/** Of the layers that repeat the most frequent design, the one with the middle χ*. */
function typicalLayer(layers: readonly LayerTheory[]): LayerTheory | undefined {
  const groups = new Map<string, LayerTheory[]>();
  for (const layer of layers) {
    if (layer.activation === undefined || layer.residual || !Number.isFinite(layer.chiStar)) continue;
    const key = `${layer.activation} ${layer.normalization ?? ''}`;
    groups.set(key, [...(groups.get(key) ?? []), layer]);
  }
  const [most] = [...groups.values()].sort((a, b) => b.length - a.length);
  const sorted = most && [...most].sort((a, b) => a.chiStar - b.chiStar);
  return sorted?.[sorted.length >> 1];
}

function reasonsOf(
  uncovered: readonly Step[],
  structured: readonly LinearStep[],
  linear: readonly LinearStep[],
): string[] {
  const groups = new Map<string, string[]>();
  for (const step of uncovered) {
    const why = step.kind === 'unknown' ? sayUnknown(step.op, step.why) : sayPool((step as { op: string }).op);
    groups.set(why, [...(groups.get(why) ?? []), step.kind === 'unknown' ? step.node : step.output]);
  }
  const list = (names: readonly string[]) =>
    `${names.slice(0, 3).join(', ')}${names.length > 3 ? ` and ${names.length - 3} more` : ''}`;
  const reasons = [...groups].map(([why, names]) => `${why} (${list(names)}).`);
  if (structured.length > 0) {
    const names = list(structured.map(({ layer }) => layer));
    reasons.push(
      `The weights of ${names} share a sign or a value: theory takes weights as independent draws of mean zero.`,
    );
  }
  const narrow = linear.filter(({ fanIn }) => fanIn < NARROW).slice(1);
  if (narrow.length > 0) {
    reasons.push(
      `Layers of fewer than ${NARROW} inputs (${list(narrow.map(({ layer }) => layer))}) scatter widely about any average.`,
    );
  }
  return reasons;
}

function sayUnknown(op: string, why: string | undefined): string {
  if (why !== undefined) return `${op} is not covered: ${why}`;
  if (/^(Attention|Softmax|LogSoftmax)$/.test(op)) return `${op} is not covered: it couples positions with each other`;
  if (/^(RNN|LSTM|GRU|Scan|Loop)$/.test(op))
    return `Recurrence is not covered: ${op} uses the same weights again and again`;
  return `${op} is not covered: there is no recursion for it here`;
}

function sayPool(op: string): string {
  return `${op} is covered for gradients alone: what it does to the variance depends on neighbours' correlation`;
}
