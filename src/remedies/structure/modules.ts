import type { ActivationSite } from '../rewrite/activation-sites.ts';

/**
 * The PyTorch module of an activation function, as exporters name its node: `/acts.2/Sigmoid` → `acts.2`. Undefined
 * where it is a function call, or one module that is called several times (`/relu_1/Relu`).
 */
export function moduleOf({ nodes, op }: ActivationSite): string | undefined {
  const [, path] = /^\/(.+)\/[^/]+$/.exec(nodes.at(-1)!) ?? [];
  const isOwn = path !== undefined && nodes.length === 1 && nodes[0]!.endsWith(`/${op}`) && /\.\d+$/.test(path);
  return isOwn ? path.replaceAll('/', '.') : undefined;
}
