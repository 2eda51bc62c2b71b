import type { Model } from '../../graph/graph.ts';
import type { ActivationSite } from '../rewrite/activation-sites.ts';
import type { Stage } from '../rewrite/stages.ts';

/**
 * The PyTorch module that a node stands for, by the name exporters give it: `/features/features.1/Tanh` → `features.1`.
 * Undefined where it is a function call within a larger module, or one module that is called several times
 * (`/relu_1/Relu`).
 */
function moduleAt(node: string, { graph }: Model): string | undefined {
  const [, path] = /^\/(.+)\/[^/]+$/.exec(node) ?? [];
  if (path === undefined) return undefined;
  const names = graph.nodes.map(({ name }) => name);
  if (names.some((name) => name !== node && name.startsWith(`/${path}/`))) return undefined;
  const first = path.replace(/_\d+$/, '');
  const again = names.some((name) => {
    const other = /^\/(.+)\/[^/]+$/.exec(name)?.[1];
    return other !== undefined && other !== path && other.replace(/_\d+$/, '') === first;
  });
  if (again) return undefined;
  const parts: string[] = [];
  for (const part of path.split('/')) {
    // Of a list's element the exporter repeats the list: net, net.0, net.0.1.
    if (parts.length > 0 && part.startsWith(`${parts.at(-1)}.`)) parts.pop();
    parts.push(part);
  }
  const module = parts.join('.');
  return [...graph.initializers.keys()].some((name) => name.startsWith(`${module}.`)) ? undefined : module;
}

/** The PyTorch module of an activation function; undefined where it has none of its own. */
export function moduleOf({ nodes, op }: ActivationSite, model: Model): string | undefined {
  const [node] = nodes;
  return nodes.length === 1 && node!.endsWith(`/${op}`) ? moduleAt(node!, model) : undefined;
}

/** The PyTorch module that computes what an activation function reads: the layer, or what stands between the two. */
export function moduleBefore({ layer, result, site }: Stage, model: Model): string | undefined {
  if (!site || site.input === result) return layer;
  const node = model.graph.nodes.find(({ outputs }) => outputs.includes(site.input));
  const own = node?.inputs.find((name) => /\.weight$/.test(name) && model.graph.initializers.has(name));
  if (own) return own.replace(/\.weight$/, '');
  return node && moduleAt(node.name, model);
}
