/** Words that say which tensor of a layer a parameter is, not which layer. */
const roles =
  /^(weight|weights|bias|biases|kernel|gamma|beta|scale|slope|w|b|g|v|ih|hh|recurrent|proj|in|embeddings|depthwise|pointwise|var|reverse)$/i;
/** What TensorFlow appends to a layer's scope for the operation that reads a variable. */
const tensorFlowTail =
  /(\/(ReadVariableOp|MatMul|BiasAdd|Conv[123]D|Cast|Tensordot|FusedBatchNormV3|batchnorm|mul|add|sub|Rsqrt)(_\d+)?)+(:\d+)?$/i;
/** Names that exporters make up for weights they have folded or lifted. */
const madeUp = /^(onnx::|_|val_|const|\d)/i;

/**
 * The layer a parameter belongs to: its name without the words that say which tensor it is. `hidden.0.weight` →
 * `hidden.0`, `rnn.weight_ih_l1` → `rnn.l1`, `gpu_0/conv1_w_0` → `gpu_0/conv1`. Where the name is made up
 * (`onnx::MatMul_12`), the module path in the reading node's name is taken.
 */
export function layerNameOf(parameter: string, nodeName: string): string {
  if (madeUp.test(parameter)) return modulePath(nodeName) ?? (nodeName || parameter);
  const name = parameter.replace(tensorFlowTail, '').replace(/:\d+$/, '');
  if (name !== parameter && /\/ReadVariableOp/i.test(parameter)) return name;
  const cut = Math.max(name.lastIndexOf('.'), name.lastIndexOf('/'));
  const [scope, last] = [name.slice(0, Math.max(cut, 0)), name.slice(cut + 1)];
  const rest = stripRoles(last);
  if (rest === '') return scope || name;
  return scope === '' ? rest : `${scope}${name[cut]}${rest}`;
}

/** The words of a name's last component that do not say a role; a counter behind a role goes with it. */
function stripRoles(component: string): string {
  const words = component.split('_');
  if (!words.some((word) => roles.test(word))) return component;
  const strong = words.some((word) => /^(weight|weights|bias|biases|kernel|gamma|beta|w|b)$/i.test(word));
  if (!strong && words.length > 1) return component;
  return words
    .filter((word, i) => !isRole(words, i) && !(/^\d+$/.test(word) && i > 0 && roles.test(words[i - 1]!)))
    .join('_');
}

function isRole(words: readonly string[], i: number): boolean {
  // in_proj and out_proj are modules of attention: only tensors named by weight, bias and the like lose their last word.
  if (/^(in|proj|reverse)$/i.test(words[i]!)) return words.length === 1 || /^reverse$/i.test(words[i]!);
  return roles.test(words[i]!);
}

/** `/features/features.1/Conv` → `features.1`: PyTorch's node names spell the module path, each part with its parent's. */
function modulePath(nodeName: string): string | undefined {
  if (!nodeName.startsWith('/')) return undefined;
  const path: string[] = [];
  for (const part of nodeName.split('/').slice(1, -1)) {
    const parent = path.at(-1);
    if (parent !== undefined && part.startsWith(`${parent}.`)) path[path.length - 1] = part;
    else path.push(part);
  }
  return path.length > 0 ? path.join('.') : undefined;
}
