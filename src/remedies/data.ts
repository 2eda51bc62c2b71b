import { isFloat } from '../graph/data-type.ts';
import { consumers, type Model } from '../graph/graph.ts';
import { tensorOf } from '../graph/tensor.ts';
import { anyFinding } from './evidence.ts';
import { kerasRebuild } from './patch/rebuild.ts';
import { type Design, type InputStatistics, type Patch, type Patient, type Remedy, RemedyError } from './remedy.ts';
import { GraphEditor } from './rewrite/editor.ts';

/** A mean this many deviations from zero, and deviations outside these bounds, are far from what initializations assume. */
const FAR_MEAN = 2;
const SMALLEST = 0.1;
const LARGEST = 10;
/** So many features share a scale (pixels, counts of words): one that hardly varies in a batch is not to be blown up. */
const MANY = 64;
const FLOOR = 0.1;

/** Inputs of mean 0 and variance 1. */
export const standardizeInputs: Remedy = {
  id: 'standardize-inputs',
  title: 'inputs of zero mean and unit variance, as two nodes behind each input',
  changes: 'changes-model',
  why: 'Initializations assume E[x²] = 1: the first layer’s gradient is δ · xᵀ, so that inputs of size s make it s times as large as the others’ and saturate what follows, and a common mean adds one direction of curvature that outgrows all others. The mean and deviation of a batch become constants of the model.',
  removes: ['forward-signal'],
  conflicts: [],
  references: ['LeCun, Bottou, Orr & Müller 1998, Efficient BackProp, section 4.3'],
  applies(patient) {
    const finding = anyFinding(patient);
    const [first] = inputsToChange(patient.design, patient);
    if (!finding || !first) return undefined;
    return `${finding.title}, and the input ${first.name} has ${sayFar(first.statistics)}`;
  },
  apply(design, patient) {
    const inputs = inputsToChange(design, patient);
    if (inputs.length > 0) return { ...design, model: standardize(design.model, patient, inputs) };
    const hint = 'it takes float inputs whose mean or deviation is far from 0 and 1, once';
    throw new RemedyError(`standardize-inputs finds no input to change in ${design.model.name}`, {
      code: 'remedy-place',
      hint,
    });
  },
  // It acts on the forward signal; what becomes of the way back depends on where units stood.
  predict: () => undefined,
  patch(patient) {
    return patchOf(inputsToChange(patient.design, patient));
  },
};

interface Input {
  readonly name: string;
  readonly statistics: InputStatistics;
  readonly mean: readonly number[];
  readonly divisor: readonly number[];
  /** Axes behind the features': height and width of an image. */
  readonly behind: number;
}

/** Float inputs that are far from standardized, and not centred or scaled by the model itself. */
function inputsToChange({ model }: Design, { inputs, binding }: Patient): Input[] {
  return [...inputs].flatMap(([name, statistics]) => {
    const info = model.graph.inputs.find((input) => input.name === name);
    if (!info || (info.type !== undefined && !isFloat(info.type))) return [];
    if (!isFar(statistics) || isScaled(model, name)) return [];
    const rank = binding.get(name)?.shape.length ?? info.shape?.length ?? statistics.axis + 1;
    const mean = statistics.mean.map((x) => (Number.isFinite(x) ? x : 0));
    const behind = rank - 1 - statistics.axis;
    return [{ name, statistics, mean, divisor: divisorsOf(statistics), behind }];
  });
}

/** Whether any feature is far too large, or most of those that vary are far off. */
function isFar({ mean, deviation }: InputStatistics): boolean {
  if (deviation.some((s, i) => s > LARGEST || Math.abs(mean[i]!) > LARGEST)) return true;
  const varying = deviation.flatMap((s, i) => (s > 0 ? [{ s, m: Math.abs(mean[i]!) }] : []));
  return varying.filter(({ s, m }) => m > FAR_MEAN * s || s < SMALLEST).length > varying.length / 2;
}

/** Whether the model subtracts, divides or normalizes the input before all else. */
function isScaled({ graph, constants }: Model, input: string): boolean {
  const readers = consumers(graph).get(input) ?? [];
  return (
    readers.length > 0 &&
    readers.every(
      ({ node: { op, inputs } }) =>
        op === 'BatchNormalization' || (/^(Add|Sub|Mul|Div)$/.test(op) && inputs.some((name) => constants.has(name))),
    )
  );
}

