// Healthy networks trained to convergence and diagnosed again: small gradients everywhere are no illness.
import { diagnose, nodeRuntime, train } from '../../dist/node.js';
import { specOf } from './designs.mjs';
import { modelOf } from './label.mjs';

const runtime = nodeRuntime({ threads: 2 });
const HOW_MANY = 20;
/** Times the steps the label took, with a learning rate that goes to zero along a cosine. */
const LONGER = 4;

/** The families in turn, so that all of them are among the twenty. */
function choose(results) {
  const healthy = results.filter(({ confirmed, sick }) => confirmed && !sick);
  const families = Map.groupBy ? Map.groupBy(healthy, ({ network }) => network.family) : groupBy(healthy);
  const lists = [...families.values()];
  const chosen = [];
  for (let i = 0; chosen.length < Math.min(HOW_MANY, healthy.length); i++) {
    const list = lists[i % lists.length];
    const next = list[Math.floor(i / lists.length) * 2];
    if (next) chosen.push(next.network);
    if (i > 1000) break;
  }
  return chosen;
}

function groupBy(results) {
  const groups = new Map();
  for (const result of results) {
    const { family } = result.network;
    groups.set(family, [...(groups.get(family) ?? []), result]);
  }
  return groups;
}

/** Lines of the report. */
export async function convergedNetworks(results, say) {
  const rows = [];
  for (const network of choose(results)) {
    const { data, batch } = network;
    const steps = LONGER * network.steps;
    const samples = data.startsWith('mnist') ? 2000 : 20_000;
    const losses = [];
    let trained;
    const model = await modelOf(specOf(network));
    for await (const event of train(model, {
      runtime,
      data,
      samples,
      batch,
      steps,
      seed: 1,
      schedule: { kind: 'cosine' },
    })) {
      if (event.kind === 'step') losses.push(event.loss);
      if (event.kind === 'end') trained = event.trainingModel;
    }
    const { diagnosis, profile } = await diagnose(trained, { runtime, data, size: batch, seed: 1 });
    const tail = losses.slice(-50).reduce((sum, loss) => sum + loss, 0) / 50;
    const errors = diagnosis.findings.filter(({ severity }) => severity === 'error').map(({ rule }) => rule);
    const gradient = Math.hypot(...profile.parameters.map(({ gradient }) => gradient.l2));
    rows.push({ id: network.id, steps, tail, gradient, errors });
    say(`converged: ${network.id} ${tail.toExponential(1)} ${errors.join(', ')}`);
  }
  const flagged = rows.filter(({ errors }) => errors.length > 0).length;
  return {
    lines: [
      '## Converged networks',
      '',
      `${rows.length} healthy networks trained ${LONGER} times as long with a cosine to zero, and diagnosed again: ${flagged} flagged (target: none).`,
      '',
      '| network | steps | training loss | gradient norm | errors |',
      '| --- | --- | --- | --- | --- |',
      ...rows.map(
        ({ id, steps, tail, gradient, errors }) =>
          `| ${id} | ${steps} | ${tail.toExponential(1)} | ${gradient.toExponential(1)} | ${errors.join(', ') || '–'} |`,
      ),
    ],
  };
}
