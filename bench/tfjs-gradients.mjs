// Registers TF.js's gradients. What tfjs-core gives Node leaves them out, and its ES modules, which hold them, are written
// for bundlers: Node is told where each import without an extension leads. Both copies share one registry.
import { existsSync } from 'node:fs';
import { register } from 'node:module';
import { fileURLToPath } from 'node:url';

const hooks = `
import { existsSync, statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
const inCore = (url) => url?.includes('/@tensorflow/tfjs-core/dist/');
const isFile = (url) => existsSync(fileURLToPath(url)) && statSync(fileURLToPath(url)).isFile();
export async function resolve(specifier, context, next) {
  const relative = specifier.startsWith('.') && inCore(context.parentURL);
  if (!relative && !(inCore(specifier) && specifier.endsWith('register_all_gradients.js'))) return next(specifier, context);
  const base = new URL(specifier, context.parentURL).href;
  const url = [base, base + '.js', base + '/index.js'].find(isFile) ?? base;
  return { url, format: 'module', shortCircuit: true };
}`;

const gradients = new URL('../node_modules/@tensorflow/tfjs-core/dist/register_all_gradients.js', import.meta.url);
if (!existsSync(fileURLToPath(gradients))) throw new Error('@tensorflow/tfjs-core is not installed');
register(`data:text/javascript,${encodeURIComponent(hooks)}`);
await import(gradients.href);