/** Deviations to divide by: 1 for what does not vary beyond rounding; of many features none far below the others. */
function divisorsOf({ mean, deviation }: InputStatistics): number[] {
  const varies = (s: number, i: number) => Number.isFinite(s) && s > 1e-6 * Math.abs(mean[i]!);
  const varying = deviation.filter(varies).sort((a, b) => a - b);
  const floor = deviation.length > MANY ? FLOOR * (varying[varying.length >> 1] ?? 0) : 0;
  return deviation.map((s, i) => (varies(s, i) ? Math.max(s, floor) : floor || 1));
}

/** (X − mean) / deviation, broadcast from the features' axis. */
function standardize(model: Model, { binding }: Patient, inputs: readonly Input[]): Model {
  const editor = new GraphEditor(model);
  for (const { name, mean, divisor, behind } of inputs) {
    const info = model.graph.inputs.find((input) => input.name === name)!;
    const type = info.type ?? binding.get(name)?.type ?? 'float32';
    const dims = [mean.length, ...Array.from({ length: behind }, () => 1)];
    editor.insertAfter(name, (X) => {
      const inner = [X, editor.constant(`${name}.mean`, tensorOf(type, dims, mean))];
      const [centred] = editor.add('Sub', inner, `${name}.centred`);
      const by = editor.constant(`${name}.deviation`, tensorOf(type, dims, divisor));
      return editor.add('Div', [centred!, by], `${name}.standardized`)[0]!;
    });
  }
  return editor.done();
}

function sayFar({ mean, deviation }: InputStatistics): string {
  const range = (values: readonly number[]) => {
    const [low, high] = [Math.min(...values), Math.max(...values)].map((x) => Number(x.toPrecision(2)));
    return low === high ? `${low}` : `from ${low} to ${high}`;
  };
  return `means ${range(mean)} and deviations ${range(deviation)}`;
}

/** Longer lists are taken from the data where they are used. */
const MOST_SHOWN = 16;

function patchOf(inputs: readonly Input[]): Patch {
  const all = inputs.map((input) => onePatch(input));
  const join = (framework: keyof Patch) => all.map((patch) => patch[framework]).join('\n');
  return { pytorch: join('pytorch'), keras: join('keras'), tfjs: join('tfjs') };
}

function onePatch({ name, mean, divisor, behind }: Input): Patch {
  const list = (values: readonly number[]) => `[${values.map((x) => Number(x.toPrecision(6))).join(', ')}]`;
  const short = mean.length <= MOST_SHOWN;
  const shape = behind > 0 ? `.reshape(-1${', 1'.repeat(behind)})` : '';
  const last = behind > 0 ? ', channels last' : '';
  const torch = short
    ? `mean = torch.tensor(${list(mean)})${shape}
deviation = torch.tensor(${list(divisor)})${shape}`
    : `x = training_inputs.reshape(-1, ${mean.length})  # all that is trained on
mean, deviation = x.mean(0), x.std(0)
deviation[deviation == 0] = 1${mean.length > MANY ? `\ndeviation = deviation.clamp(min=${FLOOR} * deviation.median())` : ''}`;
  const keras = short
    ? `norm = keras.layers.Normalization(axis=-1, mean=${list(mean)}, variance=${list(divisor.map((s) => s * s))})`
    : `norm = keras.layers.Normalization(axis=-1)
norm.adapt(training_inputs)`;
  const tfjs = short
    ? `const mean = tf.tensor1d(${list(mean)});
const deviation = tf.tensor1d(${list(divisor)});`
    : `const { mean, variance } = tf.moments(trainingInputs.reshape([-1, ${mean.length}]), 0);
const deviation = tf.where(variance.equal(0), tf.onesLike(variance), variance.sqrt());`;
  return {
    pytorch: `import torch
import torch.nn as nn

# the input ${name}
${torch}

class Standardized(nn.Module):
    def __init__(self, model):
        super().__init__()
        self.model = model
        self.register_buffer("mean", mean)
        self.register_buffer("deviation", deviation)

    def forward(self, x, *others):
        return self.model((x - self.mean) / self.deviation, *others)

model = Standardized(model)
`,
    keras: `import keras

# the input ${name}${last}, of a model with one input
${keras}
read = []  # the input as it is, and standardized

def call(layer, *args, **kwargs):
    if not read:
        read.extend([args[0], norm(args[0])])
    if args[0] is read[0]:
        args = (read[1], *args[1:])
    return layer(*args, **kwargs)

${kerasRebuild.join('\n')}
`,
    tfjs: `// the input ${name}${last}: the same numbers in training and in use
${tfjs}
const standardize = (x) => tf.tidy(() => x.sub(mean).div(deviation));
await model.fit(standardize(trainingInputs), targets);
`,
  };
}

/** Remedies for what a network is fed. */
export const dataRemedies: readonly Remedy[] = [standardizeInputs];
