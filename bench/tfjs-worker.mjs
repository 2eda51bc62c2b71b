// Training steps in TF.js: a backend (wasm or cpu) and a network on the command line, questions on stdin (answer.mjs).
import * as tf from '@tensorflow/tfjs-core';
import './tfjs-gradients.mjs';
import { answer } from './answer.mjs';
import { networks } from './tfjs-networks.mjs';

const [backend, name] = process.argv.slice(2);
if (backend === 'wasm') {
  const { setThreadsCount } = await import('@tensorflow/tfjs-backend-wasm');
  // Of no effect in Node: TF.js 4.22 takes its wasm threads for missing there, and told otherwise cannot start them.
  setThreadsCount(2);
} else await import('@tensorflow/tfjs-backend-cpu');
// No advice on standard error, no checks for NaN.
tf.env().set('PROD', true);
await tf.setBackend(backend);
await tf.ready();

function stepOf(after) {
  const parameters = [];
  const parameter = (shape, deviation, mean = 0) => {
    const seed = parameters.length + 1;
    const variable = tf.variable(
      deviation > 0 ? tf.randomNormal(shape, mean, deviation, 'float32', seed) : tf.fill(shape, mean),
    );
    parameters.push(variable);
    return variable;
  };
  const { x: shape, forward } = networks[name](tf, parameter);
  const x = tf.randomNormal(shape, 0, 1, 'float32', 7);
  const optimizer = tf.train.sgd(0.001);
  let labels;
  return () =>
    tf.tidy(() => {
      const { value, grads } = tf.variableGrads(() => {
        const logits = forward(x);
        labels ??= tf.keep(
          tf.oneHot(
            tf.tensor1d(
              Array.from({ length: logits.shape[0] }, (_, i) => i % 10),
              'int32',
            ),
            10,
          ),
        );
        return tf.losses.softmaxCrossEntropy(labels, logits);
      }, parameters);
      optimizer.applyGradients(grads);
      const loss = value.dataSync()[0];
      if (!Number.isFinite(loss)) throw new Error(`the loss is ${loss}`);
      after?.(Object.values(grads));
    });
}

/** Every gradient's norm, read in one go. */
const norms = (grads) => tf.stack(grads.map((grad) => tf.sqrt(tf.sum(tf.square(grad))))).dataSync();

function histogram(data) {
  let [low, high] = [Infinity, -Infinity];
  for (const value of data) {
    if (value < low) low = value;
    if (value > high) high = value;
  }
  const counts = new Float64Array(64);
  const scale = high > low ? 63.999 / (high - low) : 0;
  for (const value of data) counts[Math.trunc((value - low) * scale)]++;
  return counts;
}

await answer({
  plain: () => stepOf(),
  monitored: () => stepOf(norms),
  inspected: () =>
    stepOf((grads) => {
      norms(grads);
      for (const grad of grads) histogram(grad.dataSync());
    }),
});
