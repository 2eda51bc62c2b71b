import type { DifferentiatedModel } from '../verbs/differentiate.ts';

type Step = NonNullable<DifferentiatedModel['step']>;

/** How to run a written file in Python, and where it is no training step in JavaScript; names are the file's own. */
export function usageLines(result: DifferentiatedModel, file: string, stateFile = ''): string[] {
  const { model, target, step, gradients } = result;
  const state = new Set([step?.learningRateInput, ...(step?.state ?? []).map(({ input }) => input)]);
  const inputs = model.graph.inputs.map(({ name }) => name).filter((name) => !state.has(name));
  const variables = variablesOf(inputs, target);
  const feeds = inputs.map((name) => `${quote(name)}: ${variables.get(name)}`).join(', ');
  if (step) {
    const type = model.graph.inputs.find(({ name }) => name === step.learningRateInput)?.type ?? 'float32';
    return stepLines([file, stateFile], { feeds, batch: [...variables.values()].join(', '), type }, step);
  }
  const [gradient] = gradients.values();
  const fetched = gradient === undefined ? ['loss'] : ['loss', gradient];
  return [
    '  Python      import onnxruntime as ort',
    `              session = ort.InferenceSession(${quote(file)})`,
    `              ${gradient === undefined ? 'loss,' : 'loss, gradient'} = session.run([${fetched.map(quote).join(', ')}], {${feeds}})`,
    '',
    "  JavaScript  import * as ort from 'onnxruntime-node'",
    `              const session = await ort.InferenceSession.create(${quote(file)})`,
    `              const results = await session.run({${feeds}})`,
    `              results[${quote(gradient ?? 'loss')}].data`,
  ];
}

function stepLines(
  [step, state]: readonly string[],
  { feeds, batch, type }: { feeds: string; batch: string; type: string },
  { learningRate, learningRateInput }: Step,
): string[] {
  // A bare np.float32 is no array: onnxruntime refuses it.
  const rate = `${quote(learningRateInput)}: np.array(${learningRate}, np.${type})`;
  return [
    '  Python      import numpy as np, onnxruntime as ort',
    `              session, initial = ort.InferenceSession(${quote(step!)}), ort.InferenceSession(${quote(state!)})`,
    '              run = lambda s, feeds: dict(zip([o.name for o in s.get_outputs()], s.run(None, feeds)))',
    '              state = run(initial, {})',
    `              for ${batch} in batches:`,
    `                  results = run(session, {${feeds}, ${rate}, **state})`,
    '                  state = {name[:-5]: value for name, value in results.items() if name.endswith(":next")}',
  ];
}

/** The snippet's own variables, and Python's keywords that a model might use for names. */
const reserved =
  'labels results state session initial run ort np batches loss gradient None True False and as class def del else for ' +
  'from global if import in is lambda not or pass return try while with';

/** A variable for each input: x for the only one, its own name where there are several, labels for the target. */
function variablesOf(inputs: readonly string[], target: string | undefined): Map<string, string> {
  const data = inputs.filter((name) => name !== target);
  const taken = new Set(reserved.split(' '));
  const variables = new Map<string, string>();
  for (const name of inputs) {
    if (name === target) variables.set(name, 'labels');
    else if (data.length === 1) variables.set(name, 'x');
    else {
      const word = name.replace(/\W+/g, '_').replace(/^(\d|_*$)/, 'x$1');
      let free = word;
      for (let i = 2; taken.has(free); i++) free = `${word}${i}`;
      taken.add(free);
      variables.set(name, free);
    }
  }
  return variables;
}

function quote(text: string): string {
  return JSON.stringify(text);
}
