import type { OutputSpec } from '../../../graph/assembler.ts';
import { sameShape } from '../../../graph/shapes.ts';
import { rule } from '../../rule.ts';

/**
 * An If whose condition depends on the data: dX = the gradient through the branch taken, as an If whose branches
 * compute the forward branch again and pull the gradient back through it; zero where the branch does not read X.
 */
export const If = rule('cond -> outputs*?', ({ cond, doutputs, g, attributes, captured, open, refuse }) => {
  const branches = (['then_branch', 'else_branch'] as const).map((name) => {
    const body = open(attributes.graph(name) ?? refuse(`it has no ${name}`), []);
    const upstream = body.outputs.flatMap((output, i) => {
      const gradient = doutputs[i];
      if (!gradient) return [];
      if (!sameShape(output.shape, gradient.shape)) {
        const shapes = `[${output.shape.join(', ')}] in its ${name}, [${gradient.shape.join(', ')}] in the other`;
        return refuse(`its output ${i} has shape ${shapes}`, 'make both branches return one shape');
      }
      return [[output, gradient] as const];
    });
    return { body, gradients: body.pullBack(upstream, captured) };
  });
  const reached = captured.filter((_, i) => branches.some(({ gradients }) => gradients[i]));
  if (reached.length === 0) return {};
  const [thenBranch, elseBranch] = branches.map(({ body, gradients }) =>
    body.close(reached.map((value) => gradients[captured.indexOf(value)] ?? body.g.zerosLike(value))),
  );
  const specs = reached.map(({ type, shape }): OutputSpec => [type, shape]);
  const results = g.add('If', [cond], specs, { then_branch: thenBranch!, else_branch: elseBranch! });
  return { captured: captured.map((value) => () => results[reached.indexOf(value)] ?? null) };
});
